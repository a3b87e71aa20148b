//! Lines heard in a channel become things said.
//!
//! Knows CTCP actions, formatting codes and the prefix of commands. Refuses to know who may speak: the core does.

use super::mirc;
use super::session::Said;
use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{Author, LocalMessage, Timestamp};
use crate::bridge::ids::PortalKey;
use crate::bridge::prefix::behind_prefix;

/// What somebody said in a channel, for one of its conversations. `number` makes it unique.
pub(super) fn message(heard: &Said, portal: PortalKey, number: u64, at: Timestamp) -> Option<LocalMessage> {
    let body = body(&heard.text).filter(|body| !heard.is_notice || *body != Body::Nudge)?;
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
    if heard.is_notice || heard.text.starts_with('\x01') {
        return None;
    }
    let text = mirc::parse(&heard.text).text();
    let text = text.trim();
    match behind_prefix(COMMAND, text) {
        Some(command) => Some(command.to_owned()),
        None if heard.is_private() => Some(text.to_owned()),
        None => None,
    }
}

/// Whether a line is a nudge.
pub(super) fn is_nudge(heard: &Said) -> bool {
    !heard.is_notice && heard.text.trim().eq_ignore_ascii_case("!nudge")
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
        let (word, action) = inner.split_once(' ')?;
        let action = word.eq_ignore_ascii_case("ACTION").then(|| mirc::parse(action))?;
        return is_seen(&action).then_some(Body::Emote(action));
    }
    if text.trim().eq_ignore_ascii_case("!nudge") {
        return Some(Body::Nudge);
    }
    let said = mirc::parse(text);
    is_seen(&said).then_some(Body::Text(said))
}

/// Whether something of it can be seen.
fn is_seen(text: &RichText) -> bool {
    !text.text().trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_nudges_and_words_are_told_apart() {
        assert!(matches!(body("\x01ACTION waves\x01"), Some(Body::Emote(text)) if text.text() == "waves"));
        assert!(matches!(body("\x01action waves"), Some(Body::Emote(text)) if text.text() == "waves"));
        for nothing in
            ["\x01VERSION\x01", "\x01ACTION\x01", "\x01ACTION \x01", "\x01ACTION  \x02 ", "\x01", "\x01\x01"]
        {
            assert_eq!(body(nothing), None, "{nothing:?}");
        }
        assert!(matches!(body("  in front\x0304,01"), Some(Body::Text(text)) if text.text() == "  in front"));
        assert_eq!((body("!nudge"), body(" !NUDGE")), (Some(Body::Nudge), Some(Body::Nudge)));
        assert!(
            matches!(body("\x02hi"), Some(Body::Text(text)) if text.uniform_style().is_some_and(|s| s.bold))
        );
        assert_eq!(body("\x02 "), None);
    }
}
