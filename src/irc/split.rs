//! Lines cut to what IRC carries: 512 bytes with everything that the network puts in front.
//!
//! Knows UTF-8, words and formatting codes, so that a cut goes through none, and opens and closes the formats of each piece.
//! Refuses to know the prefix: its length is an argument. Source: RFC 2812, section 2.3.

use super::mirc;
use crate::bridge::body::Run;

/// The longest `user@host` that a network shows.
const USER_AND_HOST: usize = 10 + 1 + 63;
/// Bytes that one character with what is joined to it is kept whole up to.
const MAX_JOINED: usize = 64;

/// Bytes of text in one message of `nick` to `target`, of which `extra` are taken.
pub(super) fn budget(nick: &str, target: &str, extra: usize) -> usize {
    let front =
        ":".len() + nick.len() + "!".len() + USER_AND_HOST + " PRIVMSG ".len() + target.len() + " :".len();
    512usize.saturating_sub(front + "\r\n".len() + extra).max(64)
}

/// The words of a row, without their looks.
fn plain(row: &[Run]) -> String {
    row.iter().map(|run| run.text.as_str()).collect()
}

/// Pieces of at most `limit` bytes of a row from byte `from` of its words on, cut between words where possible, never
/// inside a character or a code. Each with the byte of the words at which the next one begins; a limit is at least 64.
pub(super) fn pieces(row: &[Run], limit: usize, from: usize) -> Vec<(String, usize)> {
    let words = plain(row);
    // A byte in the middle of a character is of another row: all of this one is said.
    let mut begin = if words.is_char_boundary(from) { from } else { 0 };
    let mut pieces = Vec::new();
    while begin < words.len() {
        let (end, next) = match reach(row, begin, limit) {
            hard if hard >= words.len() => (words.len(), words.len()),
            hard => cut(&words, begin, hard),
        };
        pieces.push((coded(row, begin, end), next));
        begin = next;
    }
    pieces
}

/// Where a piece that cannot reach beyond `hard` ends, and the next one begins: a blank between them is dropped.
fn cut(words: &str, begin: usize, hard: usize) -> (usize, usize) {
    let half = begin + (hard - begin) / 2;
    if let Some(blank) = words[begin..hard].rfind(' ').map(|at| begin + at).filter(|at| *at > half) {
        return (blank, blank + 1);
    }
    let whole = (begin + 1..=hard).rev().take(MAX_JOINED).find(|at| is_border(words, *at)).unwrap_or(hard);
    (whole, whole)
}

/// Whether two characters meet here of which none changes the other.
fn is_border(words: &str, at: usize) -> bool {
    let joiner = '\u{200D}';
    let joins = |c: char| {
        c == joiner
            || matches!(c, '\u{300}'..='\u{36F}' | '\u{20D0}'..='\u{20F0}' | '\u{FE00}'..='\u{FE0F}')
            || matches!(c, '\u{1F3FB}'..='\u{1F3FF}')
    };
    words.is_char_boundary(at) && !words[at..].starts_with(joins) && !words[..at].ends_with(joiner)
}

/// The first byte of the words that a piece of `limit` bytes from `begin` on has no room for.
fn reach(row: &[Run], begin: usize, limit: usize) -> usize {
    let (mut used, mut at) = (0, 0);
    for run in row {
        let start = begin.max(at);
        let own = run.text.get(start - at..).unwrap_or_default();
        let (open, close) = mirc::codes(&run.style, own);
        used += if own.is_empty() { 0 } else { open.len() + close.len() };
        for (index, c) in own.char_indices() {
            used += c.len_utf8();
            if used > limit {
                return start + index;
            }
        }
        at += run.text.len();
    }
    at
}

/// The words from `begin` to `end`, with the codes of each run around what is of it.
fn coded(row: &[Run], begin: usize, end: usize) -> String {
    let (mut piece, mut at) = (String::new(), 0);
    for run in row {
        let (start, stop) = (begin.max(at), end.min(at + run.text.len()));
        if start < stop {
            let text = &run.text[start - at..stop - at];
            let (open, close) = mirc::codes(&run.style, text);
            piece.extend([open.as_str(), text, close]);
        }
        at += run.text.len();
    }
    piece
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::body::Style;
    use proptest::prelude::*;

    prop_compose! {
        fn any_run()(text in "(\\PC|,[0-9]| ){0,60}", flags in any::<[bool; 6]>(), color in prop::option::of(0u32..0x100_0000), background in prop::option::of(0u32..0x100_0000)) -> Run {
            let [bold, italic, underline, strike, monospace, spoiler] = flags;
            let spoiler = spoiler && bold && italic;
            Run { text, style: Style { bold, italic, underline, strike, monospace, color, background, spoiler } }
        }
    }

    proptest! {
        #[test]
        fn pieces_fit_look_as_they_did_and_lose_nothing_but_the_blank_they_are_cut_at(row in prop::collection::vec(any_run(), 0..8), limit in 64usize..300) {
            let whole = plain(&row);
            let cut = pieces(&row, limit, 0);
            let mut begin = 0;
            for (piece, next) in &cut {
                prop_assert!(piece.len() <= limit);
                let own = &whole[begin..*next];
                let said = mirc::parse(piece).text();
                let is_said = said == own || Some(said.as_str()) == own.strip_suffix(' ');
                // What is hidden has a word around it.
                prop_assert!(is_said || row.iter().any(|run| run.style.spoiler), "{:?} of {:?}", said, own);
                begin = *next;
            }
            prop_assert_eq!(begin, whole.len());
            // From wherever a piece ended, the others come again.
            for (at, (_, end)) in cut.iter().enumerate() {
                prop_assert_eq!(&pieces(&row, limit, *end)[..], &cut[at + 1..]);
            }
        }
    }

    #[test]
    fn every_piece_of_a_long_line_is_formatted_by_itself() {
        let style = Style { bold: true, color: Some(0xFF_0000), ..Style::default() };
        let row = [Run { text: format!("{},5 {}", "x".repeat(56), "y".repeat(70)), style }];
        let cut = pieces(&row, 64, 0);
        for (piece, _) in &cut {
            assert!(piece.starts_with("\x02\x0304") && piece.ends_with('\x0F'), "{piece:?}");
            let read = mirc::parse(piece).runs;
            assert!(read.len() == 1 && read[0].style == style, "{read:?}");
        }
        let said: String = cut.iter().map(|(piece, _)| mirc::parse(piece).text()).collect();
        assert_eq!(said, row[0].text.replace(' ', ""));
    }

    #[test]
    fn what_is_joined_to_a_character_stays_with_it() {
        let family = "👩\u{200D}👩\u{200D}👧";
        let row = [Run { text: format!("{}{family}e\u{301}", "x".repeat(60)), style: Style::default() }];
        let cut: Vec<String> = pieces(&row, 64, 0).into_iter().map(|(piece, _)| piece).collect();
        assert_eq!(cut, ["x".repeat(60), format!("{family}e\u{301}")]);
    }

    #[test]
    fn the_front_that_others_see_is_counted() {
        assert!(budget("bob[m]", "#channel", 0) + ":bob[m]!~user@host PRIVMSG #channel :\r\n".len() < 512);
    }
}
