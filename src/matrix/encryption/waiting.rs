//! Events whose keys have not come: first they hold up their room for a moment, then they are set aside until the keys come.
//!
//! Knows that an event usually comes before its key, by another road. Refuses to ask anybody for a key: people's devices
//! give keys to nobody but devices that their owner has verified. Source: measured; the row of an event that was set aside
//! is its room, its session and its id.

use std::sync::Arc;
use std::time::Duration;

use matrix_sdk_crypto::store::types::RoomKeyInfo;
use ruma::{EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, RoomId};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use super::error::CryptoError;
use crate::bridge::inbox::{Inbox, Item};
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::matrix::cache::Cache;

/// How long an event holds up those that were said behind it in its room.
pub(super) const HOLD: Duration = Duration::from_secs(30);
/// How long an event is kept that was set aside: a client that has been away for longer has no keys left to send.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);
/// Events that are held up at a time. One that is evicted is held for longer.
const MAX_HELD: usize = 10_000;
/// Events that are set aside, of all rooms. With more, what cannot be read is told and not kept.
const MAX_ASIDE: usize = 1_000;

/// Events that wait for keys.
pub(super) struct WaitingEvents {
    storage: Arc<dyn Storage>,
    since: Cache<OwnedEventId, Option<Instant>>,
    held: Notify,
}

fn prefix(room: &RoomId, session: &str) -> Vec<u8> {
    [room.as_bytes(), b"\0", session.as_bytes(), b"\0"].concat()
}

