//! The words of a message.
//!
//! Knows formatted text, and words put before others. Refuses to know what a message relates to.

use serde_json::{Map, Value};

use crate::bridge::body::{RichText, Run, Style};
use crate::matrix::html;
use crate::matrix::keys::{FORMAT_KEY, format_from_json};

/// The words of a content, formatted where it has a form that is known.
pub(crate) fn rich_text(content: &Map<String, Value>) -> RichText {
    let text = |key: &str| content.get(key).and_then(Value::as_str);
    let formatted = text("formatted_body").filter(|_| text("format") == Some("org.matrix.custom.html"));
    let read = formatted.and_then(html::to_rich).filter(|rich| !rich.text().trim().is_empty());
    let mut rich = read.unwrap_or_else(|| RichText::plain(text("body").unwrap_or_default()));
    rich.format = content.get(FORMAT_KEY).and_then(format_from_json).or(rich.format);
    rich
}

/// Words with others, plain, before them.
pub(crate) fn prefixed(prefix: &str, mut text: RichText) -> RichText {
    text.runs.insert(0, Run { text: prefix.to_owned(), style: Style::default() });
    text
}
