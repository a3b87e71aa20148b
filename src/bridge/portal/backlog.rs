//! What waits for a side that takes only so much at a time: how long it will take, told once, and what may be passed over.
//!
//! Nothing is passed over that was said while the side could be reached, however long its turn takes. Of what was said
//! while it could not, the last [`MAX_BACKLOG`] that are not older than [`MAX_AGE`] when it comes back are shown.

use std::time::Duration;

use tokio::time::Instant;

use crate::bridge::event::Timestamp;
use crate::bridge::journal::{Absence, Origin};
use crate::bridge::port::frontend::Cost;

/// What a side that was away is told late: at most so much, at most so old.
pub(super) const MAX_BACKLOG: usize = 100;
const MAX_AGE: Duration = Duration::from_secs(600);
/// Something that takes longer than this is worth a word.
const LONG: Duration = Duration::from_secs(30);
/// A paste comes in pieces: the word waits until no more has come for this long, but not longer than a minute.
const COMPLETE: Duration = Duration::from_secs(5);
const COMPLETE_AT_LAST: Duration = Duration::from_secs(60);

/// What waits for one leg.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    cost: Cost,
    long_since: Option<Instant>,
    tell_at: Option<Instant>,
    told: bool,
    /// Who said the last of it.
    about: Option<Origin>,
    /// When the leg was seen to be back.
    back: Option<Timestamp>,
}

impl Backlog {
    /// One more entry waits for the leg.
    pub(super) fn add(&mut self, cost: Cost, origin: Option<&Origin>, now: Instant) {
        self.cost.lines = self.cost.lines.saturating_add(cost.lines);
        self.cost.time = self.cost.time.saturating_add(cost.time);
        if self.told || self.cost.time < LONG {
            return;
        }
        self.about = origin.cloned();
        let since = *self.long_since.get_or_insert(now);
        self.tell_at = Some((now + COMPLETE).min(since + COMPLETE_AT_LAST));
    }

    /// One has been shown or given up.
    pub(super) fn done(&mut self, cost: Cost) {
        self.cost.lines = self.cost.lines.saturating_sub(cost.lines);
        self.cost.time = self.cost.time.saturating_sub(cost.time);
    }

    /// Nothing waits: the next time is another time.
    pub(super) fn ended(&mut self) {
        let back = self.back;
        *self = Self { back, ..Self::default() };
    }

    /// When something is to be told.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.tell_at
    }

    /// What is to be told now, once.
    pub(super) fn due(&mut self, now: Instant) -> Option<(Cost, Option<Origin>)> {
        self.tell_at.filter(|at| *at <= now)?;
        (self.tell_at, self.long_since) = (None, None);
        let still_long = self.cost.time >= LONG;
        self.told |= still_long;
        still_long.then(|| (self.cost, self.about.take()))
    }

    /// The leg has taken something: it was back at this time at the latest.
    pub(super) fn reached(&mut self, at: Timestamp) {
        self.back.get_or_insert(at);
    }

    /// The leg cannot be reached: when it is back is not known.
    pub(super) fn failed(&mut self) {
        self.back = None;
    }

    /// Whether an entry that was said while the leg was away came too early to be told now, by what followed in the same
    /// absence. What was said after the leg was back does not count.
    pub(super) fn is_stale(&self, said_at: Timestamp, now: Timestamp, absence: &Absence) -> bool {
        let back_at = absence.over_at.or(self.back).unwrap_or(now);
        let age = Duration::from_millis(back_at.saturating_sub(said_at));
        age > MAX_AGE || absence.behind >= MAX_BACKLOG
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::testkit::MATRIX;

    const LINE: Cost = Cost { lines: 1, time: Duration::from_secs(2) };

    #[tokio::test(start_paused = true)]
    async fn fault_10_a_paste_is_told_of_once_and_as_a_whole() {
        let mut backlog = Backlog::default();
        let origin = Origin { leg: MATRIX, reference: "$1".into() };
        for _ in 0..14 {
            backlog.add(LINE, Some(&origin), Instant::now());
        }
        assert_eq!(backlog.wake_at(), None, "28 s are not long");
        // 600 messages, one every 50 ms.
        for _ in 0..600 {
            backlog.add(LINE, Some(&origin), Instant::now());
            tokio::time::advance(Duration::from_millis(50)).await;
            assert_eq!(backlog.due(Instant::now()), None);
        }
        tokio::time::advance(COMPLETE).await;
        let (cost, about) = backlog.due(Instant::now()).expect("it is long");
        assert_eq!((cost.lines, about), (614, Some(origin.clone())));
        backlog.add(LINE, Some(&origin), Instant::now());
        assert_eq!(backlog.wake_at(), None, "once");
        (0..615).for_each(|_| backlog.done(LINE));
        backlog.ended();
        assert_eq!(backlog.cost, Cost::default());
        // Another paste is told of again; one that never ends coming, after a minute.
        for _ in 0..58 {
            backlog.add(Cost { lines: 20, time: LONG }, None, Instant::now());
            assert_eq!(backlog.due(Instant::now()), None);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(backlog.due(Instant::now()).is_some());
    }

    #[test]
    fn fault_10_only_what_was_said_while_the_leg_was_away_grows_stale() {
        let minutes = |n: u64| n * 60_000;
        let mut backlog = Backlog::default();
        let behind = |behind: usize| Absence { behind, over_at: None };
        assert!(
            !backlog.is_stale(0, minutes(10), &behind(99)),
            "the hundredth from the end is the first that is told"
        );
        assert!(backlog.is_stale(0, minutes(10), &behind(100)));
        assert!(backlog.is_stale(0, minutes(10) + 1, &behind(0)));
        // It is back: what is to be told is told however long that takes.
        backlog.reached(minutes(10));
        assert!(!backlog.is_stale(0, minutes(600), &behind(98)));
        backlog.reached(minutes(11));
        assert!(!backlog.is_stale(0, minutes(600), &behind(98)));
        // Away again.
        backlog.failed();
        assert!(backlog.is_stale(0, minutes(600), &behind(98)));
        // That the leg was back before is seen by what was said then, after a restart too.
        assert!(!backlog.is_stale(0, minutes(600), &Absence { behind: 5, over_at: Some(minutes(9)) }));
        assert!(backlog.is_stale(0, minutes(600), &Absence { behind: 5, over_at: Some(minutes(11)) }));
    }
}
