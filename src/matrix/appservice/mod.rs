//! The bridge as an appservice of the homeserver.
//!
//! Knows what the homeserver must be told about the bridge, and what the homeserver sends: transactions, pings, ephemeral
//! events. Refuses to know what an event is for: an event is put on disk here and interpreted elsewhere.

mod endpoint;
pub(super) mod ephemeral;
mod pacing;
pub mod registration;
mod strand;

pub use endpoint::{Appservice, serve};
