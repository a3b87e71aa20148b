//! The Matrix side: an appservice that shows ghosts, portals and a management room on one homeserver.
//!
//! Knows Matrix rooms, events and the appservice protocol. Refuses to know MSN and IRC: [`MatrixFrontend`] implements the
//! core's port and speaks in the core's words. Imports run one way: the frontend wires `inbound` and `outbound`, these stand
//! on `room`, that on `profile`, that on `homeserver`. One HTTP client acts as every ghost.

mod appservice;
mod cache;
mod component;
mod config;
mod encryption;
mod frontend;
mod homeserver;
mod html;
mod inbound;
mod keys;
mod lock;
mod mentions;
mod outbound;
mod profile;
mod provision;
mod room;
#[cfg(test)]
pub(crate) mod testkit;

pub use appservice::{Appservice, registration, serve};
pub use config::{BotPicture, EncryptionPolicy, KeyFile, LEG, MatrixConfig, PuppetTokens, RoomPolicy};
pub use frontend::{MatrixFrontend, keep_keys, show_presence, tend_rooms};
pub use homeserver::{EncryptionGap, Homeserver, MatrixError};
pub use provision::{ProvisionServer, ProvisionSettings, router as provision_router};
