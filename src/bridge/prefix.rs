//! The prefix that makes a command of words in a conversation.
//!
//! Knows that it counts in any case and behind any white space. Refuses to know the prefix itself: the network states it.
//! Source: section 2 of the product's description.

/// The words behind `prefix`; `None` for words that are no command.
pub fn behind_prefix<'a>(prefix: &str, words: &'a str) -> Option<&'a str> {
    let (begin, rest) = words.trim_start().split_at_checked(prefix.len())?;
    let is_one = begin.eq_ignore_ascii_case(prefix) && rest.chars().next().is_none_or(char::is_whitespace);
    is_one.then(|| rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_counts_in_any_case_and_behind_any_space() {
        for text in ["!msn help", "!MSN help", "  !Msn  help", "\n!msn\thelp", "!msn help "] {
            assert_eq!(behind_prefix("!msn", text), Some("help"), "{text:?}");
        }
        assert_eq!(behind_prefix("!msn", "!msn"), Some(""));
        for text in ["!msnx", "msn help", "!ms", "", "é!msn", "!mśn x"] {
            assert_eq!(behind_prefix("!msn", text), None, "{text:?}");
        }
    }
}
