//! Nicks for puppets: made from a name by a template, legal, and other than everybody else's.
//!
//! Knows the characters of RFC 2812 and the length that the network states. Refuses to hold state: a nick follows from a
//! name and a number.

/// Nicks are at most this long until the network says otherwise (RFC 2812).
pub(super) const DEFAULT_LENGTH: usize = 9;
/// Stands before the letters of a contact without a name.
const NAMELESS: &str = "contact-";
/// How many alternatives are tried when a nick is taken.
const ALTERNATIVES: usize = 20;

fn is_special(c: char) -> bool {
    matches!(c, '[' | ']' | '\\' | '`' | '_' | '^' | '{' | '|' | '}')
}

fn is_legal(c: char) -> bool {
    c.is_ascii_alphanumeric() || is_special(c) || c == '-'
}

/// How nicks are made: `{name}` stands for the display name, `{local}` for the address before its `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NickTemplate {
    front: String,
    is_local: bool,
    back: String,
}

impl NickTemplate {
    /// Reads a template with exactly one place for a name; `None` for another one, or one with characters that no nick has.
    pub fn parse(text: &str) -> Option<Self> {
        let is_local = text.contains("{local}");
        let (front, back) = text.split_once(if is_local { "{local}" } else { "{name}" })?;
        let is_one = !back.contains("{local}") && !back.contains("{name}") && !front.contains("{name}");
        let fits = front.chars().chain(back.chars()).all(is_legal) && front.len() + back.len() <= 5;
        let begins = front.chars().next().is_none_or(|c| c.is_ascii_alphabetic() || is_special(c));
        (is_one && fits && begins).then(|| Self { front: front.to_owned(), is_local, back: back.to_owned() })
    }

    /// What stands for a person in the template: the letters of their name, or `contact-` and some letters of `hash` where
    /// there are none. An address is no name unless the template asks for one.
    pub(super) fn base(&self, name: &str, account: &str, hash: &str) -> String {
        let local = account.split('@').next().unwrap_or(account);
        let is_address = name.contains('@') || name.eq_ignore_ascii_case(account);
        let wanted = match (self.is_local, is_address) {
            (true, _) => local,
            (false, true) => "",
            (false, false) => name,
        };
        let letters = legal(wanted);
        match letters.chars().any(|c| c.is_ascii_alphanumeric()) {
            true => letters,
            false => Self::without_name(hash),
        }
    }

    /// What stands for somebody of whom nothing else may be said.
    pub(super) fn without_name(hash: &str) -> String {
        format!("{NAMELESS}{}", hash.chars().take(4).collect::<String>())
    }

    /// Candidates for a nick, best first; always the same ones for the same `base`.
    pub(super) fn candidates(&self, base: &str, length: usize) -> Vec<String> {
        let begins = |c: char| c.is_ascii_alphabetic() || is_special(c);
        let room = length.saturating_sub(self.front.len() + self.back.len());
        let shorter = base.strip_prefix(NAMELESS).filter(|_| base.len() > room).map(|letters| {
            // Its letters are what tells them apart.
            let short = format!("c-{letters}");
            short[short.len().saturating_sub(room)..].to_owned()
        });
        let base = shorter.as_deref().unwrap_or(base);
        let base = match (self.front.is_empty(), base.chars().next()) {
            (true, Some(first)) if !begins(first) => format!("m{base}"),
            _ => base.to_owned(),
        };
        candidates(&base, &self.front, &self.back, length)
    }
}

/// Candidates for a nick that is wanted as it is.
pub(super) fn bots(wanted: &str, length: usize) -> Vec<String> {
    candidates(wanted, "", "", length.max(wanted.len()))
}

/// The characters of a name that a nick may have; letters of other scripts become those that sound like them.
fn legal(wanted: &str) -> String {
    let mut nick = String::new();
    for c in wanted.chars() {
        match c {
            c if is_legal(c) => nick.push(c),
            '.' | '+' | ' ' => nick.push('_'),
            c if c.is_alphabetic() => {
                let sounds = deunicode::deunicode_char(c).unwrap_or_default();
                nick.extend(sounds.chars().filter(char::is_ascii_alphanumeric));
            }
            _ => {}
        }
    }
    nick.trim_matches(|c| matches!(c, '_' | '-')).to_owned()
}

