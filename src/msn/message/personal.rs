//! The personal message and what somebody listens to: the XML of `UUX` and `UBX` (§4.5).
//!
//! Knows the fields of `CurrentMedia` and how a line is made of them. Refuses to resolve anything in the XML but its
//! own entities.

use quick_xml::escape::escape;
use thiserror::Error;

use super::super::markup::element;

/// The separator inside `CurrentMedia`: two characters, a backslash and a zero.
const SEPARATOR: &str = "\\0";

/// Longest data that are read, in bytes; official clients write less than one kilobyte.
const MAX_LENGTH: usize = 64 << 10;

/// The only thing that is wrong with a personal message: what is odd in it is read as far as it goes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a personal message of {0} bytes is too long")]
pub struct PersonalMessageError(usize);

/// What a contact says of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PersonalMessage {
    pub text: String,
    pub media: Option<Box<CurrentMedia>>,
}

/// The fields of `CurrentMedia`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CurrentMedia {
    pub application: String,
    /// `Music`, `Games` or `Office`.
    pub kind: String,
    /// `{0} - {1}` and the like, with the arguments' numbers.
    pub format: String,
    pub arguments: Vec<String>,
}

impl CurrentMedia {
    /// `None` when nothing is playing: an empty string, or one that is switched off.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(SEPARATOR).map(str::to_owned);
        let (application, kind) = (fields.next()?, fields.next()?);
        if fields.next()? != "1" {
            return None;
        }
        let format = fields.next().unwrap_or_default();
        let mut arguments: Vec<String> = fields.collect();
        while arguments.last().is_some_and(String::is_empty) {
            arguments.pop();
        }
        Some(Self { application, kind, format, arguments })
    }

    /// The fields as they stand in `CurrentMedia`, each followed by the separator; not escaped for XML.
    pub fn encode(&self) -> String {
        let head = [self.application.as_str(), self.kind.as_str(), "1", self.format.as_str()];
        let fields = head.into_iter().chain(self.arguments.iter().map(String::as_str));
        fields.map(|field| format!("{field}{SEPARATOR}")).collect()
    }

    /// The line to show: the format with its arguments put in, each as it stands. A song without a format is its
    /// arguments; empty when there is nothing to show.
    pub fn line(&self) -> String {
        let mut line = String::new();
        let mut rest = self.format.as_str();
        while let Some((before, argument, behind)) = placeholder(rest) {
            line.push_str(before);
            line.push_str(self.arguments.get(argument).map_or("", String::as_str));
            rest = behind;
        }
        line.push_str(rest);
        if self.format.trim().is_empty() {
            let said: Vec<&str> = self.arguments.iter().map(|a| a.trim()).filter(|a| !a.is_empty()).collect();
            line = said.join(" - ");
        }
        // What stood between two arguments of which one is missing.
        line.trim().trim_start_matches("- ").trim_end_matches(" -").trim().to_owned()
    }
}

/// The text before the first `{number}`, the number, and the text behind it.
fn placeholder(format: &str) -> Option<(&str, usize, &str)> {
    for (at, _) in format.match_indices('{') {
        let (digits, behind) = format[at + 1..].split_once('}')?;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if let (true, Ok(number)) = (is_number, digits.parse()) {
            return Some((&format[..at], number, behind));
        }
    }
    None
}

impl PersonalMessage {
    /// Reads the `Data` element, as old clients did: what can be read of it counts, and no bytes at all are an empty
    /// message.
    ///
    /// # Errors
    /// It is longer than any that is shown.
    pub fn parse(data: &[u8]) -> Result<Self, PersonalMessageError> {
        if data.len() > MAX_LENGTH {
            return Err(PersonalMessageError(data.len()));
        }
        let text = String::from_utf8_lossy(data);
        let media = element(&text, "CurrentMedia").unwrap_or_default();
        Ok(Self {
            text: element(&text, "PSM").unwrap_or_default(),
            media: CurrentMedia::parse(&media).map(Box::new),
        })
    }

    pub fn encode(&self) -> String {
        let media = self.media.as_deref().map(CurrentMedia::encode).unwrap_or_default();
        let (psm, media) = (escape(&self.text), escape(&media));
        format!("<Data><PSM>{psm}</PSM><CurrentMedia>{media}</CurrentMedia></Data>")
    }

