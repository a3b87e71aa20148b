//! One change at a time of what is under one key: a portal's room, a ghost's profile.
//!
//! Knows how many may be changed at once. Refuses to keep a lock for each key there ever was: some share one, which costs
//! them a moment. Whoever holds a portal's lock may take a ghost's, never the other way round.

use std::hash::{BuildHasher, Hash, RandomState};

use tokio::sync::{Mutex, MutexGuard};

/// Locks that all keys share.
const LOCKS: usize = 64;

/// The locks of all keys of one kind.
pub(crate) struct KeyedLocks {
    locks: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Default for KeyedLocks {
    fn default() -> Self {
        Self { locks: (0..LOCKS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}

impl KeyedLocks {
    /// Waits until nobody else changes what is under this key. They come in the order in which they asked.
    pub(crate) async fn lock<K: Hash + ?Sized>(&self, key: &K) -> MutexGuard<'_, ()> {
        let hash = usize::try_from(self.hasher.hash_one(key) % LOCKS as u64).unwrap_or_default();
        self.locks[hash].lock().await
    }
}
