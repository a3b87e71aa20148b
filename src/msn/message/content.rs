//! What a message says, by its content type (§7).
//!
//! Knows every content type that is shown or acted on; another one is handed on by its name alone. Refuses to know who
//! sent the message.

use bytes::Bytes;

use super::{Envelope, Invitation, InvitationError, MessageError, TextStyle};
use crate::msn::ids::Email;

/// A custom emoticon of the message that follows (§7.6): its shortcut and the MSNObject of its picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emoticon {
    pub shortcut: String,
    pub object: String,
}

/// A message understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Text {
        text: String,
        /// `None` when the header was not there.
        style: Option<TextStyle>,
        /// A name to show instead of the sender's for this message (gateways).
        shown_as: Option<String>,
    },
    Typing {
        email: Option<Email>,
    },
    Nudge,
    /// A datacast that is not a nudge: wink (2), voice clip (3), action (4).
    Datacast {
        id: u32,
        data: String,
    },
    Emoticons(Vec<Emoticon>),
    /// An application invitation (§8.1), or why it is none.
    Invitation(Result<Invitation, InvitationError>),
    /// A peer-to-peer packet, and the account it is for.
    Peer {
        destination: Option<Email>,
        packet: Bytes,
    },
    Ink(Bytes),
    /// Nothing that asks to be shown or answered: client capabilities, keep-alives, what is not known.
    Other {
        content_type: String,
    },
}

impl Content {
    /// What the envelope says, by its content type. A type that is not known is [`Content::Other`], which is no error.
    ///
    /// # Errors
    /// [`MessageError::NoContentType`], unless there are words that can be shown without one.
    pub fn parse(envelope: &Envelope) -> Result<Self, MessageError> {
        let content_type = envelope.content_type();
        Ok(match content_type.as_str() {
            // Words of which nobody says what they are: shown, rather than lost.
            "" if envelope.body.iter().any(|byte| !byte.is_ascii_whitespace()) => parse_text(envelope),
            "" => return Err(MessageError::NoContentType),
            "text/plain" => parse_text(envelope),
            "text/x-msmsgscontrol" => parse_typing(envelope),
            "text/x-msnmsgr-datacast" => parse_datacast(&envelope.text()),
            "text/x-mms-emoticon" | "text/x-mms-animemoticon" => parse_emoticons(&envelope.text()),
            "text/x-msmsgsinvite" => Self::Invitation(Invitation::parse(envelope.text().as_bytes())),
            "application/x-msnmsgrp2p" => parse_peer(envelope),
            "image/gif" | "application/x-ms-ink" => Self::Ink(envelope.body.clone()),
            _ => Self::Other { content_type },
        })
    }

    /// A typing notice of `email`.
    pub fn typing(email: &Email) -> Envelope {
        Envelope::new("text/x-msmsgscontrol").with("TypingUser", email.as_str()).with_body(&b"\r\n"[..])
    }

    /// A peer-to-peer packet for a member of the call.
    pub fn peer(destination: &Email, packet: &[u8]) -> Envelope {
        let envelope = Envelope::new("application/x-msnmsgrp2p").with("P2P-Dest", destination.as_str());
        envelope.with_body(Bytes::copy_from_slice(packet))
    }

    /// A nudge, in the form that every recorded client reads.
    /// Says nothing to anybody: keeps a call open (§6.3).
    pub fn keep_alive() -> Envelope {
        Envelope::new("text/x-keepalive")
    }

    /// The emoticons of the message that follows: shortcuts and objects.
    pub fn emoticons<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Envelope {
        let body: String = pairs.map(|(shortcut, object)| format!("{shortcut}\t{object}\t")).collect();
        Envelope::new("text/x-mms-emoticon").with_body(body)
    }

    /// The datacast that shakes a window (§7.5).
    pub fn nudge() -> Envelope {
        Envelope::new("text/x-msnmsgr-datacast").with_body(&b"ID: 1\r\n\r\n"[..])
    }

    /// A text. The order of the headers is the one official clients have.
    pub fn text(text: &str, style: Option<&TextStyle>) -> Envelope {
        let envelope = Envelope::new("text/plain; charset=UTF-8");
        let envelope = match style {
            Some(style) => envelope.with("X-MMS-IM-Format", &style.encode()),
            None => envelope,
        };
        envelope.with_body(text.replace("\r\n", "\n").replace('\n', "\r\n"))
    }
}

