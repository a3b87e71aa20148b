//! Sign-ins that programs have begun.
//!
//! Knows who began which, for a while. Refuses to know what was asked for or given.

use std::time::Duration;

use crate::bridge::ids::UserId;
use crate::web::{Random, SecretTable, Shown};

/// How long somebody may take, and how many of one user and of all may be begun.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
const USER_PROCESSES: usize = 5;
const ALL_PROCESSES: usize = 10_000;
/// Sign-ins that were begun, each under a name that nobody guesses.
pub(super) struct Processes(SecretTable<UserId, UserId>);

impl Processes {
    /// Of those of one user, and of all, the oldest go where there are too many.
    pub(super) fn new(random: Random) -> Self {
        Self(SecretTable::new(LIFETIME, USER_PROCESSES, ALL_PROCESSES, random))
    }

    /// Gives the name of a new one.
    pub(super) fn begin(&self, user: &UserId) -> String {
        self.0.issue(user, user.clone())
    }

    /// Whether this one goes on, and is that user's.
    pub(super) fn is_of(&self, id: &str, user: &UserId) -> bool {
        matches!(self.0.look_up(id), Shown::Valid(owner) if owner == *user)
    }

    /// Ends it. False where it is another's, or ended before: of two requests at once one is too late.
    pub(super) fn end(&self, id: &str, user: &UserId) -> bool {
        self.is_of(id, user) && matches!(self.0.spend(id), Shown::Valid(_))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sign_in_is_its_users_alone_and_ends_once() {
        let count = AtomicU8::new(0);
        let processes = Processes::new(Arc::new(move || [count.fetch_add(1, Ordering::Relaxed); 32]));
        let [ann, bob] = ["@ann:x", "@bob:x"].map(UserId::new);
        let id = processes.begin(&ann);
        assert!(processes.is_of(&id, &ann) && !processes.is_of(&id, &bob));
        assert!(!processes.end(&id, &bob) && processes.end(&id, &ann) && !processes.end(&id, &ann));
        let late = processes.begin(&ann);
        tokio::time::advance(LIFETIME).await;
        assert!(!processes.is_of(&late, &ann));
    }
}
