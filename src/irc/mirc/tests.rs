//! Codes written and read: what clients write, and what nobody does.

use proptest::prelude::*;

use super::*;
use crate::bridge::body::{RichText, Run, Style};

fn run(text: &str, style: Style) -> Run {
    Run { text: text.into(), style }
}

/// A run as it is on the wire.
fn written(text: &str, style: Style) -> String {
    let (open, close) = codes(&style, text);
    format!("{open}{text}{close}")
}

fn colored(color: u32) -> Style {
    Style { color: Some(color), ..Style::default() }
}

#[test]
fn styles_become_codes_that_take_nothing_of_the_words() {
    let all = Style { bold: true, italic: true, underline: true, strike: true, ..colored(0xFF_0000) };
    assert_eq!(written("2", all), "\x02\x1D\x1F\x1E\x03042\x0F");
    assert_eq!(written(",5 and", colored(0xFF_0000)), "\x0304\x02\x02,5 and\x0F");
    assert_eq!(written(", and", colored(0xFF_0000)), "\x0304, and\x0F");
    let with_back = Style { background: Some(0x00_0000), ..colored(0xFF_FFFF) };
    assert_eq!(written(",5", with_back), "\x0300,01,5\x0F");
    let back = Style { background: Some(0xFF_FF00), monospace: true, ..Style::default() };
    assert_eq!(written("1", back), "\x11\x0399,081\x0F");
    assert_eq!(written("x", Style { spoiler: true, ..colored(0xFF_0000) }), "\x0301,01x\x0F");
    // Two colours that are nearly one stay two: words would be hidden.
    let near = Style { background: Some(0xFE_0000), ..colored(0xFF_0000) };
    assert_eq!(written("x", near), "\x0304,05x\x0F");
    // Of the many colours only those that are meant.
    assert_eq!(written("x", colored(0xFF_59BC)), "\x0375x\x0F");
    assert_eq!(written("x", colored(0xFF_59BD)), "\x0313x\x0F");
}

#[test]
fn rows_are_formatted_by_themselves_and_empty_ones_go() {
    let bold = Style { bold: true, ..Style::default() };
    let runs = vec![run("one\n \n  two", bold), run(" plain\n", Style::default())];
    let rows = rows(&RichText { runs, ..RichText::default() });
    assert_eq!(rows, [vec![run("one", bold)], vec![run("  two", bold), run(" plain", Style::default())]]);
}

#[test]
fn stray_codes_are_read_and_those_in_words_are_taken_out() {
    let text = |line: &str| parse(line).text();
    assert_eq!(text("\x02a\x02\x03b\x0399c\x034,5d\x0F\x16e\x1f"), "abcde");
    assert_eq!(text("\x03,x"), ",x");
    assert_eq!(text("\x0304,x"), ",x");
    assert_eq!(text("\x04ff,x"), "ff,x");
    assert_eq!(clean("a\x02b\r\x01c\0"), "abc");
}

#[test]
fn colours_backgrounds_reverse_and_spoilers_are_read() {
    let style = |line: &str| parse(line).runs.pop().unwrap().style;
    let both = |color, background| Style { color, background, ..Style::default() };
    assert_eq!(style("\x0304,01x"), both(Some(0xFF_0000), Some(0)));
    assert_eq!(style("\x0304,01\x0308x"), both(Some(0xFF_FF00), Some(0)), "a background stays");
    assert_eq!(style("\x0304,01\x03x"), both(None, None));
    assert_eq!(style("\x0304,01\x0399,99x"), both(None, None));
    assert_eq!(style("\x0375,98x"), both(Some(0xFF_59BC), Some(0xFF_FFFF)));
    assert_eq!(style("\x0499aabb,ccddEEx"), both(Some(0x99_AABB), Some(0xCC_DDEE)));
    assert_eq!(style("\x04ff0000x\x04y"), both(None, None));
    assert_eq!(style("\x16x"), both(Some(0xFF_FFFF), Some(0)));
    assert_eq!(style("\x0304\x16x"), both(Some(0xFF_FFFF), Some(0xFF_0000)));
    assert_eq!(style("\x16x\x16y"), Style::default());
    assert!(style("\x11x").monospace && !style("\x11x\x11y").monospace);
    let hidden = parse("who? \x0301,01the butler\x03 did it");
    assert_eq!(hidden.text(), "who? [spoiler: the butler] did it");
    let spoiler = Style { spoiler: true, ..Style::default() };
    assert_eq!(hidden.runs[2], run("the butler", spoiler));
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        text in "[ -~]{1,40}", flags in any::<[bool; 5]>(), front in prop::option::of(0usize..99),
        back in prop::option::of(0usize..99)
    ) {
        let [bold, italic, underline, strike, monospace] = flags;
        let (color, background) = (front.and_then(palette::color), back.and_then(palette::color));
        prop_assume!(color.is_none() || color != background);
        let style = Style { bold, italic, underline, strike, monospace, color, background, spoiler: false };
        prop_assert_eq!(parse(&written(&text, style)).runs, vec![run(&text, style)]);
    }

    #[test]
    fn any_line_is_survived_and_no_line_break_passes(line in any::<String>()) {
        let read = parse(&line);
        prop_assert!(rows(&read).iter().flatten().all(|run| !run.text.contains(['\r', '\n', '\0'])));
    }
}
