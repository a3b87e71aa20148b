//! What became of something that was said in a room, told to its sender.
//!
//! Knows the ways of telling: one notice for all that waits, a status event where the settings want those, a receipt of who
//! has it. Refuses to try again. Source: MSC2153 as the field uses it, `com.beeper.message_send_status`.

use std::sync::Arc;

use ruma::{EventId, OwnedUserId, RoomId};
use serde_json::{Value, json};

use super::live_notice;
use super::receipt::ReceiptPublisher;
use crate::bridge::ids::{GhostId, PortalKey};
use crate::bridge::port::frontend::Outcome;
use crate::bridge::port::storage::Storage;
use crate::bridge::sentence::sentence;
use crate::matrix::cache::Cache;
use crate::matrix::homeserver::EventSender;
use crate::matrix::profile::GhostIds;
use crate::matrix::room::RoomRegistry;

/// The type of a status event.
const STATUS: &str = "com.beeper.message_send_status";
/// What the network is called in it.
const NETWORK: &str = "msn";
/// The notice of what waits in a conversation: there is one.
const PENDING: &str = "pending";

/// Conversations of which it is known what their notice says. One that is evicted costs a change that changes nothing.
pub(crate) const MAX_COUNTED: usize = 1_000;

/// Reports outcomes.
pub(crate) struct StatusReporter {
    /// Whether sent messages are confirmed by a status event.
    pub(crate) sends_events: bool,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) ids: Arc<GhostIds>,
    pub(crate) registry: Arc<RoomRegistry>,
    pub(crate) sender: Arc<EventSender>,
    pub(crate) receipts: Arc<ReceiptPublisher>,
    /// What the notice of each conversation says.
    pub(crate) counted: Cache<PortalKey, String>,
}

/// The status, the reason for programs and the words for people.
fn words(outcome: &Outcome) -> (&'static str, Option<(&'static str, &str)>) {
    match outcome {
        Outcome::Delivered => ("SUCCESS", None),
        Outcome::Pending { reason, .. } | Outcome::Held { reason } => {
            ("PENDING", Some(("m.foreign_network_error", reason)))
        }
        Outcome::Failed { reason } => ("FAIL_RETRIABLE", Some(("m.foreign_network_error", reason))),
        Outcome::Refused { reason } => ("FAIL_PERMANENT", Some(("com.beeper.unsupported_event", reason))),
    }
}

/// The content of a status event. `receiver` is the one who has it, where that is one.
fn content(reference: &str, outcome: &Outcome, receiver: Option<&OwnedUserId>) -> Value {
    let (status, reason) = words(outcome);
    let mut content = json!({
        "network": NETWORK,
        "status": status,
        "m.relates_to": {"rel_type": "m.reference", "event_id": reference},
    });
    if let Some((reason, message)) = reason {
        content["reason"] = json!(reason);
        content["message"] = json!(sentence(message));
    }
    if let (Outcome::Delivered, Some(receiver)) = (outcome, receiver) {
        content["delivered_to_users"] = json!([receiver]);
    }
    content
}

/// The notice that counts what waits.
fn notice(reason: &str, waiting: usize) -> String {
    let reason = sentence(reason);
    match waiting {
        0 | 1 => format!("Not delivered yet: {reason} It is kept and will be sent as soon as that is over."),
        count => format!(
            "Not delivered yet: {reason} {count} messages are kept and will be sent as soon as that is over."
        ),
    }
}

impl StatusReporter {
    /// Tells the sender of the event `reference` what became of it.
    pub(crate) async fn report(&self, portal: &PortalKey, reference: &str, outcome: Outcome) {
        let Ok(Some(room)) = self.registry.room_of(portal) else { return };
        match &outcome {
            Outcome::Pending { reason, waiting } => {
                self.count(portal, &room, reference, &notice(reason, *waiting)).await;
            }
            // What is refused says nothing of what waits.
            Outcome::Refused { .. } => {}
            Outcome::Delivered | Outcome::Held { .. } | Outcome::Failed { .. } => {
                self.waits_no_more(portal).await
            }
        }
        let receiver = self.receiver(portal, &room);
        if self.sends_events {
            self.send_event(&room, reference, content(reference, &outcome, receiver.as_ref())).await;
        }
        if let (Outcome::Delivered, Some(receiver), Ok(event)) =
            (outcome, receiver, EventId::parse(reference))
        {
            self.receipts.put(room, receiver, event);
        }
    }

