//! The journal: what must be delivered, to which legs, and how far each leg has come.
//!
//! Entries of one portal are numbered without gaps in the order in which they were said. Each leg has a cursor, the
//! number of the last entry it is done with; an entry goes when every leg has passed it. What can never be delivered
//! becomes a dead letter.

mod absence;
mod offers;
mod pack;
mod recent;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::BridgeError;
use super::event::{Author, Timestamp};
use super::ids::{EntryId, Leg, PortalKey};
use super::port::delivery::Content;
use super::port::storage::{Batch, Storage, Table};
use super::record::{decode, encode};
pub(super) use absence::Absence;
use offers::Offers;
pub(super) use pack::Begin;
use recent::Recent;

/// Where an entry came from on a frontend: whom to tell what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub leg: Leg,
    pub reference: String,
}

/// One thing to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub id: EntryId,
    pub author: Author,
    pub content: Content,
    pub at: Timestamp,
    pub origin: Option<Origin>,
    /// The legs it is for; the others pass over it.
    pub legs: Vec<Leg>,
    /// The legs that could not be reached when it was said: only there it may be passed over for its age.
    #[serde(default)]
    pub away: Vec<Leg>,
}

/// An entry that was given up, and why.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeadLetter {
    pub portal: PortalKey,
    pub leg: Leg,
    pub reason: String,
    pub entry: Entry,
}

/// Cursors read of one portal; more sides than that were never configured.
const MAX_LEGS: usize = 256;

/// Most dead letters kept; the oldest go.
pub const MAX_DEAD_LETTERS: usize = 1_000;

/// Portal, NUL, number with the highest byte first: entries lie in the order in which they were said.
fn entry_key(portal: &PortalKey, sequence: u64) -> Vec<u8> {
    let mut key = portal.to_key();
    key.extend_from_slice(&sequence.to_be_bytes());
    key
}

/// Portal, NUL, name of the leg.
fn cursor_key(portal: &PortalKey, leg: Leg) -> Vec<u8> {
    let mut key = portal.to_key();
    key.extend_from_slice(leg.as_str().as_bytes());
    key
}

/// Whether a row is a leg's cursor, by the name of the leg: a side may keep rows of its own beside it.
fn is_cursor(portal: &[u8], key: &[u8]) -> bool {
    key.strip_prefix(portal).is_some_and(|leg| leg.iter().all(u8::is_ascii_lowercase))
}

/// The number at the end of a key or a value; 0 for what is too short to hold one.
fn sequence_of(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// How far one leg is. Stored as one number, as two where something was passed over, as three while a pack goes, or as four
/// where the next one is known; the last is `done`, those before it are `missed`, `pack` and `next_pack`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LegCursor {
    leg: Leg,
    /// The last entry it is done with.
    done: u64,
    /// Entries passed over since its last delivery: it is told of them with the next.
    missed: u64,
    /// The last entry of those that go as one: all behind `done` up to it.
    pack: Option<u64>,
    /// The last entry of those that go as one after them.
    next_pack: Option<u64>,
}

impl LegCursor {
    /// Of a leg that is done with everything up to `done`.
    fn at(leg: Leg, done: u64) -> Self {
        Self { leg, done, missed: 0, pack: None, next_pack: None }
    }

    /// 8, 16, 24 or 32 bytes.
    fn encode(&self) -> Vec<u8> {
        let missed = Some(self.missed).filter(|missed| *missed > 0 || self.pack.is_some());
        let packs = self.next_pack.into_iter().chain(self.pack);
        let numbers = packs.chain(missed).chain([self.done]);
        numbers.flat_map(u64::to_be_bytes).collect()
    }

    fn decode(leg: Leg, value: &[u8]) -> Self {
        let before = |bytes: usize| value.len().checked_sub(bytes).map(|at| sequence_of(&value[..at]));
        let [pack, next_pack] = [16, 24].map(|bytes| before(bytes).filter(|last| *last > 0));
        Self { leg, done: sequence_of(value), missed: before(8).unwrap_or(0), pack, next_pack }
    }
}

