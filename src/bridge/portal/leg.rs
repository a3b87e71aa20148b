//! Where one leg of a portal stands: under way, waiting, held.
//!
//! Knows the pauses between attempts and who waits for the entry at the head. Refuses to know what an entry holds. Source:
//! section 4 of the product's description.

use std::time::Duration;

use tokio::time::Instant;

use super::PENDING_AFTER;
use super::backlog::Backlog;
use crate::bridge::depths::Depth;
use crate::bridge::event::Timestamp;
use crate::bridge::ids::Leg;
use crate::bridge::journal::{Begin, Entry, Origin};
use crate::retry::Retry;

/// A leg that is held is tried again after this even if nobody says that it is up.
const HELD: Duration = Duration::from_secs(30);

/// The longest pause that a side can ask for.
const MAX_ASKED: Duration = Duration::from_secs(600);

/// Pauses between attempts at an entry that failed for a reason that may pass.
fn backoff() -> Retry {
    Retry::new(Duration::from_millis(500), Duration::from_secs(30))
}

/// The network mostly says when somebody is back. Of people on no list it cannot know: they are looked for.
fn probes() -> Retry {
    Retry::new(HELD, Duration::from_secs(1800))
}

/// The entry at the head of a leg and the one who waits for it.
#[derive(Debug)]
struct Waiting {
    sequence: u64,
    origin: Option<Origin>,
    since: Instant,
    told: bool,
    /// How much is known to wait behind it and with it, once its sender was told that it takes longer.
    pending: usize,
}

/// The state of one leg; the entry itself stays in the journal.
#[derive(Debug)]
pub(super) struct LegQueue {
    pub(super) leg: Leg,
    under_way: bool,
    retry_at: Option<Instant>,
    delays: Retry,
    /// Whether an attempt that nobody saw the end of may have arrived: after a start, and after a failure.
    unconfirmed: bool,
    /// The last entry there was at the start: up to it, an attempt of an earlier life may have arrived, each of them.
    left_over: u64,
    /// Up to this entry each goes alone: together they were refused.
    alone: u64,
    /// Up to this entry they waited together with many.
    paste: u64,
    reason: String,
    /// Those whom it is for cannot be reached: since when that is known, and when it is looked at again by itself.
    away_since: Option<Instant>,
    probes: Retry,
    waiting: Option<Waiting>,
    pub(super) backlog: Backlog,
    /// When the entry at the head was said.
    head_said: Option<Timestamp>,
    /// What was told last of how much waits.
    pub(super) depth: Option<Depth>,
}

impl LegQueue {
    pub(super) fn new(leg: Leg) -> Self {
        Self {
            leg,
            under_way: false,
            retry_at: None,
            delays: backoff(),
            unconfirmed: true,
            left_over: 0,
            alone: 0,
            paste: 0,
            reason: String::new(),
            away_since: None,
            probes: probes(),
            waiting: None,
            backlog: Backlog::default(),
            head_said: None,
            depth: None,
        }
    }

    /// The same at a start, with entries of an earlier life up to this one.
    pub(super) fn taken_up(leg: Leg, left_over: u64) -> Self {
        Self { left_over, ..Self::new(leg) }
    }

