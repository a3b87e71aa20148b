//! Secrets that stand for something for a while: a link for a user, a cookie for a session.
//!
//! Knows what each stands for, and whether it was used or is too old. Refuses to keep a secret: only its hash is here. A
//! restart forgets them all, and whoever had one asks for another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// Bytes of a secret: nobody guesses 256 bits.
const BYTES: usize = 32;
/// How long it is remembered that a secret was there, so that its end can be explained.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Makes bytes that nobody can foretell.
pub type Random = Arc<dyn Fn() -> [u8; BYTES] + Send + Sync>;

/// What is known of a secret that somebody shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown<T> {
    Valid(T),
    /// It works once, and did.
    Used,
    Expired,
    Unknown,
}

#[derive(Debug)]
struct Entry<O, T> {
    owner: O,
    value: T,
    made: Instant,
    is_used: bool,
}

/// Secrets of one kind, and what they stand for.
pub struct SecretTable<O, T> {
    entries: Mutex<HashMap<[u8; BYTES], Entry<O, T>>>,
    lifetime: Duration,
    per_owner: usize,
    limit: usize,
    random: Random,
}

/// A new secret, 43 characters as they may stand in an address.
pub fn fresh(random: &Random) -> String {
    URL_SAFE_NO_PAD.encode(random())
}

fn hash(secret: &str) -> [u8; BYTES] {
    Sha256::digest(secret.as_bytes()).into()
}

impl<O: Clone + PartialEq, T: Clone> SecretTable<O, T> {
    /// Of the secrets of one owner, and of all, the oldest go where there are more than that.
    pub fn new(lifetime: Duration, per_owner: usize, limit: usize, random: Random) -> Self {
        Self { entries: Mutex::default(), lifetime, per_owner, limit, random }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; BYTES], Entry<O, T>>> {
        // Nothing that holds the lock panics.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a secret.
    pub fn issue(&self, owner: &O, value: T) -> String {
        let secret = fresh(&self.random);
        let mut entries = self.lock();
        entries.retain(|_, entry| entry.made.elapsed() < REMEMBERED);
        while entries.values().filter(|entry| entry.owner == *owner).count() >= self.per_owner {
            drop_oldest(&mut entries, |entry| entry.owner == *owner);
        }
        while entries.len() >= self.limit {
            drop_oldest(&mut entries, |_| true);
        }
        let entry = Entry { owner: owner.clone(), value, made: Instant::now(), is_used: false };
        entries.insert(hash(&secret), entry);
        secret
    }

    fn shown(&self, entry: Option<&Entry<O, T>>) -> Shown<T> {
        match entry {
            None => Shown::Unknown,
            Some(entry) if entry.is_used => Shown::Used,
            Some(entry) if entry.made.elapsed() >= self.lifetime => Shown::Expired,
            Some(entry) => Shown::Valid(entry.value.clone()),
        }
    }

    /// What a secret stands for now.
    pub fn look_up(&self, secret: &str) -> Shown<T> {
        self.shown(self.lock().get(&hash(secret)))
    }

    /// The same, and it works no more.
    pub fn spend(&self, secret: &str) -> Shown<T> {
        // Under one lock: of two who show it at once, one is too late.
        let mut entries = self.lock();
        let entry = entries.get_mut(&hash(secret));
        let shown = self.shown(entry.as_deref());
        if let (Some(entry), Shown::Valid(_)) = (entry, &shown) {
            entry.is_used = true;
        }
        shown
    }

    /// Changes what a secret stands for.
    pub fn change(&self, secret: &str, change: impl FnOnce(&mut T)) {
        if let Some(entry) = self.lock().get_mut(&hash(secret)) {
            change(&mut entry.value);
        }
    }
}

fn drop_oldest<O, T>(
    entries: &mut HashMap<[u8; BYTES], Entry<O, T>>,
    of_kind: impl Fn(&Entry<O, T>) -> bool,
) {
    let candidates = entries.iter().filter(|(_, entry)| of_kind(entry));
    let oldest = candidates.min_by_key(|(_, entry)| entry.made).map(|(hash, _)| *hash);
    oldest.into_iter().for_each(|hash| drop(entries.remove(&hash)));
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    fn table(per_owner: usize, limit: usize) -> SecretTable<&'static str, u8> {
        let count = AtomicU8::new(0);
        let random = Arc::new(move || [count.fetch_add(1, Ordering::Relaxed); BYTES]);
        SecretTable::new(Duration::from_secs(60), per_owner, limit, random)
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_works_once_and_not_for_longer_than_was_said() {
        let (table, ann) = (table(9, 9), "@ann:x");
        let (first, second) = (table.issue(&ann, 1), table.issue(&ann, 2));
        assert_eq!(first.len(), 43);
        assert_eq!(table.look_up(&first), Shown::Valid(1));
        assert_eq!(table.spend(&first), Shown::Valid(1));
        assert_eq!(table.spend(&first), Shown::Used);
        tokio::time::advance(Duration::from_secs(59)).await;
        table.change(&second, |value| *value = 3);
        assert_eq!(table.look_up(&second), Shown::Valid(3));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(table.spend(&second), Shown::Expired);
        assert_eq!(table.spend("x"), Shown::Unknown);
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_go_where_there_are_too_many() {
        let table = table(2, 3);
        let mut secrets = Vec::new();
        for (n, owner) in ["@ann:x", "@ann:x", "@ann:x", "@bob:x", "@carol:x"].into_iter().enumerate() {
            secrets.push(table.issue(&owner, n as u8));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let known: Vec<bool> = secrets.iter().map(|secret| table.look_up(secret) != Shown::Unknown).collect();
        assert_eq!(known, [false, false, true, true, true]);
    }
}
