//! Commands: frames understood. One enum for what a client says, one for what a server says, both for the notification
//! server and the switchboard, in every dialect.
//!
//! Knows: which parameters each verb has in which dialect (§2 to §6). Refuses to know: when a command may be said
//! (that is `session`) and what a message contains (that is `message`). Each family file holds the decoders and
//! encoders of both sides, so that a difference between them shows.

mod call;
mod client;
mod failure;
mod handshake;
mod presence;
mod roster;
mod server;
#[cfg(test)]
mod tests;
mod upkeep;

pub use call::Acknowledge;
pub use client::ClientCommand;
pub use failure::ErrorCode;
pub use handshake::ClientInfo;
pub use presence::{Presence, Status};
pub use roster::{ContactEntry, ListKind, ListMask, SyncStamp};
pub use server::ServerCommand;
pub use upkeep::SignOut;

use super::dialect::Dialect;
use super::wire::DecodeError;

/// Which kind of server a connection leads to: a few verbs mean different things on the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    Notification,
    Switchboard,
}

/// What a decoder must be told besides the bytes.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    pub link: Link,
    pub dialect: Dialect,
}

/// What a family's decoder gives: `None` when the verb is another family's.
type Decoded<T> = Option<Result<T, DecodeError>>;
