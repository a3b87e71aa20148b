//! How much happens in our rooms.
//!
//! Knows how many events have come by transactions. Refuses to know what they are. Whoever asks the homeserver to wait for
//! something asks less of it while much happens: it looks again at all of a user's rooms with every event in any of them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Events that came by transactions since the start.
#[derive(Debug, Default)]
pub struct Traffic(AtomicU64);

impl Traffic {
    /// So many more have come.
    pub fn came(&self, events: usize) {
        self.0.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// How many have come.
    #[cfg(feature = "encryption")]
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
