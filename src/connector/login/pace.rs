//! How fast logins sign in: so many a second, and so many at once. A revival server is small, and after an outage everybody
//! comes back at the same moment.
//!
//! Knows turns and time. Refuses to know what signing in is. Whoever was told to by a person does not wait for a turn.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Sign-ins a second where nothing else is configured.
pub(in crate::connector) const DEFAULT_RATE: u32 = 5;
/// Most sign-ins under way at once, however many a second are allowed: with more, each takes longer than it may.
const UNDER_WAY: usize = 128;

/// The turns of all logins.
#[derive(Debug)]
pub(in crate::connector) struct SignInPace {
    interval: Duration,
    /// When the turn after the last one that was given begins.
    next: Mutex<Instant>,
    under_way: Arc<Semaphore>,
}

/// A sign-in that is under way; dropped when it is over.
#[derive(Debug)]
pub(in crate::connector) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl SignInPace {
    /// At most so many sign-ins in a second, for all logins together; 0 counts as 1.
    pub(in crate::connector) fn new(per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let under_way = Arc::new(Semaphore::new(UNDER_WAY));
        Self { interval, next: Mutex::new(Instant::now()), under_way }
    }

    /// When the next turn is: as many as go in a second go at once, and then one after the other.
    pub(in crate::connector) fn reserve(&self, now: Instant) -> Instant {
        // Nothing that holds the lock panics.
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let burst = Duration::from_secs(1).saturating_sub(self.interval);
        let turn = (*next).max(now);
        *next = turn + self.interval;
        turn.checked_sub(burst).map_or(now, |at| at.max(now))
    }

    /// Somebody waits for this sign-in: it goes now, and the others a little later.
    pub(in crate::connector) fn at_once(&self) -> Turn {
        self.reserve(Instant::now());
        Turn { _permit: self.under_way.clone().try_acquire_owned().ok() }
    }

    /// Waits until this moment, and until there is room.
    pub(in crate::connector) async fn turn(&self, at: Instant) -> Turn {
        tokio::time::sleep_until(at).await;
        Turn { _permit: self.under_way.clone().acquire_owned().await.ok() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// When each of so many that come at once has its turn, in milliseconds.
    fn turns(pace: &SignInPace, count: usize) -> Vec<u128> {
        let now = Instant::now();
        (0..count).map(|_| pace.reserve(now).duration_since(now).as_millis()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn fault_27_as_many_as_go_in_a_second_go_at_once_and_the_rest_one_after_the_other() {
        let pace = SignInPace::new(5);
        assert_eq!(turns(&pace, 8), [0, 0, 0, 0, 0, 200, 400, 600]);
        // Somebody who waits is not behind the others, and counts.
        drop(pace.at_once());
        assert_eq!(turns(&pace, 1), [1000]);
        // After a rest there is no more than a second's worth at once.
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(turns(&pace, 7), [0, 0, 0, 0, 0, 200, 400]);
        for (rate, last) in [(1, 99_000), (100, 0), (10_000, 0)] {
            assert_eq!(turns(&SignInPace::new(rate), 100).last(), Some(&last), "{rate} a second");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn fault_27_ten_thousand_go_through_at_a_rate_that_a_bench_sets_without_a_herd() {
        let pace = Arc::new(SignInPace::new(1000));
        let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let begun = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..10_000 {
            let (pace, under_way, most) = (pace.clone(), under_way.clone(), most.clone());
            tasks.spawn(async move {
                let turn = pace.turn(pace.reserve(Instant::now())).await;
                most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(100)).await;
                under_way.fetch_sub(1, Ordering::SeqCst);
                drop(turn);
            });
        }
        tasks.join_all().await;
        assert!(most.load(Ordering::SeqCst) <= UNDER_WAY);
        assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    }
}
