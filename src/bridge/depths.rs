//! How much waits for each side, and since when, for whoever watches the bridge.
//!
//! Knows conversations in which something waits. Refuses to count on its own: each portal says how it stands. Source: legs
//! by depth and oldest age, in section 9 of the product's description.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::event::Timestamp;
use super::ids::{Leg, PortalKey};

/// What waits on one leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Entries behind the leg's cursor.
    pub waiting: u64,
    /// When the first of them was said.
    pub oldest: Timestamp,
}

/// The depths of all conversations; a leg that has everything is not in it.
#[derive(Debug, Clone, Default)]
pub struct LegDepths {
    waiting: Arc<Mutex<HashMap<(PortalKey, Leg), Depth>>>,
}

impl LegDepths {
    fn lock(&self) -> MutexGuard<'_, HashMap<(PortalKey, Leg), Depth>> {
        // Nothing that holds the lock panics.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How a leg of a portal stands now.
    pub(super) fn set(&self, portal: &PortalKey, leg: Leg, depth: Option<Depth>) {
        let mut waiting = self.lock();
        match depth {
            Some(depth) => drop(waiting.insert((portal.clone(), leg), depth)),
            None => drop(waiting.remove(&(portal.clone(), leg))),
        }
    }

    /// The sum over all conversations, by leg.
    pub fn by_leg(&self) -> BTreeMap<Leg, Depth> {
        let mut legs: BTreeMap<Leg, Depth> = BTreeMap::new();
        for ((_, leg), depth) in &*self.lock() {
            let sum = legs.entry(*leg).or_insert(Depth { waiting: 0, oldest: depth.oldest });
            sum.waiting += depth.waiting;
            sum.oldest = sum.oldest.min(depth.oldest);
        }
        legs
    }
}
