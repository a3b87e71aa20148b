//! XML as a tree of elements: what SOAP and list payloads are made of.
//!
//! Knows elements, attributes, text and bounds. Refuses to know namespaces: servers choose their own prefixes, so names are
//! compared by their local part and without regard to case. Source: §18.2, §18.3.

use std::fmt;

use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer};
use thiserror::Error;

use super::message::text_of;

/// Most elements of one document: an address book of 1000 contacts has some 40,000.
const MAX_ELEMENTS: usize = 200_000;
/// Most attributes of one element.
const MAX_ATTRIBUTES: usize = 32;
/// How deep elements may stand in each other.
const MAX_DEPTH: usize = 32;
/// Characters of a server's own words that an owner is shown.
const MAX_WORDS: usize = 300;

/// Why a text is not read as XML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum XmlError {
    #[error("the text is not well-formed XML")]
    Malformed,
    #[error("the XML has more elements, attributes or levels than anybody needs")]
    TooLarge,
}

/// One element with what stands in it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Self>,
}

/// Names alone: the text may be a password or a ticket.
impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Element").field(&self.name).field(&self.children).finish()
    }
}

/// A server's own words for people: on one line, without control characters, 300 characters at most.
pub fn one_line(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect()
}

impl Element {
    /// An empty element; `name` may have a prefix.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// An element that holds text. Characters that XML cannot hold are left out.
    pub fn leaf(name: &str, text: &str) -> Self {
        Self { text: allowed(text), ..Self::new(name) }
    }

    /// The same with one attribute more.
    #[must_use]
    pub fn with_attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.push((name.to_owned(), allowed(value)));
        self
    }

    /// The same with one element more in it.
    #[must_use]
    pub fn with(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// The same with more elements in it.
    #[must_use]
    pub fn with_all(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// The name behind its prefix.
    pub fn local_name(&self) -> &str {
        local(&self.name)
    }

    /// The text as an owner is shown it: see [`one_line`].
    pub fn words(&self) -> String {
        one_line(self.text())
    }

    /// The text directly in it, entities resolved, without blanks around it.
    pub fn text(&self) -> &str {
        self.text.trim()
    }

    /// The text directly in it with its blanks, for what may begin or end in one.
    pub fn text_with_blanks(&self) -> &str {
        &self.text
    }

    /// An attribute by its local name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| local(known).eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The first element directly in it of that name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.is(name))
    }

    /// The first element of that name, wherever it stands in this one.
    pub fn first(&self, name: &str) -> Option<&Self> {
        self.descendants().find(|element| element.is(name))
    }

    /// Every element of that name, wherever it stands in this one.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.descendants().filter(move |element| element.is(name))
    }

    /// Whether this is its local name.
    pub fn is(&self, name: &str) -> bool {
        self.local_name().eq_ignore_ascii_case(name)
    }

    /// This element and all in it, in the order in which they begin.
    fn descendants(&self) -> impl Iterator<Item = &Self> {
        let mut waiting = vec![self];
        std::iter::from_fn(move || {
            let next = waiting.pop()?;
            waiting.extend(next.children.iter().rev());
            Some(next)
        })
    }

    /// The element as text, without a declaration and without white space between elements, which there are servers that refuse.
    pub fn to_fragment(&self) -> String {
        self.written(false)
    }

    /// The element as a document of its own, behind a declaration.
    pub fn to_document(&self) -> String {
        self.written(true)
    }

    fn written(&self, is_document: bool) -> String {
        let mut writer = Writer::new(Vec::new());
        let declaration = Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None));
        let declared = if is_document { writer.write_event(declaration) } else { Ok(()) };
        // Writing to memory does not fail.
        drop(declared.and_then(|()| self.write(&mut writer)));
        String::from_utf8_lossy(&writer.into_inner()).into_owned()
    }

    /// An empty element has two tags too: there are servers that do not take one.
    fn write(&self, out: &mut Writer<Vec<u8>>) -> std::io::Result<()> {
        let mut start = BytesStart::new(self.name.as_str());
        self.attributes.iter().for_each(|(name, value)| {
            start.push_attribute((name.as_str(), value.as_str()));
        });
        out.write_event(Event::Start(start))?;
        if !self.text.is_empty() {
            out.write_event(Event::Text(BytesText::new(&self.text)))?;
        }
        self.children.iter().try_for_each(|child| child.write(out))?;
        out.write_event(Event::End(BytesEnd::new(self.name.as_str())))
    }

    /// Reads a document, or a fragment with one element around all.
    ///
    /// # Errors
    /// Text that is not XML, or more of it than anybody needs.
    pub fn parse(text: &str) -> Result<Self, XmlError> {
        let mut reader = Reader::from_str(text);
        let (mut open, mut root): (Vec<Self>, Option<Self>) = (Vec::new(), None);
        let mut count = 0_usize;
        loop {
            match reader.read_event().map_err(|_| XmlError::Malformed)? {
                Event::Start(tag) => {
                    count += 1;
                    open.push(begin(&tag)?);
                }
                Event::Empty(tag) => {
                    count += 1;
                    close(begin(&tag)?, &mut open, &mut root)?;
                }
                Event::End(_) => close(open.pop().ok_or(XmlError::Malformed)?, &mut open, &mut root)?,
                Event::Eof if open.is_empty() => return root.ok_or(XmlError::Malformed),
                Event::Eof => return Err(XmlError::Malformed),
                event => {
                    let text = text_of(&event);
                    match open.last_mut() {
                        Some(inside) => inside.text.push_str(&text),
                        None if text.trim().is_empty() => {}
                        None => return Err(XmlError::Malformed),
                    }
                }
            }
            if count > MAX_ELEMENTS || open.len() > MAX_DEPTH {
                return Err(XmlError::TooLarge);
            }
        }
    }
}

