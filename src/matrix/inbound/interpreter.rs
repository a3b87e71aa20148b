//! One event becomes one thing said, a command, or nothing.
//!
//! Knows which part reads which kind of event. Refuses to read events of ours, and of people what we said in their name.

use std::sync::Arc;

use super::annotation::AnnotationInterpreter;
use super::context::InboundContext;
use super::encrypted::{EncryptedInterpreter, Opened};
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
    pub(crate) encrypted: EncryptedInterpreter,
}

impl EventInterpreter {
    /// Reads one event.
    ///
    /// # Errors
    /// Permanent where it is no event; transient where the homeserver or the store cannot be asked.
    pub(crate) async fn interpret(&self, raw: &[u8]) -> Result<LocalEvent, DeliveryError> {
        let event = Event::parse(raw)?;
        self.encrypted.note_state(&event);
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
            "m.room.encrypted" => match self.encrypted.open(&event, raw).await? {
                Opened::Said(event) => self.said(&event).await,
                Opened::Done(done) => Ok(*done),
            },
            "m.room.encryption" => self.encrypted.encryption(&event).await,
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
}
