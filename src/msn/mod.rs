//! The MSN Messenger protocol, MSNP8 to MSNP12, as values and state machines.
//!
//! Knows: bytes, commands, MIME messages, and what a session of either kind may say next. Refuses to know: sockets,
//! clocks, randomness, HTTP, and what anybody does with a message. Time is an argument, random numbers are arguments,
//! effects are handed out by `poll_*`. The protocol sections quoted (§) are those of the project's wire reference, which
//! restates draft-movva-msn-messenger, the MSNPiki and hypothetic pages, and recorded dialogues.
#![doc = include_str!("commands.md")]

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
pub mod wire;
