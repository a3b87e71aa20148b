//! A portal's room on its way: made or adopted, filled with its people, told what it is.
//!
//! Knows the order: the bot makes the room with its state, the ghosts come, and its owner is asked in last. Refuses to decide
//! whether a portal needs a room, and to keep two from making the same: its caller does.

use std::sync::Arc;

use ruma::events::StateEventType;
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde_json::json;

use super::alias::RoomAliases;
use super::creation::{NewRoom, RoomCreator};
use super::direct::DirectRooms;
use super::member::RoomMembers;
use super::registry::RoomRegistry;
use super::space_queue::SpaceQueue;
use super::state::{RoomStates, Shown};
use crate::bridge::ids::PortalKey;
use crate::bridge::port::delivery::{DeliveryError, Display};
use crate::matrix::homeserver::{EventSender, Homeserver, MatrixError};
use crate::matrix::profile::{BotProfile, DoublePuppets, GhostIds, GhostProfiles};

/// Makes rooms whole.
pub(crate) struct RoomMaker {
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
    pub(crate) states: Arc<RoomStates>,
    pub(crate) direct: Arc<DirectRooms>,
    /// Told of rooms that have come to be.
    pub(crate) spaces: Arc<SpaceQueue>,
}

impl RoomMaker {
    /// What is known of a conversation.
    pub(crate) fn facts(&self, portal: &PortalKey, display: &Display) -> Shown {
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
    ///
    /// # Errors
    /// Permanent where the homeserver refuses to make one; transient otherwise.
    pub(crate) async fn make(
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
    ///
    /// # Errors
    /// Transient: the homeserver is not available, or the store failed.
    pub(crate) async fn complete(
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
        self.creator.invite(room, owner, other).await?;
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

    /// Names a portal's room, unless it was named so last: what its people call it themselves stays until then.
    ///
    /// # Errors
    /// Transient: the homeserver is not available, or the store cannot be read.
    pub(crate) async fn ensure_title(
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
}
