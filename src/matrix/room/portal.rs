//! Rooms of portals: made, adopted, kept up to date, given up and made anew.
//!
//! Knows which portals have a room, and lets one at a time change a portal's. Refuses to take for granted that it is still
//! there: something that is refused has it looked at.

use std::sync::Arc;
use std::time::Duration;

use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use tokio::sync::Mutex;

use super::alias::RoomAliases;
use super::direct::DirectRooms;
use super::leaver::RoomLeaver;
use super::maker::RoomMaker;
use super::member::RoomMembers;
use super::registry::RoomRegistry;
use super::space_queue::SpaceQueue;
use super::state::RoomStates;
use crate::bridge::ids::{LoginId, PortalKey};
use crate::bridge::port::delivery::{DeliveryError, Display};
use crate::bridge::port::storage::Storage;
use crate::matrix::homeserver::{Homeserver, MatrixError};
use crate::matrix::lock::KeyedLocks;
use crate::matrix::profile::{DoublePuppets, GhostIds, GhostProfiles};

/// After a room that nobody waits for, so long is nothing made: the homeserver has more to do.
const PAUSE: Duration = Duration::from_millis(100);

/// Makes rooms for portals.
pub(crate) struct PortalRooms {
    homeserver: Homeserver,
    registry: Arc<RoomRegistry>,
    members: Arc<RoomMembers>,
    aliases: Arc<RoomAliases>,
    ids: Arc<GhostIds>,
    profiles: Arc<GhostProfiles>,
    puppets: Arc<DoublePuppets>,
    states: Arc<RoomStates>,
    direct: Arc<DirectRooms>,
    maker: RoomMaker,
    pub(crate) leaver: RoomLeaver,
    /// Told of rooms that have come to be.
    spaces: Arc<SpaceQueue>,
    locks: KeyedLocks,
    /// One room that nobody waits for at a time.
    making: Mutex<()>,
}

impl PortalRooms {
    /// Around what makes rooms whole.
    pub(crate) fn new(maker: RoomMaker, storage: Arc<dyn Storage>) -> Self {
        let leaver = RoomLeaver::new(
            maker.homeserver.clone(),
            maker.ids.clone(),
            storage,
            maker.members.clone(),
            maker.puppets.clone(),
        );
        Self {
            homeserver: maker.homeserver.clone(),
            registry: maker.registry.clone(),
            members: maker.members.clone(),
            aliases: maker.aliases.clone(),
            ids: maker.ids.clone(),
            profiles: maker.profiles.clone(),
            puppets: maker.puppets.clone(),
            states: maker.states.clone(),
            direct: maker.direct.clone(),
            leaver,
            spaces: maker.spaces.clone(),
            maker,
            locks: KeyedLocks::default(),
            making: Mutex::default(),
        }
    }

    /// The portal's room, made if there is none.
    ///
    /// # Errors
    /// Permanent where nobody holds the portal's login and there is no room, or the homeserver refuses to make one;
    /// transient otherwise.
    pub(crate) async fn ensure(
        &self,
        portal: &PortalKey,
        display: &Display,
    ) -> Result<OwnedRoomId, DeliveryError> {
        if let Some(room) = self.whole(portal)? {
            return Ok(room);
        }
        let _one = self.locks.lock(portal).await;
        // Somebody else may have made it meanwhile.
        if let Some(room) = self.whole(portal)? {
            return Ok(room);
        }
        let Some(owner) = self.registry.owner_of(portal)? else {
            return Err(DeliveryError::permanent("nobody holds this conversation's login any more"));
        };
        if let Some(room) = self.registry.room_of(portal)? {
            if self.registry.made_for(portal)?.is_none_or(|made_for| made_for == owner) {
                self.maker.complete(portal, &room, &owner, display).await?;
                return Ok(room);
            }
            // The login is somebody else's now, and what they are told is not for those who are in that room.
            tracing::info!(%portal, %room, "the login has another owner, making another room");
            self.leaver.put(&room, self.ghosts_of(portal)?, None).await?;
            self.forget(portal, &room).await?;
        }
        let room = self.maker.make(portal, &owner, display).await?;
        self.maker.complete(portal, &room, &owner, display).await?;
        tracing::info!(%portal, %room, "portal room ready");
        Ok(room)
    }

    /// The room of a portal, if it was made to the end for whoever has the login now. After a logout the room is still the
    /// place to say that nobody is signed in.
    fn whole(&self, portal: &PortalKey) -> Result<Option<OwnedRoomId>, DeliveryError> {
        let Some(room) = self.registry.room_of(portal)? else { return Ok(None) };
        let Some(owner) = self.registry.owner_of(portal)? else { return Ok(Some(room)) };
        Ok(self.registry.made_for(portal)?.filter(|made_for| *made_for == owner).map(|_| room))
    }

