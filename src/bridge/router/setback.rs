//! Why the router cannot act on something now: nothing of it is lost, and the router itself goes on.
//!
//! Knows when the next attempt makes sense. Refuses to make it: the router's loop does.

use futures_util::future::BoxFuture;

use crate::bridge::BridgeError;
use crate::bridge::port::storage::StorageError;

/// Why something cannot be acted on now. What was to be done has not begun.
pub(super) enum Setback {
    /// There is no room for it until this resolves.
    Full(BoxFuture<'static, ()>),
    Failed(BridgeError),
}

impl From<BridgeError> for Setback {
    fn from(error: BridgeError) -> Self {
        Self::Failed(error)
    }
}

impl From<StorageError> for Setback {
    fn from(error: StorageError) -> Self {
        Self::Failed(error.into())
    }
}
