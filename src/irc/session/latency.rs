//! How long a network takes to answer, asked once a minute.
//!
//! Knows when to ask, and which answer is to which question; time is an argument. Refuses to judge: a network that does not
//! answer at all is found by its silence.

use std::time::Duration;

use tokio::time::Instant;

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(60);
/// What the server is to say again; other PINGs have other words.
const TOKEN: &str = "msnbridge-latency";

/// The question that is under way, and when the next one is due.
#[derive(Debug)]
pub(super) struct Latency {
    next_at: Instant,
    asked_at: Option<Instant>,
}

impl Latency {
    /// The first question is due at once.
    pub(super) fn new(now: Instant) -> Self {
        Self { next_at: now, asked_at: None }
    }

    /// When to ask.
    pub(super) fn next_at(&self) -> Instant {
        self.next_at
    }

    /// The word to send in a PING. An older question that was not answered is forgotten.
    pub(super) fn ask(&mut self, now: Instant) -> &'static str {
        *self = Self { next_at: now + PAUSE, asked_at: Some(now) };
        TOKEN
    }

    /// How long the answer took, if a PONG with this word is one.
    pub(super) fn answered(&mut self, word: &str, now: Instant) -> Option<Duration> {
        let asked_at = self.asked_at.take_if(|_| word == TOKEN)?;
        Some(now.duration_since(asked_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_is_answered_once_and_by_its_own_word() {
        let begun = Instant::now();
        let mut latency = Latency::new(begun);
        assert_eq!(latency.next_at(), begun);
        let word = latency.ask(begun);
        let later = begun + Duration::from_millis(30);
        assert_eq!(latency.answered("msnbridge", later), None, "a sign of life");
        assert_eq!(latency.answered(word, later), Some(Duration::from_millis(30)));
        assert_eq!(latency.answered(word, later), None);
        assert_eq!(latency.next_at(), begun + PAUSE);
    }
}
