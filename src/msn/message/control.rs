//! What the notification server sends as messages: profile, mail notices, the announcement that it goes down (§5.4, §5.5).
//!
//! Knows their fields, of which each may be missing. Refuses to fetch anything that a notice names.

use std::net::IpAddr;

use quick_xml::Reader;
use quick_xml::events::Event;

use super::Envelope;
use crate::msn::oim::{MailData, mail_data};

/// A message of the server itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerNotice {
    /// The initial profile: the address under which the server sees us.
    Profile {
        client_ip: Option<IpAddr>,
    },
    /// Unread mail at sign-in, in the inbox and in other folders.
    Mailbox {
        unread: u32,
        elsewhere: u32,
        /// Offline messages that wait, where that is said with it.
        offline: Option<MailData>,
    },
    /// An offline message has come while we are signed in.
    OfflineMessages(MailData),
    /// New mail.
    Mail {
        from: String,
        subject: String,
    },
    /// The server goes down in so many minutes.
    GoingDown {
        minutes: u32,
    },
    Other {
        content_type: String,
    },
}

impl ServerNotice {
    /// What the server says. What is not known of it is [`Self::Other`], and a field that cannot be read is missing.
    pub fn parse(envelope: &Envelope) -> Self {
        let content_type = envelope.content_type();
        let body = envelope.text();
        let field = |name: &str| {
            let mut pairs = body.lines().filter_map(|line| line.split_once(':'));
            pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().to_owned())
        };
        match content_type.as_str() {
            "text/x-msmsgsprofile" => {
                Self::Profile { client_ip: envelope.header("ClientIP").and_then(|ip| ip.parse().ok()) }
            }
            "text/x-msmsgsinitialemailnotification" => Self::Mailbox {
                unread: field("Inbox-Unread").and_then(|n| n.parse().ok()).unwrap_or(0),
                elsewhere: field("Folders-Unread").and_then(|n| n.parse().ok()).unwrap_or(0),
                offline: None,
            },
            "text/x-msmsgsinitialmdatanotification" => {
                let data = field("Mail-Data").unwrap_or_default();
                let count =
                    |name| elements(data.as_bytes(), name).first().and_then(|n| n.trim().parse().ok());
                Self::Mailbox {
                    unread: count("I").unwrap_or(0),
                    elsewhere: count("O").unwrap_or(0),
                    offline: mail_data(&data),
                }
            }
            "text/x-msmsgsoimnotification" => match mail_data(&field("Mail-Data").unwrap_or_default()) {
                Some(data) => Self::OfflineMessages(data),
                None => Self::Other { content_type },
            },
            "text/x-msmsgsemailnotification" => Self::Mail {
                from: decode_words(&field("From").or_else(|| field("From-Addr")).unwrap_or_default()),
                subject: decode_words(&field("Subject").unwrap_or_default()),
            },
            "application/x-msmsgssystemmessage" | "text/x-msmsgssystemmessage" => {
                match field("Type").as_deref() {
                    Some("1") => {
                        let minutes = field("Arg1").and_then(|n| n.parse().ok());
                        Self::GoingDown { minutes: minutes.unwrap_or(0) }
                    }
                    _ => Self::Other { content_type },
                }
            }
            _ => Self::Other { content_type },
        }
    }
}

/// What an alert (`NOT`) says; `None` for what is between programs, such as news of the address book (§5.6).
pub fn alert_text(data: &[u8]) -> Option<String> {
    let text = elements(data, "TEXT").into_iter().find(|text| !text.trim().is_empty())?;
    Some(text.trim().to_owned())
}

/// Who sent a page (`IPG`) and what it says (§5.7).
pub fn page_text(data: &[u8]) -> Option<(String, String)> {
    let text = elements(data, "TEXT").into_iter().find(|text| !text.trim().is_empty())?;
    let from = attribute(data, "FROM", "name").unwrap_or_default();
    Some((from.trim_start_matches("tel:").to_owned(), text.trim().to_owned()))
}

/// Most text that is taken out of one element.
const MAX_TEXT: usize = 4096;

/// The texts of all elements of a name, whatever they stand in. XML that breaks off gives what came before.
fn elements(data: &[u8], name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(data);
    let mut reader = Reader::from_str(&text);
    let (mut found, mut open): (Vec<String>, bool) = (Vec::new(), false);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag)) if tag.name().as_ref() == name.as_bytes() => {
                found.push(String::new());
                open = true;
            }
            Ok(Event::End(tag)) if tag.name().as_ref() == name.as_bytes() => open = false,
            Ok(Event::Eof) | Err(_) => return found,
            Ok(event) if open => {
                if let Some(last) = found.last_mut().filter(|last| last.len() < MAX_TEXT) {
                    last.push_str(&text_of(&event));
                }
            }
            Ok(_) => {}
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

