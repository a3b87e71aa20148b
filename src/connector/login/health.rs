//! Whether a session that says nothing still works: answering pings proves nothing, opening a switchboard does.
//!
//! A session silent for five minutes is tried; two failures in a row, and it is replaced.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::connector::clock::now;
use crate::connector::handle::Assignment;
use crate::connector::net::dial::Dialler;
use crate::connector::net::pump::Pump;
use crate::msn::dialect::Dialect;
use crate::msn::gateway::Destination;
use crate::msn::ids::Email;
use crate::msn::session::{CallEvent, SwitchboardSession};

/// Silence that is looked into.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);
/// Pause before a failed trial is repeated.
const RETRY_DELAY: Duration = Duration::from_secs(30);
/// How long each step of a trial may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_FAILURES: u32 = 2;

/// What a trial means for the session.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::connector) enum Verdict {
    Alive,
    TryAgain,
    Replace,
}

/// When the session is tried next, and how many trials in a row have failed.
#[derive(Debug)]
pub(in crate::connector) struct Health {
    try_at: Instant,
    failures: u32,
}

impl Health {
    /// A session that is well: it is tried after five minutes of silence.
    pub(in crate::connector) fn new() -> Self {
        Self { try_at: Instant::now() + IDLE_TIMEOUT, failures: 0 }
    }

    /// The session did something of its own accord.
    pub(in crate::connector) fn heard(&mut self) {
        *self = Self::new();
    }

    /// When the session should be tried.
    pub(in crate::connector) fn try_at(&self) -> Instant {
        self.try_at
    }

    /// A message was not confirmed: the session is to be tried at once, and one failure more is enough.
    pub(in crate::connector) fn doubt(&mut self) {
        self.failures = self.failures.max(MAX_FAILURES - 1);
        self.try_at = Instant::now();
    }

    /// What a trial means; a second failure in a row is the end of the session.
    pub(in crate::connector) fn tried(&mut self, works: bool) -> Verdict {
        if works {
            self.heard();
            return Verdict::Alive;
        }
        self.failures += 1;
        self.try_at = Instant::now() + RETRY_DELAY;
        if self.failures >= MAX_FAILURES { Verdict::Replace } else { Verdict::TryAgain }
    }
}

/// Enters the board that was asked for, and leaves it. A refusal is an answer too.
pub(in crate::connector) async fn try_board(
    dialler: Arc<Dialler>,
    assigned: oneshot::Receiver<Assignment>,
    email: Email,
    dialect: Dialect,
) -> bool {
    let (board, cookie) = match tokio::time::timeout(STEP_TIMEOUT, assigned).await {
        Ok(Ok(Ok(assigned))) => assigned,
        Ok(Ok(Err(_refused))) => return true,
        Ok(Err(_)) | Err(_) => return false,
    };
    let Ok(way) = dialler.open(Destination::Switchboard, &board).await else { return false };
    let mut pump = Pump::new(SwitchboardSession::call(now(), dialect, email, cookie, Vec::new()), way.stream);
    let opened = tokio::time::timeout(STEP_TIMEOUT, async {
        loop {
            match pump.next().await {
                Ok(CallEvent::Opened) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
        }
    });
    let opened = opened.await.unwrap_or(false);
    pump.machine.leave();
    pump.close().await;
    opened
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msn::command::ErrorCode;

    #[tokio::test(start_paused = true)]
    async fn five_minutes_of_silence_and_two_failures_replace_a_session() {
        let begun = Instant::now();
        let mut health = Health::new();
        assert_eq!(health.try_at() - begun, Duration::from_secs(300));
        tokio::time::sleep_until(health.try_at()).await;
        assert_eq!(health.tried(false), Verdict::TryAgain);
        tokio::time::sleep_until(health.try_at()).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(330));
        assert_eq!(health.tried(false), Verdict::Replace);

        let mut health = Health::new();
        assert_eq!(health.tried(false), Verdict::TryAgain);
        assert_eq!(health.tried(true), Verdict::Alive);
        assert_eq!(health.tried(false), Verdict::TryAgain, "failures count in a row only");
        health.heard();
        assert_eq!(health.try_at() - Instant::now(), Duration::from_secs(300));
    }

    #[tokio::test(start_paused = true)]
    async fn fault_29_a_session_in_doubt_is_tried_at_once_and_replaced_after_one_failure() {
        let mut health = Health::new();
        health.doubt();
        assert_eq!(health.try_at(), Instant::now());
        assert_eq!(health.tried(true), Verdict::Alive);
        health.doubt();
        assert_eq!(health.tried(false), Verdict::Replace);
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_a_failure_and_a_refusal_is_not() {
        let email = || Email::parse("a@b.c").unwrap();
        let dialler = || Arc::new(Dialler::nowhere());
        let (refusing, refused) = oneshot::channel();
        refusing.send(Err(ErrorCode::HIDDEN)).unwrap();
        assert!(try_board(dialler(), refused, email(), Dialect::Msnp11).await);
        let (_silent, never) = oneshot::channel();
        assert!(!try_board(dialler(), never, email(), Dialect::Msnp11).await);
    }
}
