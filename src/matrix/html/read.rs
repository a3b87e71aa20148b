//! HTML of a peer as a text.
//!
//! Knows what each element of Matrix's list looks like in plain lines: lists have their numbers, tables their columns,
//! quotations a mark before each line. Words of other elements are words; what holds no words for people is left out.
//! Refuses more than anybody writes. Source: `m.room.message` of the client-server API.

use ruma::html::{Html, NodeRef};

use super::flow::{Block, Flow, Manner};
use super::{color, link};
use crate::bridge::body::{Emoticon, Image, RichText, Style};

/// Most tags that are read: the parser's tree is walked and freed level by level on the stack, and no tree is deeper than
/// twice the number of its tags. Seen to hold to more than three times this on the smallest stack we have.
pub(super) const MAX_TAGS: usize = 1000;
/// Most levels that are read, as Matrix recommends.
pub(super) const MAX_DEPTH: usize = 100;
/// Bytes of the longest text that is read: an event holds less, and marks before lines add little to what is no trick.
const MAX_TEXT: usize = 128 * 1024;

/// Reads HTML of a peer; `None` for more of it than anybody writes, where the plain words must do.
pub(crate) fn to_rich(html: &str) -> Option<RichText> {
    if html.len() > MAX_TEXT || html.matches('<').count() > MAX_TAGS {
        return None;
    }
    let html = Html::parse(html);
    let mut reader = Reader::default();
    for node in html.children() {
        reader.node(&node, Manner::default());
    }
    let text = reader.flow.finish();
    let length: usize = text.runs.iter().map(|run| run.text.len()).sum();
    (!reader.is_too_deep && length <= MAX_TEXT).then_some(text)
}

/// Walks the tree.
#[derive(Default)]
struct Reader {
    flow: Flow,
    depth: usize,
    is_too_deep: bool,
}

fn attribute(node: &NodeRef, wanted: &str) -> Option<String> {
    let attributes = node.as_element()?.attrs.borrow();
    attributes.iter().find(|a| &*a.name.local == wanted).map(|a| a.value.to_string())
}

fn is_named(node: &NodeRef, name: &str) -> bool {
    node.as_element().is_some_and(|element| &*element.name.local == name)
}

/// Words of an attribute: they stand in one line.
fn one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// All words below a node.
fn words_of(node: &NodeRef) -> String {
    match node.as_text() {
        Some(text) => text.borrow().to_string(),
        None => node.children().map(|child| words_of(&child)).collect(),
    }
}

impl Reader {
    fn node(&mut self, node: &NodeRef, manner: Manner) {
        if let Some(text) = node.as_text() {
            return self.flow.text(&text.borrow(), manner);
        }
        let Some(element) = node.as_element() else { return };
        if self.depth == MAX_DEPTH {
            self.is_too_deep = true;
            return;
        }
        self.depth += 1;
        self.element(&element.name.local, node, within(node, &element.name.local, manner));
        self.depth -= 1;
    }

    fn element(&mut self, name: &str, node: &NodeRef, manner: Manner) {
        match name {
            // What holds no words for people, and the quotation that older clients put before an answer.
            "script" | "style" | "title" | "template" | "iframe" | "noembed" | "noframes" | "mx-reply" => {}
            // The name before the words of a message that is shown under it anyway (MSC4144).
            "strong" if attribute(node, "data-mx-profile-fallback").is_some() => {}
            "br" => self.flow.line_break(),
            "hr" => self.block(Block::Other, |reader| reader.flow.words("———", manner)),
            "img" => self.image(node, manner),
            "a" => self.link(node, manner),
            "sup" => self.raised(node, manner),
            "span" => self.span(node, manner),
            "ul" | "ol" => self.block(Block::Other, |reader| reader.list(name, node, manner)),
            "li" => self.item("• ".to_owned(), node, manner),
            "blockquote" => self.block(Block::Other, |reader| reader.quotation(node, manner)),
            "tr" => self.block(Block::Other, |reader| reader.row(node, manner)),
            "p" => self.block(Block::Paragraph, |reader| reader.children(node, manner)),
            name if is_block(name) => self.block(Block::Other, |reader| reader.children(node, manner)),
            _ => self.children(node, manner),
        }
    }

    fn children(&mut self, node: &NodeRef, manner: Manner) {
        node.children().for_each(|child| self.node(&child, manner));
    }

    fn block(&mut self, block: Block, inside: impl FnOnce(&mut Self)) {
        self.flow.open(block);
        inside(self);
        self.flow.close(block);
    }

