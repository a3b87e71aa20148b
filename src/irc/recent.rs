//! The last lines of channels by the names that their server gave them, so that an answer finds what it answers.
//!
//! Knows lines that the bot has heard, ours among them. Refuses to keep them over a restart. Source: IRCv3 message-ids, and
//! the client tag reply.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::mirc;

/// Lines that are remembered, of all channels of a network.
const MAX_LINES: usize = 500;
/// Characters of a line that stand in a quotation.
const QUOTE: usize = 60;

#[derive(Debug)]
struct Line {
    /// In small letters.
    channel: String,
    text: String,
    id: String,
}

/// The lines of one network.
#[derive(Debug, Default)]
pub(super) struct RecentLines(Mutex<VecDeque<Line>>);

/// The words of a line, without codes, an action's mark, and the name that the bot puts before them.
fn plain(text: &str) -> String {
    let inner = text.trim_matches('\x01');
    let words = mirc::parse(inner.strip_prefix("ACTION ").unwrap_or(inner)).text();
    let line = words.lines().find(|line| !line.starts_with('>') && !line.trim().is_empty());
    let line = line.unwrap_or_default().trim();
    let behind_name = line.strip_prefix('<').and_then(|rest| rest.split_once("> "));
    behind_name.map_or(line, |(_, words)| words).to_owned()
}

/// Whether a name can stand in a tag as it is.
fn is_plain_name(id: &str) -> bool {
    !id.is_empty() && id.len() <= 128 && !id.contains([';', ' ', '\\', '\r', '\n', '\0'])
}

impl RecentLines {
    fn all(&self) -> MutexGuard<'_, VecDeque<Line>> {
        // Nothing that holds the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line was seen in a channel.
    pub(super) fn note(&self, channel: &str, text: &str, id: &str) {
        let text = plain(text);
        if text.is_empty() || !is_plain_name(id) {
            return;
        }
        let mut all = self.all();
        if all.len() >= MAX_LINES {
            all.pop_front();
        }
        all.push_back(Line { channel: channel.to_ascii_lowercase(), text, id: id.to_owned() });
    }

    /// The beginning of the line of this name, for a quotation.
    pub(super) fn quotation(&self, channel: &str, id: &str) -> Option<String> {
        let all = self.all();
        let line =
            all.iter().rev().find(|line| line.id == id && line.channel.eq_ignore_ascii_case(channel))?;
        let mut quote: String = line.text.chars().take(QUOTE).collect();
        if quote.len() < line.text.len() {
            quote.push('…');
        }
        Some(quote)
    }

    /// The name of the newest line that words with a quotation answer.
    pub(super) fn answered(&self, channel: &str, words: &str) -> Option<String> {
        let quote = words.lines().next()?.strip_prefix("> ")?.trim_end_matches('…').trim();
        let all = self.all();
        let is_it = |line: &&Line| line.channel.eq_ignore_ascii_case(channel) && line.text.starts_with(quote);
        all.iter().rev().find(is_it).filter(|_| !quote.is_empty()).map(|line| line.id.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_the_newest_line_that_it_quotes_and_a_quotation_its_line() {
        let recent = RecentLines::default();
        recent.note("#C", "\x02who\x02 comes tomorrow", "a1");
        recent.note(
            "#c",
            "<Bob> I do, if it does not rain all day and all night as it did the day before",
            "a2",
        );
        recent.note("#d", "who comes tomorrow", "a3");
        recent.note("#c", "odd", "a;4");
        assert_eq!(recent.answered("#c", "> who comes tomorrow\nI do").as_deref(), Some("a1"));
        assert_eq!(recent.answered("#c", "> I do, if it…\nit will").as_deref(), Some("a2"));
        for words in ["who comes tomorrow", "> nobody said this", "> ", "> odd", ""] {
            assert_eq!(recent.answered("#c", words), None, "{words:?}");
        }
        assert_eq!(recent.quotation("#c", "a1").as_deref(), Some("who comes tomorrow"));
        let long = recent.quotation("#C", "a2").unwrap();
        assert!(long.starts_with("I do, if") && long.ends_with('…') && long.chars().count() == QUOTE + 1);
        assert_eq!(recent.quotation("#c", "a3"), None, "said elsewhere");
        (0..2_000).for_each(|n| recent.note("#c", "x", &n.to_string()));
        assert_eq!(recent.all().len(), MAX_LINES);
        assert_eq!(recent.quotation("#c", "a1"), None);
    }
}
