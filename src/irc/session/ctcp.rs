//! What programs ask each other inside of messages, and what is answered.
//!
//! Knows VERSION, PING, TIME and DCC. Refuses everything else, and to answer what was asked of a whole channel. Source:
//! modern.ircdocs.horse/ctcp.

use crate::irc::mirc;

/// Characters of a PING that come back.
const MAX_PING: usize = 64;
/// What is said to somebody who offers a file or a chat past the server.
const NO_DCC: &str = "I take no files and no chats by DCC. A link is welcome.";

/// Whether a text is a request and not words: all but actions.
pub(super) fn is_request(text: &str) -> bool {
    text.strip_prefix('\x01').is_some_and(|inner| !is_named(inner, "ACTION"))
}

fn is_named(inner: &str, name: &str) -> bool {
    let word = inner.split([' ', '\x01']).next().unwrap_or_default();
    word.eq_ignore_ascii_case(name)
}

/// The notice that answers a request, if one does. `time` is the time of day for people.
pub(super) fn answer(request: &str, time: &str) -> Option<String> {
    let inner = request.trim_matches('\x01');
    let (word, rest) = inner.split_once(' ').unwrap_or((inner, ""));
    let rest: String = mirc::clean(rest).chars().take(MAX_PING).collect();
    match word.to_ascii_uppercase().as_str() {
        "VERSION" => Some(format!("\x01VERSION msnbridge {}\x01", env!("CARGO_PKG_VERSION"))),
        "PING" => Some(format!("\x01PING {rest}\x01")),
        "TIME" => Some(format!("\x01TIME {time}\x01")),
        "DCC" => Some(NO_DCC.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_answered_what_they_ask_and_nothing_else() {
        let say = |request: &str| answer(request, "noon");
        assert!(say("\x01VERSION\x01").unwrap().starts_with("\x01VERSION msnbridge "));
        assert_eq!(say("\x01ping 12 34\x01").unwrap(), "\x01PING 12 34\x01");
        assert_eq!(say("\x01PING a\x02b").unwrap(), "\x01PING ab\x01");
        assert!(say(&format!("\x01PING {}\x01", "x".repeat(500))).unwrap().len() < 80);
        assert_eq!(say("\x01TIME\x01").unwrap(), "\x01TIME noon\x01");
        assert_eq!(say("\x01DCC SEND a.exe 1 2 3\x01").unwrap(), NO_DCC);
        for other in ["\x01FINGER\x01", "\x01CLIENTINFO\x01", "\x01\x01", "\x01"] {
            assert!(say(other).is_none() && is_request(other), "{other:?}");
        }
        for words in ["\x01ACTION waves\x01", "\x01action\x01", "VERSION", ""] {
            assert!(!is_request(words), "{words:?}");
        }
    }
}