fn parse_text(envelope: &Envelope) -> Content {
    Content::Text {
        text: envelope.text().replace("\r\n", "\n").replace('\r', "\n"),
        style: envelope.header("X-MMS-IM-Format").map(TextStyle::parse),
        shown_as: envelope.header("P4-Context").filter(|name| !name.trim().is_empty()).map(str::to_owned),
    }
}

fn parse_typing(envelope: &Envelope) -> Content {
    let named = envelope.header("TypingUser").map(Email::parse);
    match named {
        Some(email) => Content::Typing { email: email.ok() },
        None => Content::Other { content_type: envelope.content_type() },
    }
}

fn parse_datacast(text: &str) -> Content {
    let field = |name: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
        pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    match field("ID").and_then(|id| id.parse().ok()) {
        Some(1) => Content::Nudge,
        Some(id) => Content::Datacast { id, data: field("Data").unwrap_or_default() },
        None => Content::Other { content_type: "text/x-msnmsgr-datacast".into() },
    }
}

/// At most this many emoticons of one message are looked at; official clients send five.
const MAX_EMOTICONS: usize = 16;

fn parse_emoticons(text: &str) -> Content {
    let fields: Vec<&str> = text.trim_end_matches(['\r', '\n', '\0']).split('\t').collect();
    let pairs = fields.chunks_exact(2).filter(|pair| !pair[0].is_empty() && pair[1].starts_with("<msnobj"));
    let emoticon = |pair: &[&str]| Emoticon { shortcut: pair[0].to_owned(), object: pair[1].to_owned() };
    Content::Emoticons(pairs.take(MAX_EMOTICONS).map(emoticon).collect())
}

