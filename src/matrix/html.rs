//! Formatted text to Matrix's HTML and back. What comes in is cut to Matrix's allowed list; what goes out is only ever
//! made of escaped text and the few elements written here.

use ruma::html::{Html, ListBehavior, NodeRef, PropertiesNames, SanitizerConfig};

use crate::bridge::body::{Emoticon, Image, RichText, Run, Style};

/// Escapes text for HTML.
fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("<br>"),
            other => out.push(other),
        }
    }
}

/// Plain words as HTML.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::new();
    escape(text, &mut out);
    out
}

/// A small picture that is on the homeserver: its shortcut, and where it is.
pub(crate) type Picture = (String, String);

/// The HTML of a text; `None` when plain words say as much.
pub(crate) fn from_rich(text: &RichText, pictures: &[Picture]) -> Option<String> {
    let right_to_left = text.format.as_ref().is_some_and(|format| format.right_to_left);
    if !right_to_left && pictures.is_empty() && text.runs.iter().all(|run| run.style.is_plain()) {
        return None;
    }
    let mut html = String::new();
    for run in &text.runs {
        write_run(run, pictures, &mut html);
    }
    Some(if right_to_left { format!("<div dir=\"rtl\">{html}</div>") } else { html })
}

/// Words, and pictures in the place of their shortcuts.
fn write_words(text: &str, pictures: &[Picture], out: &mut String) {
    let mut rest = text;
    loop {
        let next = pictures.iter().filter(|(shortcut, _)| !shortcut.is_empty());
        let next = next.filter_map(|(shortcut, uri)| Some((rest.find(shortcut.as_str())?, shortcut, uri)));
        // The longest of those that begin at one place.
        let Some((at, shortcut, uri)) =
            next.min_by_key(|(at, shortcut, _)| (*at, usize::MAX - shortcut.len()))
        else {
            return escape(rest, out);
        };
        escape(&rest[..at], out);
        out.push_str("<img data-mx-emoticon height=\"32\" src=\"");
        escape(uri, out);
        out.push_str("\" alt=\"");
        escape(shortcut, out);
        out.push_str("\" title=\"");
        escape(shortcut, out);
        out.push_str("\">");
        rest = &rest[at + shortcut.len()..];
    }
}

fn write_run(run: &Run, pictures: &[Picture], out: &mut String) {
    let Style { bold, italic, underline, strike, color } = run.style;
    let tags = [(bold, "strong"), (italic, "em"), (underline, "u"), (strike, "del")];
    if let Some(color) = color {
        out.push_str(&format!("<span data-mx-color=\"#{color:06x}\">"));
    }
    tags.iter().filter(|(on, _)| *on).for_each(|(_, tag)| out.push_str(&format!("<{tag}>")));
    write_words(&run.text, pictures, out);
    tags.iter().rev().filter(|(on, _)| *on).for_each(|(_, tag)| out.push_str(&format!("</{tag}>")));
    if color.is_some() {
        out.push_str("</span>");
    }
}

/// Most tags that are read: the parser's tree is walked and freed level by level on the stack, and no tree is deeper than
/// twice the number of its tags. Seen to hold to more than three times this on the smallest stack we have.
const MAX_TAGS: usize = 1000;

/// Reads HTML of a peer; `None` for more of it than anybody writes, where the plain words must do.
pub(crate) fn to_rich(html: &str) -> Option<RichText> {
    (html.matches('<').count() <= MAX_TAGS).then(|| read(html))
}

fn read(html: &str) -> RichText {
    let html = Html::parse(html);
    html.sanitize_with(&sanitizer());
    let mut writer = Writer::default();
    for node in html.children() {
        writer.node(&node, Style::default());
    }
    writer.finish()
}

