//! One event becomes one thing said, a command, or nothing.
//!
//! Knows which part reads which kind of event. Refuses to read events of ours, and of people what we said in their name.

use std::sync::Arc;

use super::annotation::AnnotationInterpreter;
use super::constructor;
use super::context::InboundContext;
use super::event::Event;
use super::kind;
use super::management::ManagementInterpreter;
use super::membership::MembershipInterpreter;
use super::message::MessageInterpreter;
use super::tombstone::{TOMBSTONE, TombstoneInterpreter};
use crate::bridge::event::LocalEvent;
use crate::bridge::ids::UserId as BridgeUser;
use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::profile::PresencePublisher;

/// Reads events.
pub(crate) struct EventInterpreter {
    pub(crate) context: Arc<InboundContext>,
    pub(crate) presence: Arc<PresencePublisher>,
    pub(crate) messages: MessageInterpreter,
    pub(crate) memberships: MembershipInterpreter,
    pub(crate) annotations: AnnotationInterpreter,
    pub(crate) tombstones: TombstoneInterpreter,
    pub(crate) management: Arc<ManagementInterpreter>,
}

impl EventInterpreter {
    /// Reads one event.
    ///
    /// # Errors
    /// Permanent where it is no event; transient where the homeserver or the store cannot be asked.
    pub(crate) async fn interpret(&self, raw: &[u8]) -> Result<LocalEvent, DeliveryError> {
        let event = Event::parse(raw)?;
        if event.kind == TOMBSTONE {
            self.tombstones.tombstone(&event).await?;
            return Ok(LocalEvent::Ignored);
        }
        if self.context.ids.is_ours(&event.sender) || event.is_echo() {
            return Ok(LocalEvent::Ignored);
        }
        self.presence.seen(&event.sender);
        match event.kind.as_str() {
            "m.room.member" => self.memberships.member(&event).await,
            "m.room.encrypted" => self.encrypted(&event).await,
            "m.room.redaction" => self.annotations.redaction(&event).await,
            "m.room.join_rules" | "m.room.history_visibility" => {
                self.management.company_changed(&event).await
            }
            kind if event.state_key.is_some() && !kind::is_told_state(kind, &event.content) => {
                Ok(LocalEvent::Ignored)
            }
            _ => self.said(&event).await,
        }
    }

    /// Something that may be said to the other side.
    async fn said(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        let read = match event.kind.as_str() {
            "m.reaction" => self.annotations.reaction(event).await?,
            _ => self.messages.message(event).await?,
        };
        if !matches!(read, LocalEvent::Message(_) | LocalEvent::Messages(_)) {
            self.context.unsaid.insert(event.event_id.clone(), ());
        }
        Ok(read)
    }

    /// Whose an event of the inbox is, from its bytes and the store alone.
    pub(crate) fn owner_of_item(&self, raw: &[u8]) -> Option<BridgeUser> {
        self.context.owner_of_item(raw)
    }

    /// What cannot be read is answered at once, with a room in which it can.
    async fn encrypted(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        let InboundContext { registry, rooms, sender, .. } = &*self.context;
        let known = registry.portal_of(&event.room_id)?.is_some();
        if !known || !self.context.may_use(&event.sender) {
            return Ok(LocalEvent::Ignored);
        }
        let text = "This message is encrypted and the bridge cannot read it. It was not sent to MSN. \
                    Please use a room without encryption: you have an invitation to one.";
        sender.notice(&event.room_id, text, Some(event.event_id.as_str())).await;
        let management = constructor::management(event);
        if registry.room_of(&management)?.as_deref() == Some(&*event.room_id) {
            rooms.forget(&management, &event.room_id).await?;
        }
        Ok(constructor::command(event, management, "help".into()))
    }
}
