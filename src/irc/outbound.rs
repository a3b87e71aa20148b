//! What is said becomes lines.
//!
//! Knows how an author, a notice, a file and a reply look in a channel. Refuses to send: sessions do.

use serde::{Deserialize, Serialize};

use super::session::Line;
use super::{mirc, split};
use crate::bridge::body::{Body, RichText, Run};
use crate::bridge::port::delivery::Link;

/// What a speaker is called where the bot speaks for them.
#[derive(Clone, Copy)]
pub(super) struct Voice<'a> {
    /// The nick that others see the lines come from.
    pub(super) nick: &'a str,
    /// Put before each line when the bot speaks for somebody.
    pub(super) prefix: Option<&'a str>,
}

/// How far into a body: so many of its rows, and so many bytes of the next one's words. It says nothing of how lines are
/// cut, so it holds when somebody else speaks the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Position {
    row: usize,
    /// Positions of earlier versions counted codes too, under another name: their row is said again.
    #[serde(default)]
    words: usize,
}

/// A line, and how far the body is said with it.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) line: Line,
    pub(super) end: Position,
}

/// One row of a body, of any length.
struct Row {
    runs: Vec<Run>,
    manner: Manner,
}

/// How a line is said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Said,
    Action,
    Notice,
}

/// The lines of a body in a channel. `about` of a notice names whom it is for.
pub(super) fn lines(body: &Body, channel: &str, voice: &Voice<'_>, links: &[Link]) -> Vec<Line> {
    pieces(body, channel, voice, links, Position::default()).into_iter().map(|piece| piece.line).collect()
}

/// The same from a position on, each line with the position behind it.
pub(super) fn pieces(
    body: &Body,
    channel: &str,
    voice: &Voice<'_>,
    links: &[Link],
    from: Position,
) -> Vec<Piece> {
    let target = match body {
        Body::Notice { about: Some(about), .. } | Body::LiveNotice { about: Some(about), .. } => {
            about.split_once(' ').map_or(channel, |(nick, _)| nick)
        }
        _ => channel,
    };
    // A name for these words only: the nick, or the name in front, is the sender's as ever.
    let shown_as = match body {
        Body::Text(text) | Body::Emote(text) => text.shown_as.as_deref(),
        _ => None,
    };
    let voice = &Voice { nick: voice.nick, prefix: shown_as.or(voice.prefix) };
    let rows = rows(body, links);
    let rest = rows.iter().enumerate().skip(from.row);
    let cut = rest.flat_map(|(number, row)| {
        let from = if number == from.row { from.words } else { 0 };
        let front = voice.front(row.manner).len();
        // Room for the blank at which a line was cut: it may be said with the rest.
        let limit = split::budget(voice.nick, target, front + voice.wrapped(row.manner) + " ".len());
        let words: String = row.runs.iter().map(|run| run.text.as_str()).collect();
        let (whole, mut begin) = (words.len(), from);
        split::pieces(&row.runs, limit, from).into_iter().map(move |(piece, end)| {
            let cut = (begin > 0 && front == 0).then(|| words.get(..begin)).flatten();
            let cut = cut.map(|before| if before.ends_with(' ') { " " } else { "" });
            begin = end;
            let end = match end >= whole {
                true => Position { row: number + 1, words: 0 },
                false => Position { row: number, words: end },
            };
            Piece { line: voice.line(target, row.manner, &piece, cut), end }
        })
    });
    cut.collect()
}

/// The first `most` lines of a body that has more, and where all of it is to be had.
pub(super) struct Abridged<'a> {
    pub(super) most: usize,
    pub(super) address: &'a str,
}

