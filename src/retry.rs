//! Pauses between attempts: the one place that makes them, so that no loop of the bridge asks anybody without one.
//!
//! Knows how long to wait: a pause that doubles from a shortest to a longest, each with a random part so that many who
//! failed together do not come back together. Refuses to know what is tried, and when to give up.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

/// The pauses of one loop.
#[derive(Debug)]
pub struct Retry {
    limits: ExponentialBuilder,
    pauses: ExponentialBackoff,
    longest: Duration,
}

impl Retry {
    /// Pauses from `shortest` to `longest`, and up to as much again by chance.
    pub fn new(shortest: Duration, longest: Duration) -> Self {
        let limits = ExponentialBuilder::new().with_jitter().without_max_times();
        let limits = limits.with_min_delay(shortest).with_max_delay(longest);
        Self { pauses: limits.build(), limits, longest }
    }

    /// How long to wait before the next attempt.
    pub fn next_pause(&mut self) -> Duration {
        self.pauses.next().unwrap_or(self.longest)
    }

    /// It worked: the next failure waits only the shortest pause.
    pub fn reset(&mut self) {
        self.pauses = self.limits.build();
    }

    /// Waits before the next attempt.
    pub async fn pause(&mut self) {
        tokio::time::sleep(self.next_pause()).await;
    }

    /// Waits before the next attempt, or until `sooner` says that it is worth one; never less than the shortest pause, so
    /// that whoever says so all the time makes no attempts without a pause.
    pub async fn pause_unless(&mut self, sooner: impl Future<Output = ()>) {
        let (now, pause) = (Instant::now(), self.next_pause());
        let least = self.limits.build().next().unwrap_or(pause).min(pause);
        tokio::select! {
            () = tokio::time::sleep_until(now + pause) => return,
            () = sooner => {}
        }
        tokio::time::sleep_until(now + least).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORTEST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(60);

    #[test]
    fn fault_26_pauses_grow_to_their_bound_and_begin_anew_after_a_success() {
        let mut retry = Retry::new(SHORTEST, LONGEST);
        let pauses: Vec<Duration> = (0..200).map(|_| retry.next_pause()).collect();
        assert!(pauses.iter().all(|pause| (SHORTEST..=LONGEST * 2).contains(pause)), "{pauses:?}");
        assert!(pauses[100..].iter().all(|pause| *pause >= LONGEST));
        assert!(pauses[100..].windows(2).any(|pair| pair[0] != pair[1]), "they are not all the same");
        retry.reset();
        assert!(retry.next_pause() <= SHORTEST * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn fault_26_whoever_is_always_woken_still_pauses() {
        let mut retry = Retry::new(SHORTEST, LONGEST);
        let begun = Instant::now();
        for _ in 0..20 {
            retry.pause_unless(std::future::ready(())).await;
        }
        assert!(begun.elapsed() >= SHORTEST * 20, "{:?}", begun.elapsed());
        // And one who is never woken waits no longer than it may.
        let begun = Instant::now();
        retry.pause_unless(std::future::pending()).await;
        assert!(begun.elapsed() <= LONGEST * 2);
    }
}
