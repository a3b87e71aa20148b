//! Settings of the service, and how long what it hands out is good (§2, §6).
//!
//! Knows numbers alone: the parts that apply a rule are handed it.

use std::time::Duration;

use crate::msn::dialect::Dialect;

/// What can be set about the service.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Dialects that are spoken; a client takes the first of its own that is among them (§2.2).
    pub dialects: Vec<Dialect>,
    /// Whether a challenge follows the first `CHG` (§4.6), and a key is asked for before an offline message is stored (§27.3).
    pub challenge: bool,
    /// Seconds that `QNG` names: when the client is to ping again (§5.1).
    pub ping_seconds: u32,
    /// A call without traffic for so long drops its members, one at a time (§6.3).
    pub idle_call: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        let idle_call = Duration::from_secs(300);
        Self { dialects: Dialect::COMPLETE.to_vec(), challenge: true, ping_seconds: 50, idle_call }
    }
}

/// Seconds that a connection may take to sign in or to enter a call; then it is closed.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(60);
/// Seconds that a cookie of `XFR SB` or `RNG` is good (§6.1).
pub(super) const COOKIE_LIFE: Duration = Duration::from_secs(120);
/// Seconds that a Passport ticket is good.
pub(super) const TICKET_LIFE: Duration = Duration::from_secs(24 * 3600);
