//! A message on its way into a room, and what encrypts it there.
//!
//! Knows when it is asked: after a message is made, and before it is sent. Refuses to know keys: who has them implements it.

use futures_util::future::BoxFuture;
use ruma::{MilliSecondsSinceUnixEpoch, RoomId, UserId};
use serde_json::Value;

use super::error::MatrixError;

/// One event on its way.
pub(crate) struct Sent<'a> {
    pub(crate) room: &'a RoomId,
    pub(crate) speaker: &'a UserId,
    /// What the transaction id follows from, so the homeserver recognises a repeat for as long as it remembers.
    pub(crate) id: &'a str,
    pub(crate) kind: &'a str,
    /// When it was said, where that is not now.
    pub(crate) at: Option<MilliSecondsSinceUnixEpoch>,
}

/// Encrypts messages for the rooms that want it.
pub(crate) trait MessageEncryption: Send + Sync {
    /// What is sent as `m.room.encrypted` in the place of a message; `None` where it is sent as it is. Asked again for the
    /// same transaction it gives the same.
    ///
    /// # Errors
    /// It cannot be encrypted now, and must not be sent otherwise.
    fn encrypt<'a>(
        &'a self,
        message: &'a Sent<'a>,
        transaction: &'a str,
        content: &'a Value,
    ) -> BoxFuture<'a, Result<Option<Value>, MatrixError>>;

    /// The homeserver has what was sent in this transaction.
    fn sent<'a>(&'a self, transaction: &'a str) -> BoxFuture<'a, ()>;
}