/// An element ends: it goes into the one around it, or is the whole.
fn close(done: Element, open: &mut [Element], root: &mut Option<Element>) -> Result<(), XmlError> {
    match (open.last_mut(), &root) {
        (Some(around), _) => around.children.push(done),
        (None, None) => *root = Some(done),
        (None, Some(_)) => return Err(XmlError::Malformed),
    }
    Ok(())
}

fn begin(tag: &BytesStart<'_>) -> Result<Element, XmlError> {
    let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let mut element = Element::new(&name(tag.name().as_ref()));
    for attribute in tag.attributes() {
        let attribute = attribute.map_err(|_| XmlError::Malformed)?;
        let value = attribute.unescape_value().map_err(|_| XmlError::Malformed)?;
        element.attributes.push((name(attribute.key.as_ref()), value.into_owned()));
        if element.attributes.len() > MAX_ATTRIBUTES {
            return Err(XmlError::TooLarge);
        }
    }
    Ok(element)
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// The characters that XML 1.0 can hold.
fn allowed(text: &str) -> String {
    let is_allowed = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(is_allowed).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn elements_are_found_by_local_names_of_any_case_with_entities_resolved() {
        let text = "<?xml version='1.0'?>\n<s:E xmlns:s='x'><a:Groups q:Id=' 1&amp;2'> <b>t=1&amp;p=&lt;</b>\n<B/><c>&#228;<![CDATA[<&]]></c></a:Groups></s:E>";
        let root = Element::parse(text).unwrap();
        assert_eq!(root.first("groups").unwrap().attribute("id"), Some(" 1&2"));
        assert_eq!(root.all("B").map(Element::text).collect::<Vec<_>>(), ["t=1&p=<", ""]);
        assert_eq!(root.first("c").unwrap().text(), "ä<&");
        assert!(root.first("d").is_none() && root.child("b").is_none());
    }

    #[test]
    fn what_is_no_single_element_or_too_much_is_refused() {
        for text in
            ["", "words", "<a>", "<a></b>", "</a>", "<a/><a/>", "<a/>b", "<a x=1 x=2/>", "<a x='&y;'/>"]
        {
            assert_eq!(Element::parse(text), Err(XmlError::Malformed), "{text}");
        }
        let nested = |depth| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(Element::parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(Element::parse(&nested(MAX_DEPTH + 1)), Err(XmlError::TooLarge));
        let many = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS));
        assert_eq!(Element::parse(&many), Err(XmlError::TooLarge));
    }

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        let element = Element::new("a").with(Element::leaf("Password", "secret"));
        assert_eq!(format!("{element:?}"), "Element(\"a\", [Element(\"Password\", [])])");
    }

    fn any_element() -> impl Strategy<Value = Element> {
        let leaf = ("[a-z]{1,5}(:[a-z]{1,5})?", "\\PC{0,12}", proptest::option::of("[ -~]{0,12}"));
        let leaf = leaf.prop_map(|(name, text, value)| {
            let element = Element::leaf(&name, &text);
            match value {
                Some(value) => element.with_attribute("v", &value),
                None => element,
            }
        });
        leaf.prop_recursive(4, 24, 4, |inner| {
            ("[a-z]{1,5}", proptest::collection::vec(inner, 0..4))
                .prop_map(|(name, children)| Element::new(&name).with_all(children))
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(element in any_element()) {
            prop_assert_eq!(Element::parse(&element.to_document()), Ok(element.clone()));
            prop_assert_eq!(Element::parse(&element.to_fragment()), Ok(element));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(<[a/&; ]{0,4}[a=\"x>]{0,6}|&[#a-z]{0,3};|\\PC){0,20}") {
            let _ = Element::parse(&text);
        }
    }
}
