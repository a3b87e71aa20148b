//! The payload of `MSG`: a MIME-like envelope of header lines, an empty line and a body (§7.1).
//!
//! Knows the envelope, the content types of MSNP8 to MSNP12, formatting, and messages in several parts. Refuses to know
//! who sent it and whether it arrived.

mod chunks;
mod codes;
mod content;
mod control;
mod invitation;
mod personal;
mod text_style;

use bytes::Bytes;
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use thiserror::Error;

pub use chunks::{Assembler, MAX_PAYLOAD, separate_parts, text_payloads};
pub use codes::without_codes;
pub use content::{Content, Emoticon};
pub(crate) use control::text_of;
pub use control::{ServerNotice, alert_text, page_text};
pub use invitation::{Application, CancelCode, Invitation, InvitationCommand, InvitationError};
pub use personal::{CurrentMedia, PersonalMessage};
pub use text_style::TextStyle;

/// Most headers that are kept; official clients send fewer than ten, profiles about twenty-five. Of those behind, only what
/// decides about the message is.
const MAX_HEADERS: usize = 64;
const DECISIVE: [&str; 8] = [
    "Content-Type",
    "X-MMS-IM-Format",
    "P4-Context",
    "Message-ID",
    "Chunks",
    "Chunk",
    "P2P-Dest",
    "TypingUser",
];
/// Most header lines that are read: more than a message has bytes.
const MAX_LINES: usize = 2048;

/// Why a payload is no message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    #[error("the message has more than {MAX_LINES} header lines")]
    TooManyHeaders,
    #[error("the message has no Content-Type")]
    NoContentType,
}

/// An envelope. Header names compare without case; order is kept.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl std::fmt::Debug for Envelope {
    /// The body is somebody's words: its size must do.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Envelope({:?}, {} bytes)", self.content_type(), self.body.len())
    }
}

impl Envelope {
    /// An envelope with the two headers that every message has.
    pub fn new(content_type: &str) -> Self {
        Self::default().with("MIME-Version", "1.0").with("Content-Type", content_type)
    }

    /// An envelope without any header, for the later parts of a message in several parts.
    pub fn bare() -> Self {
        Self::default()
    }