impl WaitingEvents {
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, since: Cache::new(MAX_HELD), held: Notify::new() }
    }

    /// Whether an event is held up no longer.
    pub(super) fn has_waited(&self, event: &EventId) -> bool {
        let now = Instant::now();
        let since = self.since.update(event.to_owned(), |since| {
            since.get_or_insert(now);
        });
        if since == Some(now) {
            self.held.notify_waiters();
        }
        since.is_some_and(|since| now - since >= HOLD)
    }

    /// Whether any event is held up.
    pub(super) fn holds_any(&self) -> bool {
        !self.since.is_empty()
    }

    /// One more event is held up.
    pub(super) fn held(&self) -> Notified<'_> {
        self.held.notified()
    }

    /// An event waits no longer, or not before its room.
    pub(super) fn done(&self, event: &EventId) {
        self.since.remove(event);
    }

    /// Keeps an event until its key comes. False where there is no room for it.
    ///
    /// # Errors
    /// The disk does not take it.
    pub(super) async fn set_aside(
        &self,
        (room, session, event): (&RoomId, &str, &EventId),
        raw: &[u8],
    ) -> Result<bool, CryptoError> {
        let rows = self.storage.scan(Table::Undecrypted, &[], None, MAX_ASIDE)?;
        if rows.len() >= MAX_ASIDE {
            return Ok(false);
        }
        let mut batch = Batch::default();
        batch.put(Table::Undecrypted, [&prefix(room, session)[..], event.as_bytes()].concat(), raw);
        self.storage.commit(batch, Urgency::Now).await?;
        Ok(true)
    }

    /// Lets go of events whose keys did not come in all the time that they are kept.
    ///
    /// # Errors
    /// The disk does not take it.
    pub(super) async fn expire(&self) -> Result<(), CryptoError> {
        let now = MilliSecondsSinceUnixEpoch::now();
        let rows = self.storage.scan(Table::Undecrypted, &[], None, MAX_ASIDE)?;
        let mut batch = Batch::default();
        for (row, raw) in rows {
            let said = serde_json::from_slice::<Value>(&raw).unwrap_or_default()["origin_server_ts"].as_u64();
            if said.is_none_or(|said| u64::from(now.get()).saturating_sub(said) >= KEPT.as_millis() as u64) {
                batch.remove(Table::Undecrypted, row);
            }
        }
        Ok(self.storage.commit(batch, Urgency::Soon).await?)
    }

    /// Keys came: what was set aside for want of them goes into the inbox again.
    ///
    /// # Errors
    /// The disk does not take it: asked again, the same comes of it.
    pub(super) async fn release(&self, keys: &[RoomKeyInfo], inbox: &Inbox) -> Result<(), CryptoError> {
        let failed = |error: crate::bridge::BridgeError| CryptoError::Store(error.to_string());
        for key in keys {
            let prefix = prefix(&key.room_id, &key.session_id);
            for (row, raw) in self.storage.scan(Table::Undecrypted, &prefix, None, MAX_ASIDE)? {
                let name = format!("late {}", String::from_utf8_lossy(&row[prefix.len()..]));
                inbox.accept(&name, vec![Item { name: name.clone(), raw }]).await.map_err(failed)?;
                let mut batch = Batch::default();
                batch.remove(Table::Undecrypted, row);
                self.storage.commit(batch, Urgency::Soon).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use matrix_sdk_crypto::types::EventEncryptionAlgorithm;
    use matrix_sdk_crypto::vodozemac::Curve25519PublicKey;

    use super::*;
    use crate::bridge::testkit::SimStorage;
    use crate::matrix::config::LEG;

    fn room() -> &'static RoomId {
        <&RoomId>::try_from("!a:x").unwrap()
    }

    fn event(name: &str) -> OwnedEventId {
        EventId::parse(name).unwrap()
    }

    fn key(session: &str) -> RoomKeyInfo {
        RoomKeyInfo {
            algorithm: EventEncryptionAlgorithm::MegolmV1AesSha2,
            room_id: room().to_owned(),
            sender_key: Curve25519PublicKey::from_bytes([7; 32]),
            session_id: session.to_owned(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_holds_its_room_up_for_half_a_minute_from_its_first_look() {
        let waiting = WaitingEvents::new(Arc::new(SimStorage::default()));
        assert!(!waiting.has_waited(&event("$1")));
        tokio::time::advance(HOLD - Duration::from_secs(1)).await;
        assert!(!waiting.has_waited(&event("$1")) && !waiting.has_waited(&event("$2")));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(waiting.has_waited(&event("$1")) && !waiting.has_waited(&event("$2")));
        waiting.done(&event("$1"));
        assert!(!waiting.has_waited(&event("$1")), "it waits anew");
    }

    #[tokio::test]
    async fn what_was_set_aside_comes_with_its_key_once_and_nothing_else_does() {
        let storage = Arc::new(SimStorage::default());
        let waiting = WaitingEvents::new(storage.clone());
        let inbox = Inbox::open(storage.clone(), LEG, 0).unwrap();
        for (session, name) in [("s1", "$1"), ("s1", "$2"), ("s2", "$3"), ("s", "$4")] {
            assert!(waiting.set_aside((room(), session, &event(name)), name.as_bytes()).await.unwrap());
        }
        waiting.release(&[key("s1")], &inbox).await.unwrap();
        waiting.release(&[key("s1")], &inbox).await.unwrap();
        let left: Vec<Vec<u8>> = storage.rows(Table::Undecrypted).into_iter().map(|(_, raw)| raw).collect();
        assert_eq!(left, [b"$4".to_vec(), b"$3".to_vec()]);
        let held = storage.rows(Table::Inbox);
        let came =
            |raw: &str| held.iter().filter(|(_, row)| String::from_utf8_lossy(row).contains(raw)).count();
        assert!(came("$1") >= 1 && came("$2") >= 1 && came("$3") == 0 && came("$4") == 0, "{held:?}");
    }

    #[tokio::test]
    async fn there_is_room_for_so_many_and_who_comes_later_is_told() {
        let waiting = WaitingEvents::new(Arc::new(SimStorage::default()));
        for number in 0..MAX_ASIDE {
            let kept = waiting.set_aside((room(), "s", &event(&format!("${number}"))), b"x").await.unwrap();
            assert!(kept, "{number}");
        }
        assert!(!waiting.set_aside((room(), "s", &event("$more")), b"x").await.unwrap());
    }

    #[tokio::test]
    async fn what_was_set_aside_is_kept_for_three_months() {
        let storage = Arc::new(SimStorage::default());
        let waiting = WaitingEvents::new(storage.clone());
        let now = u64::from(MilliSecondsSinceUnixEpoch::now().get());
        let (kept, minute) = (u64::try_from(KEPT.as_millis()).unwrap(), 60_000);
        for (name, said) in [("$old", now - kept - minute), ("$young", now - kept + minute)] {
            let raw = format!("{{\"origin_server_ts\": {said}}}");
            assert!(waiting.set_aside((room(), "s", &event(name)), raw.as_bytes()).await.unwrap());
        }
        assert!(waiting.set_aside((room(), "s", &event("$damaged")), b"{").await.unwrap());
        waiting.expire().await.unwrap();
        let left = storage.rows(Table::Undecrypted);
        assert!(left.len() == 1 && left[0].0.ends_with(b"$young"), "{left:?}");
    }
}
