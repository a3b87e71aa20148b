//! Where one leg of a portal stands: under way, waiting, held.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use super::PENDING_AFTER;
use crate::bridge::ids::Leg;
use crate::bridge::journal::{Entry, Origin};

/// A leg that is held is tried again after this even if nobody says that it is up.
const HELD: Duration = Duration::from_secs(30);

fn backoff() -> ExponentialBackoff {
    let delays = ExponentialBuilder::new().with_jitter().without_max_times();
    delays.with_min_delay(Duration::from_millis(500)).with_max_delay(Duration::from_secs(30)).build()
}

/// The entry at the head of a leg and the one who waits for it.
#[derive(Debug)]
struct Waiting {
    sequence: u64,
    origin: Option<Origin>,
    since: Instant,
    told: bool,
}

#[derive(Debug)]
pub(super) struct LegQueue {
    pub(super) leg: Leg,
    under_way: bool,
    retry_at: Option<Instant>,
    delays: ExponentialBackoff,
    /// Whether an attempt that nobody saw the end of may have arrived: after a start, and after a failure.
    unconfirmed: bool,
    reason: String,
    /// Entries passed over since the last delivery.
    pub(super) missed: u64,
    waiting: Option<Waiting>,
}

impl LegQueue {
    pub(super) fn new(leg: Leg) -> Self {
        Self {
            leg,
            under_way: false,
            retry_at: None,
            delays: backoff(),
            unconfirmed: true,
            reason: String::new(),
            missed: 0,
            waiting: None,
        }
    }

    pub(super) fn is_ready(&self, now: Instant) -> bool {
        !self.under_way && self.retry_at.is_none_or(|at| at <= now)
    }

    /// An attempt begins; says whether an earlier one may have arrived.
    pub(super) fn begin(&mut self, sequence: u64, entry: &Entry) -> bool {
        self.under_way = true;
        self.retry_at = None;
        if self.waiting.as_ref().is_none_or(|waiting| waiting.sequence != sequence) {
            let origin = entry.origin.clone().filter(|_| matches!(self.leg, Leg::Remote | Leg::Files));
            self.waiting = Some(Waiting { sequence, origin, since: Instant::now(), told: false });
        }
        self.unconfirmed
    }

    /// Done with the entry, delivered or given up.
    pub(super) fn succeeded(&mut self) {
        self.under_way = false;
        self.delays = backoff();
        self.unconfirmed = false;
        self.waiting = None;
        self.missed = 0;
        self.reason.clear();
    }

    /// The entry at the head is passed over.
    pub(super) fn miss(&mut self) {
        self.missed += 1;
    }

    pub(super) fn retry(&mut self, after: Option<Duration>, reason: &str) {
        let delay = self.delays.next().unwrap_or(HELD);
        self.wait(after.map_or(delay, |after| after.max(delay).min(Duration::from_secs(600))), reason);
    }

    pub(super) fn hold(&mut self, reason: &str) {
        self.wait(HELD, reason);
    }

    fn wait(&mut self, delay: Duration, reason: &str) {
        self.under_way = false;
        self.unconfirmed = true;
        self.retry_at = Some(Instant::now() + delay);
        reason.clone_into(&mut self.reason);
    }

    /// What held the leg may be over: try at once.
    pub(super) fn release(&mut self) {
        self.retry_at = None;
        self.delays = backoff();
    }

    /// The next moment at which something is to be done here.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        [self.retry_at.filter(|_| !self.under_way), self.overdue_at()].into_iter().flatten().min()
    }

    /// When a sender has waited for too long. A file may take its time; one that was tried in vain has not moved.
    fn overdue_at(&self) -> Option<Instant> {
        let waiting = self.waiting.as_ref().filter(|waiting| !waiting.told && waiting.origin.is_some())?;
        let moves = self.leg == Leg::Files && self.reason.is_empty();
        (!moves).then(|| waiting.since + PENDING_AFTER)
    }

    /// Somebody who has waited for too long, once.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Option<(Origin, String)> {
        if self.overdue_at().is_none_or(|at| now < at) {
            return None;
        }
        let waiting = self.waiting.as_mut()?;
        waiting.told = true;
        let reason = if self.reason.is_empty() { "no answer yet".to_owned() } else { self.reason.clone() };
        Some((waiting.origin.clone()?, reason))
    }
}
