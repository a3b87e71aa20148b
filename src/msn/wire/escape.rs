//! Percent coding as MSN does it (§1.4): `%` and two hex digits, a stray `%` stays, `+` is not a space.

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

    /// Takes a token as it stood on the wire.
    pub fn from_wire(token: &str) -> Self {
        Self(token.replace([' ', '\r', '\n'], ""))
    }

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

    proptest! {
        #[test]
        fn conf_012_encoded_parameters_are_one_token(text in any::<String>()) {
            let wire = UrlText::encode(&text);
            prop_assert!(!wire.as_wire().contains([' ', '\r', '\n']));
            prop_assert_eq!(wire.decode(), text);
        }
    }
}