/// Like [`pieces`], and a body of more lines than that ends with its address. Whether it has is the same for whoever speaks
/// the rest.
pub(super) fn abridged(
    body: &Body,
    channel: &str,
    voice: &Voice<'_>,
    links: &[Link],
    from: Position,
    abridged: &Abridged<'_>,
) -> Vec<Piece> {
    let mut all = pieces(body, channel, voice, links, Position::default());
    let more = all.len().saturating_sub(abridged.most);
    // One line more is no longer than the word about it.
    if more <= 1 {
        return pieces(body, channel, voice, links, from);
    }
    all.truncate(abridged.most);
    let words = format!("… and {more} more lines: {}", abridged.address);
    let line = Voice { nick: voice.nick, prefix: voice.prefix }.line(channel, Manner::Said, &words, None);
    all.push(Piece { line, end: Position { row: usize::MAX, words: 0 } });
    all.retain(|piece| piece.end > from);
    all
}

/// What a body is, row by row.
fn rows(body: &Body, links: &[Link]) -> Vec<Row> {
    let rows = |text: &RichText, manner: Manner| -> Vec<Row> {
        mirc::rows(text).into_iter().map(|runs| Row { runs, manner }).collect()
    };
    match body {
        Body::Text(text) => {
            let pictures = links.iter().map(|Link { of, address }| format!("{of} {address}"));
            let pictures = pictures.flat_map(|line| rows(&RichText::plain(line), Manner::Said));
            let offline = text.left_offline.then(|| RichText::plain("left this while you were away:"));
            let offline = offline.iter().flat_map(|words| rows(words, Manner::Action));
            offline.chain(rows(text, Manner::Said)).chain(pictures).collect()
        }
        Body::Emote(text) => rows(text, Manner::Action),
        Body::Nudge => rows(&RichText::plain("sent a nudge"), Manner::Action),
        Body::File(sent) => rows(&file(&sent.name, links), Manner::Action),
        Body::Attachment(sent) => {
            let words = sent.caption.iter().flat_map(|words| rows(words, Manner::Said));
            rows(&file(&sent.name, links), Manner::Action).into_iter().chain(words).collect()
        }
        // Nothing can be changed here: it is said once.
        Body::LiveNotice { is_first: false, .. } => Vec::new(),
        Body::Notice { text, .. } | Body::LiveNotice { text, .. } | Body::Question { text, .. } => {
            rows(&RichText::plain(text.clone()), Manner::Notice)
        }
    }
}

