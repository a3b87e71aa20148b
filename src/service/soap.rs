//! SOAP as old clients write it: what a request holds, by local names alone, since every client has prefixes and
//! namespaces of its own; and the answers, without white space between elements, which some clients take for text.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::http::Response;
use crate::msn::message::text_of;

/// Elements and attributes that are read; an envelope has some dozens.
const MAX_ELEMENTS: usize = 512;
/// Most attributes of one element.
const MAX_ATTRIBUTES: usize = 32;
/// How deep they may stand in each other.
const MAX_DEPTH: usize = 32;

/// One element: its local name, its attributes by their local names, and the text directly in it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Element {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) text: String,
}

impl Element {
    /// An attribute by its local name, entities resolved.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The elements of one request, in the order in which they begin.
#[derive(Debug)]
pub(super) struct Envelope(pub(super) Vec<Element>);

impl Envelope {
    /// `None` for what is no XML, or more of it than any client sends.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(body);
        let mut reader = Reader::from_str(&text);
        let mut elements: Vec<Element> = Vec::new();
        let mut path: Vec<usize> = Vec::new();
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) => {
                    path.push(elements.len());
                    elements.push(element(&tag)?);
                }
                Event::Empty(tag) => elements.push(element(&tag)?),
                Event::End(_) => drop(path.pop()),
                Event::Eof => break,
                event => {
                    let inside = path.last().and_then(|at| elements.get_mut(*at));
                    inside.into_iter().for_each(|element| element.text.push_str(&text_of(&event)));
                }
            }
            if elements.len() > MAX_ELEMENTS || path.len() > MAX_DEPTH {
                return None;
            }
        }
        (path.is_empty() && !elements.is_empty()).then_some(Self(elements))
    }

    /// The first element of a local name, wherever it stands.
    pub(super) fn first(&self, name: &str) -> Option<&Element> {
        self.0.iter().find(|element| element.name == name)
    }

    /// The text of the first element of that name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.first(name).map(|element| element.text.as_str())
    }
}

/// The name and attributes of a tag; `None` for attributes that are none, or too many.
fn element(tag: &BytesStart<'_>) -> Option<Element> {
    let local =
        |name: quick_xml::name::QName<'_>| String::from_utf8_lossy(name.local_name().as_ref()).into_owned();
    let mut attributes = Vec::new();
    for attribute in tag.attributes() {
        let attribute = attribute.ok()?;
        attributes.push((local(attribute.key), attribute.unescape_value().ok()?.into_owned()));
        if attributes.len() > MAX_ATTRIBUTES {
            return None;
        }
    }
    Some(Element { name: local(tag.name()), attributes, text: String::new() })
}

/// An answer of XML.
pub(super) fn answer(code: u16, reason: &'static str, body: String) -> Response {
    let body = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{body}").into_bytes();
    Response { body, ..Response::new(code, reason).with("Content-Type", "text/xml; charset=utf-8") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn elements_are_known_by_local_names_with_entities_resolved() {
        let body = br#"<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Header><To memberName="a&amp;b@c.d"/></s:Header><w:Password>p&lt;&#228;&amp;<![CDATA[<q>]]></w:Password></s:Envelope>"#;
        let envelope = Envelope::parse(body).unwrap();
        assert_eq!(envelope.first("To").unwrap().attribute("memberName"), Some("a&b@c.d"));
        assert_eq!(envelope.text("Password"), Some("p<ä&<q>"));
        assert_eq!(envelope.text("Username"), None);
    }

    #[test]
    fn what_is_no_envelope_is_not_read_and_nobody_nests_for_ever() {
        for body in [&b""[..], b"not XML at all", b"<a><b></a>", b"<a>", b"<a x=1 x=2/>"] {
            assert!(Envelope::parse(body).is_none(), "{}", String::from_utf8_lossy(body));
        }
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        assert!(Envelope::parse(deep.as_bytes()).is_none());
        assert!(Envelope::parse(format!("<a>{}</a>", "<b/>".repeat(10_000)).as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Envelope::parse(&body);
        }

        #[test]
        fn any_tags_are_read_or_refused(body in "(<[a/&; ]{0,4}[a=\"x>]{0,6}|&[#a-z]{0,3};){0,12}") {
            let _ = Envelope::parse(body.as_bytes());
        }
    }
}
