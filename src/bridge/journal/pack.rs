//! Lines of one person that go as one to a side which takes whole texts, when many wait there.
//!
//! Knows how many of them go together, and that a pack which has begun is the same one after a crash: its end stands beside
//! the cursor, and that of the next one with it. Refuses to know which entries are lines, and how several are shown. Source:
//! section 4 of the product's description.

use std::sync::Arc;

use super::{Cursors, Entry, entry_key, sequence_of};
use crate::bridge::BridgeError;
use crate::bridge::ids::Leg;
use crate::bridge::port::storage::{Batch, Storage, Table};
use crate::bridge::record::decode;

/// Lines that go as one at most; they do so only where more than these wait.
pub(in crate::bridge) const MAX_LINES: usize = 20;
/// Bytes of what goes as one: a frontend shows them in one message, with the marks of their styles.
const MAX_BYTES: usize = 8 * 1024;
/// Rows looked through for what waits: others may be for other legs.
const ROWS: usize = 256;

/// Whether a pack may begin now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bridge) enum Begin {
    /// The first goes alone.
    Never,
    /// If more wait than go as one.
    Paste,
    /// However few wait: they did so when more did.
    Rest,
}

/// An entry and its number.
type Numbered = (u64, Arc<Entry>);

/// How many of these go as one: lines that the author of the first said in a row, as far as there is room.
fn together(waiting: &[Numbered], is_line: impl Fn(&Entry) -> bool) -> usize {
    let Some((_, first)) = waiting.first() else { return 0 };
    let (mut lines, mut bytes) = (0, 0);
    let fits = |(_, entry): &&Numbered| {
        let Some(text) = entry.content.bare_text() else { return false };
        (lines, bytes) = (lines + text.lines(), bytes + text.weight());
        is_line(entry) && entry.author == first.author && lines <= MAX_LINES && bytes <= MAX_BYTES
    };
    waiting.iter().take_while(fits).count()
}

impl Cursors {
    /// Those behind a leg's cursor that go there as one; none, or one, where the first goes alone. A pack that has begun is the
    /// same again, whatever may begin now.
    pub(in crate::bridge) fn pack(
        &self,
        storage: &dyn Storage,
        leg: Leg,
        begin: Begin,
        is_line: impl Fn(&Entry) -> bool,
    ) -> Result<Vec<Numbered>, BridgeError> {
        let waits = usize::try_from(self.head - self.done(leg)).unwrap_or(usize::MAX);
        let begun = self.cursor(leg).and_then(|cursor| cursor.pack);
        let may_begin = match begin {
            Begin::Never => false,
            Begin::Paste => waits > MAX_LINES,
            Begin::Rest => true,
        };
        if begun.is_none() && !may_begin {
            return Ok(Vec::new());
        }
        let mut waiting = self.first(storage, leg, self.done(leg))?;
        match begun {
            Some(last) => waiting.retain(|(sequence, _)| *sequence <= last),
            None if begin == Begin::Paste && waiting.len() <= MAX_LINES => waiting.clear(),
            None => waiting.truncate(together(&waiting, is_line)),
        }
        Ok(waiting)
    }

    /// The end of the pack behind the one that ends with `last`, where it is sure already: something more waits behind it.
    pub(in crate::bridge) fn pack_behind(
        &self,
        storage: &dyn Storage,
        leg: Leg,
        last: u64,
        is_line: impl Fn(&Entry) -> bool,
    ) -> Result<Option<u64>, BridgeError> {
        if let Some(known) = self.cursor(leg).and_then(|cursor| cursor.next_pack) {
            return Ok(Some(known));
        }
        let waiting = self.first(storage, leg, last)?;
        let count = together(&waiting, is_line);
        Ok((2..waiting.len()).contains(&count).then(|| waiting[count - 1].0))
    }

    /// Whether the pack that a leg is at ends here.
    pub(in crate::bridge) fn is_at_pack(&self, leg: Leg, last: u64) -> bool {
        self.cursor(leg).is_some_and(|cursor| cursor.pack == Some(last))
    }

