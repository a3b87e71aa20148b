//! What is said becomes the content of events.
//!
//! Knows that an event holds no more than 64 KiB, and that the same entry always gives the same parts. Refuses to know where
//! an event is sent. Source: the instant messaging module of the client-server API.

use serde_json::{Value, json};

use super::notice;
use crate::bridge::body::{Body, RichText};
use crate::bridge::event::Author;
use crate::bridge::ids::EntryId;
use crate::matrix::html;
use crate::matrix::keys::{
    ANSWERS_KEY, FORMAT_KEY, ID_KEY, OFFLINE_KEY, PROFILE_KEY, SEQUENCE_KEY, format_to_json,
};

/// Bytes of text in one event: the homeserver refuses events of more than 64 KiB, and text may stand in it twice.
const PART: usize = 16 * 1024;
/// Bytes of a name in the profile of one message.
const MAX_PROFILE: usize = 255;
/// Bytes of HTML with pictures in it.
const MAX_PICTURED: usize = 24 * 1024;

/// The contents of the events that carry one entry, in order. The same entry always gives the same parts.
pub(crate) fn contents(
    body: &Body,
    author: &Author,
    by_bot: bool,
    id: &EntryId,
    sequence: u64,
    pictures: &[html::Picture],
) -> Vec<Value> {
    let prefix = shown_name(body, author, by_bot).filter(|_| by_bot);
    let mut contents = match body {
        Body::Text(text) => texts("m.text", prefix, text, pictures),
        Body::Emote(text) => texts("m.emote", prefix, text, pictures),
        Body::Nudge => texts("m.emote", prefix, &RichText::plain("sent a nudge"), &[]),
        // What it shows is only known when the file has been uploaded.
        Body::File(_) => vec![json!({})],
        Body::Attachment(file) => {
            let text = format!("sent the file «{}»", file.name);
            texts("m.emote", prefix, &RichText::plain(text), &[])
        }
        Body::Notice { text, about } | Body::LiveNotice { text, about, .. } => {
            let mut contents = notices(text);
            if let (Some(first), Some(about)) = (contents.first_mut(), about) {
                first["m.relates_to"] = json!({"m.in_reply_to": {"event_id": about}});
            }
            contents
        }
        Body::Question { text, answers } => {
            let mut contents = notices(text);
            if let Some(first) = contents.first_mut() {
                let signs = answers.iter().map(|a| (a.sign.clone(), json!(a.command)));
                first[ANSWERS_KEY] = Value::Object(signs.collect());
            }
            contents
        }
    };
    for (part, content) in contents.iter_mut().enumerate() {
        content[ID_KEY] = json!(part_id(id, part));
        content[SEQUENCE_KEY] = json!(sequence);
        if let Some(profile) = profile(body, author, by_bot) {
            content[PROFILE_KEY] = profile;
        }
    }
    contents
}

pub(crate) fn part_id(id: &EntryId, part: usize) -> String {
    format!("{id}/{part}")
}

fn name_of(author: &Author) -> Option<&str> {
    match author {
        Author::Ghost(ghost) => Some(&ghost.name),
        Author::Relayed { name } | Author::Owner { name } => Some(name),
        Author::Bridge => None,
    }
}

/// The name that a message is shown under, where that is not the name of the user who sends it.
fn shown_name<'a>(body: &'a Body, author: &'a Author, by_bot: bool) -> Option<&'a str> {
    body.shown_as().or_else(|| name_of(author).filter(|_| by_bot))
}

/// The profile of one message: clients that know such show its name in place of the sender's, and leave it out of the
/// words. Source: MSC4144.
fn profile(body: &Body, author: &Author, by_bot: bool) -> Option<Value> {
    let name = shown_name(body, author, by_bot)?;
    let id = match author {
        Author::Ghost(ghost) if body.shown_as().is_none() => ghost.id.as_str(),
        _ => name,
    };
    Some(json!({"id": bounded(id), "displayname": bounded(name), "has_fallback": by_bot}))
}

/// As much of a name as a profile holds.
fn bounded(name: &str) -> &str {
    let end = (0..=MAX_PROFILE.min(name.len())).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
    &name[..end]
}

fn texts(kind: &str, prefix: Option<&str>, text: &RichText, pictures: &[html::Picture]) -> Vec<Value> {
    let words = text.text();
    if words.len() <= PART {
        return vec![single(kind, prefix, text, pictures)];
    }
    // Too long for one event: cut between characters; formatting of such a text is the whole message's.
    let style = text.uniform_style().unwrap_or_default();
    let parts = split(&words);
    let part = |part: &str| {
        let run = crate::bridge::body::Run { text: part.to_owned(), style };
        single(kind, prefix, &RichText { runs: vec![run], ..text.clone() }, pictures)
    };
    parts.into_iter().map(part).collect()
}

/// The bridge's own words.
fn notices(text: &str) -> Vec<Value> {
    let mut contents = texts("m.notice", None, &RichText::plain(text), &[]);
    // In parts, marks may be cut: then the plain words do.
    if let ([only], Some(html)) = (&mut contents[..], notice::html(text)) {
        only["format"] = json!("org.matrix.custom.html");
        only["formatted_body"] = json!(html);
    }
    contents
}

fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > PART {
        let at = (0..=PART).rev().find(|&at| rest.is_char_boundary(at)).unwrap_or(PART);
        let (part, tail) = rest.split_at(at);
        parts.push(part);
        rest = tail;
    }
    parts.push(rest);
    parts
}

