//! Transactions that a homeserver strands: written down there while it takes us for away, and sent when something else fails.
//!
//! Knows their numbers: one sequence for all appservices of a homeserver, so a gap may mean nothing. Refuses to guess where
//! names are no numbers. Source: measured on Synapse. It sends its oldest first after a 500, without the ephemeral part of what
//! was refused; it leaves behind what it writes down before its restart, or between its last repeat and its note of us as up.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known of a homeserver's transactions. One is sent back, at a gap, for everything after which another may have been
/// stranded: our start, a restart of the homeserver that was seen, and what was refused or repeated. Only one that holds
/// nothing but events is.
#[derive(Debug, Default)]
pub(super) struct Strands {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of the last transaction that was taken.
    last: Option<u64>,
    /// Restarts of the homeserver that were followed.
    restarts: u64,
    /// Nothing happened since one was sent back that could strand another.
    is_settled: bool,
}

fn number(name: &str) -> Option<u64> {
    name.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.parse().ok()).flatten()
}

impl Strands {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this transaction is to be sent back, so that what may have been stranded comes first. `restarts` is how
    /// often the homeserver was seen to come back.
    pub(super) fn sends_back(&self, name: &str, only_events: bool, restarts: u64) -> bool {
        let mut state = self.lock();
        if restarts > state.restarts {
            (state.restarts, state.is_settled) = (restarts, false);
        }
        let (Some(number), Some(last)) = (number(name), state.last) else { return false };
        if number == last {
            // Our answer did not arrive.
            state.is_settled = false;
        }
        let is_gap = last.checked_add(1).is_some_and(|next| number > next);
        let sends_back = is_gap && only_events && !state.is_settled;
        state.is_settled |= sends_back;
        sends_back
    }

    /// A transaction is on disk.
    pub(super) fn taken(&self, name: &str) {
        self.lock().last = number(name);
    }

    /// A transaction was refused, because the disk did not take it.
    pub(super) fn refused(&self) {
        self.lock().is_settled = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a transaction unless it is sent back, which this says.
    fn put(strands: &Strands, name: &str, only_events: bool, restarts: u64) -> bool {
        let back = strands.sends_back(name, only_events, restarts);
        if !back {
            strands.taken(name);
        }
        back
    }

    #[test]
    fn fault_31_one_is_sent_back_at_a_gap_after_a_start_on_either_side_and_none_otherwise() {
        let strands = Strands::default();
        assert!(!put(&strands, "7", true, 0), "nothing is known yet");
        assert!(!put(&strands, "8", true, 0), "no gap");
        assert!(put(&strands, "10", true, 0), "a gap after our start");
        // The homeserver sends what it had stranded, and then this one again.
        assert!(!put(&strands, "9", true, 0));
        assert!(!put(&strands, "10", true, 0));
        assert!(!put(&strands, "300", true, 0), "once for a start: others' are among the numbers");
        assert!(put(&strands, "310", true, 1), "after a restart of the homeserver");
        assert!(!put(&strands, "310", true, 1));
        assert!(!put(&strands, "320", true, 1), "once for a restart");
        assert!(put(&strands, "330", true, 2), "after the next");
    }

    #[test]
    fn fault_31_one_is_sent_back_at_a_gap_behind_what_was_refused_or_repeated() {
        let strands = Strands::default();
        strands.taken("7");
        assert!(put(&strands, "9", true, 0), "after our start");
        assert!(!put(&strands, "9", true, 0));
        strands.refused();
        assert!(!put(&strands, "10", true, 0));
        assert!(put(&strands, "12", true, 0), "the disk had failed");
        assert!(!put(&strands, "12", true, 0));
        assert!(!put(&strands, "14", true, 0));
        assert!(!put(&strands, "14", true, 0), "our answer did not arrive");
        assert!(put(&strands, "16", true, 0));
    }

    #[test]
    fn fault_31_what_would_lose_something_or_has_no_number_is_taken() {
        let strands = Strands::default();
        put(&strands, "1", true, 0);
        assert!(!put(&strands, "9", false, 0), "it holds more than events");
        assert!(!put(&strands, "10", true, 0), "the gap is over");
        for name in ["m123.45", "", "-20", "+20", "0x20", "20a", "99999999999999999999999"] {
            strands.taken("10");
            assert!(!put(&strands, name, true, 1), "{name}");
        }
        assert!(!put(&strands, "400", true, 1), "nothing is known of what came before it");
        // A homeserver that starts anew counts from one.
        assert!(!put(&strands, "1", true, 2));
        assert!(put(&strands, &u64::MAX.to_string(), true, 2));
        strands.taken(&u64::MAX.to_string());
        assert!(!put(&strands, "3", true, 3));
    }
}
