//! How often somebody may be wrong.
//!
//! Knows nine attempts at once and one more each minute, counted by whatever the caller counts by. Refuses to know what an
//! attempt is: where secrets are long the bound only keeps whoever tries from costing anything.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// So many at once; the next is too many.
const BURST: NonZeroU32 = NonZeroU32::new(9).expect("more than none");
/// One more after this.
const EVERY: Duration = Duration::from_secs(60);
/// Keys that are remembered before those with a clean slate are forgotten.
const MAX_KNOWN: usize = 10_000;

/// Attempts that were made lately, by key.
pub struct Attempts<K: Clone + Hash + Eq>(DefaultKeyedRateLimiter<K>);

/// Too many; how long it takes until another may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany {
    pub wait: Duration,
}

impl<K: Clone + Hash + Eq> Default for Attempts<K> {
    fn default() -> Self {
        let quota = Quota::with_period(EVERY).unwrap_or_else(|| Quota::per_minute(BURST)).allow_burst(BURST);
        Self(RateLimiter::keyed(quota))
    }
}

impl<K: Clone + Hash + Eq> Attempts<K> {
    /// One more attempt of this key.
    ///
    /// # Errors
    /// There were too many.
    pub fn count(&self, key: &K) -> Result<(), TooMany> {
        if self.0.len() > MAX_KNOWN {
            self.0.retain_recent();
        }
        let counted = self.0.check_key(key);
        counted.map_err(|until| TooMany { wait: until.wait_time_from(DefaultClock::default().now()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenth_attempt_is_too_many_and_costs_nobody_else_anything() {
        let attempts = Attempts::default();
        assert_eq!((0..10_000).filter(|_| attempts.count(&"mallory").is_ok()).count(), 9);
        let wait = attempts.count(&"mallory").unwrap_err().wait;
        assert!(wait > Duration::ZERO && wait <= EVERY, "{wait:?}");
        assert_eq!(attempts.count(&"ann"), Ok(()));
    }
}
