//! Words of a command: cut at blanks, but not inside quotes.
//!
//! Knows the quotes of several languages. Refuses to know what a word means.

/// The words of a line. A quote that does not end goes to the end of the line.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' | '“' | '”' | '«' | '»' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_blanks_together() {
        assert_eq!(split(r#"group  rename "Old friends" Pals"#), ["group", "rename", "Old friends", "Pals"]);
        assert_eq!(split("a «b c» “d e”"), ["a", "b c", "d e"]);
        assert_eq!(split(r#"rename x "" "no end"#), ["rename", "x", "", "no end"]);
        assert!(split("  ").is_empty());
    }
}
