//! One change of a portal's room at a time.
//!
//! Knows how many may be changed at once. Refuses to keep a lock for each portal there ever was: some share one, which costs
//! them a moment.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::{Mutex, MutexGuard};

use crate::bridge::ids::PortalKey;

/// Locks that all portals share.
const LOCKS: usize = 64;

/// The locks of all portals.
pub(crate) struct PortalLocks {
    locks: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Default for PortalLocks {
    fn default() -> Self {
        Self { locks: (0..LOCKS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}

impl PortalLocks {
    /// Waits until nobody else changes this portal's room.
    pub(crate) async fn lock(&self, portal: &PortalKey) -> MutexGuard<'_, ()> {
        let hash = usize::try_from(self.hasher.hash_one(portal) % LOCKS as u64).unwrap_or_default();
        self.locks[hash].lock().await
    }
}
