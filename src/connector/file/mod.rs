//! Files, one component for each way that they come or go.
//!
//! Knows offers, bytes on their way and what becomes of them. Refuses to know boards and logins.

pub(in crate::connector) mod direct;
pub(in crate::connector) mod incoming;
pub(in crate::connector) mod invitations;
pub(in crate::connector) mod msnftp;
pub(in crate::connector) mod offers;
pub(in crate::connector) mod outgoing;
mod preview;
pub(in crate::connector) mod progress;
pub(in crate::connector) mod suspended;
pub(in crate::connector) mod words;
