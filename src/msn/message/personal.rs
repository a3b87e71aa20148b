//! The personal message and what somebody listens to: the XML of `UUX` and `UBX` (§4.5).

use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;
use thiserror::Error;

/// The separator inside `CurrentMedia`: two characters, a backslash and a zero.
const SEPARATOR: &str = "\\0";

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the personal message is not well-formed XML: {0}")]
pub struct PersonalMessageError(String);

/// What a contact says of themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PersonalMessage {
    pub text: String,
    pub media: Option<CurrentMedia>,
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

    pub fn encode(&self) -> String {
        let head = [self.application.as_str(), self.kind.as_str(), "1", self.format.as_str()];
        let fields = head.into_iter().chain(self.arguments.iter().map(String::as_str));
        fields.map(|field| format!("{field}{SEPARATOR}")).collect()
    }

    /// The line to show: the format with its arguments put in.
    pub fn line(&self) -> String {
        let mut line = self.format.clone();
        for (index, argument) in self.arguments.iter().enumerate().take(10) {
            line = line.replace(&format!("{{{index}}}"), argument);
        }
        line
    }
}

impl PersonalMessage {
    /// Reads the `Data` element. Unknown elements are ignored, no bytes at all are an empty message.
    pub fn parse(data: &[u8]) -> Result<Self, PersonalMessageError> {
        let text = String::from_utf8_lossy(data);
        let mut reader = Reader::from_str(&text);
        let mut path: Vec<Vec<u8>> = Vec::new();
        let (mut psm, mut media) = (String::new(), String::new());
        loop {
            let event = reader.read_event().map_err(|e| PersonalMessageError(e.to_string()))?;
            let piece = match event {
                Event::Start(tag) if path.len() < 8 => {
                    path.push(tag.name().as_ref().to_vec());
                    continue;
                }
                Event::Start(_) => return Err(PersonalMessageError("nested too deeply".into())),
                Event::End(_) => {
                    path.pop();
                    continue;
                }
                Event::Eof => break,
                event => text_of(&event),
            };
            match path.last().map(Vec::as_slice) {
                Some(b"PSM") => psm.push_str(&piece),
                Some(b"CurrentMedia") => media.push_str(&piece),
                _ => {}
            }
        }
        Ok(Self { text: psm, media: CurrentMedia::parse(&media) })
    }

    pub fn encode(&self) -> String {
        let media = self.media.as_ref().map(CurrentMedia::encode).unwrap_or_default();
        let (psm, media) = (escape(&self.text), escape(&media));
        format!("<Data><PSM>{psm}</PSM><CurrentMedia>{media}</CurrentMedia></Data>")
    }

    /// One line to show: the text, and what is playing behind a note.
    pub fn line(&self) -> String {
        match &self.media {
            Some(media) if self.text.is_empty() => format!("♫ {}", media.line()),
            Some(media) => format!("{} ♫ {}", self.text, media.line()),
            None => self.text.clone(),
        }
    }
}

/// The text that one event adds to the element it stands in.
pub(crate) fn text_of(event: &Event<'_>) -> String {
    match event {
        Event::Text(text) => text.decode().map(|t| t.into_owned()).unwrap_or_default(),
        Event::GeneralRef(reference) => resolve(reference),
        Event::CData(text) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    }
}

/// The five entities of XML and character numbers; anything else stays as it stood.
fn resolve(reference: &quick_xml::events::BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    let name = String::from_utf8_lossy(reference).into_owned();
    match quick_xml::escape::resolve_xml_entity(&name) {
        Some(text) => text.to_owned(),
        None => format!("&{name};"),
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
    fn unknown_elements_and_no_bytes_at_all_are_read() {
        let wire = b"<Data><PSM>hi</PSM><CurrentMedia></CurrentMedia><MachineGuid>{1}</MachineGuid></Data>";
        assert_eq!(PersonalMessage::parse(wire).unwrap().text, "hi");
        assert_eq!(PersonalMessage::parse(b"").unwrap(), PersonalMessage::default());
        assert!(PersonalMessage::parse(b"<Data><PSM>x</Data>").is_err());
        assert!(PersonalMessage::parse("<a>".repeat(5000).as_bytes()).is_err());
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
