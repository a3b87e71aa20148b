//! The client side's state machines: one notification session, and one switchboard session for each call.
//!
//! A machine takes bytes and the time, and hands out bytes, events and the next moment it wants to be woken. It decides
//! everything about the protocol and performs nothing; `connector` performs and decides nothing. Randomness that a
//! machine needs is handed to it.

mod error;
mod login;
mod notification;
mod pending;
mod roster;
mod switchboard;
mod sync;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Instant;

pub use error::{LoginFailure, SessionError};
pub use login::Identity;
pub use notification::{Change, ChangeFailure, ChangeHandle, NotificationEvent, NotificationSession, Start};
pub use pending::REPLY_TIMEOUT;
pub use roster::{Contact, Roster, Settings};
pub use switchboard::{CallEvent, InviteFailure, MessageHandle, SendFailure, SwitchboardSession};
pub use sync::{ListCount, QUIET, RosterGap};

/// A protocol peer without sockets or clock.
///
/// After every call that changes something the driver drains [`Machine::poll_output`] and [`Machine::poll_event`], and
/// arms its timer with [`Machine::poll_timeout`]. An error ends the machine: drain once more, then close.
pub trait Machine {
    type Event;

    /// Bytes that arrived, cut anywhere.
    ///
    /// # Errors
    /// The session is over: refused, ended by the server, or the stream cannot be read any more.
    fn handle_input(&mut self, now: Instant, bytes: &[u8]) -> Result<(), SessionError>;

    /// The moment named by [`Machine::poll_timeout`] has come.
    ///
    /// # Errors
    /// Something that the session cannot be without did not come in time.
    fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError>;

    /// Bytes to write, in order.
    fn poll_output(&mut self) -> Option<Vec<u8>>;

    /// What happened, in order.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// When [`Machine::handle_timeout`] wants to be called at the latest.
    fn poll_timeout(&self) -> Option<Instant>;
}
