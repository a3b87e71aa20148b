//! Lines of several entries in one event.
//!
//! Knows that such an event names all of them, so that after a crash those that are in the room are not said again. Refuses
//! to know which lines go together: the journal does.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::content::part_id;
use crate::bridge::body::{Body, RichText};
use crate::bridge::ids::EntryId;
use crate::bridge::port::delivery::{Delivery, PackedLine};
use crate::matrix::keys::IDS_KEY;

/// What of a delivery is not in the room yet.
pub(super) struct Missing<'a> {
    pub(super) body: Cow<'a, Body>,
    /// Of the first entry in it.
    pub(super) id: &'a EntryId,
    /// Of all entries in it, where they are several.
    ids: Vec<&'a EntryId>,
}

impl<'a> Missing<'a> {
    /// Of lines that go together those that are not among the parts that were `sent`; `None` where all are. Of one entry it is
    /// all of it: its parts are told apart later.
    pub(super) fn of(delivery: &'a Delivery, body: &'a Body, sent: &[String]) -> Option<Self> {
        if delivery.pack.is_empty() {
            return Some(Self { body: Cow::Borrowed(body), id: &delivery.id, ids: Vec::new() });
        }
        let is_missing = |line: &&PackedLine| !sent.contains(&part_id(&line.id, 0));
        let lines: Vec<&PackedLine> = delivery.pack.iter().filter(is_missing).collect();
        let id = &lines.first()?.id;
        let text = RichText::joined(lines.iter().map(|line| &line.text));
        let ids = lines.iter().map(|line| &line.id).filter(|_| lines.len() > 1).collect();
        Some(Self { body: Cow::Owned(Body::Text(text)), id, ids })
    }

    /// Has a content name the entries in it.
    pub(super) fn mark(&self, content: &mut Value) {
        if !self.ids.is_empty() {
            let ids: Vec<&str> = self.ids.iter().map(|id| id.as_str()).collect();
            content[IDS_KEY] = json!(ids);
        }
    }

    /// What makes a repeat of this part recognisable: another one than that of its first line alone.
    pub(super) fn transaction(&self, part: &str) -> String {
        match self.ids.len() {
            0 => part.to_owned(),
            count => format!("{part}+{count}"),
        }
    }
}
