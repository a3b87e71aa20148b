//! What all requests and answers share: the envelope, texts of elements, faults.
//!
//! Knows enough of XML to find an element by its local name. Refuses to check namespaces: servers differ in them.

use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;

/// Longest text that is taken out of one element, in bytes.
const MAX_TEXT: usize = 256 * 1024;

/// A request to make: the action for the `SOAPAction` header, without quotes, and the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoapRequest {
    pub action: String,
    pub body: String,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Without its prefix: `AuthenticationFailed`.
    pub code: String,
    pub text: String,
}

pub(super) fn envelope(header: &str, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <soap:Header>{header}</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
    )
}

pub(super) fn escaped(text: &str) -> String {
    escape(text).into_owned()
}

/// The texts of all elements of a name, whatever they stand in and whatever their prefix is. XML that breaks off gives
/// what came before.
pub(super) fn texts(xml: &str, name: &str) -> Vec<String> {
    let mut reader = Reader::from_str(xml);
    let (mut found, mut depth): (Vec<String>, usize) = (Vec::new(), 0);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) => {
                if depth > 0 {
                    depth += 1;
                } else if tag.local_name().as_ref() == name.as_bytes() {
                    found.push(String::new());
                    depth = 1;
                }
            }
            Ok(Event::Empty(tag)) if depth == 0 && tag.local_name().as_ref() == name.as_bytes() => {
                found.push(String::new());
            }
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Eof) | Err(_) => return found,
            Ok(event) if depth > 0 => {
                if let Some(last) = found.last_mut().filter(|last| last.len() < MAX_TEXT) {
                    last.push_str(&crate::msn::message::text_of(&event));
                }
            }
            Ok(_) => {}
        }
    }
}

pub(super) fn text(xml: &str, name: &str) -> Option<String> {
    texts(xml, name).into_iter().next()
}

/// The fault in an answer, if it is one.
pub fn fault(xml: &str) -> Option<Fault> {
    let code = text(xml, "faultcode")?;
    let code = code.trim().rsplit(':').next().unwrap_or_default().to_owned();
    Some(Fault { code, text: text(xml, "faultstring").unwrap_or_default().trim().to_owned() })
}
