//! Keys of our own in the contents of events.
//!
//! Knows what is written under each, for those who send and those who read it back. Refuses to know any other content.
//! Source: MSC4144 for the name of one message; the others are this bridge's.

use serde_json::{Value, json};

use crate::bridge::body::{Format, Style};

/// The key under which a message's own format rides, for the way back.
pub(crate) const FORMAT_KEY: &str = "msnbridge.format";
/// Names the journal entry and its part: how an event that was sent before a crash is found again.
pub(crate) const ID_KEY: &str = "msnbridge.id";
/// Names the journal entries of an event that holds several.
pub(crate) const IDS_KEY: &str = "msnbridge.ids";
/// The name that one message is shown under (MSC4144).
pub(crate) const PROFILE_KEY: &str = "com.beeper.per_message_profile";
/// What each sign put to a question means.
pub(crate) const ANSWERS_KEY: &str = "msnbridge.answers";
/// Marks what we said as a person, with the room: it comes back to us and is not said again. A copy that somebody makes
/// of it elsewhere names another room, and is theirs.
pub(crate) const ECHO_KEY: &str = "msnbridge.room";
pub(crate) const SEQUENCE_KEY: &str = "msnbridge.seq";
/// Marks what was left while its receiver was away; the event has the time at which it was said.
pub(crate) const OFFLINE_KEY: &str = "msnbridge.offline";

/// The format under the names that its network gives the values.
pub(crate) fn format_to_json(format: &Format) -> Value {
    let Style { bold, italic, underline, strike, color, .. } = format.style;
    let effects: String = [(bold, 'B'), (italic, 'I'), (underline, 'U'), (strike, 'S')]
        .into_iter()
        .filter_map(|(on, letter)| on.then_some(letter))
        .collect();
    json!({
        "FN": format.font,
        "EF": effects,
        "CO": color.map(|color| format!("{color:06x}")),
        "CS": format!("{:x}", format.charset),
        "PF": format!("{:02x}", format.pitch_family),
        "RL": format.right_to_left,
    })
}

/// Reads what [`format_to_json`] wrote; anything else is no format.
pub(crate) fn format_from_json(value: &Value) -> Option<Format> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let effects = text("EF")?;
    let style = Style {
        bold: effects.contains('B'),
        italic: effects.contains('I'),
        underline: effects.contains('U'),
        strike: effects.contains('S'),
        color: text("CO").and_then(|digits| u32::from_str_radix(digits, 16).ok()).filter(|c| *c < 0x100_0000),
        ..Style::default()
    };
    Some(Format {
        font: text("FN")?.chars().take(64).collect(),
        style,
        charset: u32::from_str_radix(text("CS")?, 16).ok()?,
        pitch_family: u8::from_str_radix(text("PF")?, 16).ok()?,
        right_to_left: value.get("RL").and_then(Value::as_bool).unwrap_or(false),
    })
}