    /// One line to show: the text, and what is playing behind a note.
    pub fn line(&self) -> String {
        let playing = self.media.as_deref().map(CurrentMedia::line).filter(|line| !line.is_empty());
        match playing {
            Some(line) if self.text.is_empty() => format!("♫ {line}"),
            Some(line) => format!("{} ♫ {line}", self.text),
            None => self.text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn conf_060_current_media_is_split_at_backslash_zero_and_escaped() {
        let wire = r"<Data><PSM>a &amp; b</PSM><CurrentMedia>aMSN\0Music\01\0{0} - {1}\0Yes &lt;1&gt;\0Band\0\0\0</CurrentMedia></Data>";
        let read = PersonalMessage::parse(wire.as_bytes()).unwrap();
        assert_eq!(read.text, "a & b");
        let media = read.media.clone().unwrap();
        assert_eq!((media.application.as_str(), media.kind.as_str()), ("aMSN", "Music"));
        assert_eq!(media.line(), "Yes <1> - Band");
        assert_eq!(PersonalMessage::parse(read.encode().as_bytes()).unwrap(), read);
        assert_eq!(read.line(), "a & b ♫ Yes <1> - Band");
        let off = r"<Data><CurrentMedia>\0Music\00\0{0}\0x\0</CurrentMedia></Data>";
        assert_eq!(PersonalMessage::parse(off.as_bytes()).unwrap().media, None);
        // The rule broken: a real NUL is no separator.
        assert_eq!(CurrentMedia::parse("a\x00Music\x001\x00{0}\x00x\x00"), None);
    }

    #[test]
    fn fault_17_songs_are_shown_as_their_formats_say_and_arguments_stay_as_they_are() {
        let song = |wire: &str| {
            let data = format!("<Data><PSM>x & y</PSM><CurrentMedia>{wire}</CurrentMedia></Data>");
            PersonalMessage::parse(data.as_bytes()).unwrap().line()
        };
        for (wire, line) in [
            (r"\0Music\01\0{0} - {1}\0Tom & Jerry\0A <3\0", "x & y ♫ Tom & Jerry - A <3"),
            (r"\0Music\01\0{0} - {1}\0{1}\0{0}\0", "x & y ♫ {1} - {0}"),
            (r"\0Music\01\0{1} {0} {1}\0a\0b\0", "x & y ♫ b a b"),
            (r"\0Music\01\0{10}{0}\0a\0b\0c\0d\0e\0f\0g\0h\0i\0j\0k\0", "x & y ♫ ka"),
            (r"\0Music\01\0\0Song\0Band\0\0", "x & y ♫ Song - Band"),
            (r"\0Music\01\0\0Song\0", "x & y ♫ Song"),
            (r"\0Music\01\0\0\0", "x & y"),
            (r"\0Music\01\0 \0", "x & y"),
            (r"\0Music\01\0{0} - {1}\0Song\0\0", "x & y ♫ Song"),
            (r"\0Music\01\0{0} - {1}\0\0Band\0", "x & y ♫ Band"),
            (r"\0Games\01\0Playing {0}\0Chess\0", "x & y ♫ Playing Chess"),
            (
                r"\0Music\01\0{x} {0} {} {99999999999999999999} {\0a\0",
                "x & y ♫ {x} a {} {99999999999999999999} {",
            ),
            (r"&#x5C;0Music&#x5C;01&#x5C;0{0}&#x5C;0a&#x5C;0", "x & y ♫ a"),
            (r"\0Music\00\0{0}\0a\0", "x & y"),
        ] {
            assert_eq!(song(wire), line, "{wire}");
        }
    }

    #[test]
    fn unknown_elements_and_no_bytes_at_all_are_read() {
        let wire = b"<Data><PSM>hi</PSM><CurrentMedia></CurrentMedia><MachineGuid>{1}</MachineGuid></Data>";
        assert_eq!(PersonalMessage::parse(wire).unwrap().text, "hi");
        assert_eq!(PersonalMessage::parse(b"").unwrap(), PersonalMessage::default());
        assert_eq!(PersonalMessage::parse(b"<Data><PSM>x</Data>").unwrap().text, "x");
        assert_eq!(
            PersonalMessage::parse("<a>".repeat(5000).as_bytes()).unwrap(),
            PersonalMessage::default()
        );
        assert!(PersonalMessage::parse("<a>".repeat(50_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_text_survives(text in "[^\\x00-\\x1f]{0,60}") {
            let message = PersonalMessage { text, media: None };
            prop_assert_eq!(PersonalMessage::parse(message.encode().as_bytes()).unwrap(), message);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = PersonalMessage::parse(&bytes);
        }
    }
}
