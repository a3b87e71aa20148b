//! Between the protocol's values and the core's.
//!
//! Knows both vocabularies, and which people are which group. Refuses to know sockets and tasks.

pub(in crate::connector) mod convert;
pub(in crate::connector) mod group;
