//! Changes that the log does not have yet.
//!
//! Knows the newest value of each row among them, so that readers see what was said last and the log is given a row once.
//! Refuses to know when the log is given them. sled rolls its buffer, waits and wakes its threads with every batch, so what
//! came together is one batch there (measured: a dozen writes a message otherwise).

use std::collections::BTreeMap;
use std::ops::Bound;

use super::engine::Changes;

/// The newest change of each row, and the number of the batch that it came in.
#[derive(Default)]
pub(super) struct Pending(BTreeMap<Vec<u8>, (u64, Option<Vec<u8>>)>);

impl Pending {
    /// A batch was taken.
    pub(super) fn put(&mut self, number: u64, changes: &Changes) {
        for (key, value) in changes {
            self.0.insert(key.clone(), (number, value.clone()));
        }
    }

    /// What becomes of a row, if anything: its value as it is stored, or nothing when it is removed.
    pub(super) fn get(&self, full: &[u8]) -> Option<Option<&[u8]>> {
        self.0.get(full).map(|(_, value)| value.as_deref())
    }

    /// What becomes of the rows whose keys start with `prefix` and come after `after`, in order.
    pub(super) fn range(&self, prefix: &[u8], after: Option<&[u8]>) -> Changes {
        let start = after.map_or(Bound::Included(prefix), Bound::Excluded);
        self.0
            .range::<[u8], _>((start, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .map(|(key, (_, value))| (key.clone(), value.clone()))
            .collect()
    }

    /// All of them, each row once.
    pub(super) fn all(&self) -> Changes {
        self.0.iter().map(|(key, (_, value))| (key.clone(), value.clone())).collect()
    }

    /// The log has everything up to this batch.
    pub(super) fn written_up_to(&mut self, number: u64) {
        self.0.retain(|_, (newest, _)| *newest > number);
    }

    /// The log has everything.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(key: &str, value: Option<&str>) -> (Vec<u8>, Option<Vec<u8>>) {
        (key.into(), value.map(Into::into))
    }

    #[test]
    fn a_row_is_what_the_newest_batch_made_of_it_until_that_is_written() {
        let mut pending = Pending::default();
        pending.put(1, &vec![change("a", Some("1")), change("b", Some("1"))]);
        pending.put(2, &vec![change("b", None), change("c", Some("2"))]);
        assert_eq!(pending.get(b"a"), Some(Some(&b"1"[..])));
        assert_eq!((pending.get(b"b"), pending.get(b"d")), (Some(None), None));
        assert_eq!(pending.all().len(), 3);
        pending.written_up_to(1);
        assert_eq!(pending.all(), [change("b", None), change("c", Some("2"))]);
        pending.written_up_to(2);
        assert!(pending.is_empty());
    }

    #[test]
    fn a_range_begins_behind_a_key_and_ends_with_its_prefix() {
        let mut pending = Pending::default();
        let rows = ["a", "b", "b1", "b2", "b3", "c"];
        pending.put(1, &rows.iter().map(|key| change(key, Some("x"))).collect());
        let keys = |after: Option<&str>| {
            let found = pending.range(b"b", after.map(str::as_bytes));
            found.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(keys(None), ["b", "b1", "b2", "b3"]);
        assert_eq!(keys(Some("b1")), ["b2", "b3"]);
        assert_eq!(keys(Some("b9")), Vec::<String>::new());
    }
}