    /// Whether an attempt may begin now.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        !self.under_way && self.retry_at.is_none_or(|at| at <= now)
    }

    /// An attempt begins; says whether an earlier one may have arrived.
    pub(super) fn begin(&mut self, sequence: u64, entry: &Entry) -> bool {
        self.under_way = true;
        self.retry_at = None;
        self.head_said = Some(entry.at);
        if self.waiting.as_ref().is_none_or(|waiting| waiting.sequence != sequence) {
            let origin = entry.origin.clone().filter(|_| matches!(self.leg, Leg::Remote | Leg::Files));
            self.waiting = Some(Waiting { sequence, origin, since: Instant::now(), told: false, pending: 0 });
        }
        self.unconfirmed || sequence <= self.left_over
    }

    /// Whether those from this entry on may go as one: not where an attempt at it alone may have arrived.
    pub(super) fn may_pack(&self, sequence: u64) -> Begin {
        match sequence {
            _ if self.unconfirmed || sequence <= self.alone => Begin::Never,
            _ if sequence <= self.paste => Begin::Rest,
            _ => Begin::Paste,
        }
    }

    /// Many wait, up to this entry.
    pub(super) fn begin_paste(&mut self, last: u64) {
        self.paste = last;
    }

    /// What went as one was refused: up to `last` each goes alone.
    pub(super) fn dissolve(&mut self, last: u64) {
        self.under_way = false;
        self.alone = last;
    }

    /// How much waits here, where so many entries are behind the cursor; `now` is what has not been looked at was said.
    pub(super) fn depth_of(&self, waiting: u64, now: Timestamp) -> Option<Depth> {
        (waiting > 0).then(|| Depth { waiting, oldest: self.head_said.unwrap_or(now) })
    }

    /// Done with the entry, delivered or given up.
    pub(super) fn succeeded(&mut self) {
        self.under_way = false;
        self.retry_at = None;
        self.delays.reset();
        self.unconfirmed = false;
        self.waiting = None;
        self.head_said = None;
        self.reason.clear();
        self.away_since = None;
        self.probes.reset();
    }

    /// The entry at the head is passed over: what comes behind it is not tried too late for its sake.
    pub(super) fn pass_over(&mut self) {
        self.retry_at = None;
    }

    /// The attempt failed and may succeed later: after the leg's own pause, or exactly the one asked for, 600 s at most.
    /// One who asks for none at all gets the leg's own.
    pub(super) fn retry(&mut self, after: Option<Duration>, reason: &str) {
        let asked = after.filter(|after| !after.is_zero()).map(|after| after.min(MAX_ASKED));
        let delay = asked.unwrap_or_else(|| self.delays.next_pause());
        self.wait(delay, reason);
    }

    /// Nothing goes through on this leg until it is released, or 30 s have passed.
    pub(super) fn hold(&mut self, reason: &str) {
        self.wait(HELD, reason);
    }

    /// Those whom it is for are away; their return releases the leg. The core says so in its own notice.
    pub(super) fn wait_for_return(&mut self, reason: &str) {
        let delay = self.probes.next_pause();
        self.wait(delay, reason);
        self.away_since = Some(Instant::now());
        self.waiting.iter_mut().for_each(|waiting| waiting.told = true);
    }

    /// Somebody said something more: whoever cannot be seen to be back may be.
    pub(super) fn look_again(&mut self) {
        if !self.under_way && self.away_since.is_some_and(|since| since.elapsed() >= HELD) {
            self.retry_at = None;
        }
    }

    /// The entry that is on its way now.
    pub(super) fn in_flight(&self) -> Option<u64> {
        self.waiting.as_ref().filter(|_| self.under_way).map(|waiting| waiting.sequence)
    }

    fn wait(&mut self, delay: Duration, reason: &str) {
        self.under_way = false;
        self.away_since = None;
        self.unconfirmed = true;
        self.backlog.failed();
        self.retry_at = Some(Instant::now() + delay);
        reason.clone_into(&mut self.reason);
    }

    /// What held the leg may be over: try at once.
    pub(super) fn release(&mut self) {
        self.retry_at = None;
        self.delays.reset();
    }

    /// Nothing is left to try; nobody waits.
    pub(super) fn rest(&mut self) {
        self.retry_at = None;
        if !self.under_way {
            self.waiting = None;
            self.backlog.ended();
        }
    }

    /// The next moment at which something is to be done here.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let retry_at = self.retry_at.filter(|_| !self.under_way);
        [retry_at, self.overdue_at(), self.backlog.wake_at()].into_iter().flatten().min()
    }

    /// When a sender has waited for too long. A file may take its time; one that was tried in vain has not moved.
    fn overdue_at(&self) -> Option<Instant> {
        let waiting = self.waiting.as_ref().filter(|waiting| !waiting.told && waiting.origin.is_some())?;
        let moves = self.leg == Leg::Files && (self.under_way || self.reason.is_empty());
        (!moves).then(|| waiting.since + PENDING_AFTER)
    }

    /// Somebody who has waited for too long, once.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Option<(Origin, String)> {
        if self.overdue_at().is_none_or(|at| now < at) {
            return None;
        }
        let waiting = self.waiting.as_mut()?;
        waiting.told = true;
        let origin = waiting.origin.clone()?;
        Some((origin, self.reason_now()))
    }

    fn reason_now(&self) -> String {
        if self.reason.is_empty() { "no answer yet".to_owned() } else { self.reason.clone() }
    }

    /// So much is known to wait now that the sender at the head was told.
    pub(super) fn tell_pending(&mut self, count: usize) {
        self.waiting.iter_mut().for_each(|waiting| waiting.pending = count);
    }

    /// One more comes while those before it are known to wait: why they do, and how much that is now.
    pub(super) fn joins_pending(&mut self) -> Option<(String, usize)> {
        let waiting = self.waiting.as_mut().filter(|waiting| waiting.pending > 0)?;
        waiting.pending += 1;
        let count = waiting.pending;
        Some((self.reason_now(), count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::body::Body;
    use crate::bridge::event::Author;
    use crate::bridge::ids::EntryId;
    use crate::bridge::port::delivery::Content;
    use crate::bridge::testkit::{IRC, MATRIX};

    fn entry(origin: Option<Leg>) -> Entry {
        let origin = origin.map(|leg| Origin { leg, reference: "$1".into() });
        let content = Content::Said { body: Body::Nudge };
        Entry {
            id: EntryId::new("1"),
            author: Author::Bridge,
            content,
            at: 0,
            origin,
            legs: vec![IRC],
            away: Vec::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_wakes_a_leg_that_has_nothing_to_try() {
        for end in [LegQueue::succeeded, LegQueue::pass_over, LegQueue::rest] {
            let mut queue = LegQueue::new(IRC);
            queue.begin(1, &entry(None));
            queue.retry(None, "away");
            assert!(queue.wake_at().is_some());
            end(&mut queue);
            assert_eq!(queue.wake_at(), None);
        }
        // An attempt that ends after everything was given up leaves nothing to try either.
        let mut queue = LegQueue::new(Leg::Remote);
        queue.begin(1, &entry(Some(MATRIX)));
        queue.hold("signed out");
        queue.rest();
        assert_eq!(queue.wake_at(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_overdue_only_while_it_does_not_move() {
        let mut queue = LegQueue::new(Leg::Files);
        queue.begin(1, &entry(Some(MATRIX)));
        tokio::time::advance(PENDING_AFTER * 3).await;
        assert_eq!(queue.take_overdue(Instant::now()), None, "it takes its time");
        queue.retry(None, "no room");
        let (origin, reason) = queue.take_overdue(Instant::now()).expect("it did not go");
        assert_eq!((origin.reference.as_str(), reason.as_str()), ("$1", "no room"));
        assert_eq!(queue.take_overdue(Instant::now()), None, "once");
        let mut queue = LegQueue::new(Leg::Remote);
        queue.begin(1, &entry(Some(MATRIX)));
        assert_eq!(queue.take_overdue(Instant::now()), None);
        tokio::time::advance(PENDING_AFTER).await;
        assert!(queue.take_overdue(Instant::now()).is_some(), "words do not");
    }

    #[tokio::test(start_paused = true)]
    async fn one_more_is_counted_only_while_those_before_it_are_known_to_wait() {
        let mut queue = LegQueue::new(Leg::Remote);
        queue.begin(1, &entry(Some(MATRIX)));
        assert_eq!(queue.joins_pending(), None, "nobody was told yet");
        queue.hold("signed out");
        queue.tell_pending(2);
        assert_eq!(queue.joins_pending(), Some(("signed out".into(), 3)));
        assert_eq!(queue.joins_pending(), Some(("signed out".into(), 4)));
        queue.succeeded();
        queue.begin(2, &entry(Some(MATRIX)));
        assert_eq!(queue.joins_pending(), None, "it goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_of_which_nobody_saw_the_end_may_have_arrived_by_the_next_one() {
        let mut queue = LegQueue::new(MATRIX);
        assert!(queue.begin(1, &entry(None)), "another life may have tried it");
        queue.succeeded();
        let fails: [fn(&mut LegQueue); 2] = [|queue| queue.retry(None, "lost"), |queue| queue.hold("down")];
        for fails in fails {
            assert!(!queue.begin(2, &entry(None)));
            fails(&mut queue);
            assert!(queue.begin(2, &entry(None)));
            queue.succeeded();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_names_a_pause_gets_it_within_bounds() {
        let mut queue = LegQueue::new(IRC);
        let mut next = |asked| {
            queue.begin(1, &entry(None));
            queue.retry(Some(Duration::from_secs(asked)), "busy");
            queue.wake_at().expect("it goes on") - Instant::now()
        };
        for attempt in 0..12 {
            assert_eq!(next(3), Duration::from_secs(3), "and no more, at attempt {attempt}");
        }
        assert_eq!(next(90), Duration::from_secs(90));
        assert!(next(0) >= Duration::from_millis(500), "the leg's own pause at least");
        assert_eq!(next(86_400), Duration::from_secs(600));
    }

    #[tokio::test(start_paused = true)]
    async fn who_stays_away_is_looked_for_ever_more_seldom_until_they_are_back() {
        let mut queue = LegQueue::new(Leg::Remote);
        let looks = |queue: &mut LegQueue| {
            queue.begin(1, &entry(None));
            queue.wait_for_return("away");
            queue.wake_at().expect("it goes on") - Instant::now()
        };
        let pauses: Vec<Duration> = (0..9).map(|_| looks(&mut queue)).collect();
        assert!(pauses[0] >= HELD && pauses[0] <= HELD * 2, "{pauses:?}");
        assert!(pauses[8] >= Duration::from_secs(1800), "{pauses:?}");
        queue.succeeded();
        assert!(looks(&mut queue) <= HELD * 2);
    }
}
