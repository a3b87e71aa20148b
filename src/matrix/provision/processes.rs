//! Sign-ins that programs have begun.
//!
//! Knows who began which, for a while. Refuses to know what was asked for or given.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::bridge::ids::UserId;

/// How long somebody may take, and how many of one user and of all may be begun.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
const USER_PROCESSES: usize = 5;
const ALL_PROCESSES: usize = 10_000;
/// Sign-ins that were begun.
#[derive(Debug, Default)]
pub(super) struct Processes(Mutex<HashMap<String, (UserId, Instant)>>);

impl Processes {
    /// Of those of one user, and of all, the oldest go where there are more than that.
    pub(super) fn begin(&self, id: String, user: &UserId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, begun)| begun.elapsed() < LIFETIME);
        let of_user = all.values().filter(|(owner, _)| owner == user).count();
        let oldest = |all: &HashMap<String, (UserId, Instant)>, is_it: &dyn Fn(&UserId) -> bool| {
            let candidates = all.iter().filter(|(_, (owner, _))| is_it(owner));
            candidates.min_by_key(|(_, (_, begun))| *begun).map(|(id, _)| id.clone())
        };
        let gone = match (of_user >= USER_PROCESSES, all.len() >= ALL_PROCESSES) {
            (true, _) => oldest(&all, &|owner| owner == user),
            (false, true) => oldest(&all, &|_| true),
            (false, false) => None,
        };
        gone.into_iter().for_each(|id| drop(all.remove(&id)));
        all.insert(id, (user.clone(), Instant::now()));
    }

    pub(super) fn is_of(&self, id: &str, user: &UserId) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(id).is_some_and(|(owner, begun)| owner == user && begun.elapsed() < LIFETIME)
    }

    /// Whether it was there.
    pub(super) fn end(&self, id: &str, user: &UserId) -> bool {
        let was_there = self.is_of(id, user);
        if was_there {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        }
        was_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sign_in_is_its_users_alone_and_ends_with_its_time_or_for_newer_ones() {
        let (processes, [ann, bob]) = (Processes::default(), ["@ann:x", "@bob:x"].map(UserId::new));
        processes.begin("first".into(), &ann);
        assert!(processes.is_of("first", &ann) && !processes.is_of("first", &bob));
        assert!(
            !processes.end("first", &bob) && processes.end("first", &ann) && !processes.end("first", &ann)
        );
        processes.begin("of bob".into(), &bob);
        for n in 0..=USER_PROCESSES {
            tokio::time::advance(Duration::from_secs(1)).await;
            processes.begin(n.to_string(), &ann);
        }
        assert!(!processes.is_of("0", &ann) && processes.is_of("1", &ann) && processes.is_of("of bob", &bob));
        tokio::time::advance(LIFETIME).await;
        assert!(!processes.is_of("1", &ann));
    }
}
