//! The last entries of a journal, as they were written: a leg that keeps up reads nothing back from the disk.
//!
//! Knows the end of one portal's journal, without gaps. Refuses to hold more than a bound: older entries are evicted, and
//! cost one read for each leg that is behind.

use std::collections::VecDeque;
use std::sync::Arc;

use super::Entry;

/// Entries kept for one portal at most.
const MAX_ENTRIES: usize = 16;
/// Bytes of one portal's entries at most, as they are stored.
const MAX_BYTES: usize = 32 * 1024;

/// The last entries of one portal's journal, without gaps up to its head.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Recent {
    entries: VecDeque<Kept>,
    bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    sequence: u64,
    entry: Arc<Entry>,
    size: usize,
}

impl Recent {
    /// An entry was written at the end; `size` in bytes.
    pub(super) fn push(&mut self, sequence: u64, entry: Entry, size: usize) {
        self.entries.push_back(Kept { sequence, entry: Arc::new(entry), size });
        self.bytes += size;
        while self.entries.len() > MAX_ENTRIES || self.bytes > MAX_BYTES {
            self.evict_first();
        }
    }

    fn evict_first(&mut self) {
        let gone = self.entries.pop_front();
        self.bytes -= gone.map_or(0, |kept| kept.size);
    }

    /// Everything up to `sequence` has left the journal.
    pub(super) fn remove_to(&mut self, sequence: u64) {
        while self.entries.front().is_some_and(|kept| kept.sequence <= sequence) {
            self.evict_first();
        }
    }

    /// The same entry, wanted by fewer legs.
    pub(super) fn rewrite(&mut self, sequence: u64, entry: &Entry) {
        let kept = self.entries.iter_mut().find(|kept| kept.sequence == sequence);
        kept.into_iter().for_each(|kept| kept.entry = Arc::new(entry.clone()));
    }

    /// The entries behind `after`, where all of them are here.
    pub(super) fn behind(&self, after: u64) -> Option<impl Iterator<Item = (u64, &Arc<Entry>)>> {
        let first = self.entries.front()?.sequence;
        let behind = self.entries.iter().filter(move |kept| kept.sequence > after);
        (first <= after + 1).then(|| behind.map(|kept| (kept.sequence, &kept.entry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::body::Body;
    use crate::bridge::event::Author;
    use crate::bridge::ids::EntryId;
    use crate::bridge::port::delivery::Content;

    fn entry(n: u64) -> Entry {
        let (author, content) = (Author::Bridge, Content::Said { body: Body::Nudge });
        let id = EntryId::new(n.to_string());
        Entry { id, author, content, at: n, origin: None, legs: Vec::new(), away: Vec::new() }
    }

    fn numbers(recent: &Recent, after: u64) -> Option<Vec<u64>> {
        recent.behind(after).map(|found| found.map(|(sequence, _)| sequence).collect())
    }

    #[test]
    fn the_end_of_a_journal_is_here_whole_or_asked_of_the_disk() {
        let mut recent = Recent::default();
        assert_eq!(numbers(&recent, 0), None);
        for n in 5..=25 {
            recent.push(n, entry(n), 10);
        }
        assert_eq!(numbers(&recent, 8), None, "the ninth was evicted");
        assert_eq!(numbers(&recent, 9).map(|all| all.len()), Some(MAX_ENTRIES));
        recent.remove_to(23);
        assert_eq!(numbers(&recent, 23), Some(vec![24, 25]));
        assert_eq!(numbers(&recent, 25), Some(Vec::new()));
        let changed = Entry { at: 99, ..entry(25) };
        recent.rewrite(25, &changed);
        assert_eq!(recent.behind(24).unwrap().next().unwrap().1.at, 99);
    }

    #[test]
    fn large_entries_are_not_kept() {
        let mut recent = Recent::default();
        recent.push(1, entry(1), MAX_BYTES + 1);
        assert_eq!((numbers(&recent, 0), recent.bytes), (None, 0));
        recent.push(2, entry(2), MAX_BYTES);
        recent.push(3, entry(3), 1);
        assert_eq!(numbers(&recent, 2), Some(vec![3]));
    }
}