/// The cursors of one portal, and where its next entry goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursors {
    portal: PortalKey,
    legs: Vec<LegCursor>,
    /// Number of the last entry written.
    pub(super) head: u64,
    /// Number of the last entry removed.
    tail: u64,
    recent: Recent,
    /// Of the files' leg.
    pub(super) offers: Offers,
}

impl Cursors {
    /// Reads where a portal stands. A leg that is new begins behind everything that was said before it.
    pub(super) fn load(storage: &dyn Storage, portal: &PortalKey, legs: &[Leg]) -> Result<Self, BridgeError> {
        let stored = |leg: Leg| -> Result<Option<LegCursor>, BridgeError> {
            let value = storage.read(Table::Cursors, &cursor_key(portal, leg))?;
            Ok(value.map(|value| LegCursor::decode(leg, &value)))
        };
        let mut known = Vec::new();
        for &leg in legs {
            known.push((leg, stored(leg)?));
        }
        let prefix = portal.to_key();
        // Also of sides that are not configured any more.
        let cursors = storage.scan(Table::Cursors, &prefix, None, MAX_LEGS)?;
        let cursors = cursors.iter().filter(|(key, _)| is_cursor(&prefix, key));
        let newest = cursors.map(|(_, value)| sequence_of(value)).max().unwrap_or(0);
        let first = storage.scan(Table::Journal, &prefix, None, 1)?.first().map(|(key, _)| sequence_of(key));
        let mut head = newest;
        let mut after = Some(entry_key(portal, newest));
        while let Some(at) = after.take() {
            let rows = storage.scan(Table::Journal, &prefix, Some(&at), 256)?;
            if let Some((key, _)) = rows.last() {
                head = sequence_of(key);
                after = Some(key.clone());
            }
        }
        let tail = first.map_or(head, |first| first - 1);
        let legs = known.into_iter().map(|(leg, cursor)| {
            let cursor = cursor.unwrap_or_else(|| LegCursor::at(leg, tail));
            // Cursors are kept where a journal is not.
            let pack = cursor.pack.filter(|last| *last <= head);
            let next_pack = cursor.next_pack.filter(|last| pack.is_some() && *last <= head);
            LegCursor { pack, next_pack, ..cursor }
        });
        let (portal, recent, offers) = (portal.clone(), Recent::default(), Offers::default());
        Ok(Self { portal, legs: legs.collect(), head, tail, recent, offers })
    }

    /// A leg takes part from now on: of what waits here, it is done with what was not said for it.
    pub(super) fn join(&mut self, leg: Leg) {
        self.legs.push(LegCursor::at(leg, self.tail));
    }

    /// The last entry a leg is done with; a leg that is not of this portal is done with all.
    pub(super) fn done(&self, leg: Leg) -> u64 {
        self.cursor(leg).map_or(self.head, |cursor| cursor.done)
    }

    /// Entries passed over since the leg's last delivery.
    pub(super) fn missed(&self, leg: Leg) -> u64 {
        self.cursor(leg).map_or(0, |cursor| cursor.missed)
    }

    fn cursor(&self, leg: Leg) -> Option<&LegCursor> {
        self.legs.iter().find(|cursor| cursor.leg == leg)
    }

    fn cursor_mut(&mut self, leg: Leg) -> Option<&mut LegCursor> {
        self.legs.iter_mut().find(|cursor| cursor.leg == leg)
    }

    /// Writes an entry at the end.
    pub(super) fn append(&mut self, entry: &Entry, batch: &mut Batch) -> u64 {
        if self.head == self.tail {
            // Everything was removed: the cursors alone remember the number.
            for cursor in self.legs.clone() {
                self.store(cursor.leg, batch);
            }
        }
        self.head += 1;
        let row = encode(entry);
        self.recent.push(self.head, entry.clone(), row.len());
        batch.put(Table::Journal, entry_key(&self.portal, self.head), row);
        self.head
    }

