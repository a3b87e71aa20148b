//! Writes lines and payloads: the only place that writes CR LF, and the one that keeps a parameter a single token.
//!
//! Knows CR LF and the length before a payload. Refuses to know verbs. Source: §1.1, §1.3.

use std::fmt::{Display, Write as _};

/// Builds the bytes of one command.
#[derive(Debug)]
pub struct Encoder {
    line: String,
}

impl Encoder {
    /// A line that begins with this verb.
    pub fn new(verb: &str) -> Self {
        Self { line: verb.to_owned() }
    }

    /// Adds a parameter. Blanks and line breaks inside it are dropped: they could only make a second command of it.
    pub fn arg(mut self, value: impl Display) -> Self {
        self.line.push(' ');
        let from = self.line.len();
        let _ = write!(self.line, "{value}"); // writing to a String does not fail
        if self.line[from..].contains([' ', '\r', '\n', '\0']) {
            let clean = self.line[from..].replace([' ', '\r', '\n', '\0'], "");
            self.line.truncate(from);
            self.line.push_str(&clean);
        }
        self
    }

    /// The same with one more parameter, where there is a value.
    pub fn arg_if(self, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.arg(value),
            None => self,
        }
    }

    /// The same with these parameters, in their order.
    pub fn args<T: Display>(self, values: impl IntoIterator<Item = T>) -> Self {
        values.into_iter().fold(self, Self::arg)
    }

    /// The finished line.
    pub fn line(mut self) -> Vec<u8> {
        self.line.push_str("\r\n");
        self.line.into_bytes()
    }

    /// The finished line with the length of `payload`, and the payload behind it.
    pub fn payload(self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = self.arg(payload.len()).line();
        bytes.extend_from_slice(payload);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_cannot_smuggle_a_second_command() {
        let bytes = Encoder::new("CAL").arg(1).arg("a@b.c\r\nOUT").line();
        assert_eq!(bytes, b"CAL 1 a@b.cOUT\r\n");
    }

    #[test]
    fn a_payload_is_counted_in_bytes() {
        assert_eq!(Encoder::new("UUX").arg(3).payload("é".as_bytes()), "UUX 3 2\r\né".as_bytes());
    }
}
