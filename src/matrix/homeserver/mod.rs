//! The homeserver, as a client of it sees it.
//!
//! Knows how a request is made in the name of the bot, a ghost or a double puppet, how files go up and down, and what an
//! answer means. Refuses to know rooms, portals and people. Source: the client-server API, and the appservice API for the
//! name in which something is asked.

mod answer;
mod client;
mod echo;
mod encryption;
mod error;
mod event;
mod gate;
mod identity;
mod media;
mod probe;
#[cfg(feature = "encryption")]
mod sealed;
#[cfg(test)]
mod tests;
mod token;
mod traffic;
mod transfer;

pub use client::Homeserver;
pub use error::MatrixError;
pub use probe::EncryptionGap;

pub(super) use answer::Answer;
pub(super) use client::{ask_as, send_as, tell_as};
pub(super) use encryption::{MessageEncryption, Sent};
pub(super) use error::storage_failed;
pub(super) use event::EventSender;
#[cfg(feature = "encryption")]
pub(super) use identity::Actor;
pub(super) use media::{Failures, MediaClient};
#[cfg(feature = "encryption")]
pub(super) use traffic::Traffic;
