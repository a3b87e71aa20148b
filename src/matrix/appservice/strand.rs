//! Transactions that a homeserver strands: written down there before its restart, and sent after it only when something
//! else fails.
//!
//! Knows the numbers of transactions: one sequence for all appservices of a homeserver, so a gap may mean nothing. Refuses to
//! guess where names are no numbers. Source: measured on Synapse, which sends its oldest first after an answer of 500, and
//! drops the ephemeral part of what was refused.

use std::sync::{Mutex, PoisonError};

/// What is known of a homeserver's transactions. One is sent back once for each restart that was seen, at a gap, and only if
/// it holds nothing but events.
#[derive(Debug, Default)]
pub(super) struct Strands {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of the last transaction that was taken.
    last: Option<u64>,
    /// Restarts for which one was sent back.
    used: u64,
}

fn number(name: &str) -> Option<u64> {
    name.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.parse().ok()).flatten()
}

impl Strands {
    /// Whether this transaction is to be sent back, so that what may have been stranded comes first. `restarts` is how
    /// often the homeserver was seen to come back.
    pub(super) fn sends_back(&self, name: &str, only_events: bool, restarts: u64) -> bool {
        // Nothing that holds the lock panics.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(number), Some(last)) = (number(name), state.last) else { return false };
        let is_gap = last.checked_add(1).is_some_and(|next| number > next);
        let sends_back = is_gap && only_events && restarts > state.used;
        if sends_back {
            state.used = restarts;
        }
        sends_back
    }

    /// A transaction is on disk.
    pub(super) fn taken(&self, name: &str) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).last = number(name);
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
    fn fault_31_one_is_sent_back_at_a_gap_after_a_restart_and_none_otherwise() {
        let strands = Strands::default();
        assert!(!put(&strands, "7", true, 1), "nothing is known yet");
        assert!(!put(&strands, "8", true, 1), "no gap");
        assert!(put(&strands, "300", true, 1), "a gap after a restart");
        // The homeserver sends what it had stranded, and then this one again.
        assert!(!put(&strands, "9", true, 1));
        assert!(!put(&strands, "300", true, 1), "once for a restart");
        assert!(!put(&strands, "310", true, 1));
        assert!(put(&strands, "320", true, 2), "after the next");
        assert!(!put(&strands, "320", true, 2));
    }

    #[test]
    fn fault_31_what_would_lose_something_or_has_no_number_is_taken() {
        let strands = Strands::default();
        put(&strands, "1", true, 0);
        assert!(!put(&strands, "5", true, 0), "no restart was seen");
        assert!(!put(&strands, "9", false, 1), "it holds more than events");
        assert!(!put(&strands, "10", true, 1), "the gap is over");
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
