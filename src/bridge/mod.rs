//! The bridging core: what is said where, by whom, in which order, and what became of it.
//!
//! Knows logins, portals, ghosts, the journal, and who speaks as whom. Knows no network: adapters implement the traits
//! in [`port`] and speak in the events of [`event`]; identifiers are opaque here, made and read by their adapter only.
//! Source: sections 2 to 4 of the product's description.

pub mod account;
pub mod body;
mod border;
mod clean;
mod command;
mod depths;
mod error;
pub mod event;
mod ghost_names;
pub mod ids;
pub mod inbox;
pub mod journal;
pub mod link;
pub mod login;
pub mod media_use;
mod overview;
mod page;
pub mod port;
mod portal;
pub mod prefix;
mod presence;
mod prompt;
mod receipt;
pub mod record;
mod report;
mod router;
#[cfg(test)]
mod rules;
pub mod sentence;
mod shut_out;
mod sides;
#[cfg(test)]
pub(crate) mod testkit;
#[cfg(test)]
mod tests;
mod trace;
mod writer;

pub use depths::{Depth, LegDepths};
pub use error::BridgeError;
pub use overview::{LoginReport, LoginReports, Overview};
pub use portal::HoldLimits;
pub use router::{Bridge, BridgeHandle, Setup};
pub use shut_out::ShutOutList;
