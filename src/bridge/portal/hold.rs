//! What waits in a portal for somebody to be back: how much of it, and the one notice in each place that says so.
//!
//! Knows the bounds and the words. Refuses to know when somebody is back: the network says that. Its record outlives a
//! restart, so that nothing is said twice.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bridge::BridgeError;
use crate::bridge::body::Body;
use crate::bridge::event::{Author, Timestamp};
use crate::bridge::ids::{EntryId, Leg, PortalKey};
use crate::bridge::journal::Entry;
use crate::bridge::port::delivery::Content;
use crate::bridge::port::storage::{Batch, Storage, Table};
use crate::bridge::record::{decode, encode};
use crate::bridge::sentence::{capitalised, sentence};

/// How much waits in one conversation, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldLimits {
    pub max_messages: usize,
    pub max_age: Duration,
}

/// What was said about what waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// The same for everything that is said of this absence.
    id: String,
    reason: String,
    /// How much was said to wait.
    said: usize,
    /// How much of it has been sent.
    sent: usize,
    /// Where it was said.
    places: Vec<Leg>,
}

/// The record of one absence, and what was said about it.
#[derive(Debug)]
pub(super) struct Hold {
    row: Vec<u8>,
    record: Option<Record>,
    /// The command that takes back what waits, as it is written here.
    cancel: String,
    /// How much waits now; counted by the portal.
    pub(super) waiting: usize,
}

impl Hold {
    pub(super) fn load(
        storage: &dyn Storage,
        portal: &PortalKey,
        cancel: String,
    ) -> Result<Self, BridgeError> {
        let row = portal.to_key();
        let record = storage.read(Table::Holds, &row)?.map(|value| decode("hold", &value)).transpose()?;
        Ok(Self { row, record, cancel, waiting: 0 })
    }

    /// Whether something waits for somebody, as far as was said.
    pub(super) fn is_active(&self) -> bool {
        self.record.is_some()
    }

    /// Why they cannot be reached, as the network put it; empty for no absence.
    pub(super) fn reason(&self) -> &str {
        self.record.as_ref().map_or("", |record| &record.reason)
    }

    /// Somebody is away; true when that is news. `first` names the entry that found that out.
    pub(super) fn begin(&mut self, first: &EntryId, reason: &str) -> bool {
        match &mut self.record {
            Some(record) => reason.clone_into(&mut record.reason),
            None => {
                let (id, reason) = (format!("{first}-held"), reason.to_owned());
                self.record = Some(Record { id, reason, said: 0, sent: 0, places: Vec::new() });
                return true;
            }
        }
        false
    }

    /// One more was sent.
    pub(super) fn sent(&mut self) {
        if let Some(record) = &mut self.record {
            record.sent += 1;
        }
    }

    /// What is to be said now that so much waits, by people in these places; nothing if that was said. The end is said
    /// too. `sequence` makes what is said unique.
    pub(super) fn notices(
        &mut self,
        places: &[Leg],
        sequence: u64,
        at: Timestamp,
        batch: &mut Batch,
    ) -> Vec<Entry> {
        let Some(record) = &mut self.record else { return Vec::new() };
        let is_over = self.waiting == 0;
        let new = places.iter().copied().filter(|leg| !record.places.contains(leg)).collect::<Vec<_>>();
        if !is_over && record.said == self.waiting && new.is_empty() {
            return Vec::new();
        }
        let text = if is_over { over(record) } else { waits(&record.reason, self.waiting, &self.cancel) };
        let legs = record.places.iter().map(|leg| (*leg, false)).chain(new.iter().map(|leg| (*leg, true)));
        let said = legs.filter(|(_, is_first)| !(is_over && *is_first)).map(|(leg, is_first)| Entry {
            id: EntryId::new(format!("{}-{sequence}-{leg}", record.id)),
            author: Author::Bridge,
            content: Content::Said {
                body: Body::LiveNotice {
                    id: record.id.clone(),
                    text: text.clone(),
                    about: None,
                    is_first,
                    is_last: is_over,
                },
            },
            at,
            origin: None,
            legs: vec![leg],
            away: Vec::new(),
        });
        let said: Vec<Entry> = said.collect();
        record.places.extend(new);
        record.said = self.waiting;
        if is_over {
            self.record = None;
            batch.remove(Table::Holds, self.row.clone());
        } else {
            batch.put(Table::Holds, self.row.clone(), encode(record));
        }
        said
    }
}

