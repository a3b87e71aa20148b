//! Events put into rooms: sent, removed, and state.
//!
//! Knows that a repeat must be recognised: a transaction id follows from what is sent. Refuses to know what an event means.
//! Source: sections 11.7 and 11.8 of the client-server API.

use std::sync::Arc;
use std::time::Duration;

use ruma::api::client::message::send_message_event;
use ruma::api::client::redact::redact_event;
use ruma::api::client::state::send_state_event;
use ruma::events::{MessageLikeEventType, StateEventType};
use ruma::serde::Raw;
use ruma::{EventId, OwnedEventId, RoomId, UserId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::client::{Homeserver, send_as, tell_as};
use super::encryption::{MessageEncryption, Sent};
use super::error::MatrixError;
use crate::matrix::mentions;
use crate::retry::Retry;

/// Attempts to remove a password.
const REDACTIONS: u32 = 5;

/// The kind of an event that holds an encrypted one.
const ENCRYPTED: &str = "m.room.encrypted";

/// The name that the homeserver recognises a repeat by.
fn transaction(id: &str) -> String {
    Sha256::digest(id.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Sends events in the name of anybody of ours.
pub(crate) struct EventSender {
    homeserver: Homeserver,
    encryption: Arc<dyn MessageEncryption>,
}

impl EventSender {
    pub(crate) fn new(homeserver: Homeserver, encryption: Arc<dyn MessageEncryption>) -> Self {
        Self { homeserver, encryption }
    }

    /// Sends an event.
    ///
    /// # Errors
    /// The homeserver refuses it or is not available.
    pub(crate) async fn send(&self, sent: Sent<'_>, mut content: Value) -> Result<OwnedEventId, MatrixError> {
        if sent.kind == "m.room.message" {
            mentions::state(&mut content);
        }
        let transaction = transaction(sent.id);
        let encrypted = self.encryption.encrypt(&sent, &transaction, &content).await?;
        let kind = if encrypted.is_some() { ENCRYPTED } else { sent.kind };
        let event = self.put(&sent, kind, &transaction, encrypted.as_ref().unwrap_or(&content)).await?;
        if encrypted.is_some() {
            self.encryption.sent(&transaction).await;
        }
        Ok(event)
    }

    async fn put(
        &self,
        sent: &Sent<'_>,
        kind: &str,
        transaction: &str,
        content: &Value,
    ) -> Result<OwnedEventId, MatrixError> {
        let content = Raw::new(content).map_err(MatrixError::own)?.cast_unchecked();
        let (room, kind) = (sent.room.to_owned(), MessageLikeEventType::from(kind));
        let mut request = send_message_event::v3::Request::new_raw(room, transaction.into(), kind, content);
        request.timestamp = sent.at;
        let event = send_as!(self.homeserver, sent.speaker, request)?.event_id;
        self.homeserver.echoes().sent();
        Ok(event)
    }

    /// The user that people know the bridge by.
    pub(crate) fn bot(&self) -> &UserId {
        self.homeserver.bot()
    }

    /// Sends an event as the bot.
    ///
    /// # Errors
    /// The homeserver refuses it or is not available.
    pub(crate) async fn send_as_bot(
        &self,
        room: &RoomId,
        id: &str,
        kind: &str,
        content: Value,
    ) -> Result<OwnedEventId, MatrixError> {
        let speaker = self.homeserver.bot();
        self.send(Sent { room, speaker, id, kind, at: None }, content).await
    }

    /// A notice that is not worth keeping if it cannot be sent now.
    pub(crate) async fn notice(&self, room: &RoomId, text: &str, about: Option<&str>) {
        let mut content = json!({"msgtype": "m.notice", "body": text});
        if let Some(about) = about {
            content["m.relates_to"] = json!({"m.in_reply_to": {"event_id": about}});
        }
        let id = format!("notice {room} {text} {}", about.unwrap_or_default());
        if let Err(error) = self.send_as_bot(room, &id, "m.room.message", content).await {
            tracing::warn!(%room, %error, "a notice was not shown");
        }
    }

    /// The same where the room is encrypted and the bridge is not: it says nothing but that.
    pub(crate) async fn notice_in_clear(&self, room: &RoomId, text: &str) {
        let content = json!({"msgtype": "m.notice", "body": text, "m.mentions": {}});
        let id = format!("notice in clear {room} {text}");
        let (speaker, kind) = (self.homeserver.bot(), "m.room.message");
        let sent = Sent { room, speaker, id: &id, kind, at: None };
        if let Err(error) = self.put(&sent, kind, &transaction(&id), &content).await {
            tracing::warn!(%room, %error, "a notice was not shown");
        }
    }

    /// Sets a part of a room's state, as the bot.
    ///
    /// # Errors
    /// The homeserver refuses it or is not available.
    pub(crate) async fn put_state(
        &self,
        room: &RoomId,
        kind: StateEventType,
        key: &str,
        content: &Value,
    ) -> Result<(), MatrixError> {
        let content = Raw::new(content).map_err(MatrixError::own)?.cast_unchecked();
        let request = send_state_event::v3::Request::new_raw(room.to_owned(), kind, key.to_owned(), content);
        tell_as!(self.homeserver, self.homeserver.bot(), request)
    }

    /// Removes an event, as the bot.
    ///
    /// # Errors
    /// The homeserver refuses it or is not available.
    pub(crate) async fn redact(
        &self,
        room: &RoomId,
        event: &EventId,
        reason: Option<&str>,
    ) -> Result<(), MatrixError> {
        let transaction = format!("redact-{}", event.as_str().trim_start_matches('$'));
        let mut request =
            redact_event::v3::Request::new(room.to_owned(), event.to_owned(), transaction.into());
        request.reason = reason.map(str::to_owned);
        tell_as!(self.homeserver, self.homeserver.bot(), request)
    }

    /// Removes a password in the room where it was said, and says whether that was possible. A homeserver that is busy is
    /// asked again for a moment.
    pub(crate) async fn redact_password(&self, place: &str, reference: &str) -> bool {
        let (Ok(room), Ok(event)) = (RoomId::parse(place), EventId::parse(reference)) else { return false };
        let mut retry = Retry::new(Duration::from_secs(1), Duration::from_secs(8));
        for attempt in 1.. {
            match self.redact(&room, &event, Some("password")).await {
                Ok(()) => return true,
                Err(MatrixError::Unavailable { .. } | MatrixError::Missing { .. })
                    if attempt < REDACTIONS =>
                {
                    retry.pause().await
                }
                Err(error) => {
                    tracing::warn!(%room, %error, "a password was not removed");
                    break;
                }
            }
        }
        false
    }
}
