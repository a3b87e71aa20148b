//! One task a login: one notification session after another, and what happens between them.
//!
//! Knows sessions, turns to sign in, health, offline messages, and which call serves which conversation. Refuses to know
//! what is said in calls.

pub(in crate::connector) mod about;
pub(in crate::connector) mod gap;
pub(in crate::connector) mod health;
pub(in crate::connector) mod offline;
pub(in crate::connector) mod oim;
pub(in crate::connector) mod pace;
pub(in crate::connector) mod pending;
pub(in crate::connector) mod reachable;
pub(in crate::connector) mod requests;
pub(in crate::connector) mod session;
pub(in crate::connector) mod task;
