//! What every part of the interpreter asks.
//!
//! Knows whose portal an event belongs to, and how another event is fetched. Refuses to know what an event means.

use std::sync::Arc;

use ruma::api::client::room::get_room_event;
use ruma::{EventId, OwnedEventId, RoomId, UserId};

use super::constructor;
use super::event::{Addressed, Event};
use crate::bridge::event::Author;
use crate::bridge::ids::{EntryId, PortalKey, UserId as BridgeUser};
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::frontend::Permissions;
use crate::matrix::cache::Cache;
use crate::matrix::config::LEG;
use crate::matrix::encryption::Encryption;
use crate::matrix::homeserver::{EventSender, Homeserver, MatrixError, send_as};
use crate::matrix::keys::ID_KEY;
use crate::matrix::profile::GhostIds;
use crate::matrix::room::{ManagementRooms, PortalRooms, RoomMembers, RoomRegistry};

/// Events of which the other side never heard. Of one that is evicted the other side hears once that it was removed.
pub(crate) const MAX_UNSAID: usize = 10_000;

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
    pub(crate) encryption: Arc<Encryption>,
    /// Events that were read and of which the other side never heard: commands, and what was refused.
    pub(crate) unsaid: Cache<OwnedEventId, ()>,
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

    /// In whose name the sender is heard in the conversation of the room; `None` where they are not.
    ///
    /// # Errors
    /// Transient: the homeserver or the store cannot be asked.
    pub(crate) async fn speaker(&self, event: &Event) -> Result<Option<(PortalKey, Author)>, DeliveryError> {
        let Some(portal) = self.conversation(&event.room_id)? else { return Ok(None) };
        Ok(match self.registry.owner_of(&portal)? {
            Some(owner) if *owner == *event.sender => Some((portal, constructor::owner(event))),
            Some(_) if self.registry.relays(&portal)? => Some((portal, self.relayed(event, None).await?)),
            _ => None,
        })
    }

    /// Another member of a room whose owner lets them be heard; under another name where the message has one of its own.
    ///
    /// # Errors
    /// Transient: the homeserver cannot be asked.
    pub(crate) async fn relayed(&self, event: &Event, name: Option<&str>) -> Result<Author, DeliveryError> {
        let name = match name {
            Some(name) => name.to_owned(),
            None => self.members.name(&event.room_id, &event.sender).await?,
        };
        Ok(Author::Relayed { name })
    }

    /// The owner of the room's conversation, else a sender who may use the bot.
    pub(crate) fn owner_of_item(&self, raw: &[u8]) -> Option<BridgeUser> {
        let event: Addressed = serde_json::from_slice(raw).ok()?;
        let portal = self.registry.portal_of(&event.room_id).ok().flatten();
        let owner = portal.and_then(|portal| self.registry.owner_of(&portal).ok().flatten());
        let owner = owner.or_else(|| Some(event.sender).filter(|sender| self.may_use(sender)))?;
        Some(BridgeUser::new(owner.as_str()))
    }

    /// The entry that an event answers: what the bridge showed there under that id, or what a person said there.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub(crate) async fn entry_answered(&self, event: &Event) -> Result<Option<EntryId>, DeliveryError> {
        let Some(answered) = event.answers() else { return Ok(None) };
        let shown = self.fetch(&event.room_id, answered).await?;
        let shown = shown.filter(|shown| self.ids.is_ours(&shown.sender) || shown.is_echo());
        let id = shown.as_ref().and_then(|shown| shown.text(ID_KEY)?.rsplit_once('/'));
        let entry = id.map(|(entry, _)| EntryId::new(entry));
        Ok(Some(entry.unwrap_or_else(|| EntryId::brought(LEG, answered))))
    }

    /// The event in these bytes; of an encrypted one what is in it, where that can be read.
    async fn opened(&self, raw: &str) -> Option<Event> {
        let event: Event = serde_json::from_str(raw).ok()?;
        if event.kind == "m.room.encrypted"
            && self.ids.ghost(&event.sender).is_none()
            && let Some(opened) = self.encryption.peek(raw.as_bytes()).await
        {
            return serde_json::from_slice(&opened).ok();
        }
        Some(event)
    }

    /// Another event of a room; `None` where there is none, or none that the bot may see.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub(crate) async fn fetch(&self, room: &RoomId, event: &str) -> Result<Option<Event>, DeliveryError> {
        let Ok(event) = EventId::parse(event) else { return Ok(None) };
        let request = get_room_event::v3::Request::new(room.to_owned(), event);
        match send_as!(self.homeserver, self.homeserver.bot(), request) {
            Ok(response) => Ok(self.opened(response.event.json().get()).await),
            Err(MatrixError::Refused { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
