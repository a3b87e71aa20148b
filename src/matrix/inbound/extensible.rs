//! Texts as blocks of an event, for those that have no `body`.
//!
//! Knows both forms of a text block: one string, or a list of the same words in several markups. Refuses to know what the
//! words are about. Source: MSC1767.

use serde_json::Value;

use super::reading::{Content, list, text};
use crate::bridge::body::RichText;
use crate::matrix::html;

/// The block as it will be, and as it is while it is being agreed on.
const BLOCKS: [&str; 3] = ["m.text", "org.matrix.msc1767.text", "org.matrix.msc1767.message"];
const HTML: &str = "org.matrix.msc1767.html";

/// The plain words of a content's text block, or of its `body`.
pub(super) fn plain(content: &Content) -> Option<&str> {
    let of_list = list(content, &BLOCKS).iter().find(|one| is_of(one, "text/plain")).and_then(body);
    text(content, &["body"])
        .or_else(|| text(content, &BLOCKS))
        .or(of_list)
        .filter(|words| !words.trim().is_empty())
}

/// The words of a content's text block, with their look where it tells one.
pub(super) fn rich(content: &Content) -> Option<RichText> {
    let of_list = list(content, &BLOCKS).iter().find(|one| is_of(one, "text/html")).and_then(body);
    let markup = of_list.or_else(|| text(content, &[HTML]));
    let read = markup.and_then(html::to_rich).filter(|rich| !rich.text().trim().is_empty());
    read.or_else(|| plain(content).map(RichText::plain))
}

/// Whether a block is of this markup; one that names none is plain.
fn is_of(block: &Value, wanted: &str) -> bool {
    block.get("mimetype").and_then(Value::as_str).unwrap_or("text/plain") == wanted
}

fn body(block: &Value) -> Option<&str> {
    block.get("body").and_then(Value::as_str)
}
