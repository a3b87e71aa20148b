//! How much of a long message has arrived in its channel, across lost connections and restarts: what is said again begins
//! with the first line that is not known to have arrived.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::outbound::Position;
use crate::bridge::ids::{EntryId, PortalKey};
use crate::bridge::port::delivery::Delivery;
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};

/// Where one message stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    entry: EntryId,
    pub(super) at: Position,
    /// Whether it was said how many messages before it were missed.
    #[serde(default)]
    pub(super) announced: bool,
}

/// One row for each channel's conversation: a leg carries one message at a time.
pub(super) struct Spoken {
    storage: Arc<dyn Storage>,
}

/// The row of a conversation's progress.
fn row(portal: &PortalKey) -> Vec<u8> {
    [&portal.to_key()[..], b"irc lines"].concat()
}

impl Spoken {
    /// What was confirmed is read when it is first asked for.
    pub(super) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    /// How far an earlier attempt came. What cannot be read is said from the start: rather twice than not at all.
    pub(super) fn of(&self, delivery: &Delivery) -> Progress {
        let fresh = || Progress { entry: delivery.id.clone(), at: Position::default(), announced: false };
        if !delivery.unconfirmed {
            return fresh();
        }
        let stored = self.storage.read(Table::Cursors, &row(&delivery.portal)).unwrap_or_else(|error| {
            tracing::warn!(%error, portal = %delivery.portal, "how much was said is not known");
            None
        });
        let stored = stored.and_then(|stored| serde_json::from_slice::<Progress>(&stored).ok());
        stored.filter(|progress| progress.entry == delivery.id).unwrap_or_else(fresh)
    }

    /// Losing this in a crash repeats a few lines, so nobody waits for the disk.
    pub(super) fn note(&self, portal: &PortalKey, progress: &Progress) {
        let mut batch = Batch::default();
        // Our own types always serialise.
        batch.put(Table::Cursors, row(portal), serde_json::to_vec(progress).unwrap_or_default());
        drop(self.storage.commit(batch, Urgency::Soon));
    }

    /// The message is done with.
    pub(super) fn forget(&self, portal: &PortalKey) {
        let mut batch = Batch::default();
        batch.remove(Table::Cursors, row(portal));
        drop(self.storage.commit(batch, Urgency::Soon));
    }
}
