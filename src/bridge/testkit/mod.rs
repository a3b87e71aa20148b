//! The core's test kit: a network, frontends and a disk that are simulated, on paused time.
//!
//! Knows how each of them may fail: refuse, take something and lose the answer, answer late or never, stop between any two
//! steps. Refuses to know the rules: those are the tests that use it. A life of the bridge is a runtime of its own; ending
//! it without a word is a crash.

mod faults;
mod frontend;
mod life;
mod media;
mod network;
mod side;
mod storage;
mod world;

use super::ids::Leg;
use super::port::frontend::FrontendTraits;
use super::port::network::NetworkTraits;
pub(super) use faults::Act;
pub(super) use life::{Life, contact};
pub(crate) use media::SimMedia;
pub(super) use side::Shown;
pub(super) use storage::Disk;
pub(crate) use storage::SimStorage;
pub(super) use world::{ADMIN, ALICE, ANN, BOB, World};

/// A side with rooms, and one with channels.
pub(super) const MATRIX: Leg = Leg::frontend("matrix");
pub(super) const IRC: Leg = Leg::frontend("irc");

pub(super) const MATRIX_TRAITS: FrontendTraits = FrontendTraits {
    name: "Matrix",
    carries_files: true,
    shows_titles: true,
    hosts_rooms: true,
    shows_users: true,
    speaks_in_lines: false,
    redaction_note: "your homeserver may keep a copy for some days",
};

pub(super) const IRC_TRAITS: FrontendTraits = FrontendTraits {
    name: "IRC",
    carries_files: false,
    shows_titles: false,
    hosts_rooms: false,
    shows_users: false,
    speaks_in_lines: true,
    redaction_note: "",
};

pub(super) const NETWORK_TRAITS: NetworkTraits = NetworkTraits {
    name: "MSN",
    command_prefix: "!msn",
    account: "e-mail",
    presences: "online, busy, idle, brb, away, phone, lunch or hidden",
};

/// An event of a frontend as the core takes it.
pub(crate) fn behind_border(event: super::event::LocalEvent) -> super::event::LocalEvent {
    super::border::local(event)
}

/// An event of the network as the core takes it.
pub(crate) fn behind_network_border(event: super::event::RemoteEvent) -> super::event::RemoteEvent {
    super::border::remote(event)
}
