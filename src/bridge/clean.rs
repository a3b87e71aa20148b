//! Text as it is behind the border: without control characters and characters that turn what follows around.
//!
//! Knows what may stand in a name and in words. Refuses to know where a text comes from: `border` asks for each.

/// Characters of the longest name.
const MAX_NAME: usize = 128;

/// Whether a character does something to others instead of being one: controls, bidirectional embeddings, overrides
/// and isolates, annotations, byte order marks. Marks of a direction (U+200E, U+200F) belong to ordinary text.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FFF9}'..='\u{FFFB}' | '\u{FEFF}')
}

/// Whether there is something to see.
fn is_visible(c: char) -> bool {
    let is_filler = matches!(
        c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180E}'
            | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
            | '\u{FFA0}'
    );
    !c.is_whitespace() && !is_filler
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\t' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// One line, whatever its length; empty where nothing of it can be seen.
pub(super) fn line(text: &str) -> String {
    let spaced = text.chars().map(|c| if is_break(c) { ' ' } else { c });
    let kept: String = spaced.filter(|c| !is_forbidden(*c)).collect();
    if kept.chars().any(is_visible) { kept.trim().to_owned() } else { String::new() }
}

/// A name: one line of at most [`MAX_NAME`] characters.
pub(super) fn name(text: &str) -> String {
    let line = line(text);
    match line.char_indices().nth(MAX_NAME) {
        Some((end, _)) => line[..end].trim_end().to_owned(),
        None => line,
    }
}

/// Words: lines and tabulators stay.
pub(super) fn words(text: &str) -> String {
    let unix = text.replace("\r\n", "\n");
    let broken = unix.chars().map(|c| if c != '\t' && is_break(c) { '\n' } else { c });
    broken.filter(|c| matches!(c, '\n' | '\t') || !is_forbidden(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fault_14_names_are_one_visible_line_of_bounded_length() {
        for (text, clean) in [
            ("Bob", "Bob"),
            ("  Bob\r\nBuilder\t!", "Bob  Builder !"),
            ("B\0o\u{7}b\u{7F}\u{9B}", "Bob"),
            ("\u{202E}boB\u{202C} \u{2066}x\u{2069}", "boB x"),
            ("Bob\u{2028}Builder", "Bob Builder"),
            ("", ""),
            (" \u{200B}\u{3164}\u{2800}\u{200F} ", ""),
            ("\u{1}\u{2}", ""),
            ("\u{200F}שלום", "\u{200F}שלום"),
            ("👩\u{200D}👩\u{200D}👧", "👩\u{200D}👩\u{200D}👧"),
        ] {
            assert_eq!(name(text), clean, "{text:?}");
        }
        assert_eq!(name(&"☃".repeat(500)).chars().count(), MAX_NAME);
        assert_eq!(line(&"☃".repeat(500)).chars().count(), 500);
    }

    #[test]
    fn fault_14_words_keep_their_lines() {
        assert_eq!(words("a\r\nb\rc\nd\te"), "a\nb\nc\nd\te");
        assert_eq!(words("a\0\u{2}\u{3}4b\u{202E}c\u{FEFF}"), "a4bc");
        assert_eq!(words("a\u{2028}b"), "a\nb");
    }

    proptest! {
        #[test]
        fn fault_14_nothing_forbidden_passes_and_what_is_clean_stays(text in any::<String>()) {
            for clean in [name(&text), line(&text)] {
                prop_assert!(!clean.contains(is_forbidden) && !clean.contains(is_break));
                prop_assert_eq!(line(&clean), clean);
            }
            let clean = words(&text);
            prop_assert!(clean.chars().all(|c| matches!(c, '\n' | '\t') || !is_forbidden(c)));
            prop_assert_eq!(words(&clean), clean);
        }
    }
}
