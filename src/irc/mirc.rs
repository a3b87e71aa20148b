//! mIRC's formatting codes: bold 02, italic 1D, underline 1F, strike 1E, colour 03, plain 0F, reverse 16.
//!
//! Knows both directions, and the hexadecimal colours 04. Refuses to know lines and their lengths. Source: the IRC
//! formatting convention of modern clients.

use crate::bridge::body::{RichText, Run, Style};

const BOLD: char = '\x02';
const COLOR: char = '\x03';
const HEX_COLOR: char = '\x04';
const PLAIN: char = '\x0F';
const MONOSPACE: char = '\x11';
const REVERSE: char = '\x16';
const ITALIC: char = '\x1D';
const STRIKE: char = '\x1E';
const UNDERLINE: char = '\x1F';

/// The sixteen colours that every client has.
const PALETTE: [u32; 16] = [
    0xFF_FFFF, 0x00_0000, 0x00_007F, 0x00_9300, 0xFF_0000, 0x7F_0000, 0x9C_009C, 0xFC_7F00, 0xFF_FF00,
    0x00_FC00, 0x00_9393, 0x00_FFFF, 0x00_00FC, 0xFF_00FF, 0x7F_7F7F, 0xD2_D2D2,
];

/// The index of the palette's colour that is nearest to 0xRRGGBB.
fn nearest(color: u32) -> usize {
    let channel = |color: u32, shift: u32| i64::from(color >> shift & 0xFF);
    let distance = |other: u32| -> i64 {
        [16, 8, 0].into_iter().map(|shift| (channel(color, shift) - channel(other, shift)).pow(2)).sum()
    };
    (0..PALETTE.len()).min_by_key(|&index| distance(PALETTE[index])).unwrap_or(1)
}

/// Takes codes out of text that is somebody's words: they must not become formatting.
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n' || *c == '\t').collect()
}

/// The codes that begin a style.
fn open(style: &Style) -> String {
    let flags =
        [(style.bold, BOLD), (style.italic, ITALIC), (style.underline, UNDERLINE), (style.strike, STRIKE)];
    let mut codes: String = flags.into_iter().filter_map(|(on, code)| on.then_some(code)).collect();
    if let Some(color) = style.color {
        // Two digits, so that a digit of the text is not read as part of the colour.
        codes.push_str(&format!("{COLOR}{:02}", nearest(color)));
    }
    codes
}

/// The lines of a text, each formatted by itself: codes do not last beyond a line.
pub(super) fn lines(text: &RichText) -> Vec<String> {
    let mut lines = vec![String::new()];
    for run in &text.runs {
        for (index, piece) in clean(&run.text).split('\n').enumerate() {
            if index > 0 {
                lines.push(String::new());
            }
            let Some(line) = lines.last_mut().filter(|_| !piece.is_empty()) else { continue };
            if run.style.is_plain() {
                line.push_str(piece);
            } else {
                line.push_str(&format!("{}{piece}{PLAIN}", open(&run.style)));
            }
        }
    }
    lines.retain(|line| !line.trim().is_empty());
    lines
}

/// Reads a line with codes, whatever they are.
pub(super) fn parse(line: &str) -> RichText {
    let mut runs: Vec<Run> = Vec::new();
    let mut style = Style::default();
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            BOLD => style.bold = !style.bold,
            ITALIC => style.italic = !style.italic,
            UNDERLINE => style.underline = !style.underline,
            STRIKE => style.strike = !style.strike,
            PLAIN => style = Style::default(),
            COLOR => style.color = read_color(&mut rest),
            HEX_COLOR => style.color = read_hex(&mut rest),
            MONOSPACE | REVERSE => {}
            c if c.is_control() && c != '\t' => {}
            c => match runs.last_mut() {
                Some(run) if run.style == style => run.text.push(c),
                _ => runs.push(Run { text: c.to_string(), style }),
            },
        }
    }
    RichText { runs, ..RichText::default() }
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

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

/// One or two digits, and a background that is dropped; without digits the colour ends.
fn read_color(rest: &mut Rest<'_>) -> Option<u32> {
    let color = digits(rest, 2, 10);
    if !color.is_empty() {
        let mut ahead = rest.clone();
        if ahead.next() == Some(',') && ahead.next().is_some_and(|c| c.is_ascii_digit()) {
            rest.next();
            digits(rest, 2, 10);
        }
    }
    PALETTE.get(color.parse::<usize>().ok()?).copied()
}

/// Six hexadecimal digits; `None` where fewer follow.
fn read_hex(rest: &mut Rest<'_>) -> Option<u32> {
    let color = digits(rest, 6, 16);
    u32::from_str_radix(&color, 16).ok().filter(|_| color.len() == 6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(text: &str, style: Style) -> Run {
        Run { text: text.into(), style }
    }

    #[test]
    fn styles_become_codes_line_by_line() {
        let style = Style { bold: true, italic: true, underline: true, strike: true, color: Some(0xFF_0000) };
        let text = RichText {
            runs: vec![run("one\n2", style), run(" plain", Style::default())],
            ..RichText::default()
        };
        assert_eq!(lines(&text), ["\x02\x1D\x1F\x1E\x0304one\x0F", "\x02\x1D\x1F\x1E\x03042\x0F plain",]);
    }

    #[test]
    fn stray_codes_are_read_and_those_in_words_are_taken_out() {
        let text = |line: &str| parse(line).text();
        assert_eq!(text("\x02a\x02\x03b\x0399c\x034,5d\x0F\x16e\x1f"), "abcde");
        assert_eq!(
            parse("\x0304,01red").runs,
            [run("red", Style { color: Some(0xFF_0000), ..Style::default() })]
        );
        assert_eq!(text("\x03,x"), ",x");
        assert_eq!(lines(&RichText::plain("a\x02b\r\x01c\0")), ["abc"]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in "[ -~]{1,40}", bold: bool, italic: bool, index in 0usize..16) {
            let style = Style { bold, italic, color: Some(PALETTE[index]), ..Style::default() };
            let rich = RichText { runs: vec![run(&format!("x{text}"), style)], ..RichText::default() };
            prop_assert_eq!(parse(&lines(&rich)[0]), rich);
        }

        #[test]
        fn any_line_is_survived_and_no_line_break_passes(line in any::<String>()) {
            let read = parse(&line);
            prop_assert!(lines(&read).iter().all(|l| !l.contains(['\r', '\n', '\0'])));
        }
    }
}
