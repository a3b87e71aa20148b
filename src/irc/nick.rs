//! Nicks for puppets: legal, stable, and other than everybody else's.
//!
//! Knows the characters of RFC 2812 and the length that the network states. Refuses to hold state: a nick follows from a
//! name and a number.

/// Nicks are at most this long until the network says otherwise (RFC 2812).
pub(super) const DEFAULT_LENGTH: usize = 9;
/// How many alternatives are tried when a nick is taken.
const ALTERNATIVES: usize = 20;

fn is_special(c: char) -> bool {
    matches!(c, '[' | ']' | '\\' | '`' | '_' | '^' | '{' | '|' | '}')
}

/// The characters of `wanted` that a nick may have, beginning with a letter.
fn legal(wanted: &str) -> String {
    let kept = wanted.chars().filter_map(|c| match c {
        c if c.is_ascii_alphanumeric() || is_special(c) || c == '-' => Some(c),
        '.' | '+' => Some('_'),
        _ => None,
    });
    let nick: String = kept.collect();
    match nick.chars().next() {
        None => "guest".to_owned(),
        Some(first) if first.is_ascii_alphabetic() || is_special(first) => nick,
        Some(_) => format!("m{nick}"),
    }
}

/// Candidates for a nick, best first; always the same ones for the same `wanted`.
pub(super) fn candidates(wanted: &str, suffix: &str, length: usize) -> Vec<String> {
    let base = legal(wanted);
    let cut = |room: usize| base.chars().take(room).collect::<String>();
    let room = length.saturating_sub(suffix.len()).max(1);
    let first = format!("{}{suffix}", cut(room));
    let numbered = (2..2 + ALTERNATIVES).map(|n| {
        let number = n.to_string();
        format!("{}{number}{suffix}", cut(room.saturating_sub(number.len()).max(1)))
    });
    let mut candidates = Vec::with_capacity(1 + ALTERNATIVES);
    for nick in std::iter::once(first).chain(numbered) {
        if !candidates.contains(&nick) {
            candidates.push(nick);
        }
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nicks_are_short_marked_and_numbered_when_taken() {
        let nicks = candidates("alexander.smith", "[m]", 9);
        assert_eq!(nicks[..3], ["alexan[m]", "alexa2[m]", "alexa3[m]"]);
        assert_eq!(candidates("bob", "[m]", 9)[0], "bob[m]");
        assert_eq!(candidates("42", "[m]", 16)[0], "m42[m]");
        assert_eq!(candidates("日本", "", 9)[0], "guest");
    }

    proptest! {
        #[test]
        fn every_candidate_is_legal(wanted in "\\PC{0,30}", length in 6usize..32) {
            let nicks = candidates(&wanted, "[m]", length);
            for nick in &nicks {
                prop_assert!(nick.len() <= length);
                let first = nick.chars().next().unwrap();
                prop_assert!(first.is_ascii_alphabetic() || is_special(first));
                prop_assert!(nick.chars().all(|c| c.is_ascii_alphanumeric() || is_special(c) || c == '-'));
            }
            let mut unique = nicks.clone();
            unique.sort();
            unique.dedup();
            prop_assert_eq!(unique.len(), nicks.len());
        }
    }
}
