//! Messages of a contact on the whole way to Matrix and back, through the translators of both sides and the core's border.
//!
//! Knows the bytes on the MSN wire before and after, and that both say the same. Refuses to know what lies between: the
//! sides' own tests do.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::bridge::body::Body;
use crate::bridge::event::{Author, Ghost, LocalEvent, RemoteEvent, RemoteKind};
use crate::bridge::ids::{ConversationId, EntryId, GhostId, LoginId, PortalKey};
use crate::bridge::port::delivery::{Content, Delivery};
use crate::bridge::testkit::{behind_border, behind_network_border};
use crate::msn::message::{Content as MsnContent, Envelope, TextStyle};
use crate::{connector, matrix};

/// Pieces of words: what is markup somewhere, what is white space, what is not Latin, what is more than one character.
const PIECES: [&str; 32] = [
    "a",
    "Hello",
    " ",
    "  ",
    "   ",
    "\n",
    "\n\n",
    "<b>",
    "</b>",
    "<br>",
    "&amp;",
    "&",
    "\"",
    "'",
    "é",
    "ß",
    "שלום",
    "سلام",
    "你好",
    "👍",
    "👩\u{200D}👩\u{200D}👧",
    "🏳️\u{200D}🌈",
    "e\u{301}",
    "\u{200F}",
    "* ",
    "> ",
    "_x_",
    ":)",
    "(e)",
    "#tag",
    "@ann:x",
    "http://x.org/?a=b&c",
];
const FONTS: [&str; 7] =
    ["", "Arial", "Comic Sans MS", "MS Shell Dlg", "宋体", "A;B=C", "Franklin Gothic Medium Cond"];

fn any_words(random: &mut StdRng) -> String {
    let count = random.random_range(1..16);
    let mut words: String = (0..count).map(|_| PIECES[random.random_range(0..PIECES.len())]).collect();
    // Line ends behind the last word are nothing that a person sees.
    words.truncate(words.trim_end_matches('\n').len());
    if words.trim().is_empty() { "x".to_owned() } else { words }
}

fn any_style(random: &mut StdRng) -> TextStyle {
    TextStyle {
        font: FONTS[random.random_range(0..FONTS.len())].to_owned(),
        bold: random.random(),
        italic: random.random(),
        underline: random.random(),
        strike: random.random(),
        color: if random.random() { random.random_range(0..0x100_0000) } else { 0 },
        charset: random.random_range(0..=0xFF),
        pitch_family: random.random(),
        right_to_left: random.random(),
    }
}

fn portal() -> PortalKey {
    PortalKey::new(LoginId::new("alice@example.com"), ConversationId::new("bob@example.com"))
}

/// What a contact's message is behind the border of the core.
fn taken(payload: &[u8]) -> Body {
    let sender = Ghost { id: GhostId::new("bob@example.com"), name: "Bob".into() };
    let body = connector::testkit::body_of(payload).expect("something to show");
    let kind = RemoteKind::Message { conversation: portal().conversation, sender, body, at: 1 };
    match behind_network_border(RemoteEvent { login: portal().receiver, kind }).kind {
        RemoteKind::Message { body, .. } => body,
        other => panic!("{other:?}"),
    }
}

/// The same words said by the owner, as the core takes them.
fn said_again(body: Body) -> Body {
    let content = matrix::testkit::content_of(&body);
    // As a homeserver carries it.
    let content = serde_json::from_str(&content.to_string()).expect("JSON");
    let said = matrix::testkit::message_of(content, portal());
    match behind_border(LocalEvent::Message(said)) {
        LocalEvent::Message(said) => said.body,
        other => panic!("{other:?}"),
    }
}

/// The message on the wire that carries a body.
fn payload(body: Body) -> Vec<u8> {
    let delivery = Delivery {
        portal: portal(),
        id: EntryId::new("e"),
        sequence: 1,
        author: Author::Owner { name: "ann".into() },
        content: Content::Said { body },
        at: 1,
        unconfirmed: false,
        pack: Vec::new(),
    };
    let mut payloads = connector::testkit::payloads_of(&delivery);
    assert_eq!(payloads.len(), 1);
    payloads.remove(0)
}

/// Sends messages there and back; the seed repeats a failure.
fn there_and_back(count: usize) {
    let seed = rand::random::<u64>();
    let mut random = StdRng::seed_from_u64(seed);
    for number in 0..count {
        let (words, style) = (any_words(&mut random), any_style(&mut random));
        let before = MsnContent::text(&words, Some(&style)).encode();
        let after = payload(said_again(taken(&before)));
        let read =
            MsnContent::parse(&Envelope::parse(&after.into()).expect("an envelope")).expect("a content");
        let expected = MsnContent::Text { text: words, style: Some(style), shown_as: None };
        assert_eq!(read, expected, "message {number} of seed {seed}");
    }
}

#[test]
fn a_hundred_thousand_messages_come_back_as_they_went() {
    there_and_back(100_000);
}

#[test]
#[ignore = "takes minutes: tests/run --long"]
fn a_million_messages_come_back_as_they_went() {
    there_and_back(1_000_000);
}
