//! What is said becomes lines.

use super::session::Line;
use super::{mirc, split};
use crate::bridge::body::{Body, RichText};
use crate::bridge::ports::Link;

/// What a speaker is called where the bot speaks for them.
#[derive(Clone, Copy)]
pub(super) struct Voice<'a> {
    /// The nick that others see the lines come from.
    pub(super) nick: &'a str,
    /// Put before each line when the bot speaks for somebody.
    pub(super) prefix: Option<&'a str>,
}

/// The lines of a body in a channel. `about` of a notice names whom it is for.
pub(super) fn lines(body: &Body, channel: &str, voice: &Voice<'_>, links: &[Link]) -> Vec<Line> {
    match body {
        // A name for these words only: the nick, or the name in front, is the sender's as ever.
        Body::Text(text) | Body::Emote(text) if text.shown_as.is_some() => {
            let prefix = text.shown_as.as_deref();
            let body = match body {
                Body::Emote(text) => Body::Emote(RichText { shown_as: None, ..text.clone() }),
                _ => Body::Text(RichText { shown_as: None, ..text.clone() }),
            };
            lines(&body, channel, &Voice { prefix, ..*voice }, links)
        }
        Body::Text(text) => {
            let pictures = links.iter().map(|Link { of, address }| format!("{of} {address}"));
            let pictures = pictures.flat_map(|line| said(&RichText::plain(line), channel, voice, false));
            let offline = text.left_offline.then(|| RichText::plain("left this while you were away:"));
            let offline = offline.iter().flat_map(|words| said(words, channel, voice, true));
            offline.chain(said(text, channel, voice, false)).chain(pictures).collect()
        }
        Body::Emote(text) => said(text, channel, voice, true),
        Body::Nudge => said(&RichText::plain("sent a nudge"), channel, voice, true),
        Body::File(sent) => file(&sent.name, links, channel, voice),
        Body::Attachment(sent) => {
            let words = sent.caption.iter().flat_map(|words| said(words, channel, voice, false));
            file(&sent.name, links, channel, voice).into_iter().chain(words).collect()
        }
        Body::Notice { text, about } => {
            let target =
                about.as_ref().and_then(|about| about.split_once(' ')).map_or(channel, |(nick, _)| nick);
            let limit = split::budget(voice.nick, target, 0);
            let lines = mirc::lines(&RichText::plain(text.clone()));
            let pieces = lines.iter().flat_map(|line| split::pieces(line, limit));
            pieces.map(|text| Line::Notice { target: target.to_owned(), text: text.to_owned() }).collect()
        }
        // Nothing can be changed here: it is said once.
        Body::LiveNotice { is_first: false, .. } => Vec::new(),
        Body::LiveNotice { text, about, .. } => {
            lines(&Body::Notice { text: text.clone(), about: about.clone() }, channel, voice, &[])
        }
        Body::Question { text, .. } => lines(&Body::notice(text.clone()), channel, voice, &[]),
    }
}

/// Text as part of a line, at most so many bytes of it.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let mut line = mirc::clean(text).replace(['\n', '\t'], " ");
    let end = (0..=limit.min(line.len())).rev().find(|&at| line.is_char_boundary(at)).unwrap_or(0);
    line.truncate(end);
    line
}

/// Bytes of a file's name and its address that surely fit in one line.
const MAX_TOGETHER: usize = 250;
/// The longest name put in front of a line, in bytes.
const MAX_NAME: usize = 64;

/// That there is a file, which IRC cannot show, and where it is to be had: an address is never cut.
fn file(name: &str, links: &[Link], channel: &str, voice: &Voice<'_>) -> Vec<Line> {
    let text = match links.first() {
        None => format!("sent the file «{name}», which is in the Matrix room"),
        Some(Link { address, .. }) if name.len() + address.len() > MAX_TOGETHER => {
            format!("sent the file «{name}»:\n{address}")
        }
        Some(Link { address, .. }) => format!("sent the file «{name}»: {address}"),
    };
    said(&RichText::plain(text), channel, voice, true)
}

fn said(text: &RichText, channel: &str, voice: &Voice<'_>, action: bool) -> Vec<Line> {
    let prefix = voice.prefix.map(|name| match action {
        true => format!("* {} ", one_line(name, MAX_NAME)),
        false => format!("<{}> ", one_line(name, MAX_NAME)),
    });
    let prefix = prefix.unwrap_or_default();
    // An action of the bot would be the bot's: it is told as a line.
    let as_action = action && voice.prefix.is_none();
    let wrapped = if as_action { "\x01ACTION \x01".len() } else { 0 };
    let limit = split::budget(voice.nick, channel, prefix.len() + wrapped);
    let lines = mirc::lines(text);
    let pieces = lines.iter().flat_map(|line| split::pieces(line, limit));
    let line = |piece: &str| match as_action {
        true => format!("\x01ACTION {piece}\x01"),
        false => format!("{prefix}{piece}"),
    };
    pieces.map(|piece| Line::Message { target: channel.to_owned(), text: line(piece) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: Vec<Line>) -> Vec<String> {
        lines
            .into_iter()
            .map(|line| match line {
                Line::Message { target, text } | Line::Notice { target, text } => format!("{target} {text}"),
            })
            .collect()
    }

    #[test]
    fn lines_carry_the_name_where_the_bot_speaks() {
        let text = Body::Text(RichText::plain("one\ntwo"));
        let own = Voice { nick: "bob[m]", prefix: None };
        assert_eq!(texts(lines(&text, "#c", &own, &[])), ["#c one", "#c two"]);
        let bot = Voice { nick: "bot", prefix: Some("Bo\r\nb") };
        assert_eq!(texts(lines(&text, "#c", &bot, &[])), ["#c <Bo b> one", "#c <Bo b> two"]);
    }

    #[test]
    fn fault_12_words_under_another_name_carry_it() {
        let shown_as = Some("+1 555".to_owned());
        let text = Body::Text(RichText { shown_as, ..RichText::plain("one\ntwo") });
        for prefix in [None, Some("Gateway")] {
            let voice = Voice { nick: "gate[m]", prefix };
            assert_eq!(texts(lines(&text, "#c", &voice, &[])), ["#c <+1 555> one", "#c <+1 555> two"]);
        }
    }

    #[test]
    fn notices_go_to_the_one_they_are_about() {
        let notice = Body::Notice { text: "no".into(), about: Some("eve 17".into()) };
        assert_eq!(texts(lines(&notice, "#c", &Voice { nick: "bot", prefix: None }, &[])), ["eve no"]);
        assert_eq!(
            texts(lines(&Body::Nudge, "#c", &Voice { nick: "bob", prefix: None }, &[])),
            ["#c \x01ACTION sent a nudge\x01"]
        );
    }
}
