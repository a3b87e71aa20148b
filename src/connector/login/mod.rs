//! One task a login: one notification session after another, and what happens between them.
//!
//! Knows sessions, turns to sign in, health, offline messages, and which call serves which conversation. Refuses to know
//! what is said in calls.

mod about;
mod calls;
pub(in crate::connector) mod command;
mod gap;
mod health;
pub(in crate::connector) mod machine;
mod machine_id;
mod notices;
pub(in crate::connector) mod offline;
pub(in crate::connector) mod oim;
pub(in crate::connector) mod pace;
mod pending;
mod reachable;
mod requests;
mod session;
pub(in crate::connector) mod task;
