//! Where one conversation's items stand: the one at the head, the last that is known, and when the head is tried again.
//!
//! Knows two keys of the inbox and the pauses between attempts. Refuses to hold an item: those stay on disk.

use std::time::Duration;

use tokio::time::Instant;

use crate::retry::Retry;

/// Pauses between two attempts that nobody asked for; chance adds up to as much again.
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// The longest that the homeserver can ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(600);

/// One conversation's place in the inbox.
#[derive(Debug)]
pub(super) struct Lane {
    head: Vec<u8>,
    last: Vec<u8>,
    /// `None` while the head is being read.
    retry_at: Option<Instant>,
    retry: Retry,
    held_since: Option<Instant>,
    /// The head is done with, and the one behind it is not known yet.
    passed: bool,
}

impl Lane {
    pub(super) fn new(head: Vec<u8>) -> Self {
        Self {
            last: head.clone(),
            head,
            retry_at: None,
            retry: Retry::new(SHORTEST, LONGEST),
            held_since: None,
            passed: false,
        }
    }

    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    pub(super) fn last(&self) -> &[u8] {
        &self.last
    }

    /// Another item has come, behind all others.
    pub(super) fn extend(&mut self, last: Vec<u8>) {
        self.last = last;
    }

    /// The head is being read now.
    pub(super) fn begin(&mut self) {
        self.retry_at = None;
    }

    /// The head is done with.
    pub(super) fn advance(&mut self, head: Vec<u8>) {
        self.head = head;
        self.retry_at = None;
        self.retry.reset();
        self.held_since = None;
        self.passed = false;
    }

    /// The head is done with, and what is behind it could not be looked up: that is tried again.
    pub(super) fn pass(&mut self) {
        self.passed = true;
        self.retry_at = Some(Instant::now());
    }

    pub(super) fn has_passed(&self) -> bool {
        self.passed
    }

    /// The head cannot be read now; gives the pause before the next attempt.
    pub(super) fn hold(&mut self, asked: Option<Duration>) -> Duration {
        let asked = asked.filter(|asked| !asked.is_zero()).map(|asked| asked.min(LONGEST_ASKED));
        let delay = asked.unwrap_or_else(|| self.retry.next_pause());
        let now = Instant::now();
        self.held_since.get_or_insert(now);
        self.retry_at = Some(now + delay);
        delay
    }

    /// What held it may be over.
    pub(super) fn release(&mut self) {
        if self.held_since.is_some() && self.retry_at.is_some() {
            self.retry_at = Some(Instant::now());
            self.retry.reset();
        }
    }

    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    pub(super) fn held_since(&self) -> Option<Instant> {
        self.held_since
    }
}
