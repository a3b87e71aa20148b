//! A notice to everybody who shares a room with the bridge, said while the store cannot even be read.
//!
//! Knows the management rooms that were looked up since the start. Refuses to remember what it said: nothing of it is
//! journaled, so a notice that is not delivered within some attempts is dropped.

use std::time::Duration;

use ruma::{OwnedRoomId, UserId};
use serde_json::json;

use super::{MatrixError, MatrixFrontend};
use crate::bridge::ids::PortalKey;
use crate::bridge::login::Login;
use crate::retry::Retry;

/// Attempts to tell one person; the homeserver may have the same trouble.
const ATTEMPTS: u32 = 6;

impl MatrixFrontend {
    /// Looks up where owners of logins are told things, for the time when that is not possible.
    ///
    /// # Errors
    /// The store's own.
    pub fn prepare_to_announce(&self) -> Result<(), crate::bridge::BridgeError> {
        for login in Login::load_all(&*self.storage)? {
            let _ = self.room_of(&PortalKey::management(&login.owner)); // read a moment ago
        }
        Ok(())
    }

    /// Remembers a management room that was found.
    pub(super) fn note_management(&self, user: &str, room: &OwnedRoomId) {
        if let Ok(user) = UserId::parse(user) {
            self.known().management.insert(user, room.clone());
        }
    }

    /// Says something to everybody at once, in the room that they share with the bridge alone.
    pub async fn announce(&self, id: &str, text: &str) {
        let rooms: Vec<OwnedRoomId> = self.known().management.values().cloned().collect();
        for room in rooms {
            let (bot, id) = (&self.config.bot, format!("{id} {room}"));
            let mut retry = Retry::new(Duration::from_secs(1), Duration::from_secs(30));
            for attempt in 1.. {
                let content = json!({"msgtype": "m.notice", "body": text});
                let said = self.send_content(&room, bot, &id, "m.room.message", content, None);
                match said.await {
                    Err(error @ MatrixError::Unavailable { .. }) if attempt < ATTEMPTS => {
                        tracing::info!(%error, %room, "a notice to everybody waits");
                        retry.pause().await;
                    }
                    Err(error) => {
                        tracing::warn!(%error, %room, "a notice to everybody was not said here");
                        break;
                    }
                    Ok(_) => break,
                }
            }
        }
    }
}