impl Voice<'_> {
    /// What stands before the words where the bot speaks for somebody.
    fn front(&self, manner: Manner) -> String {
        let name = self.prefix.filter(|_| manner != Manner::Notice).map(|name| one_line(name, MAX_NAME));
        match (name, manner) {
            (None, _) => String::new(),
            (Some(name), Manner::Action) => format!("* {name} "),
            (Some(name), _) => format!("<{name}> "),
        }
    }

    /// An action of the bot would be the bot's: it is told as a line.
    fn acts(&self, manner: Manner) -> bool {
        manner == Manner::Action && self.prefix.is_none()
    }

    /// Bytes that a line has besides its piece of text.
    fn wrapped(&self, manner: Manner) -> usize {
        if self.acts(manner) { "\x01ACTION \x01".len() } else { 0 }
    }

    /// A line to a channel or a nick; `cut` is as in [`Line::Message`].
    fn line(&self, target: &str, manner: Manner, piece: &str, cut: Option<&'static str>) -> Line {
        let target = target.to_owned();
        if manner == Manner::Notice {
            return Line::Notice { target, text: piece.to_owned() };
        }
        let text = match self.acts(manner) {
            true => format!("\x01ACTION {piece}\x01"),
            false => format!("{}{piece}", self.front(manner)),
        };
        Line::Message { target, text, cut: cut.filter(|_| manner == Manner::Said) }
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
fn file(name: &str, links: &[Link]) -> RichText {
    RichText::plain(match links.first() {
        None => format!("sent the file «{name}», which is in the Matrix room"),
        Some(Link { address, .. }) if name.len() + address.len() > MAX_TOGETHER => {
            format!("sent the file «{name}»:\n{address}")
        }
        Some(Link { address, .. }) => format!("sent the file «{name}»: {address}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: Vec<Line>) -> Vec<String> {
        lines
            .into_iter()
            .map(|line| match line {
                Line::Message { target, text, .. } | Line::Notice { target, text } => {
                    format!("{target} {text}")
                }
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
    fn the_rest_of_a_long_line_says_what_was_cut_out_before_it() {
        let long = format!("{}\n{}\nlast", "word ".repeat(200).trim_end(), "x".repeat(700));
        let body = Body::Text(RichText::plain(long.clone()));
        let own = Voice { nick: "bob[m]", prefix: None };
        let mut whole = String::new();
        for (at, line) in lines(&body, "#c", &own, &[]).into_iter().enumerate() {
            let Line::Message { text, cut, .. } = line else { panic!("{line:?}") };
            assert!(":bob[m]! PRIVMSG #c :\r\n".len() + 74 + text.len() < 512);
            whole.push_str(cut.unwrap_or(if at == 0 { "" } else { "\n" }));
            whole.push_str(&text);
        }
        assert_eq!(whole, long);
        // A name stands before each: they are lines of their own.
        let bot = Voice { nick: "msnbot", prefix: Some("Bob") };
        assert!(
            lines(&body, "#c", &bot, &[]).iter().all(|line| matches!(line, Line::Message { cut: None, .. }))
        );
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
    fn fault_10_the_rest_of_a_body_is_the_rest_whoever_speaks_it() {
        let long = format!("first\n{}\nlast", "word ".repeat(400));
        let body = Body::Text(RichText::plain(long.clone()));
        let own = Voice { nick: "bob[m]", prefix: None };
        let bot = Voice { nick: "msnbot", prefix: Some("Bob") };
        let squeeze = |text: String| text.replace([' ', '\n'], "");
        let said = |pieces: &[Piece], prefix: &str| -> String {
            let texts = pieces.iter().map(|piece| match &piece.line {
                Line::Message { text, .. } | Line::Notice { text, .. } => text.trim_start_matches(prefix),
            });
            texts.collect::<Vec<_>>().concat()
        };
        let whole = pieces(&body, "#c", &own, &[], Position::default());
        assert!(whole.len() > 5);
        for at in 0..=whole.len() {
            let from = at.checked_sub(1).map_or_else(Position::default, |last| whole[last].end);
            let rest = pieces(&body, "#c", &bot, &[], from);
            let both = [said(&whole[..at], ""), said(&rest, "<Bob> ")].concat();
            assert_eq!(squeeze(both), squeeze(long.clone()), "from {at}");
        }
        // A position that fits no such body repeats its row, and loses nothing.
        let odd = Position { row: 1, words: 999_999 };
        assert_eq!(pieces(&body, "#c", &own, &[], odd).len(), whole.len() - 1);
    }

    #[test]
    fn a_long_body_is_its_first_lines_and_its_address() {
        let voice = Voice { nick: "bob[m]", prefix: None };
        let body = |rows: usize| {
            Body::Text(RichText::plain((0..rows).map(|n| format!("row {n}")).collect::<Vec<_>>().join("\n")))
        };
        let short = Abridged { most: 3, address: "https://x/1" };
        let said = |rows, from| {
            let pieces = abridged(&body(rows), "#c", &voice, &[], from, &short);
            (pieces.iter().map(|piece| piece.line.text().to_owned()).collect::<Vec<_>>(), pieces)
        };
        assert_eq!(said(4, Position::default()).0, ["row 0", "row 1", "row 2", "row 3"]);
        let (texts, pieces) = said(9, Position::default());
        assert_eq!(texts, ["row 0", "row 1", "row 2", "… and 6 more lines: https://x/1"]);
        // After an interruption the rest of these comes, and no more.
        assert_eq!(said(9, pieces[1].end).0, texts[2..]);
        assert_eq!(said(9, pieces[3].end).0, [""; 0]);
        // One long line is many too.
        let line = Body::Text(RichText::plain("word ".repeat(1_000)));
        assert_eq!(abridged(&line, "#c", &voice, &[], Position::default(), &short).len(), 4);
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