    /// The ghost of the one contact of a conversation, where they are in its room.
    fn receiver(&self, portal: &PortalKey, room: &RoomId) -> Option<OwnedUserId> {
        let contact = GhostId::new(portal.conversation.as_str());
        let ghost = self.ids.user(&portal.receiver, &contact).ok()?;
        self.registry.rooms_of(&ghost).iter().any(|known| known == room).then_some(ghost)
    }

    /// Says how much waits: in the notice that stands, or else in a new one, as an answer to the first that waits.
    async fn count(&self, portal: &PortalKey, room: &RoomId, first: &str, text: &str) {
        let mut notice = json!({"msgtype": "m.notice", "body": text});
        let is_first = !live_notice::stands(&*self.storage, portal, PENDING, room);
        if !is_first && self.counted.get(portal).as_deref() == Some(text) {
            return;
        }
        if is_first {
            notice["m.relates_to"] = json!({"m.in_reply_to": {"event_id": first}});
        }
        let content = live_notice::content(&*self.storage, portal, PENDING, room, notice);
        let id = format!("pending {room} {text} {}", if is_first { first } else { "changed" });
        match self.sender.send_as_bot(room, &id, "m.room.message", content).await {
            Ok(event) => {
                live_notice::remember(&*self.storage, portal, PENDING, room, &event);
                self.counted.insert(portal.clone(), text.to_owned());
            }
            Err(error) => tracing::warn!(%room, %error, "a notice was not shown"),
        }
    }

    async fn waits_no_more(&self, portal: &PortalKey) {
        if let Err(error) = live_notice::take_back(&*self.storage, &self.sender, portal, PENDING).await {
            tracing::info!(%portal, %error, "a notice that is over stays for now");
        }
    }

    async fn send_event(&self, room: &RoomId, reference: &str, content: Value) {
        let id = format!("status {reference} {} {}", content["status"], content["message"]);
        if let Err(error) = self.sender.send_as_bot(room, &id, STATUS, content).await {
            tracing::warn!(%room, %error, "a delivery status was not shown");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_clients_read() {
        let reason = || "bob is away".to_owned();
        let bob: OwnedUserId = "@msn_bob:x".try_into().unwrap();
        let read = |outcome: &Outcome| {
            let content = content("$1", outcome, Some(&bob));
            assert_eq!(content["network"], "msn");
            assert_eq!(content["m.relates_to"], json!({"rel_type": "m.reference", "event_id": "$1"}));
            ["status", "reason", "message", "delivered_to_users"].map(|key| content[key].clone())
        };
        let null = Value::Null;
        assert_eq!(
            read(&Outcome::Delivered),
            [json!("SUCCESS"), null.clone(), null.clone(), json!(["@msn_bob:x"])]
        );
        let told =
            |status: &str, code: &str| [json!(status), json!(code), json!("bob is away."), null.clone()];
        let pending = told("PENDING", "m.foreign_network_error");
        assert_eq!(read(&Outcome::Pending { reason: reason(), waiting: 2 }), pending);
        assert_eq!(read(&Outcome::Held { reason: reason() }), pending);
        assert_eq!(
            read(&Outcome::Failed { reason: reason() }),
            told("FAIL_RETRIABLE", "m.foreign_network_error")
        );
        assert_eq!(
            read(&Outcome::Refused { reason: reason() }),
            told("FAIL_PERMANENT", "com.beeper.unsupported_event")
        );
    }
}