fn waits(reason: &str, count: usize, cancel: &str) -> String {
    let reason = sentence(&capitalised(reason));
    match count {
        1 => format!(
            "{reason} Your message waits and goes out as soon as that changes; «{cancel}» takes it back."
        ),
        count => {
            format!(
                "{reason} {count} messages wait and go out as soon as that changes; «{cancel}» takes them back."
            )
        }
    }
}

fn over(record: &Record) -> String {
    match record.sent {
        0 => "Nothing waits here any more.".to_owned(),
        1 => "The message that waited was sent.".to_owned(),
        count => format!("The {count} messages that waited were sent."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::ids::{ConversationId, LoginId};
    use crate::bridge::testkit::{IRC, MATRIX};

    fn hold() -> Hold {
        let portal = PortalKey::new(LoginId::new("ann"), ConversationId::new("bob"));
        Hold { row: portal.to_key(), record: None, cancel: "!net cancel".into(), waiting: 0 }
    }

    fn said(hold: &mut Hold, waiting: usize, sequence: u64) -> Vec<(String, bool, bool)> {
        hold.waiting = waiting;
        let notices = hold.notices(&[MATRIX], sequence, 0, &mut Batch::default());
        let of = |entry: Entry| match entry.content {
            Content::Said { body: Body::LiveNotice { text, is_first, is_last, .. } } => {
                (text, is_first, is_last)
            }
            _ => panic!("not a notice"),
        };
        notices.into_iter().map(of).collect()
    }

    #[test]
    fn fault_08_what_waits_is_one_notice_that_counts_and_ends() {
        let mut hold = hold();
        assert_eq!(said(&mut hold, 1, 1), [], "nobody is away");
        hold.begin(&EntryId::new("e"), "they are not online");
        let first = said(&mut hold, 1, 2);
        assert!(first[0].0.starts_with("They are not online. Your message waits"), "{first:?}");
        assert_eq!((first[0].1, first[0].2), (true, false));
        assert_eq!(said(&mut hold, 1, 3), [], "said already");
        let second = said(&mut hold, 2, 4);
        assert!(second[0].0.contains("2 messages wait"), "{second:?}");
        assert!(!second[0].1);
        hold.sent();
        hold.sent();
        let last = said(&mut hold, 0, 5);
        assert_eq!(last, [("The 2 messages that waited were sent.".to_owned(), false, true)]);
        assert!(!hold.is_active());
    }

    #[test]
    fn fault_08_each_place_hears_of_it_once() {
        let mut hold = hold();
        hold.begin(&EntryId::new("e"), "away");
        hold.waiting = 1;
        assert_eq!(hold.notices(&[IRC], 1, 0, &mut Batch::default()).len(), 1);
        hold.waiting = 2;
        let both = hold.notices(&[IRC, MATRIX], 2, 0, &mut Batch::default());
        assert_eq!(both.iter().map(|entry| entry.legs[0]).collect::<Vec<_>>(), [IRC, MATRIX]);
        let ids: std::collections::HashSet<_> = both.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids.len(), 2);
    }

    #[tokio::test]
    async fn fault_08_a_restart_and_another_refusal_say_nothing_again() {
        let storage = crate::bridge::testkit::SimStorage::default();
        let portal = PortalKey::new(LoginId::new("ann"), ConversationId::new("bob"));
        let say = |hold: &mut Hold, waiting: usize| {
            hold.waiting = waiting;
            let mut batch = Batch::default();
            let said = hold.notices(&[IRC], 1, 0, &mut batch);
            drop(storage.commit(batch, crate::bridge::port::storage::Urgency::Now));
            said.len()
        };
        let mut hold = Hold::load(&storage, &portal, "!net cancel".into()).unwrap();
        assert!(hold.begin(&EntryId::new("first"), "away"));
        assert_eq!(say(&mut hold, 2), 1);
        hold.sent();
        // The next one is refused: it is the same absence, and what is said of it changes what was said.
        assert!(!hold.begin(&EntryId::new("second"), "away still"));
        hold.waiting = 1;
        let changed = hold.notices(&[IRC], 2, 0, &mut Batch::default());
        let Content::Said { body: Body::LiveNotice { id, is_first, .. } } = &changed[0].content else {
            panic!("{changed:?}")
        };
        assert_eq!((id.as_str(), *is_first), ("first-held", false));
        // After a restart too.
        let mut hold = Hold::load(&storage, &portal, "!net cancel".into()).unwrap();
        assert!(hold.is_active() && !hold.begin(&EntryId::new("third"), "away"));
        assert_eq!(say(&mut hold, 2), 0, "said already");
        hold.sent();
        assert_eq!(say(&mut hold, 0), 1, "the end");
        assert!(!Hold::load(&storage, &portal, "!net cancel".into()).unwrap().is_active());
    }
}
