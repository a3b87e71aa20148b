//! What can go wrong in the core itself: only its storage.
//!
//! Knows the disk and rows that cannot be read. Refuses to hold failures of networks: those are values of the ports.

use thiserror::Error;

use super::port::storage::StorageError;

/// What can go wrong in the core itself. Only a failure of the disk is tried again.
#[derive(Debug, Error)]
pub enum BridgeError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("a stored {what} cannot be read: {source}")]
    Record { what: &'static str, source: serde_json::Error },
    #[error("the bridge has stopped")]
    Stopped,
}