fn parse_peer(envelope: &Envelope) -> Content {
    let destination = envelope.header("P2P-Dest").and_then(|value| value.split(';').next());
    let destination = destination.and_then(|email| Email::parse(email.trim()).ok());
    Content::Peer { destination, packet: envelope.body.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(payload: &[u8]) -> Content {
        Content::parse(&Envelope::parse(&Bytes::copy_from_slice(payload)).unwrap()).unwrap()
    }

    #[test]
    fn text_is_utf8_or_windows_1252_and_line_ends_become_newlines() {
        let head = "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n";
        let text = |body: &[u8]| match parse(&[head.as_bytes(), body].concat()) {
            Content::Text { text, style, .. } => (text, style),
            other => panic!("{other:?}"),
        };
        assert_eq!(text("ä\r\nb\rc\nd".as_bytes()), ("ä\nb\nc\nd".to_owned(), None));
        assert_eq!(text(b"caf\xe9 \x80").0, "café €");
        assert_eq!(text(b"").0, "");
    }

    #[test]
    fn fault_15_a_declared_charset_is_honoured_and_an_unknown_one_is_utf8_or_windows_1252() {
        let read = |content_type: &str, body: &[u8]| {
            let head = format!("MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n");
            match parse(&[head.as_bytes(), body].concat()) {
                Content::Text { text, .. } => text,
                other => panic!("{other:?}"),
            }
        };
        let utf16: Vec<u8> = "\u{FEFF}Ünïcode".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (content_type, body, text) in [
            ("text/plain; charset=windows-1251", &b"\xcf\xf0\xe8\xe2\xe5\xf2"[..], "Привет"),
            ("text/plain; charset=\"Windows-1251\"; x=y", b"\xcf\xf0\xe8\xe2\xe5\xf2", "Привет"),
            ("text/plain; x=y ; CHARSET = 'koi8-r'", b"\xf0\xd2\xc9\xd7\xc5\xd4", "Привет"),
            ("text/plain; charset=shift_jis", b"\x93\xfa\x96\x7b", "日本"),
            ("text/plain; charset=gb2312", b"\xc4\xe3\xba\xc3", "你好"),
            ("text/plain; charset=iso-8859-2", b"\xb1\xe6", "ąć"),
            ("text/plain; charset=iso-8859-1", "ä".as_bytes(), "Ã¤"),
            ("text/plain; charset=utf-16", &utf16, "Ünïcode"),
            ("text/plain; charset=UTF-8", "\u{FEFF}ä".as_bytes(), "ä"),
            ("text/plain; charset=UTF-8", b"caf\xe9", "café"),
            ("text/plain; charset=us-ascii", "ä".as_bytes(), "ä"),
            ("text/plain; charset=nonsense", "ä".as_bytes(), "ä"),
            ("text/plain; charset=nonsense", b"caf\xe9", "café"),
            ("text/plain; charset=iso-2022-kr", "ä".as_bytes(), "ä"),
            ("text/plain; charset=", "ä".as_bytes(), "ä"),
            ("text/plain; charset", b"\xe9", "é"),
        ] {
            assert_eq!(read(content_type, body), text, "{content_type}");
        }
        // What is not a text of somebody's has a charset too.
        let cast = "MIME-Version: 1.0\r\nContent-Type: text/x-msnmsgr-datacast; charset=windows-1251\r\n\r\nID: 4\r\nData: ";
        let cast = parse(&[cast.as_bytes(), b"\xcf\xf0\xe8\xe2\xe5\xf2\r\n"].concat());
        assert_eq!(cast, Content::Datacast { id: 4, data: "Привет".into() });
    }

    #[test]
    fn conf_079_datacast_one_is_a_nudge_and_others_are_not() {
        let head = "MIME-Version: 1.0\r\nContent-Type: text/x-msnmsgr-datacast\r\n\r\n";
        let cast = |body: &str| parse(format!("{head}{body}").as_bytes());
        for body in ["ID: 1\r\n\r\n", "ID: 1\r\n", "ID: 1", "id:1\n"] {
            assert_eq!(cast(body), Content::Nudge, "{body:?}");
        }
        assert_eq!(cast("ID: 4\r\nData: waves\r\n\r\n"), Content::Datacast { id: 4, data: "waves".into() });
        assert!(matches!(cast(""), Content::Other { .. }));
        assert!(matches!(cast("ID: one\r\n"), Content::Other { .. }));
        assert_eq!(parse(&Content::nudge().encode()), Content::Nudge);
    }

    #[test]
    fn conf_080_emoticon_tables_have_one_to_five_pairs() {
        let head = "MIME-Version: 1.0\r\nContent-Type: text/x-mms-emoticon\r\n\r\n";
        let table = |body: &str| match parse(format!("{head}{body}").as_bytes()) {
            Content::Emoticons(list) => list,
            other => panic!("{other:?}"),
        };
        for count in 1..=5 {
            let body =
                (0..count).map(|n| format!(":{n}:\t<msnobj Type=\"2\" Size=\"{n}\"/>\t")).collect::<String>();
            let list = table(&body);
            assert_eq!(list.len(), count);
            assert_eq!(list[count - 1].shortcut, format!(":{}:", count - 1));
        }
        let made = Content::emoticons([(":a:", "<msnobj Type=\"2\"/>"), (":b:", "<msnobj/>")].into_iter());
        let Content::Emoticons(list) = parse(&made.encode()) else { panic!() };
        assert_eq!((list.len(), list[0].shortcut.as_str(), list[1].object.as_str()), (2, ":a:", "<msnobj/>"));
        assert_eq!(table("no tabs at all"), []);
        assert_eq!(table(":a:\tnot an object\t"), []);
    }

    #[test]
    fn conf_081_an_unknown_content_type_is_nothing_to_show() {
        let other = parse(b"Content-Type: text/x-clientcaps\r\n\r\nClient-Name: X");
        assert_eq!(other, Content::Other { content_type: "text/x-clientcaps".into() });
        let known = parse(b"Content-Type: text/plain\r\n\r\nhi");
        assert!(matches!(known, Content::Text { .. }));
    }

    #[test]
    fn fault_22_a_text_without_a_content_type_is_shown_and_an_empty_one_is_none() {
        for head in ["MIME-Version: 1.0\r\n", "X-MMS-IM-Format: FN=Arial; CO=0\r\n", "Content-Type:\r\n"] {
            let said = parse(format!("{head}\r\nhello").as_bytes());
            assert!(matches!(said, Content::Text { text, .. } if text == "hello"), "{head}");
            for empty in ["", "\r\n", " \r\n\r\n"] {
                let payload = Bytes::from(format!("{head}\r\n{empty}"));
                let read = Content::parse(&Envelope::parse(&payload).unwrap());
                assert!(matches!(read, Err(MessageError::NoContentType)), "{head} {empty:?}");
            }
        }
    }

    #[test]
    fn typing_has_the_length_of_the_published_example() {
        let email = Email::parse("laplazshu@yahoo.com").unwrap();
        assert_eq!(Content::typing(&email).encode().len(), 92);
        assert_eq!(parse(&Content::typing(&email).encode()), Content::Typing { email: Some(email) });
    }
}
