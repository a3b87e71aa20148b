//! Requests that wait for their replies, by transaction id (§1.2): replies come in any order, or never.
//!
//! Knows numbers and deadlines. Refuses to know what was asked: the kind is the session's own type.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::msn::ids::TrId;

/// How long a server may take to answer a request.
pub const REPLY_TIMEOUT: Duration = Duration::from_secs(20);

/// Requests of kind `K` on one connection, and the counter that numbers them.
#[derive(Debug)]
pub(super) struct Pending<K> {
    next: u32,
    waiting: BTreeMap<u32, (Instant, K)>,
}

impl<K> Pending<K> {
    /// Nothing waits, and the first number is 1.
    pub(super) fn new() -> Self {
        Self { next: 1, waiting: BTreeMap::new() }
    }

    /// A number for a request whose reply nobody waits for.
    pub(super) fn number(&mut self) -> TrId {
        let trid = TrId(self.next);
        self.next = self.next.wrapping_add(1);
        trid
    }

    /// A number for a request that must be answered by `now + REPLY_TIMEOUT`.
    pub(super) fn expect(&mut self, now: Instant, kind: K) -> TrId {
        self.expect_within(now, REPLY_TIMEOUT, kind)
    }

    /// A number for a request that must be answered within this time.
    pub(super) fn expect_within(&mut self, now: Instant, timeout: Duration, kind: K) -> TrId {
        let trid = self.number();
        self.waiting.insert(trid.0, (now + timeout, kind));
        trid
    }

    /// The request that `trid` answers, once.
    pub(super) fn take(&mut self, trid: TrId) -> Option<K> {
        self.waiting.remove(&trid.0).map(|(_, kind)| kind)
    }

    /// A request that is overdue.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Option<K> {
        let trid = *self.waiting.iter().find(|(_, (deadline, _))| *deadline <= now)?.0;
        self.take(TrId(trid))
    }

    /// Every request that waits, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &K> {
        self.waiting.values().map(|(_, kind)| kind)
    }

    /// Every request that waits, in the order of their numbers.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut K> {
        self.waiting.values_mut().map(|(_, kind)| kind)
    }

    /// Takes every request of this kind, in the order of their numbers: their replies mean nothing any more.
    pub(super) fn take_all(&mut self, is_wanted: impl Fn(&K) -> bool) -> Vec<K> {
        let taken = self.waiting.extract_if(.., |_, (_, kind)| is_wanted(kind));
        taken.map(|(_, (_, kind))| kind).collect()
    }

    /// When the first of them is overdue.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.values().map(|(deadline, _)| *deadline).min()
    }

    /// Everything that still waits; the connection is gone.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = K> + use<K> {
        std::mem::take(&mut self.waiting).into_values().map(|(_, kind)| kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conf_007_replies_are_matched_by_number_in_any_order() {
        let now = Instant::now();
        let mut pending = Pending::new();
        let (first, second) = (pending.expect(now, "a"), pending.expect(now, "b"));
        assert_eq!(pending.take(second), Some("b"));
        assert_eq!(pending.take(first), Some("a"));
        // The rule broken: a number is answered once, and a foreign one never.
        assert_eq!(pending.take(first), None);
        assert_eq!(pending.take(TrId(77)), None);
    }

    #[test]
    fn overdue_requests_are_found_at_their_time_and_not_before() {
        let now = Instant::now();
        let mut pending = Pending::new();
        pending.expect(now, "a");
        assert_eq!(pending.deadline(), Some(now + REPLY_TIMEOUT));
        assert_eq!(pending.take_overdue(now), None);
        assert_eq!(pending.take_overdue(now + REPLY_TIMEOUT), Some("a"));
        assert_eq!(pending.deadline(), None);
    }
}
