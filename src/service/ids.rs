//! Names of connections and of switchboards, and the server that a connection reached (§1.1).
//!
//! Knows nothing else: every other part of the service may name these.

/// Names a connection, real or a robot's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ConnId(pub(super) u64);

/// Which door a connection came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Dispatch,
    Notification,
    Switchboard,
}

/// Names a switchboard; in decimal digits, the session id of `CAL`, `RNG` and `ANS` (§6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct BoardId(pub(super) u64);
