//! Sentences about files that several components say.
//!
//! Knows how they are put. Refuses to know to whom they are told.

use crate::bridge::sentence::sentence;
use crate::connector::size::bytes;

/// Why a file did not come that the disk refused.
pub(in crate::connector) const NOT_KEPT: &str = "it could not be kept on the bridge's disk";

/// What is shown of a file that did not come.
pub(in crate::connector) fn lost(name: &str, size: u64, why: &str) -> String {
    let (size, why) = (bytes(size), sentence(why));
    format!("sent the file «{name}» ({size}), which did not arrive: {why} Ask them to send it again.")
}

/// What is shown of an offer that was declined without asking.
pub(in crate::connector) fn declined(name: &str, size: u64, reason: &str) -> String {
    format!("offers the file «{name}» ({}); it was declined: {reason}", bytes(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_did_not_come_is_told_of_in_words_that_say_what_to_do() {
        let text = lost("a.txt", 20_000, "the connection was lost");
        let expected = "sent the file «a.txt» (19.5 kB), which did not arrive: the connection was lost. Ask them to send \
                        it again.";
        assert_eq!(text, expected);
        assert_eq!(declined("a", 1, "no"), "offers the file «a» (1 bytes); it was declined: no");
    }
}
