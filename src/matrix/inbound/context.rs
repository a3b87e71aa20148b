//! What every part of the interpreter asks.
//!
//! Knows whose portal an event belongs to, and how another event is fetched. Refuses to know what an event means.

use std::sync::Arc;

use ruma::api::client::room::get_room_event;
use ruma::{EventId, RoomId, UserId};

use super::event::{Addressed, Event};
use crate::bridge::ids::{PortalKey, UserId as BridgeUser};
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::frontend::Permissions;
use crate::matrix::homeserver::{EventSender, Homeserver, MatrixError, send_as};
use crate::matrix::profile::GhostIds;
use crate::matrix::room::{ManagementRooms, PortalRooms, RoomMembers, RoomRegistry};

/// What the interpreter works with.
pub(crate) struct InboundContext {
    pub(crate) homeserver: Homeserver,
    pub(crate) permissions: Arc<dyn Permissions>,
    pub(crate) ids: Arc<GhostIds>,
    pub(crate) sender: Arc<EventSender>,
    pub(crate) registry: Arc<RoomRegistry>,
    pub(crate) members: Arc<RoomMembers>,
    pub(crate) rooms: Arc<PortalRooms>,
    pub(crate) management: Arc<ManagementRooms>,
}

impl InboundContext {
    pub(crate) fn may_use(&self, user: &UserId) -> bool {
        self.permissions.may_use(&BridgeUser::new(user.as_str()))
    }

    /// The conversation whose room this is, where that is none with the bot.
    ///
    /// # Errors
    /// Transient: the store cannot be read.
    pub(crate) fn conversation(&self, room: &RoomId) -> Result<Option<PortalKey>, DeliveryError> {
        Ok(self.registry.portal_of(room)?.filter(|portal| portal.management_user().is_none()))
    }

    /// The conversation this was done in, if its owner did it.
    ///
    /// # Errors
    /// Transient: the store cannot be read.
    pub(crate) fn own_portal(&self, event: &Event) -> Result<Option<PortalKey>, DeliveryError> {
        let Some(portal) = self.conversation(&event.room_id)? else { return Ok(None) };
        let is_owner = self.registry.owner_of(&portal)?.as_deref() == Some(&*event.sender);
        Ok(is_owner.then_some(portal))
    }

    /// The owner of the room's conversation, else a sender who may use the bot.
    pub(crate) fn owner_of_item(&self, raw: &[u8]) -> Option<BridgeUser> {
        let event: Addressed = serde_json::from_slice(raw).ok()?;
        let portal = self.registry.portal_of(&event.room_id).ok().flatten();
        let owner = portal.and_then(|portal| self.registry.owner_of(&portal).ok().flatten());
        let owner = owner.or_else(|| Some(event.sender).filter(|sender| self.may_use(sender)))?;
        Some(BridgeUser::new(owner.as_str()))
    }

    /// Another event of a room; `None` where there is none, or none that the bot may see.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub(crate) async fn fetch(&self, room: &RoomId, event: &str) -> Result<Option<Event>, DeliveryError> {
        let Ok(event) = EventId::parse(event) else { return Ok(None) };
        let request = get_room_event::v3::Request::new(room.to_owned(), event);
        match send_as!(self.homeserver, self.homeserver.bot(), request) {
            Ok(response) => Ok(serde_json::from_str(response.event.json().get()).ok()),
            Err(MatrixError::Refused { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
