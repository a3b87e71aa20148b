//! A text as rows, and the codes that one stretch of a row stands between.
//!
//! Knows which codes take a digit or a comma of the words for their own. Refuses to know how long a line may be.

use super::{BOLD, COLOR, ITALIC, MONOSPACE, STRIKE, UNDERLINE, palette};
use crate::bridge::body::{RichText, Run, Style};

/// Hides words: both colours are the same.
const HIDDEN: &str = "\x0301,01";
/// Two codes that change nothing keep a comma and digits of the text from being read as a background.
const GUARD: &str = "\x02\x02";

/// Takes codes out of text that is somebody's words: they must not become formatting.
pub(in crate::irc) fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n' || *c == '\t').collect()
}

/// The rows of a text, without those in which nothing can be seen.
pub(in crate::irc) fn rows(text: &RichText) -> Vec<Vec<Run>> {
    let mut rows = vec![Vec::new()];
    for run in &text.runs {
        for (index, piece) in clean(&run.text).split('\n').enumerate() {
            if index > 0 {
                rows.push(Vec::new());
            }
            if let Some(row) = rows.last_mut().filter(|_| !piece.is_empty()) {
                row.push(Run { text: piece.to_owned(), style: run.style });
            }
        }
    }
    rows.retain(|row| row.iter().any(|run| !run.text.trim().is_empty()));
    rows
}

/// The codes before and behind a stretch of text in this style, so that it looks so whatever stands around it.
pub(in crate::irc) fn codes(style: &Style, text: &str) -> (String, &'static str) {
    if style.is_plain() {
        return (String::new(), "");
    }
    let Style { bold, italic, underline, strike, monospace, .. } = *style;
    let flags =
        [(bold, BOLD), (italic, ITALIC), (underline, UNDERLINE), (strike, STRIKE), (monospace, MONOSPACE)];
    let mut codes: String = flags.into_iter().filter_map(|(on, code)| on.then_some(code)).collect();
    codes.push_str(&colors(style, text));
    (codes, "\x0F")
}

/// The code of the colours. Two digits, so that a digit of the text is none of it.
fn colors(style: &Style, text: &str) -> String {
    let front = style.color.map(|color| palette::number(color, None));
    let back = style.background.map(|color| palette::number(color, front));
    match (front, back) {
        _ if style.spoiler => HIDDEN.to_owned(),
        (None, None) => String::new(),
        (Some(front), None) => {
            let mut text = text.chars();
            let takes_more = text.next() == Some(',') && text.next().is_some_and(|c| c.is_ascii_digit());
            format!("{COLOR}{front:02}{}", if takes_more { GUARD } else { "" })
        }
        (front, Some(back)) => format!("{COLOR}{:02},{back:02}", front.unwrap_or(palette::DEFAULT)),
    }
}
