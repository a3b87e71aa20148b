//! Rooms of portals: made, adopted, kept up to date, given up and made anew.
//!
//! Knows in which order a room comes to be: the bot makes it with its state, the ghosts come, and its owner is asked in
//! last. Refuses to take for granted that it is still there: something that is refused has it looked at.

use std::sync::Arc;
use std::time::Duration;

use ruma::events::StateEventType;
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde_json::json;
use tokio::sync::Mutex;

use super::alias::RoomAliases;
use super::creation::{NewRoom, RoomCreator};
use super::direct::DirectRooms;
use super::leaver::RoomLeaver;
use super::lock::PortalLocks;
use super::member::RoomMembers;
use super::registry::RoomRegistry;
use super::space_queue::SpaceQueue;
use super::state::{RoomStates, Shown};
use crate::bridge::ids::PortalKey;
use crate::bridge::port::delivery::{DeliveryError, Display};
use crate::matrix::homeserver::{EventSender, Homeserver, MatrixError};
use crate::matrix::profile::{BotProfile, DoublePuppets, GhostIds, GhostProfiles};

/// After a room that nobody waits for, so long is nothing made: the homeserver has more to do.
const PAUSE: Duration = Duration::from_millis(100);

/// Makes rooms for portals.
pub(crate) struct PortalRooms {
    pub(crate) homeserver: Homeserver,
    pub(crate) sender: Arc<EventSender>,
    pub(crate) registry: Arc<RoomRegistry>,
    pub(crate) members: Arc<RoomMembers>,
    pub(crate) aliases: Arc<RoomAliases>,
    pub(crate) ids: Arc<GhostIds>,
    pub(crate) profiles: Arc<GhostProfiles>,
    pub(crate) puppets: Arc<DoublePuppets>,
    pub(crate) bot: Arc<BotProfile>,
    pub(crate) creator: RoomCreator,
    pub(crate) states: RoomStates,
    pub(crate) direct: DirectRooms,
    pub(crate) leaver: Arc<RoomLeaver>,
    /// Told of rooms that have come to be.
    pub(crate) spaces: Arc<SpaceQueue>,
    pub(crate) locks: PortalLocks,
    /// One room that nobody waits for at a time.
    pub(crate) making: Mutex<()>,
}