/// Matrix's own list; of elements that hold no words for people, the content goes too.
fn sanitizer() -> SanitizerConfig {
    let emoticon = PropertiesNames { parent: "img", properties: &["data-mx-emoticon"] };
    SanitizerConfig::compat()
        .remove_reply_fallback()
        .remove_elements(["script", "style", "title", "template"])
        // What tells a custom emoticon from any other picture (MSC2545).
        .allow_attributes([emoticon], ListBehavior::Add)
}

/// Collects runs while walking the tree.
#[derive(Default)]
struct Writer {
    runs: Vec<Run>,
    emoticons: Vec<Emoticon>,
    /// A block ended: a line break goes before what follows, if anything does.
    break_before: bool,
}

impl Writer {
    fn node(&mut self, node: &NodeRef, style: Style) {
        if let Some(text) = node.as_text() {
            return self.text(&text.borrow(), style);
        }
        let Some(element) = node.as_element() else { return };
        let name: &str = &element.name.local;
        let attribute = |wanted: &str| {
            let attributes = element.attrs.borrow();
            attributes.iter().find(|a| &*a.name.local == wanted).map(|a| a.value.to_string())
        };
        match name {
            "br" => return self.text("\n", style),
            "hr" => return self.block(|writer| writer.text("———", style)),
            "img" => {
                let words = attribute("alt").or_else(|| attribute("title")).unwrap_or_default();
                let source = attribute("src").filter(|source| source.starts_with("mxc://"));
                if let Some(source) = source.filter(|_| attribute("data-mx-emoticon").is_some()) {
                    return self.emoticon(&words, source, style);
                }
                return self.text(&words, style);
            }
            _ => {}
        }
        let color = || attribute("data-mx-color").or_else(|| attribute("color"));
        let style = restyle(name, style, color);
        if is_block(name) {
            self.block(|writer| {
                if name == "li" {
                    writer.text("• ", style);
                }
                writer.children(node, style);
            });
        } else {
            self.children(node, style);
            if name == "a" {
                self.link(node, attribute("href"), style);
            }
        }
    }

    fn children(&mut self, node: &NodeRef, style: Style) {
        node.children().for_each(|child| self.node(&child, style));
    }

    /// Names where a link leads when its words do not.
    fn link(&mut self, node: &NodeRef, href: Option<String>, style: Style) {
        let shown =
            node.first_child().and_then(|child| child.as_text().map(|text| text.borrow().to_string()));
        let is_mention = href.as_ref().is_some_and(|href| href.starts_with("https://matrix.to/"));
        if let Some(href) = href.filter(|href| shown.as_ref() != Some(href) && !is_mention) {
            self.text(&format!(" ({href})"), style);
        }
    }

    /// The same shortcut is the same picture.
    fn emoticon(&mut self, words: &str, source: String, style: Style) {
        let shortcut = if words.trim().is_empty() { ":-o" } else { words.trim() };
        self.text(shortcut, style);
        if self.emoticons.iter().all(|known| known.shortcut != shortcut) {
            let image = Image::Source { source };
            self.emoticons.push(Emoticon { shortcut: shortcut.to_owned(), image });
        }
    }

    fn block(&mut self, inside: impl FnOnce(&mut Self)) {
        self.break_before |= !self.runs.is_empty();
        inside(self);
        self.break_before = true;
    }

    fn text(&mut self, text: &str, style: Style) {
        if self.break_before && text.chars().all(char::is_whitespace) {
            return; // the white space between two blocks
        }
        let text = if std::mem::take(&mut self.break_before) && !self.runs.is_empty() {
            format!("\n{text}")
        } else {
            text.to_owned()
        };
        match self.runs.last_mut() {
            Some(last) if last.style == style => last.text.push_str(&text),
            _ if text.is_empty() => {}
            _ => self.runs.push(Run { text, style }),
        }
    }

    fn finish(self) -> RichText {
        RichText { runs: self.runs, emoticons: self.emoticons, ..RichText::default() }
    }
}

