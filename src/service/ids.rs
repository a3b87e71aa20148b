//! Names of connections and of switchboards, and the server that a connection reached (§2.1).
//!
//! Knows nothing else: every other part of the service may name these.

/// Names a connection, real or a robot's. Never used twice while the service runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ConnId(pub(super) u64);

/// The server that a connection reached: its rules, and what it may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Sends everybody on to a notification server (§2.5).
    Dispatch,
    /// Signs people in, and keeps lists and presence (§2 to §5).
    Notification,
    /// Carries calls (§6).
    Switchboard,
}

/// Names a switchboard; in decimal digits, the session id of `CAL`, `RNG` and `ANS` (§6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct BoardId(pub(super) u64);