    /// A leg has what it was to get, and was told of what it missed before.
    pub(super) fn delivered(&mut self, leg: Leg) {
        self.cursor_mut(leg).into_iter().for_each(|cursor| cursor.missed = 0);
    }

    /// A leg goes without an entry; how many it was is on disk until it is told.
    pub(super) fn pass_over(&mut self, leg: Leg, sequence: u64, batch: &mut Batch) {
        self.cursor_mut(leg).into_iter().for_each(|cursor| cursor.missed += 1);
        self.strike(leg, sequence, batch);
    }

    /// A leg is done with everything up to `sequence`; entries that every leg has passed go.
    pub(super) fn strike(&mut self, leg: Leg, sequence: u64, batch: &mut Batch) {
        let sequence = self.before_offers(leg, sequence);
        if let Some(cursor) = self.cursor_mut(leg) {
            cursor.done = sequence.max(cursor.done);
            let done = cursor.done;
            let is_ahead = |last: &u64| *last > done;
            if !cursor.pack.as_ref().is_some_and(is_ahead) {
                cursor.pack = cursor.next_pack.take().filter(is_ahead);
            }
        }
        self.store(leg, batch);
        let passed = self.legs.iter().map(|cursor| cursor.done).min().unwrap_or(self.head);
        for gone in self.tail + 1..=passed {
            batch.remove(Table::Journal, entry_key(&self.portal, gone));
        }
        self.tail = self.tail.max(passed);
        self.recent.remove_to(self.tail);
    }

    /// A leg is done with an entry, and with those before it, unless it is the files' and one of them was let pass: then the
    /// entry is written anew for the other legs. Whether it was at the head.
    pub(super) fn strike_attempt(
        &mut self,
        leg: Leg,
        sequence: u64,
        entry: &Entry,
        batch: &mut Batch,
    ) -> bool {
        let was_passed = leg == Leg::Files && self.offers.ended(sequence);
        if self.before_offers(leg, sequence) < sequence {
            let mut entry = entry.clone();
            entry.legs.retain(|known| *known != leg);
            self.rewrite(sequence, &entry, batch);
        }
        self.strike(leg, sequence, batch);
        !was_passed
    }

    /// As far as a leg's cursor may go: not past a file that was let pass.
    fn before_offers(&self, leg: Leg, sequence: u64) -> u64 {
        let first = self.offers.first().filter(|_| leg == Leg::Files);
        first.map_or(sequence, |first| sequence.min(first - 1))
    }

    /// Whether an entry is for a leg, and not on its way there while others go.
    fn is_next(&self, leg: Leg, sequence: u64, entry: &Entry) -> bool {
        entry.legs.contains(&leg) && !(leg == Leg::Files && self.offers.is_passed(sequence))
    }

    /// Whether every leg that the entry is for is done with it.
    pub(super) fn is_done(&self, sequence: u64, entry: &Entry) -> bool {
        entry.legs.iter().all(|leg| self.done(*leg) >= sequence)
    }

    fn store(&self, leg: Leg, batch: &mut Batch) {
        let value = self.cursor(leg).map_or_else(|| self.head.to_be_bytes().to_vec(), LegCursor::encode);
        batch.put(Table::Cursors, cursor_key(&self.portal, leg), value);
    }

    /// Everything that waits for one of these legs, in order.
    pub(super) fn waiting(
        &self,
        storage: &dyn Storage,
        legs: &[Leg],
    ) -> Result<Vec<(u64, Entry)>, BridgeError> {
        let prefix = self.portal.to_key();
        let mut after = legs.iter().map(|leg| self.done(*leg)).min().unwrap_or(self.head);
        let mut found = Vec::new();
        while after < self.head {
            let rows = storage.scan(Table::Journal, &prefix, Some(&entry_key(&self.portal, after)), 64)?;
            if rows.is_empty() {
                break;
            }
            for (key, value) in rows {
                after = sequence_of(&key);
                let entry: Entry = decode("journal entry", &value)?;
                if legs.iter().any(|leg| entry.legs.contains(leg) && self.done(*leg) < after) {
                    found.push((after, entry));
                }
            }
        }
        Ok(found)
    }