    /// Adds a header. Line breaks in the value are dropped, so a value cannot become a header.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.replace(['\r', '\n'], "")));
        self
    }

    /// The same with these bytes behind the empty line.
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The content type without its parameters, in lower case; empty when there is none.
    pub fn content_type(&self) -> String {
        let value = self.header("Content-Type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The charset that is declared, where it is one that is known (§7.1).
    fn charset(&self) -> Option<&'static Encoding> {
        let parameters = self.header("Content-Type")?.split(';').skip(1);
        let mut pairs = parameters.filter_map(|parameter| parameter.split_once('='));
        let (_, label) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
        let label = label.trim().trim_matches(['"', '\'']).trim();
        // Whoever declares ASCII and sends more means something else.
        let is_ascii = ["us-ascii", "ascii"].iter().any(|ascii| label.eq_ignore_ascii_case(ascii));
        Encoding::for_label_no_replacement(label.as_bytes()).filter(|_| !is_ascii)
    }

    /// The body as text: in the declared charset; without one that is known UTF-8, else Windows-1252.
    pub fn text(&self) -> String {
        decode(&self.body, self.charset()).trim_end_matches('\0').to_owned()
    }

    /// Lines end in CR LF or LF. A line without a colon is skipped, a missing body is an empty one.
    ///
    /// # Errors
    /// [`MessageError::TooManyHeaders`]; everything else is read as far as it goes.
    pub fn parse(payload: &Bytes) -> Result<Self, MessageError> {
        let mut envelope = Self::default();
        let (mut at, mut lines) = (0, 0);
        while at < payload.len() {
            let end = payload[at..].iter().position(|&b| b == b'\n').map_or(payload.len(), |n| at + n);
            let line = &payload[at..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            at = (end + 1).min(payload.len());
            if line.is_empty() {
                break;
            }
            lines += 1;
            if lines > MAX_LINES {
                return Err(MessageError::TooManyHeaders);
            }
            let line = decode(line, None);
            if let Some((name, value)) = line.split_once(':') {
                envelope.keep(name.trim(), value.trim());
            }
        }
        envelope.body = payload.slice(at..);
        Ok(envelope)
    }

    fn keep(&mut self, name: &str, value: &str) {
        let is_decisive = || DECISIVE.iter().any(|known| known.eq_ignore_ascii_case(name));
        if self.headers.len() < MAX_HEADERS || is_decisive() && self.header(name).is_none() {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The payload of a `MSG`, without its length.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.body.len() + 128);
        for (name, value) in &self.headers {
            bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Text in a charset, without its byte order mark. What was declared counts, but bytes that are not UTF-8 where that was
/// declared are what older systems use.
fn decode(bytes: &[u8], charset: Option<&'static Encoding>) -> String {
    match charset.filter(|charset| *charset != UTF_8) {
        Some(charset) => charset.decode_with_bom_removal(bytes).0.into_owned(),
        None => match std::str::from_utf8(bytes) {
            Ok(text) => text.trim_start_matches('\u{FEFF}').to_owned(),
            Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_are_found_without_case_and_the_body_is_untouched() {
        let payload =
            Bytes::from_static(b"MIME-version: 1.0\ncontent-TYPE: Text/Plain; charset=UTF-8\n\na\r\n\r\nb");
        let envelope = Envelope::parse(&payload).unwrap();
        assert_eq!(envelope.content_type(), "text/plain");
        assert_eq!(&envelope.body[..], b"a\r\n\r\nb");
    }

    #[test]
    fn fault_22_a_text_arrives_however_many_headers_stand_before_it() {
        let text = |before: usize, behind: usize| {
            let lines = |count: usize| (0..count).map(|n| format!("X-{n}: {n}\r\n")).collect::<String>();
            let payload = format!(
                "MIME-Version: 1.0\r\n{}Content-Type: text/plain; charset=UTF-8\r\n{}\r\nhello",
                lines(before),
                lines(behind)
            );
            let envelope = Envelope::parse(&payload.into()).unwrap();
            assert!(envelope.headers.len() <= MAX_HEADERS + DECISIVE.len());
            Content::parse(&envelope)
        };
        for (before, behind) in [(0, 62), (0, 63), (0, 64), (64, 0), (100, 40), (200, 0), (0, 1000)] {
            let read = text(before, behind);
            let is_it = matches!(&read, Ok(Content::Text { text, .. }) if text == "hello");
            assert!(is_it, "{before} before, {behind} behind: {read:?}");
        }
        // What decides is looked for behind the many; the same line many times is kept once.
        let many =
            ["a: b\r\n".repeat(200), "Chunk: 1\r\n".repeat(200), "Message-ID: {1}\r\n\r\nx".into()].concat();
        let envelope = Envelope::parse(&many.into()).unwrap();
        assert_eq!((envelope.header("message-id"), envelope.header("chunk")), (Some("{1}"), Some("1")));
        assert_eq!(envelope.headers.len(), MAX_HEADERS + 2);
        // More lines than any message has bytes.
        let absurd = "a\r\n".repeat(MAX_LINES + 1);
        assert_eq!(Envelope::parse(&absurd.into()), Err(MessageError::TooManyHeaders));
    }

    #[test]
    fn a_value_cannot_become_a_header() {
        let bytes = Envelope::bare().with("P4-Context", "x\r\nContent-Type: y").encode();
        assert_eq!(bytes, b"P4-Context: xContent-Type: y\r\n\r\n");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(body in prop::collection::vec(any::<u8>(), 0..200), value in "[ -9;-~]{0,20}") {
            let envelope = Envelope::new("text/plain").with("X-Thing", value.trim()).with_body(body);
            let read = Envelope::parse(&Bytes::from(envelope.encode())).unwrap();
            prop_assert_eq!(read, envelope);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(envelope) = Envelope::parse(&Bytes::from(bytes)) {
                let _ = Content::parse(&envelope);
            }
        }
    }
}
