//! Percent coding as MSN does it (§1.4): `%` and two hex digits, a stray `%` stays, `+` is not a space.
//!
//! Knows both directions, and text that was never valid UTF-8. Refuses to know which parameters are coded: commands do.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// What is escaped on sending: controls, space, `%`, and everything from 0x80 on. Escaping more than a peer would is
/// always safe; leaving a space in is not.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'"').add(b'<').add(b'>');

/// Text in its percent-encoded wire form: one token, kept as it came, so that relaying it changes no byte.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct UrlText(String);

impl UrlText {
    /// Encodes `text` for the wire.
    pub fn encode(text: &str) -> Self {
        Self(utf8_percent_encode(text, ESCAPED).to_string())
    }

    /// Encodes `text` in at most `limit` bytes: in full where that fits, else as old clients did, who left all but the
    /// signs of the protocol as they are.
    ///
    /// # Errors
    /// Not even that fits: so many characters of it would.
    pub fn encode_within(text: &str, limit: usize) -> Result<Self, usize> {
        let full = Self::encode(text);
        if full.wire_len() <= limit {
            return Ok(full);
        }
        let mut wire = String::new();
        for (fits, character) in text.chars().enumerate() {
            push_sparingly(&mut wire, character);
            if wire.len() > limit {
                return Err(fits);
            }
        }
        Ok(Self(wire))
    }

    /// Takes a token as it stood on the wire.
    pub fn from_wire(token: &str) -> Self {
        Self(token.replace([' ', '\r', '\n'], ""))
    }

    /// The token as it stands in a line.
    pub fn as_wire(&self) -> &str {
        &self.0
    }

    /// The text meant. Bytes that are not UTF-8 once decoded become U+FFFD.
    pub fn decode(&self) -> String {
        percent_decode_str(&self.0).decode_utf8_lossy().into_owned()
    }

    /// Length limits count this form (§1.5).
    pub fn wire_len(&self) -> usize {
        self.0.len()
    }
}

/// Blanks of any kind are escaped: servers exist that split their lines at all of them.
fn push_sparingly(wire: &mut String, character: char) {
    let mut buffer = [0; 4];
    let text = character.encode_utf8(&mut buffer);
    match character.is_ascii() || character.is_whitespace() || character.is_control() {
        true => wire.extend(utf8_percent_encode(text, ESCAPED)),
        false => wire.push_str(text),
    }
}

impl fmt::Display for UrlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for UrlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn conf_011_decoding_is_tolerant() {
        let decode = |wire: &str| UrlText::from_wire(wire).decode();
        assert_eq!(decode("%C3%a4%c3%A4"), "ää");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%4"), "%zz%4");
        assert_eq!(decode("a+b"), "a+b");
        assert_eq!(decode("Alice%20☃"), "Alice ☃");
        // The rule broken: a form decoder would have made a space of the plus sign.
        assert_ne!(decode("a+b"), "a b");
    }

    #[test]
    fn fault_16_names_are_escaped_sparingly_where_the_full_form_does_not_fit() {
        let within = |text: &str| UrlText::encode_within(text, 387);
        // The full form as long as it fits: 64 letters of six bytes each.
        let short = within(&"я".repeat(64)).unwrap();
        assert_eq!(short, UrlText::encode(&"я".repeat(64)));
        for (text, bytes) in [
            ("я".repeat(100), 200),
            ("я".repeat(193), 386),
            ("日".repeat(129), 387),
            ("🎈".repeat(96), 384),
            (format!("{} {}%", "я".repeat(90), "я".repeat(90)), 366),
        ] {
            let wire = within(&text).unwrap();
            assert_eq!((wire.wire_len(), wire.decode()), (bytes, text));
            assert!(!wire.as_wire().contains([' ', '\r', '\n']));
        }
        assert_eq!(within(&"я".repeat(194)), Err(193));
        assert_eq!(within(&"日".repeat(130)), Err(129));
        assert_eq!(within(&"🎈".repeat(97)), Err(96));
        assert_eq!(within(&"x".repeat(388)), Err(387));
        assert_eq!(within(&" ".repeat(130)), Err(129));
        // Blanks that are none in ASCII would end the token for some.
        let blanks = format!("{}\u{A0}\u{3000}\u{85}", "я".repeat(150));
        assert!(within(&blanks).unwrap().as_wire().ends_with("%C2%A0%E3%80%80%C2%85"));
    }

    proptest! {
        #[test]
        fn fault_16_what_fits_is_one_token_and_read_again(text in any::<String>(), limit in 0usize..100) {
            match UrlText::encode_within(&text, limit) {
                Ok(wire) => {
                    prop_assert!(wire.wire_len() <= limit && !wire.as_wire().contains([' ', '\r', '\n']));
                    prop_assert_eq!(wire.decode(), text);
                }
                Err(fits) => {
                    let cut: String = text.chars().take(fits).collect();
                    prop_assert!(fits < text.chars().count() && UrlText::encode_within(&cut, limit).is_ok());
                }
            }
        }

        #[test]
        fn conf_012_encoded_parameters_are_one_token(text in any::<String>()) {
            let wire = UrlText::encode(&text);
            prop_assert!(!wire.as_wire().contains([' ', '\r', '\n']));
            prop_assert_eq!(wire.decode(), text);
        }
    }
}
