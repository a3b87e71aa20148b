//! Events of the homeserver become things said, commands, or nothing.
//!
//! Knows what each kind of event means in a portal's room, in a management room, and anywhere else. Refuses to carry
//! anything on: the core does that with what it is given.

mod annotation;
mod constructor;
mod context;
mod event;
#[cfg(test)]
mod golden;
mod interpreter;
mod management;
mod membership;
mod message;
#[cfg(test)]
mod tests;
mod text;

pub(super) use annotation::AnnotationInterpreter;
pub(super) use context::InboundContext;
pub(super) use event::lane;
pub(super) use interpreter::EventInterpreter;
pub(super) use management::ManagementInterpreter;
pub(super) use membership::MembershipInterpreter;
pub(super) use message::MessageInterpreter;