    /// Writes an entry anew in its place: fewer legs want it.
    pub(super) fn rewrite(&mut self, sequence: u64, entry: &Entry, batch: &mut Batch) {
        self.recent.rewrite(sequence, entry);
        batch.put(Table::Journal, entry_key(&self.portal, sequence), encode(entry));
    }

    /// The first entry behind a leg's cursor that is for it, and the number up to which nothing is.
    pub(super) fn next(&self, storage: &dyn Storage, leg: Leg) -> Result<Next, BridgeError> {
        let prefix = self.portal.to_key();
        let mut after = self.done(leg);
        while after < self.head {
            if let Some(mut recent) = self.recent.behind(after) {
                return Ok(match recent.find(|(sequence, entry)| self.is_next(leg, *sequence, entry)) {
                    Some((sequence, entry)) => Next::Entry { sequence, entry: entry.clone() },
                    None => Next::Nothing { up_to: self.before_offers(leg, self.head) },
                });
            }
            let rows = storage.scan(Table::Journal, &prefix, Some(&entry_key(&self.portal, after)), 16)?;
            if rows.is_empty() {
                break;
            }
            for (key, value) in rows {
                after = sequence_of(&key);
                let entry: Entry = decode("journal entry", &value)?;
                if self.is_next(leg, after, &entry) {
                    return Ok(Next::Entry { sequence: after, entry: Arc::new(entry) });
                }
            }
        }
        Ok(Next::Nothing { up_to: self.before_offers(leg, self.head) })
    }
}

/// What a leg has to do next.
#[derive(Debug)]
pub(super) enum Next {
    Entry { sequence: u64, entry: Arc<Entry> },
    Nothing { up_to: u64 },
}

impl DeadLetter {
    fn key(&self) -> Vec<u8> {
        let mut key = self.entry.at.to_be_bytes().to_vec();
        key.extend_from_slice(self.entry.id.as_str().as_bytes());
        // Each side that cannot take it has its own reason.
        key.extend_from_slice(format!(" {}", self.leg).as_bytes());
        key
    }

    pub(super) fn store(&self, batch: &mut Batch) {
        batch.put(Table::DeadLetters, self.key(), encode(self));
    }

    /// It is set aside no longer.
    pub(super) fn erase(&self, batch: &mut Batch) {
        batch.remove(Table::DeadLetters, self.key());
    }

    /// All of them, the oldest first; [`MAX_DEAD_LETTERS`] at most.
    ///
    /// # Errors
    /// The store cannot be read, or a row is damaged.
    pub(super) fn load_all(storage: &dyn Storage) -> Result<Vec<Self>, BridgeError> {
        let rows = storage.scan(Table::DeadLetters, &[], None, MAX_DEAD_LETTERS)?;
        rows.iter().map(|(_, value)| decode("dead letter", value)).collect()
    }
}

/// How many there are.
///
/// # Errors
/// The store cannot be read.
pub fn count_dead_letters(storage: &dyn Storage) -> Result<usize, BridgeError> {
    Ok(storage.scan(Table::DeadLetters, &[], None, MAX_DEAD_LETTERS)?.len())
}

/// Removes the oldest dead letters where with one more there are too many.
pub(super) fn trim_dead_letters(storage: &dyn Storage, batch: &mut Batch) -> Result<(), BridgeError> {
    let rows = storage.scan(Table::DeadLetters, &[], None, MAX_DEAD_LETTERS * 2)?;
    let excess = (rows.len() + 1).saturating_sub(MAX_DEAD_LETTERS);
    rows.into_iter().take(excess).for_each(|(key, _)| batch.remove(Table::DeadLetters, key));
    Ok(())
}