fn attribute(data: &[u8], element: &str, name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(data);
    let mut reader = Reader::from_str(&text);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) if tag.name().as_ref() == element.as_bytes() => {
                let attribute = tag.try_get_attribute(name).ok()??;
                return attribute.unescape_value().ok().map(|value| value.chars().take(MAX_TEXT).collect());
            }
            Ok(Event::Eof) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// Encoded words of a mail header (RFC 2047), as far as their charset is known.
fn decode_words(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, word, after)) = next_word(rest) {
        // White space between two encoded words is not part of the text.
        if out.is_empty() || !before.trim().is_empty() {
            out.push_str(before);
        }
        out.push_str(&word);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The text before the next encoded word, the word, and the text behind it.
fn next_word(text: &str) -> Option<(&str, String, &str)> {
    let (before, rest) = text.split_once("=?")?;
    let mut parts = rest.splitn(3, '?');
    let (charset, encoding, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (word, after) = rest.split_once("?=")?;
    let bytes = match encoding {
        "B" | "b" => base64::Engine::decode(&base64::engine::general_purpose::STANDARD, word).ok()?,
        "Q" | "q" => {
            let spaced = word.replace('_', " ").replace('%', "%25").replace('=', "%");
            percent_encoding::percent_decode_str(&spaced).collect()
        }
        _ => return None,
    };
    let charset = encoding_rs::Encoding::for_label(charset.as_bytes())?;
    Some((before, charset.decode_without_bom_handling(&bytes).0.into_owned(), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(payload: &'static str) -> ServerNotice {
        ServerNotice::parse(&Envelope::parse(&payload.as_bytes().into()).unwrap())
    }

    #[test]
    fn the_announcement_of_maintenance_names_the_minutes() {
        let down = notice("Content-Type: application/x-msmsgssystemmessage\r\n\r\nType: 1\r\nArg1: 5\r\n");
        assert_eq!(down, ServerNotice::GoingDown { minutes: 5 });
        let profile =
            notice("Content-Type: text/x-msmsgsprofile; charset=UTF-8\r\nClientIP: 192.0.2.7\r\n\r\n");
        assert_eq!(profile, ServerNotice::Profile { client_ip: Some("192.0.2.7".parse().unwrap()) });
    }

    #[test]
    fn mail_is_counted_in_both_forms_and_its_headers_are_decoded() {
        let old = notice(
            "Content-Type: text/x-msmsgsinitialemailnotification; charset=UTF-8\r\n\r\nInbox-Unread: 3\r\nFolders-Unread: 1\r\n",
        );
        assert_eq!(old, ServerNotice::Mailbox { unread: 3, elsewhere: 1, offline: None });
        let new = notice(
            "Content-Type: text/x-msmsgsinitialmdatanotification; charset=UTF-8\r\n\r\nMail-Data: <MD><E><I>7</I><IU>5</IU><O>2</O><OU>0</OU></E><Q><QTM>409600</QTM></Q></MD>\r\n",
        );
        assert_eq!(
            new,
            ServerNotice::Mailbox { unread: 7, elsewhere: 2, offline: Some(MailData::Messages(Vec::new())) }
        );
        let mail = notice(
            "Content-Type: text/x-msmsgsemailnotification\r\n\r\nFrom: =?utf-8?Q?J=C3=BCrgen_K?=\r\nSubject: =?iso-8859-1?B?5Pb8?= =?utf-8?B?4piD?= x\r\n",
        );
        assert_eq!(mail, ServerNotice::Mail { from: "Jürgen K".into(), subject: "äöü☃ x".into() });
        assert_eq!(decode_words("=?utf-8?X?a?= 1 =? 2"), "=?utf-8?X?a?= 1 =? 2");
    }

    #[test]
    fn alerts_and_pages_say_their_text_and_news_between_programs_says_none() {
        let alert = br#"<NOTIFICATION ver="2" id="1"><TO name="a@b.c"/><MSG id="0"><ACTION url="x"/><BODY lang="1033"><TEXT>Meeting &amp; lunch</TEXT></BODY></MSG></NOTIFICATION>"#;
        assert_eq!(alert_text(alert).as_deref(), Some("Meeting & lunch"));
        assert_eq!(alert_text(b"<NOTIFICATION><MSG><BODY>address book</BODY></MSG></NOTIFICATION>"), None);
        let page = br#"<NOTIFICATION id="0"><FROM name="tel:+1555"/><MSG><BODY><TEXT>call me</TEXT></BODY></MSG></NOTIFICATION>"#;
        assert_eq!(page_text(page), Some(("+1555".into(), "call me".into())));
        assert_eq!(page_text(b"<a><TEXT>x"), Some((String::new(), "x".into())));
    }
}