fn single(kind: &str, prefix: Option<&str>, text: &RichText, pictures: &[html::Picture]) -> Value {
    let words = text.text();
    let before = prefix.map(|name| format!("<{name}> ")).unwrap_or_default();
    let mut content = json!({"msgtype": kind, "body": format!("{before}{words}")});
    if text.left_offline {
        content[OFFLINE_KEY] = json!(true);
    }
    // An event that is too large would not be shown at all: rather words without pictures.
    let html =
        html::from_rich(text, pictures).filter(|html| pictures.is_empty() || html.len() <= MAX_PICTURED);
    let html = html.or_else(|| html::from_rich(text, &[]));
    if prefix.is_some() || html.is_some() {
        let html = html.unwrap_or_else(|| html::escaped(&words));
        content["format"] = json!("org.matrix.custom.html");
        content["formatted_body"] = json!(html::behind_name(&before, &html));
    }
    if let Some(format) = &text.format {
        content[FORMAT_KEY] = format_to_json(format);
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::body::{Format, Style};
    use crate::bridge::event::Ghost;
    use crate::bridge::ids::GhostId;
    use crate::matrix::keys::format_from_json;
    use proptest::prelude::*;

    prop_compose! {
        fn any_format()(font in "\\PC{0,31}", flags in any::<[bool; 5]>(), color in prop::option::of(1u32..0x100_0000), charset in any::<u32>(), pitch_family in any::<u8>()) -> Format {
            let [bold, italic, underline, strike, right_to_left] = flags;
            let style = Style { bold, italic, underline, strike, color, ..Style::default() };
            Format { font, style, charset, pitch_family, right_to_left }
        }
    }

    proptest! {
        // Any font; the whole way from MSN to Matrix and back is tried in `round_trip`.
        #[test]
        fn a_format_rides_in_the_event_and_comes_back(format in any_format()) {
            let body = Body::Text(RichText::formatted("x", format.clone()));
            let content = &contents(&body, &Author::Bridge, false, &EntryId::new("e"), 1, &[])[0];
            let wire: Value = serde_json::from_str(&content.to_string()).unwrap();
            prop_assert_eq!(format_from_json(&wire[FORMAT_KEY]), Some(format));
        }
    }

    #[test]
    fn relayed_words_carry_the_name_and_no_markup() {
        let author = Author::Relayed { name: "<b>eve".into() };
        let style = Style { bold: true, ..Style::default() };
        let text = RichText {
            runs: vec![crate::bridge::body::Run { text: "hi".into(), style }],
            ..RichText::default()
        };
        let content = &contents(&Body::Text(text), &author, true, &EntryId::new("e"), 7, &[])[0];
        assert_eq!(content["body"], "<<b>eve> hi");
        assert_eq!(
            content["formatted_body"],
            "<strong data-mx-profile-fallback>&lt;&lt;b&gt;eve&gt; </strong><strong>hi</strong>"
        );
        assert_eq!(content["msnbridge.id"], "e/0");
        assert_eq!(content["msnbridge.seq"], 7);
    }

    #[test]
    fn fault_12_a_name_in_a_message_is_that_messages_profile() {
        let ghost = Ghost { id: GhostId::new("gateway@example.com"), name: "Gateway".into() };
        let body = |shown_as: Option<&str>| {
            let shown_as = shown_as.map(str::to_owned);
            Body::Text(RichText { shown_as, ..RichText::plain("hi") })
        };
        let said = |body: &Body, by_bot| {
            contents(body, &Author::Ghost(ghost.clone()), by_bot, &EntryId::new("e"), 1, &[]).remove(0)
        };
        let named = said(&body(Some("+1 555")), false);
        assert_eq!(named["body"], "hi");
        assert_eq!(
            named[PROFILE_KEY],
            json!({"id": "+1 555", "displayname": "+1 555", "has_fallback": false})
        );
        assert_eq!(said(&body(None), false)[PROFILE_KEY], Value::Null);
        // Where the bot speaks for the sender, the message's name stands in front of the words too.
        let by_bot = said(&body(Some("+1 555")), true);
        assert_eq!(
            (&by_bot["body"], &by_bot[PROFILE_KEY]["displayname"]),
            (&json!("<+1 555> hi"), &json!("+1 555"))
        );
        assert_eq!(said(&body(None), true)["body"], "<Gateway> hi");
    }

    #[test]
    fn a_very_long_text_is_several_events_and_loses_nothing() {
        let text = "é".repeat(35_000);
        let body = Body::Text(RichText::plain(text.clone()));
        let parts = contents(&body, &Author::Bridge, false, &EntryId::new("e"), 1, &[]);
        assert_eq!(parts.len(), 5);
        let joined: String = parts.iter().map(|part| part["body"].as_str().unwrap()).collect();
        assert_eq!(joined, text);
        assert!(parts.iter().all(|part| part.to_string().len() < 60_000));
        assert_ne!(parts[0]["msnbridge.id"], parts[1]["msnbridge.id"]);
    }

    #[test]
    fn a_notice_answers_the_message_it_is_about() {
        let body = Body::Notice { text: "no".into(), about: Some("$1".into()) };
        let content = &contents(&body, &Author::Bridge, true, &EntryId::new("e"), 1, &[])[0];
        assert_eq!(content["m.relates_to"]["m.in_reply_to"]["event_id"], "$1");
        assert_eq!(content["msgtype"], "m.notice");
    }
}