    /// The first entries for a leg behind one of them, one more than go as one at most.
    fn first(&self, storage: &dyn Storage, leg: Leg, behind: u64) -> Result<Vec<Numbered>, BridgeError> {
        let mut found = Vec::new();
        let from = entry_key(&self.portal, behind);
        for (key, value) in storage.scan(Table::Journal, &self.portal.to_key(), Some(&from), ROWS)? {
            let entry: Entry = decode("journal entry", &value)?;
            if found.len() <= MAX_LINES && entry.legs.contains(&leg) {
                found.push((sequence_of(&key), Arc::new(entry)));
            }
            if found.len() > MAX_LINES {
                break;
            }
        }
        Ok(found)
    }

    /// Everything up to `last` goes as one from now on, until it is done or dissolved; and after it everything up to `next`.
    pub(in crate::bridge) fn begin_pack(
        &mut self,
        leg: Leg,
        last: u64,
        next: Option<u64>,
        batch: &mut Batch,
    ) {
        if let Some(cursor) = self.cursor_mut(leg) {
            (cursor.pack, cursor.next_pack) = (Some(last), next);
        }
        self.store(leg, batch);
    }

    /// What was to go as one goes one after the other; what was to follow it is looked at anew.
    pub(in crate::bridge) fn dissolve_pack(&mut self, leg: Leg, batch: &mut Batch) {
        self.cursor_mut(leg).into_iter().for_each(|cursor| (cursor.pack, cursor.next_pack) = (None, None));
        self.store(leg, batch);
    }
}

#[cfg(test)]
mod tests {
    use super::super::LegCursor;
    use super::*;
    use crate::bridge::body::{Body, RichText, Run, Style};
    use crate::bridge::event::Author;
    use crate::bridge::ids::EntryId;
    use crate::bridge::port::delivery::Content;

    fn by(name: &str, text: RichText) -> Numbered {
        let (author, content) =
            (Author::Relayed { name: name.into() }, Content::Said { body: Body::Text(text) });
        let id = EntryId::new("e");
        let entry = Entry { id, author, content, at: 0, origin: None, legs: Vec::new(), away: Vec::new() };
        (1, Arc::new(entry))
    }

    fn lines(name: &str, count: usize) -> Vec<Numbered> {
        (0..count).map(|n| by(name, RichText::plain(format!("line {n}")))).collect()
    }

    fn count(waiting: &[Numbered]) -> usize {
        together(waiting, |_| true)
    }

    #[test]
    fn lines_of_one_person_in_a_row_go_together_as_far_as_there_is_room() {
        assert_eq!(count(&lines("eve", 21)), 20);
        assert_eq!(count(&[lines("eve", 3), lines("dan", 18)].concat()), 3);
        assert_eq!(count(&[lines("eve", 3), vec![by("eve", RichText::plain("a\nb\nc"))]].concat()), 4);
        assert_eq!(count(&[lines("eve", 18), vec![by("eve", RichText::plain("a\nb\nc"))]].concat()), 18);
        let long = by("eve", RichText::plain("x".repeat(3_000)));
        assert_eq!(count(&[long.clone(), long.clone(), long]), 2);
        let style = Style { bold: true, ..Style::default() };
        let runs = (0..100).map(|n| Run { text: n.to_string(), style }).collect();
        let gaudy = by("eve", RichText { runs, ..RichText::default() });
        assert_eq!(count(&[lines("eve", 1), vec![gaudy]].concat()), 1, "marks take room too");
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written_with_one_pack_with_two_and_without() {
        for (missed, pack, next_pack) in [
            (0, None, None),
            (7, None, None),
            (0, Some(30), None),
            (7, Some(30), None),
            (0, Some(30), Some(50)),
            (7, Some(30), Some(50)),
        ] {
            let cursor = LegCursor { missed, pack, next_pack, ..LegCursor::at(Leg::Remote, 10) };
            assert_eq!(LegCursor::decode(Leg::Remote, &cursor.encode()), cursor);
        }
    }

    #[test]
    fn what_is_more_than_words_goes_alone() {
        let offline = by("eve", RichText { left_offline: true, ..RichText::plain("x") });
        assert_eq!(count(&[lines("eve", 2), vec![offline], lines("eve", 2)].concat()), 2);
        let (_, mut waves) = by("eve", RichText::default());
        Arc::make_mut(&mut waves).content = Content::Said { body: Body::Emote(RichText::plain("waves")) };
        assert_eq!(count(&[vec![(1, waves)], lines("eve", 20)].concat()), 0);
        assert_eq!(together(&lines("eve", 21), |_| false), 0);
    }
}
