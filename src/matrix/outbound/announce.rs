//! A notice to everybody who shares a room with the bridge, said while the store cannot even be read.
//!
//! Knows the management rooms that were looked up since the start. Refuses to remember what it said: nothing of it is
//! journaled, so a notice that is not delivered within some attempts is dropped.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::matrix::homeserver::{EventSender, MatrixError};
use crate::matrix::room::RoomRegistry;
use crate::retry::Retry;

/// Attempts to tell one person; the homeserver may have the same trouble.
const ATTEMPTS: u32 = 6;

/// Tells everybody the same.
pub(crate) struct Announcer {
    pub(crate) registry: Arc<RoomRegistry>,
    pub(crate) sender: Arc<EventSender>,
}

impl Announcer {
    /// Says something to everybody at once, in the room that they share with the bridge alone.
    pub(crate) async fn announce(&self, id: &str, text: &str) {
        for room in self.registry.management_rooms() {
            let id = format!("{id} {room}");
            let mut retry = Retry::new(Duration::from_secs(1), Duration::from_secs(30));
            for attempt in 1.. {
                let content = json!({"msgtype": "m.notice", "body": text});
                match self.sender.send_as_bot(&room, &id, "m.room.message", content).await {
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
