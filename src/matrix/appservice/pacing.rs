//! When a transaction of what our own users said is answered.
//!
//! Knows when the last such answer was given. Refuses to know what else may come. A homeserver has one transaction on its way
//! at a time and gathers meanwhile what comes next. Each costs it several writes of its database, so a contact's flood of
//! messages is made lighter by answers that are late: nobody waits for these, and what a person says waits so long only
//! beside such a flood.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Answers to what our users said are so far apart at least.
const GAP: Duration = Duration::from_millis(100);

/// The pace of answers to what our own users said.
#[derive(Debug, Default)]
pub(super) struct AnswerPacing(Mutex<Option<Instant>>);

impl AnswerPacing {
    /// Comes back when the next may be answered: at once, unless one was answered a moment ago.
    pub(super) async fn answer(&self) {
        let due = {
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner); // nothing that holds it panics
            let now = Instant::now();
            let due = last.map_or(now, |last| now.max(last + GAP));
            *last = Some(due);
            due
        };
        tokio::time::sleep_until(due).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_that_follow_one_another_are_apart_and_one_after_a_pause_is_given_at_once() {
        let (pacing, began) = (AnswerPacing::default(), Instant::now());
        pacing.answer().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        for number in 1..=3 {
            pacing.answer().await;
            assert_eq!(began.elapsed(), number * GAP);
        }
        tokio::time::advance(GAP).await;
        let later = Instant::now();
        pacing.answer().await;
        assert_eq!(later.elapsed(), Duration::ZERO);
    }
}
