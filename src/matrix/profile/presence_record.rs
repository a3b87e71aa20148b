//! What ghosts showed last, over restarts.
//!
//! Knows a row for each ghost: its state, its words, when that was said last. Refuses to know who is looking. Losing a row
//! in a crash costs one request.

use std::sync::Arc;
use std::time::Duration;

use ruma::presence::PresenceState;
use ruma::{MilliSecondsSinceUnixEpoch, UserId};
use serde::{Deserialize, Serialize};

use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};

/// What did not change is said at most once in this time to people of whom nobody knows whether they look.
const REPEAT: Duration = Duration::from_secs(15 * 60);

/// What a ghost showed last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    state: String,
    text: String,
    /// When it was said last, in milliseconds of Unix time; at most a quarter of an hour before it really was.
    at: u64,
    /// The words in the status field of its profile.
    #[serde(default)]
    field: String,
}

/// The rows.
pub(crate) struct PresenceRecords {
    storage: Arc<dyn Storage>,
    now: fn() -> u64,
}

fn now() -> u64 {
    MilliSecondsSinceUnixEpoch::now().get().into()
}

impl PresenceRecords {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, now }
    }

    fn of(&self, user: &UserId) -> Option<Record> {
        let row = self.storage.read(Table::Presences, user.as_bytes()).ok().flatten()?;
        serde_json::from_slice(&row).ok()
    }

    fn is_recent(&self, record: &Record) -> bool {
        u128::from((self.now)().saturating_sub(record.at)) < REPEAT.as_millis()
    }

    /// Whether the homeserver was told this, and need not hear it again: that somebody is offline never, anything else
    /// within a quarter of an hour.
    pub(crate) fn is_known(&self, user: &UserId, state: &PresenceState, text: &str) -> bool {
        self.of(user).is_some_and(|record| {
            let is_same = record.state == state.as_str() && record.text == text;
            is_same && (*state == PresenceState::Offline || self.is_recent(&record))
        })
    }

    /// The words in the status field of a ghost's profile; empty for none.
    pub(crate) fn field(&self, user: &UserId) -> String {
        self.of(user).map(|record| record.field).unwrap_or_default()
    }

    /// This was said just now.
    pub(crate) fn said(&self, user: &UserId, state: &PresenceState, text: &str) {
        let before = self.of(user);
        let field = before.as_ref().map(|record| record.field.clone()).unwrap_or_default();
        let record = Record { state: state.to_string(), text: text.to_owned(), at: (self.now)(), field };
        let changes = before.is_none_or(|before| {
            !self.is_recent(&before) || Record { at: before.at, ..record.clone() } != before
        });
        if changes {
            self.write(user, &record);
        }
    }

    /// The status field has these words now.
    pub(crate) fn field_set(&self, user: &UserId, text: &str) {
        let nothing = || Record { state: String::new(), text: String::new(), at: 0, field: String::new() };
        let record = self.of(user).unwrap_or_else(nothing);
        self.write(user, &Record { field: text.to_owned(), ..record });
    }

    fn write(&self, user: &UserId, record: &Record) {
        let Ok(value) = serde_json::to_vec(record) else { return };
        let mut batch = Batch::default();
        batch.put(Table::Presences, user.as_bytes(), value);
        drop(self.storage.commit(batch, Urgency::Soon));
    }
}

#[cfg(test)]
mod tests {
    use ruma::user_id;

    use super::*;
    use crate::bridge::testkit::SimStorage;

    const ONLINE: PresenceState = PresenceState::Online;
    const MINUTE: u64 = 60_000;

    fn at(storage: &Arc<dyn Storage>, now: fn() -> u64) -> PresenceRecords {
        PresenceRecords { storage: storage.clone(), now }
    }

    #[test]
    fn after_a_restart_only_what_changed_is_news_and_the_rest_once_in_a_quarter_of_an_hour() {
        let storage: Arc<dyn Storage> = Arc::new(SimStorage::default());
        let (bob, records) = (user_id!("@msn_bob:x"), at(&storage, || 100 * MINUTE));
        assert!(!records.is_known(bob, &ONLINE, "hi"), "nobody was told anything");
        records.said(bob, &ONLINE, "hi");
        let later = at(&storage, || 114 * MINUTE);
        assert!(later.is_known(bob, &ONLINE, "hi"));
        assert!(!later.is_known(bob, &ONLINE, "other words"));
        assert!(!later.is_known(bob, &PresenceState::Unavailable, "hi"));
        later.said(bob, &ONLINE, "hi");
        assert!(
            !at(&storage, || 115 * MINUTE).is_known(bob, &ONLINE, "hi"),
            "within the time it is not written again"
        );
        at(&storage, || 116 * MINUTE).said(bob, &ONLINE, "hi");
        assert!(at(&storage, || 130 * MINUTE).is_known(bob, &ONLINE, "hi"));
        // That somebody is offline is so until it is not.
        records.said(bob, &PresenceState::Offline, "");
        assert!(at(&storage, || 9_000_000 * MINUTE).is_known(bob, &PresenceState::Offline, ""));
    }

    #[test]
    fn the_status_field_is_kept_beside_what_is_shown() {
        let storage: Arc<dyn Storage> = Arc::new(SimStorage::default());
        let (bob, records) = (user_id!("@msn_bob:x"), PresenceRecords::new(storage.clone()));
        assert_eq!(records.field(bob), "");
        records.said(bob, &ONLINE, "hi");
        records.field_set(bob, "hi");
        records.said(bob, &ONLINE, "other words");
        assert_eq!(records.field(bob), "hi");
        records.field_set(bob, "");
        assert_eq!(PresenceRecords::new(storage).field(bob), "");
    }
}
