//! A frame: one unit of the stream, tokenised and not understood.
//!
//! Knows a verb of three characters, parameters and a payload. Refuses to know their meaning and order. Source: §1.1.

use std::fmt;

use bytes::Bytes;

/// The first three characters of a line: upper-case letters, or the digits of an error number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Verb([u8; 3]);

impl Verb {
    /// `None` unless it is three ASCII capitals or three digits.
    pub fn parse(token: &str) -> Option<Self> {
        let bytes: [u8; 3] = token.as_bytes().try_into().ok()?;
        let word = bytes.iter().all(u8::is_ascii_uppercase);
        let number = bytes.iter().all(u8::is_ascii_digit);
        (word || number).then_some(Self(bytes))
    }

    /// The number of an error reply.
    pub fn error_number(self) -> Option<u16> {
        self.as_str().parse().ok()
    }

    /// The three characters, in upper case.
    pub fn as_str(&self) -> &str {
        // Proven by `parse`: three ASCII bytes.
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A line and, for payload commands, the bytes counted behind it.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    pub verb: Verb,
    /// The parameters, without the length of the payload.
    pub args: Vec<String>,
    pub payload: Option<Bytes>,
}

impl fmt::Debug for Frame {
    /// Parameters and payloads may hold tickets and people's words, so only their number and size are shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({} parameters", self.verb, self.args.len())?;
        if let Some(payload) = &self.payload {
            write!(f, ", {} bytes", payload.len())?;
        }
        f.write_str(")")
    }
}
