//! What became of something that was said in a room, told to its sender.
//!
//! Knows the two ways of telling: a notice where it waits, and a status event where the settings want those. Refuses to try
//! again. Source: MSC2153 as the field uses it, `com.beeper.message_send_status`.

use std::sync::Arc;

use ruma::RoomId;
use serde_json::json;

use crate::bridge::ids::PortalKey;
use crate::bridge::port::frontend::Outcome;
use crate::bridge::sentence::sentence;
use crate::matrix::homeserver::EventSender;
use crate::matrix::room::RoomRegistry;

/// The type of a status event.
const STATUS: &str = "com.beeper.message_send_status";

/// Reports outcomes.
pub(crate) struct StatusReporter {
    /// Whether sent messages are confirmed by a status event.
    pub(crate) sends_events: bool,
    pub(crate) registry: Arc<RoomRegistry>,
    pub(crate) sender: Arc<EventSender>,
}

impl StatusReporter {
    /// Tells the sender of the event `reference` what became of it.
    pub(crate) async fn report(&self, portal: &PortalKey, reference: &str, outcome: Outcome) {
        let Ok(Some(room)) = self.registry.room_of(portal) else { return };
        if let Outcome::Pending { reason } = &outcome {
            let reason = sentence(reason);
            let text =
                format!("Not delivered yet: {reason} It is kept and will be sent as soon as that is over.");
            self.sender.notice(&room, &text, Some(reference)).await;
        }
        if self.sends_events {
            self.send_event(&room, reference, &outcome).await;
        }
    }

    async fn send_event(&self, room: &RoomId, reference: &str, outcome: &Outcome) {
        let (status, reason) = match outcome {
            Outcome::Delivered => ("SUCCESS", None),
            Outcome::Pending { reason } | Outcome::Held { reason } => ("PENDING", Some(reason)),
            Outcome::Failed { reason } => ("FAIL_PERMANENT", Some(reason)),
        };
        let mut content = json!({
            "network": "msn",
            "status": status,
            "m.relates_to": {"rel_type": "m.reference", "event_id": reference},
        });
        if let Some(reason) = reason {
            content["message"] = json!(reason);
            content["reason"] = json!("m.event_not_handled");
        }
        let id = format!("status {reference} {status}");
        if let Err(error) = self.sender.send_as_bot(room, &id, STATUS, content).await {
            tracing::warn!(%room, %error, "a delivery status was not shown");
        }
    }
}
