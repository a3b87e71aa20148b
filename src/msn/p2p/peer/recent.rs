//! The last few calls with which something was done that is done once.
//!
//! Knows call ids, and forgets the oldest. Refuses to know what was done: an invitation that is sent twice must be
//! answered once.

use std::collections::VecDeque;

/// Most calls that are remembered.
const REMEMBERED: usize = 64;

/// Calls by their names; case does not count.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<String>);

impl Recent {
    /// Remembers a call; false where it was known already.
    pub(super) fn remember(&mut self, call: &str) -> bool {
        if self.knows(call) {
            return false;
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(call.to_ascii_lowercase());
        true
    }

    /// Whether this call is among the last few.
    pub(super) fn knows(&self, call: &str) -> bool {
        self.0.iter().any(|known| known.eq_ignore_ascii_case(call))
    }

    /// A new call has this name.
    pub(super) fn forget(&mut self, call: &str) {
        self.0.retain(|known| !known.eq_ignore_ascii_case(call));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_known_once_and_the_oldest_goes() {
        let mut recent = Recent::default();
        assert!(recent.remember("{A}"));
        assert!(!recent.remember("{a}"));
        recent.forget("{A}");
        assert!(recent.remember("{a}"));
        for number in 0..REMEMBERED {
            assert!(recent.remember(&number.to_string()));
        }
        assert!(!recent.knows("{A}"));
        assert_eq!(recent.0.len(), REMEMBERED);
    }
}
