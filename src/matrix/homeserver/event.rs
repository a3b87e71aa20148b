//! Events put into rooms: sent, removed, and state.
//!
//! Knows that a repeat must be recognised: a transaction id follows from what is sent. Refuses to know what an event means.
//! Source: sections 11.7 and 11.8 of the client-server API.

use std::time::Duration;

use ruma::api::client::message::send_message_event;
use ruma::api::client::redact::redact_event;
use ruma::api::client::state::send_state_event;
use ruma::events::{MessageLikeEventType, StateEventType};
use ruma::serde::Raw;
use ruma::{EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, RoomId, UserId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::client::{Homeserver, send_as, tell_as};
use super::error::MatrixError;
use crate::matrix::mentions;
use crate::retry::Retry;

/// Attempts to remove a password.
const REDACTIONS: u32 = 5;

/// One event on its way.
pub(crate) struct Sent<'a> {
    pub(crate) room: &'a RoomId,
    pub(crate) speaker: &'a UserId,
    /// What the transaction id follows from, so the homeserver recognises a repeat for as long as it remembers.
    pub(crate) id: &'a str,
    pub(crate) kind: &'a str,
    /// When it was said, where that is not now.
    pub(crate) at: Option<MilliSecondsSinceUnixEpoch>,
}

/// Sends events in the name of anybody of ours.
#[derive(Debug)]
pub(crate) struct EventSender {
    homeserver: Homeserver,
}

impl EventSender {
    pub(crate) fn new(homeserver: Homeserver) -> Self {
        Self { homeserver }
    }

    /// Sends an event.
    ///
    /// # Errors
    /// The homeserver refuses it or is not available.
    pub(crate) async fn send(&self, sent: Sent<'_>, mut content: Value) -> Result<OwnedEventId, MatrixError> {
        if sent.kind == "m.room.message" {
            mentions::state(&mut content);
        }
        let digest = Sha256::digest(sent.id.as_bytes());
        let transaction: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let content = Raw::new(&content).map_err(MatrixError::own)?.cast_unchecked();
        let mut request = send_message_event::v3::Request::new_raw(
            sent.room.to_owned(),
            transaction.into(),
            MessageLikeEventType::from(sent.kind),
            content,
        );
        request.timestamp = sent.at;
        Ok(send_as!(self.homeserver, sent.speaker, request)?.event_id)
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