    /// Has the room of a portal show what is so now, if there is one. Where there is none and it `makes` one, one is made,
    /// unless its owner left the last.
    ///
    /// # Errors
    /// As for [`PortalRooms::ensure`].
    pub(crate) async fn show(
        &self,
        portal: &PortalKey,
        display: &Display,
        makes: bool,
    ) -> Result<(), DeliveryError> {
        let Some(owner) = self.registry.owner_of(portal)? else { return Ok(()) };
        let Some(room) = self.registry.room_of(portal)? else {
            if !makes || self.states.is_left_by(portal, &owner)? {
                return Ok(());
            }
            let _one = self.making.lock().await;
            self.ensure(portal, display).await?;
            tokio::time::sleep(PAUSE).await;
            return Ok(());
        };
        if self.states.shown(portal)?.is_none() {
            // Made before rooms were whole from the start.
            let _one = self.making.lock().await;
            let _lock = self.locks.lock(portal).await;
            tracing::info!(%portal, %room, "bringing a room up to date");
            self.maker.complete(portal, &room, &owner, display).await?;
            tokio::time::sleep(PAUSE).await;
            return Ok(());
        }
        let room = self.ensure(portal, display).await?;
        let _lock = self.locks.lock(portal).await;
        if let Some(title) = &display.title {
            self.maker.ensure_title(portal, &room, title).await?;
        }
        let facts = self.maker.facts(portal, display);
        self.states.publish(portal, &room, |shown| shown.learn(&facts)).await
    }

    /// A conversation is called otherwise now: its room is too, if it has one. A room that is being made under the old name
    /// is waited for.
    ///
    /// # Errors
    /// As for [`PortalRooms::retitle`].
    pub(crate) async fn rename(&self, portal: &PortalKey, title: &str) -> Result<(), DeliveryError> {
        let making = self.locks.lock(portal).await;
        let room = self.registry.room_of(portal)?;
        drop(making);
        match room {
            Some(room) => self.retitle(portal, &room, title).await,
            None => Ok(()),
        }
    }

    /// A conversation is called so: its room is, unless that is old news.
    ///
    /// # Errors
    /// Transient: the homeserver is not available, or the store failed.
    pub(crate) async fn retitle(
        &self,
        portal: &PortalKey,
        room: &RoomId,
        title: &str,
    ) -> Result<(), DeliveryError> {
        if self.registry.has_title(portal, title)? {
            return Ok(());
        }
        let _one = self.locks.lock(portal).await;
        self.maker.ensure_title(portal, room, title).await?;
        if self.states.shown(portal)?.is_none() {
            return Ok(());
        }
        self.states.publish(portal, room, |shown| shown.title = Some(title.to_owned())).await
    }

    /// A ghost has another picture: so do the rooms that bear it.
    ///
    /// # Errors
    /// Transient: the homeserver is not available, or the store failed.
    pub(crate) async fn repicture(&self, ghost: &UserId) -> Result<(), DeliveryError> {
        for room in self.registry.rooms_of(ghost) {
            let Some(portal) = self.registry.portal_of(&room)? else { continue };
            let _one = self.locks.lock(&portal).await;
            let shown = self.states.shown(&portal)?;
            if shown.is_some_and(|shown| shown.person.as_deref() == Some(ghost)) {
                self.states.publish(&portal, &room, |_| {}).await?;
            }
        }
        Ok(())
    }

    /// Something was refused: what was taken for granted is asked again, and a room that is gone is made anew.
    ///
    /// # Errors
    /// The homeserver is not available, or the store failed.
    pub(crate) async fn repair(&self, portal: &PortalKey) -> Result<(), DeliveryError> {
        // A homeserver that started anew knows no ghosts.
        self.profiles.forget_all();
        if let Some(owner) = self.registry.owner_of(portal)? {
            self.puppets.forget(&owner);
        }
        let Some(room) = self.registry.room_of(portal)? else { return Ok(()) };
        self.members.forget_room(&room);
        if !self.members.is_alive(&room).await? {
            tracing::warn!(%portal, %room, "the room is gone, making another");
            self.leaver.put(&room, self.ghosts_of(portal)?, None).await?;
            self.forget(portal, &room).await?;
        }
        Ok(())
    }

    /// Takes nothing for granted of a login's rooms: those that are gone are forgotten, and [`PortalRooms::show`] brings the
    /// others up to date as if nothing had been put there.
    ///
    /// # Errors
    /// Transient: the homeserver is not available, or the store failed.
    pub(crate) async fn doubt(&self, login: &LoginId) -> Result<(), DeliveryError> {
        for (conversation, room) in self.registry.rooms_of_login(login)? {
            let portal = PortalKey::new(login.clone(), conversation);
            let _one = self.locks.lock(&portal).await;
            self.members.forget_room(&room);
            let ghosts = self.ghosts_of(&portal)?;
            if !self.members.is_alive(&room).await? {
                self.leaver.put(&room, ghosts, None).await?;
                self.forget(&portal, &room).await?;
                continue;
            }
            for ghost in ghosts {
                self.profiles.doubt(&ghost).await?;
            }
            self.registry.forget_title(&portal);
            self.states.forget(&portal, None).await?;
        }
        Ok(())
    }

    fn ghosts_of(&self, portal: &PortalKey) -> Result<Vec<OwnedUserId>, DeliveryError> {
        Ok(self.states.shown(portal)?.and_then(|shown| shown.person).into_iter().collect())
    }