    /// A picture is its name; a small one that stands for a shortcut goes with the text.
    fn image(&mut self, node: &NodeRef, manner: Manner) {
        let named = |attribute: Option<String>| attribute.filter(|name| !name.trim().is_empty());
        let words = named(attribute(node, "alt")).or_else(|| named(attribute(node, "title")));
        let source = attribute(node, "src").filter(|source| source.starts_with("mxc://"));
        match source.filter(|_| attribute(node, "data-mx-emoticon").is_some()) {
            Some(source) => {
                let shortcut = words.map_or_else(|| ":-o".to_owned(), |words| one_line(&words));
                self.flow.emoticon(Emoticon { shortcut, image: Image::Source { source } }, manner);
            }
            None => self
                .flow
                .words(&words.map_or_else(|| "[picture]".to_owned(), |words| one_line(&words)), manner),
        }
    }

    /// Names where a link leads when its words do not.
    fn link(&mut self, node: &NodeRef, manner: Manner) {
        self.children(node, manner);
        let Some(href) = attribute(node, "href") else { return };
        let words = words_of(node);
        if let Some(user) = link::user(&href).filter(|_| words.trim().is_empty()) {
            return self.flow.words(&user, manner);
        }
        match link::beside(&href, &words) {
            Some(address) if words.trim().is_empty() => self.flow.text(address, manner),
            Some(address) => self.flow.text(&format!(" ({address})"), manner),
            None => {}
        }
    }

    /// A power is none without a mark; the letters of an ordinal need none.
    fn raised(&mut self, node: &NodeRef, manner: Manner) {
        if words_of(node).trim().chars().any(|c| !c.is_alphabetic()) {
            self.flow.words("^", manner);
        }
        self.children(node, manner);
    }

    /// Words that some would not like to read yet are said to be such.
    fn span(&mut self, node: &NodeRef, manner: Manner) {
        if let Some(formula) = attribute(node, "data-mx-maths").filter(|_| words_of(node).trim().is_empty()) {
            return self.flow.words(&one_line(&formula), manner);
        }
        let Some(reason) = attribute(node, "data-mx-spoiler") else { return self.children(node, manner) };
        let of = if reason.trim().is_empty() { String::new() } else { format!(" ({})", one_line(&reason)) };
        self.flow.words(&format!("[spoiler{of}: "), manner);
        let hidden = Manner { style: Style { spoiler: true, ..manner.style }, ..manner };
        self.children(node, hidden);
        self.flow.words("]", manner);
    }

    fn list(&mut self, name: &str, node: &NodeRef, manner: Manner) {
        let number = |node: &NodeRef, of: &str| attribute(node, of)?.trim().parse::<i32>().ok();
        let mut next = number(node, "start").unwrap_or(1);
        for child in node.children() {
            match (is_named(&child, "li"), name) {
                (true, "ol") => {
                    next = number(&child, "value").unwrap_or(next);
                    self.item(format!("{next}. "), &child, within(&child, "li", manner));
                    next = next.saturating_add(1);
                }
                _ => self.node(&child, manner),
            }
        }
    }

    fn item(&mut self, mark: String, node: &NodeRef, manner: Manner) {
        let rest = " ".repeat(mark.chars().count());
        self.block(Block::Other, |reader| {
            reader.flow.enter(Some(mark), rest);
            reader.children(node, manner);
            reader.flow.leave(manner);
        });
    }

    fn quotation(&mut self, node: &NodeRef, manner: Manner) {
        self.flow.enter(None, "> ".to_owned());
        self.children(node, manner);
        self.flow.leave(manner);
    }

    /// The cells of a row stand beside one another.
    fn row(&mut self, node: &NodeRef, manner: Manner) {
        let mut cells = 0;
        for child in node.children() {
            if is_named(&child, "td") || is_named(&child, "th") {
                if cells > 0 {
                    self.flow.next_cell(manner);
                }
                cells += 1;
            }
            self.flow.enter_cell();
            self.node(&child, manner);
            self.flow.leave_cell();
        }
    }
}

/// How what is inside of an element is written.
fn within(node: &NodeRef, name: &str, mut manner: Manner) -> Manner {
    let style = &mut manner.style;
    match name {
        "b" | "strong" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "th" => style.bold = true,
        "i" | "em" => style.italic = true,
        "u" | "ins" => style.underline = true,
        "del" | "s" | "strike" => style.strike = true,
        "span" | "font" => {
            let value = attribute(node, "data-mx-color").or_else(|| attribute(node, "color"));
            style.color = value.and_then(|value| color::parse(&value)).or(style.color);
            let behind = attribute(node, "data-mx-bg-color");
            style.background = behind.and_then(|value| color::parse(&value)).or(style.background);
        }
        "pre" | "code" => (manner.verbatim, style.monospace) = (true, true),
        _ => {}
    }
    match attribute(node, "dir").map(|dir| dir.to_ascii_lowercase()).as_deref() {
        Some("rtl") => manner.right_to_left = true,
        Some("ltr") => manner.right_to_left = false,
        _ => {}
    }
    manner
}

fn is_block(name: &str) -> bool {
    let blocks = "div pre h1 h2 h3 h4 h5 h6 table caption details summary";
    blocks.split(' ').any(|block| block == name)
}
