//! Sentences for people around reasons that come from elsewhere: servers end theirs with a full stop, libraries do not.
//!
//! Knows the ends of sentences in several scripts. Refuses to change the words.

/// Marks that end a sentence by themselves.
const ENDS: [char; 5] = ['!', '?', '…', '。', '！'];

/// `text` as a sentence of its own, or as the end of one: with one full stop, whatever it came with.
pub fn sentence(text: &str) -> String {
    let bare = clause(text);
    if bare.ends_with(ENDS) { bare.to_owned() } else { format!("{bare}.") }
}

/// `text` as a part in the middle of a sentence: without a full stop.
pub fn clause(text: &str) -> &str {
    text.trim().trim_end_matches(['.', ' ', '\r', '\n', '\t'])
}

/// `text` with a capital: reasons begin in the middle of a sentence.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_36_a_reason_ends_with_one_full_stop_whatever_it_came_with() {
        for (reason, ended) in [
            ("the password is not right", "the password is not right."),
            ("The password is not right.", "The password is not right."),
            ("The password is not right. ", "The password is not right."),
            ("Try again later..", "Try again later."),
            ("Try again later...", "Try again later."),
            ("Line one.\r\n", "Line one."),
            ("Is it running?", "Is it running?"),
            ("No!", "No!"),
            ("wait…", "wait…"),
            ("パスワードが違います。", "パスワードが違います。"),
            ("version 1.2", "version 1.2."),
        ] {
            assert_eq!(sentence(reason), ended);
            assert!(!clause(reason).ends_with(['.', ' ']));
        }
    }
}
