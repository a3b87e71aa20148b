//! Lines heard in a channel become things said.
//!
//! Knows CTCP actions, formatting codes and the prefix of commands. Refuses to know who may speak: the core does.

use super::mirc;
use super::session::Said;
use crate::bridge::body::Body;
use crate::bridge::event::{Author, LocalMessage, Timestamp};
use crate::bridge::ids::PortalKey;
use crate::bridge::prefix::behind_prefix;

/// What somebody said in a channel, for one of its conversations. `number` makes it unique.
pub(super) fn message(heard: &Said, portal: PortalKey, number: u64, at: Timestamp) -> Option<LocalMessage> {
    let body = body(&heard.text)?;
    Some(LocalMessage {
        portal,
        leg: super::LEG,
        author: Author::Relayed { name: heard.nick.clone() },
        // A notice about it goes to the nick in front.
        reference: reference(heard, number),
        body,
        at,
    })
}

/// What stands before a command in a channel; to the bot alone it can be left out.
const COMMAND: &str = "!msn";

/// The words of a command, if this is one.
pub(super) fn command(heard: &Said) -> Option<String> {
    let text = mirc::parse(&heard.text).text();
    let text = text.trim();
    match behind_prefix(COMMAND, text) {
        Some(command) => Some(command.to_owned()),
        None if heard.is_private() && !text.starts_with('\u{1}') => Some(text.to_owned()),
        None => None,
    }
}

/// Where an answer to something heard goes.
pub(super) fn reference(heard: &Said, number: u64) -> String {
    format!("{} {number:x}", heard.nick)
}

/// What a line says: words, an act, or nothing that can be carried.
fn body(text: &str) -> Option<Body> {
    if let Some(inner) = text.strip_prefix('\x01') {
        let inner = inner.strip_suffix('\x01').unwrap_or(inner);
        // Other CTCP is between programs.
        return inner.strip_prefix("ACTION ").map(|action| Body::Emote(mirc::parse(action)));
    }
    if text.trim() == "!nudge" {
        return Some(Body::Nudge);
    }
    let said = mirc::parse(text);
    (!said.text().trim().is_empty()).then_some(Body::Text(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_nudges_and_words_are_told_apart() {
        assert!(matches!(body("\x01ACTION waves\x01"), Some(Body::Emote(text)) if text.text() == "waves"));
        assert_eq!(body("\x01VERSION\x01"), None);
        assert_eq!(body("!nudge"), Some(Body::Nudge));
        assert!(
            matches!(body("\x02hi"), Some(Body::Text(text)) if text.uniform_style().is_some_and(|s| s.bold))
        );
        assert_eq!(body("\x02 "), None);
    }
}