impl PortalRooms {
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
                self.complete(portal, &room, &owner, display).await?;
                return Ok(room);
            }
            // The login is somebody else's now, and what they are told is not for those who are in that room.
            tracing::info!(%portal, %room, "the login has another owner, making another room");
            self.leaver.put(&room, self.ghosts_of(portal)?, None).await?;
            self.forget(portal, &room).await?;
        }
        let room = self.make(portal, &owner, display).await?;
        self.complete(portal, &room, &owner, display).await?;
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

    fn facts(&self, portal: &PortalKey, display: &Display) -> Shown {
        let person = match display.people.as_slice() {
            [one] if !display.is_group => self.ids.user(&portal.receiver, &one.id).ok(),
            _ => None,
        };
        Shown { title: self.title(portal, display), is_group: display.is_group, person, ..Shown::default() }
    }

    fn title(&self, portal: &PortalKey, display: &Display) -> Option<String> {
        match portal.management_user() {
            Some(_) => Some(self.bot.name().to_owned()).filter(|name| !name.is_empty()),
            None => display.title.clone(),
        }
    }

    /// The ghosts of those in a conversation.
    async fn ghosts(&self, portal: &PortalKey, display: &Display) -> Result<Vec<OwnedUserId>, DeliveryError> {
        let mut ghosts = Vec::new();
        for person in &display.people {
            match self.profiles.ensure(&portal.receiver, person).await {
                Ok(user) => ghosts.push(user),
                Err(DeliveryError::Permanent { reason }) => {
                    tracing::info!(%portal, reason, "somebody cannot be shown");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(ghosts)
    }

    /// A room with nobody but the bot in it yet, or the one that an earlier run made.
    async fn make(
        &self,
        portal: &PortalKey,
        owner: &UserId,
        display: &Display,
    ) -> Result<OwnedRoomId, DeliveryError> {
        let ghosts = self.ghosts(portal, display).await?;
        let shown = self.facts(portal, display);
        let state = self.states.wanted(portal, &shown).await?;
        let name = shown.title.as_deref();
        let new = NewRoom { portal, owner, name, ghosts: &ghosts, state: state.clone() };
        match self.creator.create(new).await {
            Ok(room) => {
                self.registry.remember(portal, &room).await?;
                if let Some(title) = &display.title {
                    self.registry.remember_title(portal, title);
                }
                self.states.made(portal, shown, &state).await?;
                Ok(room)
            }
            Err(error) if error.is("M_ROOM_IN_USE") => {
                let room = self.aliases.adopt(portal).await?;
                self.registry.remember(portal, &room).await?;
                self.states.made(portal, shown, &[]).await?;
                Ok(room)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Brings everybody into a room, the owner last, and has it say what it is.
    async fn complete(
        &self,
        portal: &PortalKey,
        room: &RoomId,
        owner: &UserId,
        display: &Display,
    ) -> Result<(), DeliveryError> {
        for ghost in self.ghosts(portal, display).await? {
            match self.members.ensure_joined(room, &ghost).await {
                Ok(()) => {}
                // Whoever is shut out there is spoken for by the bot.
                Err(error @ MatrixError::Refused { .. }) => {
                    tracing::info!(%error, %ghost, "a ghost is not there")
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(title) = &display.title {
            self.ensure_title(portal, room, title).await?;
        }
        let facts = self.facts(portal, display);
        self.states.publish(portal, room, |shown| shown.learn(&facts)).await?;
        self.bring_owner(portal, room, owner, &facts).await?;
        self.spaces.again(&portal.receiver);
        self.registry.remember_made(portal, owner, display.title.as_deref()).await
    }

    async fn bring_owner(
        &self,
        portal: &PortalKey,
        room: &RoomId,
        owner: &UserId,
        facts: &Shown,
    ) -> Result<(), DeliveryError> {
        let other = match portal.management_user() {
            Some(_) => Some(self.homeserver.bot()),
            None => facts.person.as_deref(),
        };
        self.creator.invite(room, owner, other.is_some()).await?;
        if !self.puppets.may_act_as(owner).await? {
            return Ok(());
        }
        match self.members.ensure_joined(room, owner).await {
            Ok(()) => {}
            Err(error @ MatrixError::Refused { .. }) => {
                tracing::info!(%error, %owner, "an owner is not there")
            }
            Err(error) => return Err(error.into()),
        }
        if let Some(other) = other {
            self.direct.mark(owner, other, Some(room), None).await?;
        }
        Ok(())
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
            self.complete(portal, &room, &owner, display).await?;
            tokio::time::sleep(PAUSE).await;
            return Ok(());
        }
        let room = self.ensure(portal, display).await?;
        let _lock = self.locks.lock(portal).await;
        if let Some(title) = &display.title {
            self.ensure_title(portal, &room, title).await?;
        }
        let facts = self.facts(portal, display);
        self.states.publish(portal, &room, |shown| shown.learn(&facts)).await
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
        self.ensure_title(portal, room, title).await?;
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

    /// Names a portal's room, unless it was named so last: what its people call it themselves stays until then.
    async fn ensure_title(
        &self,
        portal: &PortalKey,
        room: &RoomId,
        title: &str,
    ) -> Result<(), DeliveryError> {
        if self.registry.has_title(portal, title)? {
            return Ok(());
        }
        match self.sender.put_state(room, StateEventType::RoomName, "", &json!({"name": title})).await {
            Ok(()) => {}
            // Without the right to name it the room is as good.
            Err(error @ MatrixError::Refused { .. }) => {
                tracing::info!(%error, %portal, "a room could not be named");
            }
            Err(error) => return Err(error.into()),
        }
        self.registry.remember_title(portal, title);
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

    /// Takes the room of a portal away from everybody, its owner included where the bridge may; only what is said makes
    /// another.
    ///
    /// # Errors
    /// The homeserver is not available, or the store failed.
    pub(crate) async fn delete(&self, portal: &PortalKey) -> Result<(), DeliveryError> {
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
        self.leaver.put(&room, ghosts, owner.as_deref()).await
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
