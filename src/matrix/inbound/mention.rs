//! People who are mentioned: where their address stands in the words, their name says more.
//!
//! Knows whom a content says it mentions. Refuses to find out what they are called. Source: user and room mentions of the
//! client-server API.

use super::reading::{Content, list, part};
use crate::bridge::body::RichText;

/// People of one message whose names are asked for.
const MAX_PEOPLE: usize = 10;

/// The addresses of people that stand in the words of a message which mentions them.
pub(super) fn in_words(content: &Content, text: &RichText) -> Vec<String> {
    let mentioned =
        part(content, &["m.mentions"]).map(|mentions| list(mentions, &["user_ids"])).unwrap_or_default();
    let ids =
        mentioned.iter().filter_map(|id| id.as_str()).filter(|id| id.starts_with('@') && id.contains(':'));
    let words = text.text();
    ids.take(MAX_PEOPLE).filter(|id| words.contains(id)).map(str::to_owned).collect()
}

/// The words with a name in the place of an address.
pub(super) fn named(mut text: RichText, address: &str, name: &str) -> RichText {
    text.runs.iter_mut().for_each(|run| run.text = run.text.replace(address, name));
    text
}
