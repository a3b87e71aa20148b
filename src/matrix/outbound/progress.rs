//! How far a file is: one notice that is changed while it lasts, and gone when it is over.
//!
//! Knows where each notice stands. Refuses to keep anything that cannot be shown now: it is worth nothing later.

use std::sync::Arc;

use ruma::{EventId, OwnedEventId, OwnedRoomId, RoomId};
use serde_json::json;

use crate::bridge::event::Progress;
use crate::bridge::ids::PortalKey;
use crate::matrix::cache::Cache;
use crate::matrix::homeserver::EventSender;
use crate::matrix::room::RoomRegistry;

/// Files of which it is shown how far they are. The notice of one that is evicted stays, and another begins.
const MAX_SHOWN: usize = 1000;

/// Shows how far files are.
pub(crate) struct ProgressPublisher {
    registry: Arc<RoomRegistry>,
    sender: Arc<EventSender>,
    shown: Cache<String, (OwnedRoomId, OwnedEventId)>,
}

impl ProgressPublisher {
    pub(crate) fn new(registry: Arc<RoomRegistry>, sender: Arc<EventSender>) -> Self {
        Self { registry, sender, shown: Cache::new(MAX_SHOWN) }
    }

    /// Shows how far a file is, or no longer.
    pub(crate) async fn show(&self, portal: &PortalKey, progress: Progress) {
        let Ok(Some(room)) = self.registry.room_of(portal) else { return };
        let shown = self.shown.get(&progress.id);
        let Some(text) = progress.text else {
            if let Some((room, event)) = shown {
                self.shown.remove(&progress.id);
                self.take_back(&room, &event).await;
            }
            return;
        };
        let mut content = json!({"msgtype": "m.notice", "body": text});
        if let Some((_, event)) = &shown {
            content = json!({
                "msgtype": "m.notice",
                "body": format!("* {text}"),
                "m.new_content": content,
                "m.relates_to": {"rel_type": "m.replace", "event_id": event},
            });
        }
        let id = format!("progress {} {text}", progress.id);
        match self.sender.send_as_bot(&room, &id, "m.room.message", content).await {
            Ok(event) if shown.is_none() => {
                self.shown.insert(progress.id, (room, event));
            }
            Ok(_) => {}
            Err(error) => tracing::info!(%error, "how far a file is was not shown"),
        }
    }

    async fn take_back(&self, room: &RoomId, event: &EventId) {
        if let Err(error) = self.sender.redact(room, event, None).await {
            tracing::info!(%error, "how far a file was stays in the room");
        }
    }
}