    /// Forgets a room that is gone, so that the next delivery makes another.
    ///
    /// # Errors
    /// The homeserver is not available, or the store failed.
    pub(crate) async fn forget(&self, portal: &PortalKey, room: &RoomId) -> Result<(), DeliveryError> {
        self.give_up(portal, room, None).await
    }

    async fn give_up(
        &self,
        portal: &PortalKey,
        room: &RoomId,
        left_by: Option<&UserId>,
    ) -> Result<(), DeliveryError> {
        let is_in_use = self.registry.is_in_use(portal, room)?;
        if is_in_use {
            self.aliases.free(portal).await?;
            self.states.forget(portal, left_by).await?;
        }
        self.registry.forget(portal, room, is_in_use).await?;
        self.members.forget_room(room);
        Ok(())
    }

    /// The owner left a room: ours leave it too, and only what is said makes another.
    ///
    /// # Errors
    /// The homeserver is not available, or the store failed.
    pub(crate) async fn abandon(
        &self,
        portal: &PortalKey,
        room: &RoomId,
        owner: &UserId,
    ) -> Result<(), DeliveryError> {
        let _one = self.locks.lock(portal).await;
        let ghosts = self.ghosts_of(portal)?;
        self.give_up(portal, room, Some(owner)).await?;
        self.leaver.put(room, ghosts, None).await
    }

    /// Takes the room of a portal away: ours leave it, and its owner is taken out where the bridge may, unless it
    /// `keeps_people`. Only what is said makes another.
    ///
    /// # Errors
    /// The homeserver is not available, or the store failed.
    pub(crate) async fn delete(&self, portal: &PortalKey, keeps_people: bool) -> Result<(), DeliveryError> {
        let _one = self.locks.lock(portal).await;
        let Some(room) = self.registry.room_of(portal)? else { return Ok(()) };
        let owner = self.registry.owner_of(portal)?;
        let ghosts = self.ghosts_of(portal)?;
        if let (Some(owner), Some(person)) = (&owner, ghosts.first()) {
            self.direct.mark(owner, person, None, Some(&room)).await?;
        }
        self.give_up(portal, &room, owner.as_deref()).await?;
        tracing::info!(%portal, %room, "a portal's room is deleted");
        self.spaces.again(&portal.receiver);
        self.leaver.put(&room, ghosts, owner.as_deref().filter(|_| !keeps_people)).await
    }

    /// A room that belongs to no conversation becomes that of a portal, in the place of the one that it has.
    ///
    /// # Errors
    /// The homeserver is not available or refuses, or the store failed.
    pub(crate) async fn settle_in(
        &self,
        portal: &PortalKey,
        display: &Display,
        room: &RoomId,
    ) -> Result<(), DeliveryError> {
        match self.registry.room_of(portal)? {
            Some(old) => drop(self.move_to(portal, &old, room).await?),
            None => {
                let _one = self.locks.lock(portal).await;
                self.aliases.move_to(portal, room).await?;
                self.registry.remember(portal, room).await?;
            }
        }
        tracing::info!(%portal, %room, "an ordinary room is a portal's");
        self.ensure(portal, display).await?;
        self.show(portal, display, false).await
    }

    /// A room takes the place of a portal's: the portal goes there with all that belongs to it, and the old room is left.
    /// False where the portal is somewhere else already.
    ///
    /// # Errors
    /// The homeserver is not available, or the store failed.
    pub(crate) async fn move_to(
        &self,
        portal: &PortalKey,
        old: &RoomId,
        new: &RoomId,
    ) -> Result<bool, DeliveryError> {
        let _one = self.locks.lock(portal).await;
        if self.registry.room_of(portal)?.as_deref() != Some(old) {
            return Ok(false);
        }
        let members = self.members.joined(old).await?;
        for ghost in members.iter().filter(|user| self.ids.is_ours(user)) {
            match self.members.ensure_joined(new, ghost).await {
                Ok(()) | Err(MatrixError::Refused { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.aliases.move_to(portal, new).await?;
        self.registry.remember(portal, new).await?;
        self.registry.forget(portal, old, false).await?;
        self.states.moved(portal).await?;
        self.states.publish(portal, new, |_| {}).await?;
        self.move_direct(portal, old, new).await?;
        self.spaces.again(&portal.receiver);
        self.leaver.put(old, Vec::new(), None).await?;
        tracing::info!(%portal, %old, %new, "followed an upgrade");
        Ok(true)
    }

    async fn move_direct(&self, portal: &PortalKey, old: &RoomId, new: &RoomId) -> Result<(), DeliveryError> {
        let person = self.states.shown(portal)?.and_then(|shown| shown.person);
        let other = match portal.management_user() {
            Some(_) => Some(self.homeserver.bot().to_owned()),
            None => person,
        };
        if let (Some(owner), Some(other)) = (self.registry.owner_of(portal)?, other) {
            self.direct.mark(&owner, &other, Some(new), Some(old)).await?;
        }
        Ok(())
    }
}
