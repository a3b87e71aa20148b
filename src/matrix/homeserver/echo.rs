//! Whether the homeserver still passes on what happens: what we send ourselves comes back in its transactions.
//!
//! Knows when something was sent that nothing has followed since. Refuses to read transactions: any of them shows that the
//! way is open. Source: the application service API, by which a service is sent the events of its own users, too.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Something that comes back later than this does not come back: transactions follow within a second.
const MISSING: Duration = Duration::from_secs(60);

/// What was sent and not heard of again.
#[derive(Debug, Default)]
pub struct Echoes {
    unheard: Mutex<Option<Instant>>,
}

impl Echoes {
    /// Something of ours is in a room.
    pub(super) fn sent(&self) {
        // Nothing that holds the lock panics.
        self.unheard.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
    }

    /// A transaction has come; or nothing can be said of what has not, because the homeserver was away.
    pub fn heard(&self) {
        *self.unheard.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How long nothing has come back, if that is too long.
    pub fn missing_for(&self) -> Option<Duration> {
        let unheard = *self.unheard.lock().unwrap_or_else(PoisonError::into_inner);
        unheard.map(|since| since.elapsed()).filter(|age| *age >= MISSING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_back_within_a_minute_is_missed_until_something_comes() {
        let echoes = Echoes::default();
        tokio::time::advance(MISSING * 10).await;
        assert_eq!(echoes.missing_for(), None, "nothing was sent");
        echoes.sent();
        tokio::time::advance(MISSING / 2).await;
        echoes.sent();
        assert_eq!(echoes.missing_for(), None);
        tokio::time::advance(MISSING / 2).await;
        assert_eq!(echoes.missing_for(), Some(MISSING), "counted from the first");
        echoes.heard();
        assert_eq!(echoes.missing_for(), None);
        tokio::time::advance(MISSING * 2).await;
        assert_eq!(echoes.missing_for(), None, "nothing was sent since");
    }
}
