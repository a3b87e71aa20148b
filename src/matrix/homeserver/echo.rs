//! Whether the homeserver still passes on what happens: what we send ourselves comes back in its transactions.
//!
//! Knows when something was sent that nothing has followed since, and when that has been so long ago that something has to
//! be sent to find out. Refuses to read transactions: any of them shows that the way is open. Source: the application service
//! API, by which a service is sent the events of its own users, too.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Something that comes back later than this does not come back: transactions follow within a second.
const MISSING: Duration = Duration::from_secs(60);
/// Where nothing was sent or heard for so long, the bot types to find out.
const QUIET: Duration = Duration::from_secs(600);

#[derive(Debug, Default)]
struct State {
    /// The first that was sent and that nothing has followed.
    unheard: Option<Instant>,
    /// When something was sent or heard last, or the start.
    moved: Option<Instant>,
    /// Whether the homeserver has shown that it passes typing on: not every one does.
    passes_typing: bool,
}

/// What was sent and not heard of again.
#[derive(Debug, Default)]
pub struct Echoes {
    state: Mutex<State>,
}

impl Echoes {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something of ours is in a room.
    pub(super) fn sent(&self) {
        let (now, mut state) = (Instant::now(), self.state());
        state.unheard.get_or_insert(now);
        state.moved = Some(now);
    }

    /// The bot has typed. Where typing has never come back that proves nothing, but what comes may prove that it does.
    pub(crate) fn typed(&self) {
        let (now, mut state) = (Instant::now(), self.state());
        state.moved = Some(now);
        if state.passes_typing {
            state.unheard.get_or_insert(now);
        }
    }

    /// A transaction has come.
    pub fn heard(&self) {
        let mut state = self.state();
        (state.unheard, state.moved) = (None, Some(Instant::now()));
    }

    /// Somebody's typing has come.
    pub fn heard_typing(&self) {
        self.state().passes_typing = true;
    }

    /// The homeserver is away: what it does not send says nothing, and it may be another one when it is back.
    pub fn away(&self) {
        *self.state() = State { moved: Some(Instant::now()), ..State::default() };
    }

    /// How long nothing has come back, if that is too long.
    pub fn missing_for(&self) -> Option<Duration> {
        self.state().unheard.map(|since| since.elapsed()).filter(|age| *age >= MISSING)
    }

    /// Whether it has been quiet for so long that the bot should type.
    pub fn is_quiet(&self) -> bool {
        let mut state = self.state();
        state.moved.get_or_insert_with(Instant::now).elapsed() >= QUIET
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

    #[tokio::test(start_paused = true)]
    async fn in_a_quiet_house_the_bot_types_and_is_missed_only_where_typing_has_come_back_before() {
        let echoes = Echoes::default();
        assert!(!echoes.is_quiet());
        tokio::time::advance(QUIET - Duration::from_secs(1)).await;
        echoes.heard();
        tokio::time::advance(QUIET - Duration::from_secs(1)).await;
        assert!(!echoes.is_quiet(), "something was heard meanwhile");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(echoes.is_quiet());
        echoes.typed();
        assert!(!echoes.is_quiet());
        tokio::time::advance(MISSING * 2).await;
        assert_eq!(echoes.missing_for(), None, "a homeserver that passes no typing on");
        echoes.heard();
        echoes.heard_typing();
        tokio::time::advance(QUIET).await;
        assert!(echoes.is_quiet());
        echoes.typed();
        tokio::time::advance(MISSING).await;
        assert_eq!(echoes.missing_for(), Some(MISSING));
        echoes.away();
        assert_eq!((echoes.missing_for(), echoes.is_quiet()), (None, false));
        echoes.typed();
        tokio::time::advance(MISSING).await;
        assert_eq!(echoes.missing_for(), None, "it may be another homeserver now");
    }
}
