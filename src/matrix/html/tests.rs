//! HTML written and read: what people write, and what nobody does.

use proptest::prelude::*;

use super::read::{MAX_DEPTH, MAX_TAGS};
use super::*;
use crate::bridge::body::{Format, RichText, Run, Style};

#[test]
fn styles_become_elements_and_text_never_does() {
    let style = Style { bold: true, color: Some(0xFF_0080), ..Style::default() };
    let text = RichText { runs: vec![Run { text: "<b>&\"\nx".into(), style }], ..RichText::default() };
    let html = from_rich(&text, &[]).unwrap();
    assert_eq!(
        html,
        "<font color=\"#ff0080\" data-mx-color=\"#ff0080\"><strong>&lt;b&gt;&amp;&quot;<br>x</strong></font>"
    );
    assert_eq!(to_rich(&html), Some(text));
    assert_eq!(from_rich(&RichText::plain("a < b"), &[]), None);
    let hidden = Style { spoiler: true, ..Style::default() };
    let text =
        RichText { runs: vec![Run { text: "the butler".into(), style: hidden }], ..RichText::default() };
    let html = from_rich(&text, &[]).unwrap();
    assert_eq!(html, "<span data-mx-spoiler>the butler</span>");
    let read = to_rich(&html).unwrap();
    assert_eq!((read.text().as_str(), read.runs[1].style), ("[spoiler: the butler]", hidden));
    let rtl = Format { right_to_left: true, ..Format::default() };
    assert_eq!(from_rich(&RichText::formatted("x", rtl), &[]).unwrap(), "<div dir=\"rtl\">x</div>");
}

#[test]
fn peers_html_is_read_whatever_it_looks_like() {
    let text = |html: &str| to_rich(html).unwrap().text();
    assert_eq!(text("<p>one</p>\n<p>two</p>"), "one\n\ntwo");
    assert_eq!(text("<ul><li>a</li><li>b</li></ul>"), "• a\n• b");
    assert_eq!(text("<mx-reply><blockquote>old</blockquote></mx-reply>new"), "new");
    assert_eq!(text("a<script>alert(1)</script><b>b<i>c"), "abc");
    assert_eq!(text("<a href=\"https://x.org\">here</a>"), "here (https://x.org)");
    assert_eq!(text("<a href=\"https://matrix.to/#/@a:b\">Al</a>"), "Al");
    // As deep as an event can hold, on a thread as small as those that read events.
    for tag in ["<b>", "<div>", "<span>", "<ul><li>", "<blockquote>", "<a href=x>"] {
        let deep = tag.repeat(65_536 / tag.len()) + "x";
        assert_eq!(to_rich(&deep), None);
        let count = tag.matches('<').count();
        let most = tag.repeat(MAX_DEPTH / count) + "x";
        let more = tag.repeat(MAX_TAGS / count) + "x";
        let read = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
        let read = read.spawn(move || (to_rich(&most).is_some(), to_rich(&more)));
        let (most, more) = read.unwrap().join().unwrap();
        // Deeper than Matrix has it the plain words must do, and none is lost.
        assert!(most, "{tag}");
        assert!(more.is_none_or(|read| tag == "<a href=x>" && read.text() == "x"), "{tag}");
    }
    // Each paragraph repeats every style that is open: as many as there can be.
    let styles: String = (0..MAX_TAGS / 2).map(|n| format!("<font color=\"#{n:06x}\">")).collect();
    let begun = std::time::Instant::now();
    let read = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    read.spawn(move || to_rich(&(styles + &*"<p>x".repeat(MAX_TAGS / 2)))).unwrap().join().unwrap();
    // Each line of a deep quotation repeats what stands before it.
    let quoted = "<blockquote>".repeat(90) + "<pre>" + &*"\n".repeat(60_000) + "x";
    assert!(to_rich(&quoted).is_none_or(|read| read.text().len() < 200_000));
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    let mixed = to_rich("a <b>bold</b>").unwrap();
    assert_eq!(mixed.uniform_style(), None);
    assert!(to_rich("<b>all</b> <b>bold</b>").unwrap().uniform_style().is_some_and(|s| s.bold));
}

proptest! {
    #[test]
    fn any_html_is_survived(html in "[<>a-z/ \"=&;]{0,200}") {
        let _ = to_rich(&html);
    }

    #[test]
    fn what_is_written_is_read_again(text in "[ -~]{0,40}", bold: bool, italic: bool, strike: bool, color in prop::option::of(0u32..0x100_0000), background in prop::option::of(0u32..0x100_0000), monospace: bool) {
        let style = Style { bold, italic, strike, underline: true, color, background, monospace, spoiler: false };
        let rich = RichText { runs: vec![Run { text: format!("x{text}"), style }], ..RichText::default() };
        prop_assert_eq!(to_rich(&from_rich(&rich, &[]).unwrap()), Some(rich));
    }
}

#[test]
fn pictures_stand_where_their_shortcuts_do_and_come_back() {
    let pictures = [(":a".to_owned(), "mxc://x/1".to_owned()), (":a:".to_owned(), "mxc://x/2\"".to_owned())];
    let text = RichText::plain("<:a: and :a");
    let html = from_rich(&text, &pictures).unwrap();
    let long = "<img data-mx-emoticon height=\"32\" src=\"mxc://x/2&quot;\" alt=\":a:\" title=\":a:\">";
    let short = "<img data-mx-emoticon height=\"32\" src=\"mxc://x/1\" alt=\":a\" title=\":a\">";
    assert_eq!(html, format!("&lt;{long} and {short}"));
    let back = to_rich(&html).unwrap();
    assert_eq!(back.text(), text.text());
    let sources: Vec<&str> = back.emoticons.iter().map(|e| e.shortcut.as_str()).collect();
    assert_eq!(sources, [":a:", ":a"]);
    // A picture that is no emoticon, or is not on a homeserver, is only its words.
    let other =
        to_rich("<img src=\"mxc://x/1\" alt=\"a\"><img data-mx-emoticon src=\"https://x/1\" alt=\"b\">");
    assert_eq!(other.unwrap().emoticons, []);
}

proptest! {
    #[test]
    fn spaces_and_lines_are_seen_as_they_were_written(text in "[a ]{0,12}(\n[a ]{0,12}){0,3}a") {
        let rich = RichText { runs: vec![Run { text, style: Style { bold: true, ..Style::default() } }], ..RichText::default() };
        let html = from_rich(&rich, &[]).unwrap();
        // A browser shows one space of several, and none where a line begins.
        prop_assert!(!html.contains("  ") && !html.contains("<br> ") && !html.contains("<strong> "), "{}", html);
        prop_assert_eq!(to_rich(&html), Some(rich));
    }
}
