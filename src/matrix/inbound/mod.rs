//! Events of the homeserver become things said, commands, or nothing.
//!
//! Knows what each kind of event means in a portal's room, in a management room, and anywhere else. Refuses to carry
//! anything on: the core does that with what it is given.

mod annotation;
mod call;
mod constructor;
mod context;
mod encrypted;
mod event;
mod extensible;
mod file;
#[cfg(test)]
mod golden;
mod interpreter;
mod kind;
mod location;
mod management;
mod membership;
mod mention;
mod message;
mod poll;
mod profile;
mod reading;
mod relation;
mod speech;
#[cfg(test)]
mod tests;
mod text;
mod tombstone;

pub(super) use annotation::AnnotationInterpreter;
pub(super) use context::{InboundContext, MAX_UNSAID};
pub(super) use encrypted::EncryptedInterpreter;
pub(super) use event::lane;
#[cfg(test)]
pub(super) use golden::message_of;
pub(super) use interpreter::EventInterpreter;
pub(super) use management::ManagementInterpreter;
pub(super) use membership::MembershipInterpreter;
pub(super) use message::MessageInterpreter;
pub(super) use tombstone::TombstoneInterpreter;
