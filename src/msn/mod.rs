//! The MSN Messenger protocol, MSNP8 to MSNP12, as values and state machines.
//!
//! Knows: bytes, commands, MIME messages, and what a session of either kind may say next. Refuses to know: sockets,
//! clocks, randomness, HTTP, and what anybody does with a message. Time is an argument, random numbers are arguments,
//! effects are handed out by `poll_*`. Source: the sections quoted (§) are those of the wire reference, `src/msn/protocol.md`;
//! the rules by number (`conf_NNN`) are those of `tests/conformance.md`.
#![doc = include_str!("commands.md")]

pub mod address_book;
pub mod challenge;
pub mod command;
pub mod dialect;
pub mod endpoint;
pub mod gateway;
pub mod ids;
mod markup;
pub mod message;
pub mod msnftp;
pub mod oim;
pub mod p2p;
pub mod session;
pub mod sso;
pub mod wire;
pub mod xml;
