//! What an event says, before it is known who hears it.
//!
//! Knows the forms in which something can be said to the network, and how a content is asked for what stands in it under
//! one of several names. Refuses to know any kind of event: a file for each family reads it.

use serde_json::{Map, Value};

use crate::bridge::body::RichText;

/// The content of an event, or of a part of one.
pub(super) type Content = Map<String, Value>;

/// Characters of somebody's words in a line about something that has no words.
const MAX_WORDS: usize = 160;

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reading {
    Text(RichText),
    /// An act of the sender: "waves".
    Act(RichText),
    /// What has no words of its own, told of its sender in one line: "shared a location: …".
    Line(String),
    /// Files that came together, and are carried one by one.
    Files(Vec<FileReading>),
    /// Something that cannot be said, with a reason for its sender.
    Refused(String),
    /// Nothing that was said to anybody.
    Nothing,
}

/// A file of an event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FileReading {
    pub(super) source: String,
    pub(super) name: String,
    /// Bytes, as the sender says; 0 where they do not.
    pub(super) size: u64,
    pub(super) caption: Option<RichText>,
}

impl Reading {
    pub(super) fn refused(reason: impl Into<String>) -> Self {
        Self::Refused(reason.into())
    }
}

/// A text of a content under the first of these names that has one, if there is more in it than white space.
pub(super) fn text<'a>(content: &'a Content, names: &[&str]) -> Option<&'a str> {
    let texts = names.iter().filter_map(|name| content.get(*name)?.as_str());
    texts.into_iter().find(|text| !text.trim().is_empty())
}

/// A part of a content under the first of these names that has one.
pub(super) fn part<'a>(content: &'a Content, names: &[&str]) -> Option<&'a Content> {
    names.iter().find_map(|name| content.get(*name)?.as_object())
}

/// A list of a content under the first of these names that has one.
pub(super) fn list<'a>(content: &'a Content, names: &[&str]) -> &'a [Value] {
    names.iter().find_map(|name| content.get(*name)?.as_array()).map_or(&[], Vec::as_slice)
}

/// Somebody's words as a part of a line: white space is one space, and what is too long ends in dots.
pub(super) fn compact(words: &str) -> String {
    cut(&words.split_whitespace().collect::<Vec<_>>().join(" "), MAX_WORDS)
}

/// At most so many characters of some words, with dots in place of the rest.
pub(super) fn cut(words: &str, most: usize) -> String {
    match words.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", words[..end].trim_end()),
        None => words.to_owned(),
    }
}
