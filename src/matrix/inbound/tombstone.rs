//! A room is upgraded: its tombstone names the room that takes its place.
//!
//! Knows how a tombstone is read. Refuses to judge it: the upgrades do. Source: room upgrades of the client-server API.

use std::sync::Arc;

use serde_json::Value;

use super::event::Event;
use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::room::{RoomUpgrades, Tombstone};

/// The type of a tombstone.
pub(super) const TOMBSTONE: &str = "m.room.tombstone";

/// Reads tombstones.
pub(crate) struct TombstoneInterpreter {
    pub(crate) upgrades: Arc<RoomUpgrades>,
}

impl TombstoneInterpreter {
    /// Reads a tombstone; also one of the bot's own counts.
    ///
    /// # Errors
    /// Transient: the homeserver or the store cannot be asked.
    pub(crate) async fn tombstone(&self, event: &Event) -> Result<(), DeliveryError> {
        let tombstone = Tombstone {
            sender: event.sender.to_string(),
            state_key: event.state_key.clone(),
            content: Value::Object(event.content.clone()),
        };
        self.upgrades.tombstone(&event.room_id, &tombstone).await
    }
}