fn restyle(name: &str, mut style: Style, color: impl Fn() -> Option<String>) -> Style {
    match name {
        "b" | "strong" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "th" => style.bold = true,
        "i" | "em" => style.italic = true,
        "u" => style.underline = true,
        "del" | "s" | "strike" => style.strike = true,
        "span" | "font" => {
            let digits = color().and_then(|value| value.strip_prefix('#').map(str::to_owned));
            let value = digits.filter(|d| d.len() == 6).and_then(|d| u32::from_str_radix(&d, 16).ok());
            style.color = value.or(style.color);
        }
        _ => {}
    }
    style
}

fn is_block(name: &str) -> bool {
    let blocks = "p div li ul ol blockquote pre h1 h2 h3 h4 h5 h6 table tr details summary";
    blocks.split(' ').any(|block| block == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::body::Format;
    use proptest::prelude::*;

    #[test]
    fn styles_become_elements_and_text_never_does() {
        let style = Style { bold: true, color: Some(0xFF_0080), ..Style::default() };
        let text = RichText { runs: vec![Run { text: "<b>&\"\nx".into(), style }], ..RichText::default() };
        let html = from_rich(&text, &[]).unwrap();
        assert_eq!(html, "<span data-mx-color=\"#ff0080\"><strong>&lt;b&gt;&amp;&quot;<br>x</strong></span>");
        assert_eq!(to_rich(&html), Some(text));
        assert_eq!(from_rich(&RichText::plain("a < b"), &[]), None);
        let rtl = Format { right_to_left: true, ..Format::default() };
        assert_eq!(from_rich(&RichText::formatted("x", rtl), &[]).unwrap(), "<div dir=\"rtl\">x</div>");
    }

    #[test]
    fn peers_html_is_read_whatever_it_looks_like() {
        let text = |html: &str| to_rich(html).unwrap().text();
        assert_eq!(text("<p>one</p>\n<p>two</p>"), "one\ntwo");
        assert_eq!(text("<ul><li>a</li><li>b</li></ul>"), "• a\n• b");
        assert_eq!(text("<mx-reply><blockquote>old</blockquote></mx-reply>new"), "new");
        assert_eq!(text("a<script>alert(1)</script><b>b<i>c"), "abc");
        assert_eq!(text("<a href=\"https://x.org\">here</a>"), "here (https://x.org)");
        assert_eq!(text("<a href=\"https://matrix.to/#/@a:b\">Al</a>"), "Al");
        // As deep as an event can hold, on a thread as small as those that read events.
        for tag in ["<b>", "<div>", "<span>", "<ul><li>", "<blockquote>", "<a href=x>"] {
            let deep = tag.repeat(65_536 / tag.len()) + "x";
            assert_eq!(to_rich(&deep), None);
            let most = tag.repeat(MAX_TAGS / tag.matches('<').count()) + "x";
            let read = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
            read.spawn(move || assert!(to_rich(&most).is_some())).unwrap().join().unwrap();
        }
        // Each paragraph repeats every style that is open: as many as there can be.
        let styles: String = (0..MAX_TAGS / 2).map(|n| format!("<font color=\"#{n:06x}\">")).collect();
        assert!(to_rich(&(styles + &*"<p>x".repeat(MAX_TAGS / 2))).is_some());
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
        fn what_is_written_is_read_again(text in "[ -~]{0,40}", bold: bool, italic: bool, strike: bool) {
            let style = Style { bold, italic, strike, underline: true, color: None };
            let rich = RichText { runs: vec![Run { text: format!("x{text}"), style }], ..RichText::default() };
            prop_assert_eq!(to_rich(&from_rich(&rich, &[]).unwrap()), Some(rich));
        }
    }

    #[test]
    fn pictures_stand_where_their_shortcuts_do_and_come_back() {
        let pictures =
            [(":a".to_owned(), "mxc://x/1".to_owned()), (":a:".to_owned(), "mxc://x/2\"".to_owned())];
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
}