fn candidates(base: &str, front: &str, back: &str, length: usize) -> Vec<String> {
    let cut = |room: usize| base.chars().take(room).collect::<String>();
    let room = length.saturating_sub(front.len() + back.len()).max(1);
    let first = format!("{front}{}{back}", cut(room));
    let numbered = (2..2 + ALTERNATIVES).map(|n| {
        let number = n.to_string();
        format!("{front}{}{number}{back}", cut(room.saturating_sub(number.len()).max(1)))
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

    fn template(text: &str) -> NickTemplate {
        NickTemplate::parse(text).unwrap()
    }

    #[test]
    fn a_template_has_one_place_for_a_name_and_only_letters_of_nicks() {
        for text in ["{name}[m]", "{local}", "m-{name}", "{name}|msn"] {
            assert!(NickTemplate::parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "bot",
            "{name}{name}",
            "{local}{name}",
            "{name} x",
            "1{name}",
            "-{name}",
            "{name}@x",
            "{name}123456",
        ] {
            assert!(NickTemplate::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn nicks_come_from_names_and_never_from_addresses_unless_asked_for() {
        let base = |text: &str, name: &str| template(text).base(name, "bob.b@example.com", "qxyzw");
        assert_eq!(base("{name}", "Bob"), "Bob");
        assert_eq!(base("{name}", " Zoë Müller "), "Zoe_Muller");
        assert_eq!(base("{name}", "Алиса"), "Alisa");
        assert_eq!(base("{local}", "Bob"), "bob_b");
        for name in ["", "bob.b@example.com", "\u{1F600}\u{1F600}", "...", "\u{202E}"] {
            assert_eq!(base("{name}", name), "contact-qxyz", "{name:?}");
        }
    }

    #[test]
    fn nicks_are_short_marked_and_numbered_when_taken() {
        let nicks = template("{local}[m]").candidates("alexander_smith", 9);
        assert_eq!(nicks[..3], ["alexan[m]", "alexa2[m]", "alexa3[m]"]);
        assert_eq!(template("{name}[m]").candidates("bob", 9)[0], "bob[m]");
        assert_eq!(template("{name}[m]").candidates("contact-qxyz", 9)[0], "c-qxyz[m]");
        assert_eq!(template("{name}[msn]").candidates("contact-qxyz", 9)[0], "qxyz[msn]");
        assert_eq!(template("{name}[m]").candidates("42", 16)[0], "m42[m]");
        assert_eq!(bots("msn-relay-bot", 9)[0], "msn-relay-bot");
    }

    proptest! {
        #[test]
        fn every_candidate_is_legal(name in any::<String>(), length in 9usize..32) {
            let template = template("{name}[m]");
            let base = template.base(&name, "x@example.com", "abcdef");
            let nicks = template.candidates(&base, length);
            for nick in &nicks {
                prop_assert!(nick.len() <= length);
                let first = nick.chars().next().unwrap();
                prop_assert!(first.is_ascii_alphabetic() || is_special(first), "{}", nick);
                prop_assert!(nick.chars().all(is_legal));
            }
            let mut unique = nicks.clone();
            unique.sort();
            unique.dedup();
            prop_assert_eq!(unique.len(), nicks.len());
        }
    }

    /// A name as contacts have them, by its number: emoji, right-to-left, empty, long, digits, reserved, namesakes.
    fn name(n: u32) -> String {
        let base = n / 8;
        match n % 8 {
            0 => {
                format!(
                    "\u{1F600}\u{1F680}{}",
                    if base.is_multiple_of(3) { String::new() } else { base.to_string() }
                )
            }
            1 => format!("\u{202E}\u{5D0}\u{5D1}{}", char::from_u32(0x5D0 + base % 27).unwrap_or('x')),
            2 => String::new(),
            3 => "x".repeat(usize::try_from(base % 400).unwrap_or(0)),
            4 => base.to_string(),
            5 => ["NickServ", "ChanServ", "root", "anonymous"][usize::try_from(base % 4).unwrap_or(0)].into(),
            6 => "Bob".into(),
            _ => format!("Zo\u{EB} {} \u{4F60}\u{597D}", char::from_u32(0x430 + base % 32).unwrap_or('x')),
        }
    }

    /// Names of so many contacts, on networks with the limits of RFC 2812, ngircd and hybrid here, and InspIRCd.
    fn are_legal_and_stable(names: u32) {
        for length in [9, 16, 30] {
            let template = template("{name}[m]");
            for n in 0..names {
                let letter = |shift: u32| char::from(b'a' + u8::try_from((n >> shift) % 26).unwrap_or(0));
                let hash: String = [0, 5, 10, 15].map(letter).iter().collect();
                let base = template.base(&name(n), &format!("{n}@example.com"), &hash);
                let nicks = template.candidates(&base, length);
                assert_eq!(nicks, template.candidates(&base, length));
                for nick in &nicks {
                    let begins = nick.starts_with(|c: char| c.is_ascii_alphabetic() || is_special(c));
                    assert!(begins && nick.chars().all(is_legal) && nick.len() <= length, "{n}: {nick}");
                }
                assert!(!base.contains("example"), "{n}: an address is nobody's business");
            }
        }
    }

    #[test]
    fn nicks_of_many_names_are_legal_for_each_family_of_servers() {
        are_legal_and_stable(4_000);
    }

    #[test]
    #[ignore = "takes long"]
    fn nicks_of_a_million_names_are_legal_for_each_family_of_servers() {
        are_legal_and_stable(1_000_000);
    }
}
