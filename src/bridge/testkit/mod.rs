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

pub(super) use faults::Act;
pub(super) use life::{Life, contact};
pub(super) use storage::Disk;
pub(super) use world::{ALICE, ANN, BOB, World};
