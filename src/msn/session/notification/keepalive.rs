//! Pings, and the answers that prove that the server still listens (§5.1).
//!
//! Knows when the next ping is due and when its answer is overdue. Refuses to know how a ping is written.

use std::time::{Duration, Instant};

use crate::msn::session::SessionError;

/// The first ping comes after this; `QNG` names the next interval (§5.1).
const PING_INTERVAL: Duration = Duration::from_secs(45);

/// A server that does not answer a ping for so long is deaf, whatever interval it named.
const PONG_TIMEOUT: Duration = Duration::from_secs(45);

/// The pings of one session.
#[derive(Debug)]
pub(super) struct KeepAlive {
    /// Whether the session pings at all; over HTTP it must not (§10).
    is_active: bool,
    interval: Duration,
    next_ping: Option<Instant>,
    /// When the answer to a ping is overdue.
    pong_by: Option<Instant>,
}

impl KeepAlive {
    pub(super) fn new(is_active: bool) -> Self {
        Self { is_active, interval: PING_INTERVAL, next_ping: None, pong_by: None }
    }

    /// The session is signed in: its first ping is one interval away.
    pub(super) fn begin(&mut self, now: Instant) {
        self.next_ping = self.is_active.then(|| now + self.interval);
    }

    /// The answer has come. `seconds`: when the server expects the next ping.
    pub(super) fn answered(&mut self, now: Instant, seconds: Option<u32>) {
        self.pong_by = None;
        if let Some(seconds) = seconds {
            // Five seconds before the server expects it, and never more often than every five seconds.
            self.interval = Duration::from_secs(u64::from(seconds.clamp(10, 600)) - 5);
            self.begin(now);
        }
    }

    /// Whether a ping is to be sent now; it is then taken as sent.
    ///
    /// # Errors
    /// [`SessionError::TimedOut`] where the answer to an earlier one is overdue.
    pub(super) fn take_due(&mut self, now: Instant) -> Result<bool, SessionError> {
        if self.pong_by.is_some_and(|deadline| deadline <= now) {
            return Err(SessionError::TimedOut("PNG"));
        }
        let is_due = self.next_ping.is_some_and(|at| at <= now);
        if is_due {
            self.next_ping = Some(now + self.interval);
            self.pong_by.get_or_insert(now + PONG_TIMEOUT);
        }
        Ok(is_due)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_ping.into_iter().chain(self.pong_by).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_come_at_the_interval_that_the_server_named_and_a_deaf_server_is_noticed() {
        let begun = Instant::now();
        let mut pings = KeepAlive::new(true);
        assert_eq!(pings.deadline(), None);
        pings.begin(begun);
        assert_eq!(pings.deadline(), Some(begun + PING_INTERVAL));
        assert!(!pings.take_due(begun).unwrap());
        let first = begun + PING_INTERVAL;
        assert!(pings.take_due(first).unwrap());
        pings.answered(first, Some(30));
        assert_eq!(pings.deadline(), Some(first + Duration::from_secs(25)));
        let second = first + Duration::from_secs(25);
        assert!(pings.take_due(second).unwrap());
        // A second ping without an answer does not move the deadline of the first.
        assert!(pings.take_due(second + Duration::from_secs(25)).unwrap());
        assert!(pings.take_due(second + PONG_TIMEOUT).is_err());
    }

    #[test]
    fn a_session_over_http_never_pings() {
        let now = Instant::now();
        let mut pings = KeepAlive::new(false);
        pings.begin(now);
        pings.answered(now, Some(50));
        assert!(!pings.take_due(now + Duration::from_hours(1)).unwrap());
        assert_eq!(pings.deadline(), None);
    }
}
