//! Which family reads which kind of event.
//!
//! Knows every kind that people's clients send, and what is only talk between programs. Refuses to know the sender, and
//! what the event relates to. Source: the event types of the client-server API and of the proposals that each family names.

use super::extensible;
use super::reading::{Content, Reading, compact, text};
use super::text::rich_text;
use super::{call, file, location, poll};
use crate::bridge::body::RichText;

/// Types of events between programs: nobody said anything. Whole, or the begin of several.
const TECHNICAL: [&str; 21] = [
    "m.beacon",
    "org.matrix.msc3672.beacon",
    "m.call.",
    "org.matrix.call.",
    "m.rtc.",
    "org.matrix.msc3401.",
    "org.matrix.msc4075.",
    "org.matrix.msc4143.",
    "org.matrix.msc4310.",
    "io.element.call.",
    "m.key.",
    "m.room_key",
    "m.room.",
    "m.dummy",
    "m.receipt",
    "m.typing",
    "m.presence",
    "com.beeper.",
    "org.matrix.rageshake_request",
    "im.vector.",
    "io.element.performance",
];

/// What an event of this type says.
pub(super) fn read(kind: &str, content: &Content) -> Reading {
    match kind {
        // What was removed before it was brought here.
        _ if content.is_empty() => Reading::Nothing,
        "m.room.message" => message(content),
        "m.sticker" => file::sticker(content),
        kind if poll::is_start(kind) => poll::start(content),
        kind if poll::is_end(kind) => poll::end(content),
        kind if poll::is_response(kind) => poll::response(content, None),
        kind if location::is_place(kind) => location::place(content),
        kind if location::is_live(kind) => location::live(content),
        kind if call::is_invite(kind) => call::invite(content),
        kind if TECHNICAL.iter().any(|technical| kind.starts_with(technical)) => Reading::Nothing,
        kind => other(kind, content),
    }
}

/// Whether events of this type are read by one of the families.
pub(super) fn is_known(kind: &str) -> bool {
    let is_poll = poll::is_start(kind) || poll::is_end(kind) || poll::is_response(kind);
    let is_place = location::is_place(kind) || location::is_live(kind);
    matches!(kind, "m.room.message" | "m.sticker") || is_poll || is_place || call::is_invite(kind)
}

/// Whether a state event of this type is somebody's doing that the others are told of.
pub(super) fn is_told_state(kind: &str, content: &Content) -> bool {
    location::is_live(kind) || call::of_room(kind, content).is_some()
}

/// A message, by its `msgtype`.
fn message(content: &Content) -> Reading {
    match content.get("msgtype").and_then(serde_json::Value::as_str) {
        Some("m.text") => words(content),
        Some("m.emote") => act(content),
        // Other bots talk in notices; answering them would not end.
        Some("m.notice" | "m.server_notice") => Reading::Nothing,
        Some("m.location") => location::place(content),
        Some("m.key.verification.request") => {
            Reading::refused("nobody on MSN can verify a session of a Matrix client")
        }
        Some(kind) if kind.ends_with("m.contact") => contact(content),
        Some(kind) if file::is_file(kind) => file::file(kind, content),
        Some(kind) if file::is_gallery(kind) => file::gallery(content),
        Some(kind) => other(kind, content),
        None => other("a message without a type", content),
    }
}

fn words(content: &Content) -> Reading {
    match extensible::plain(content) {
        Some(_) if content.contains_key("body") => Reading::Text(rich_text(content)),
        Some(_) => extensible::rich(content).map_or(Reading::Nothing, Reading::Text),
        None => nothing_in("the message"),
    }
}

fn act(content: &Content) -> Reading {
    match words(content) {
        Reading::Text(text) => Reading::Act(text),
        other => other,
    }
}

fn contact(content: &Content) -> Reading {
    let name = text(content, &["display_name", "name"]);
    let more = ["phone_number", "phone", "email", "user_id"].iter().filter_map(|key| text(content, &[*key]));
    let parts: Vec<String> = name.into_iter().chain(more).map(compact).collect();
    let parts =
        if parts.is_empty() { text(content, &["body"]).map(compact).into_iter().collect() } else { parts };
    match parts.is_empty() {
        true => nothing_in("the contact"),
        false => Reading::Line(format!("shared a contact: {}", parts.join(", "))),
    }
}

/// A kind that is not known: its file or its words, where it has such.
fn other(kind: &str, content: &Content) -> Reading {
    if let Some(file) = file::block(content) {
        return file;
    }
    let words = match content.contains_key("body") {
        true => Some(rich_text(content)).filter(|words| !words.text().trim().is_empty()),
        false => extensible::rich(content),
    };
    match (words, is_emote(kind)) {
        (Some(words), true) => Reading::Act(words),
        (Some(words), false) => Reading::Text(words),
        (None, _) => nothing_in(&format!("«{}»", compact(kind))),
    }
}

/// Whether a type that has blocks in place of a `msgtype` is an act.
fn is_emote(kind: &str) -> bool {
    matches!(kind, "m.emote" | "org.matrix.msc1767.emote")
}

fn nothing_in(what: &str) -> Reading {
    Reading::refused(format!("there are no words in {what} that could be sent to MSN"))
}

/// A text that changes one that was said before.
pub(super) fn as_edit(now: Reading) -> Reading {
    match now {
        Reading::Text(text) => Reading::Text(super::text::prefixed("* ", text)),
        Reading::Act(text) => Reading::Act(super::text::prefixed("* ", text)),
        Reading::Line(line) => Reading::Line(format!("changed this: {line}")),
        // The file is there already: only the words about it are said again.
        Reading::Files(files) => match files.into_iter().find_map(|file| file.caption) {
            Some(caption) => Reading::Text(super::text::prefixed("* ", caption)),
            None => Reading::refused("a file that was sent cannot be changed on MSN"),
        },
        Reading::Refused(_) | Reading::Nothing => now,
    }
}

/// Words with a quotation before them.
pub(super) fn as_answer(reading: Reading, quoted: &str) -> Reading {
    let quote = |text: RichText| super::text::prefixed(&format!("> {quoted}\n"), text);
    match reading {
        Reading::Text(text) => Reading::Text(quote(text)),
        Reading::Files(mut files) => {
            if let Some(first) = files.first_mut() {
                first.caption = first.caption.take().map(quote);
            }
            Reading::Files(files)
        }
        other => other,
    }
}
