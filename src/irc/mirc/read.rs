//! A line with codes as a text.
//!
//! Knows what each code changes, and that hidden words are said to be such. Refuses nothing: a stray code is passed over.

use super::{
    BOLD, COLOR, HEX_COLOR, ITALIC, MONOSPACE, PLAIN, REVERSE, SPOILER, SPOILER_END, STRIKE, UNDERLINE,
    palette,
};
use crate::bridge::body::{RichText, Run, Style};

const WHITE: u32 = 0xFF_FFFF;
const BLACK: u32 = 0x00_0000;

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// What the codes so far say.
#[derive(Clone, Copy, Default)]
struct State {
    style: Style,
    is_reversed: bool,
}

/// Reads a line with codes, whatever they are. Words that are hidden are said to be such too.
pub(in crate::irc) fn parse(line: &str) -> RichText {
    let mut runs: Vec<Run> = Vec::new();
    let mut state = State::default();
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        if state.change(c, &mut rest) || (c.is_control() && !matches!(c, '\t' | '\n')) {
            continue;
        }
        if c == '\n' {
            // Each line of a message of several looks as its own codes say.
            state = State::default();
        }
        let style = state.style();
        match runs.last_mut() {
            Some(run) if run.style == style => run.text.push(c),
            _ => runs.push(Run { text: c.to_string(), style }),
        }
    }
    RichText { runs: mark_spoilers(runs), ..RichText::default() }
}

/// Puts a word for it around what is hidden.
fn mark_spoilers(runs: Vec<Run>) -> Vec<Run> {
    let mark = |text: &str| Run { text: text.to_owned(), style: Style::default() };
    let marked = runs.into_iter().flat_map(|run| match run.style.spoiler {
        true => vec![mark(SPOILER), run, mark(SPOILER_END)],
        false => vec![run],
    });
    marked.collect()
}

impl State {
    /// Whether it is a code.
    fn change(&mut self, code: char, rest: &mut Rest<'_>) -> bool {
        let style = &mut self.style;
        match code {
            BOLD => style.bold = !style.bold,
            ITALIC => style.italic = !style.italic,
            UNDERLINE => style.underline = !style.underline,
            STRIKE => style.strike = !style.strike,
            MONOSPACE => style.monospace = !style.monospace,
            REVERSE => self.is_reversed = !self.is_reversed,
            PLAIN => *self = Self::default(),
            COLOR => self.color(read_colors(rest, number)),
            HEX_COLOR => self.color(read_colors(rest, hex)),
            _ => return false,
        }
        true
    }

    /// No colour ends both; a background that is not named stays.
    fn color(&mut self, (front, back): (Option<Color>, Option<Color>)) {
        match front {
            None => (self.style.color, self.style.background) = (None, None),
            Some(front) => {
                self.style.color = front;
                self.style.background = back.unwrap_or(self.style.background);
            }
        }
    }

    /// How the next character looks.
    fn style(&self) -> Style {
        let Style { color, background, .. } = self.style;
        let spoiler = color.is_some() && color == background;
        let (color, background) = match self.is_reversed {
            _ if spoiler => (None, None),
            false => (color, background),
            true => (Some(background.unwrap_or(WHITE)), Some(color.unwrap_or(BLACK))),
        };
        Style { color, background, spoiler, ..self.style }
    }
}

/// A colour, or the reader's own.
type Color = Option<u32>;

/// A colour, and a background behind a comma.
fn read_colors(
    rest: &mut Rest<'_>,
    read: fn(&mut Rest<'_>) -> Option<Color>,
) -> (Option<Color>, Option<Color>) {
    let front = read(rest);
    let mut ahead = rest.clone();
    let back = match front.is_some() && ahead.next() == Some(',') {
        true => read(&mut ahead),
        false => None,
    };
    if back.is_some() {
        *rest = ahead;
    }
    (front, back)
}

/// At most so many digits of a number.
fn digits(rest: &mut Rest<'_>, most: usize, radix: u32) -> String {
    let mut found = String::new();
    while found.len() < most {
        match rest.next_if(|c| c.is_digit(radix)) {
            Some(digit) => found.push(digit),
            None => break,
        }
    }
    found
}

/// One or two digits.
fn number(rest: &mut Rest<'_>) -> Option<Color> {
    Some(palette::color(digits(rest, 2, 10).parse().ok()?))
}

/// Six hexadecimal digits; fewer are words.
fn hex(rest: &mut Rest<'_>) -> Option<Color> {
    let mut ahead = rest.clone();
    let found = digits(&mut ahead, 6, 16);
    let color = u32::from_str_radix(&found, 16).ok().filter(|_| found.len() == 6)?;
    *rest = ahead;
    Some(Some(color))
}
