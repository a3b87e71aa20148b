//! Events that are encrypted, and rooms that become so.
//!
//! Knows what is said of those that cannot be read, once and where they were said. Refuses to know keys, and what an event
//! means once it is open.

use std::sync::Arc;
use std::time::Duration;

use ruma::UserId;

use super::constructor;
use super::context::InboundContext;
use super::event::Event;
use super::management::UNREADABLE;
use crate::bridge::event::LocalEvent;
use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::config::LEG;
use crate::matrix::encryption::{CryptoError, Decrypted};
use crate::matrix::homeserver::MatrixError;

/// Pause before an event whose key has not come is looked at again, where nobody says that it has.
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// What an encrypted event is.
pub(super) enum Opened {
    /// Something that is said.
    Said(Event),
    /// Nothing more than this.
    Done(Box<LocalEvent>),
}

impl Opened {
    fn nothing() -> Self {
        Self::Done(Box::new(LocalEvent::Ignored))
    }
}

/// Opens encrypted events.
pub(crate) struct EncryptedInterpreter {
    pub(crate) context: Arc<InboundContext>,
}

impl EncryptedInterpreter {
    /// Who is in a room, and how it is encrypted, is asked again where that changed.
    pub(super) fn note_state(&self, event: &Event) {
        let Some(key) = &event.state_key else { return };
        let encryption = &self.context.encryption;
        match event.kind.as_str() {
            "m.room.member" => {
                let user = <&UserId>::try_from(key.as_str()).ok();
                // Ours are given no keys: it is nobody's business which of them are there.
                if let Some(person) = user.filter(|user| !self.context.ids.is_ours(user)) {
                    encryption.people_changed(&event.room_id, Some(person).filter(|_| event.is_entry()));
                }
            }
            "m.room.encryption" | "m.room.history_visibility" => encryption.rules_changed(&event.room_id),
            _ => {}
        }
    }

    /// Opens an event.
    ///
    /// # Errors
    /// Transient: its key has not come yet, or the homeserver or the store cannot be asked.
    pub(super) async fn open(&self, event: &Event, raw: &[u8]) -> Result<Opened, DeliveryError> {
        match self.context.encryption.decrypt(raw).await {
            Ok(Decrypted::Said(opened)) => {
                let opened = Event::parse(&opened)?;
                // Who said it and where is what the homeserver says.
                let is_same = opened.sender == event.sender && opened.room_id == event.room_id;
                let is_same = is_same && opened.event_id == event.event_id && opened.state_key.is_none();
                match is_same {
                    true => Ok(Opened::Said(opened)),
                    false => Ok(Opened::nothing()),
                }
            }
            Ok(Decrypted::Waits) => Err(DeliveryError::Transient {
                reason: "its key has not come yet".into(),
                after: Some(RETRY_PAUSE),
            }),
            Ok(Decrypted::SetAside { reason, is_kept }) => {
                let hope = if is_kept { ". It is carried when its key comes" } else { "" };
                self.unreadable(event, &format!("the bridge cannot read it: {reason}{hope}")).await
            }
            Ok(Decrypted::Never(reason)) => {
                self.unreadable(event, &format!("the bridge cannot read it: {reason}")).await
            }
            Err(CryptoError::Off(_)) => Ok(Opened::Done(Box::new(self.cannot_be_read(event).await?))),
            Err(error) => Err(MatrixError::from(error).into()),
        }
    }

    /// An event of somebody who is heard in a conversation: they have to know that this one was not.
    async fn unreadable(&self, event: &Event, reason: &str) -> Result<Opened, DeliveryError> {
        tracing::warn!(event = %event.event_id, room = %event.room_id, reason, "an encrypted event was not read");
        let Some(portal) = self.context.registry.portal_of(&event.room_id)? else {
            return Ok(Opened::nothing());
        };
        if portal.management_user().is_some() {
            let text =
                format!("I cannot read this: {}.", reason.trim_start_matches("the bridge cannot read it: "));
            self.context.sender.notice(&event.room_id, &text, Some(event.event_id.as_str())).await;
            return Ok(Opened::nothing());
        }
        if self.context.speaker(event).await?.is_none() {
            return Ok(Opened::nothing());
        }
        let (leg, reference, reason) = (LEG, event.event_id.to_string(), reason.to_owned());
        Ok(Opened::Done(Box::new(LocalEvent::Refused { portal, leg, reference, reason })))
    }

    /// A room is encrypted from now on.
    ///
    /// # Errors
    /// Transient: the homeserver or the store cannot be asked.
    pub(super) async fn encryption(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        let is_ours = self.context.registry.portal_of(&event.room_id)?.is_some();
        match is_ours && self.context.encryption.is_off() {
            true => self.leave_encrypted(event).await,
            false => Ok(LocalEvent::Ignored),
        }
    }

    /// What cannot be read here is answered at once, with a room in which it can.
    async fn cannot_be_read(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        match self.context.may_use(&event.sender) {
            true => self.leave_encrypted(event).await,
            false => Ok(LocalEvent::Ignored),
        }
    }

    /// The room is nobody's any more: what comes next makes another.
    async fn leave_encrypted(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        let InboundContext { registry, rooms, sender, .. } = &*self.context;
        let Some(portal) = registry.portal_of(&event.room_id)? else { return Ok(LocalEvent::Ignored) };
        if registry.room_of(&portal)?.as_deref() != Some(&*event.room_id) {
            return Ok(LocalEvent::Ignored);
        }
        sender.notice_in_clear(&event.room_id, UNREADABLE).await;
        rooms.forget(&portal, &event.room_id).await?;
        let management = constructor::management(event);
        Ok(constructor::command(event, management, "help".into()))
    }
}
