//! How far a file is: one notice that is changed while it lasts, and gone when it is over.

use ruma::EventId;
use serde_json::json;

use super::MatrixFrontend;
use crate::bridge::event::Progress;
use crate::bridge::ids::PortalKey;

impl MatrixFrontend {
    /// Worth nothing later: what cannot be shown now is not.
    pub(super) async fn show_progress(&self, portal: &PortalKey, progress: Progress) {
        let Ok(Some(room)) = self.room_of(portal) else { return };
        let shown = self.known().progress.get(&progress.id).cloned();
        let Some(text) = progress.text else {
            if let Some((room, event)) = shown {
                self.known().progress.remove(&progress.id);
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
        let (bot, id) = (self.config.bot.clone(), format!("progress {} {text}", progress.id));
        match self.send_content(&room, &bot, &id, "m.room.message", content, None).await {
            Ok(event) if shown.is_none() => {
                self.known().progress.insert(progress.id, (room, event));
            }
            Ok(_) => {}
            Err(error) => tracing::info!(%error, "how far a file is was not shown"),
        }
    }

    async fn take_back(&self, room: &ruma::RoomId, event: &EventId) {
        if let Err(error) = self.redact_in(room, event, None).await {
            tracing::info!(%error, "how far a file was stays in the room");
        }
    }
}
