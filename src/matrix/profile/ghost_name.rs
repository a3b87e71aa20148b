//! Which of two names of a contact is the newer one, where both are under way.
//!
//! Knows what the core said lately that somebody is called now. Refuses to trust that for long: the core may drop that word
//! where it is busy, and the next words carry the name then.

use std::time::Duration;

use ruma::{OwnedUserId, UserId};
use tokio::time::Instant;

use crate::matrix::cache::Cache;

/// For how long another name is an older one: what was begun under it is done by then.
const NEWS: Duration = Duration::from_secs(10 * 60);

/// Names that are news. One that is evicted costs that an older one may be shown until the next words.
const MAX_NEWS: usize = 1_000;

/// What ghosts were lately said to be called.
pub(super) struct NewestNames(Cache<OwnedUserId, (String, Instant)>);

impl Default for NewestNames {
    fn default() -> Self {
        Self(Cache::new(MAX_NEWS))
    }
}

impl NewestNames {
    /// A contact is called so now.
    pub(super) fn learn(&self, user: &UserId, name: &str) {
        self.0.insert(user.to_owned(), (name.to_owned(), Instant::now()));
    }

    /// What somebody is called, where something was begun under `name`.
    pub(super) fn newest(&self, user: &UserId, name: &str) -> String {
        match self.0.get(user) {
            Some((newer, said)) if said.elapsed() < NEWS => newer,
            _ => name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_older_name_counts_again_when_the_news_is_old() {
        let (names, bob) = (NewestNames::default(), <&UserId>::try_from("@msn_bob:x").unwrap());
        assert_eq!(names.newest(bob, "bob@example.com"), "bob@example.com");
        names.learn(bob, "Bob");
        assert_eq!(names.newest(bob, "bob@example.com"), "Bob");
        names.learn(bob, "Bobby");
        tokio::time::advance(NEWS - Duration::from_secs(1)).await;
        assert_eq!(names.newest(bob, "Bob"), "Bobby");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(names.newest(bob, "Rob"), "Rob", "the word that he is Rob was dropped");
    }
}
