//! Several lines as one message, where the server takes that.
//!
//! Knows which lines go together. Refuses to know when they go: the outbox does. Source: IRCv3 draft/multiline.

use irc::proto::Command;

use super::{Line, Outbox};
use crate::irc::registration::MULTILINE;

/// Marks the rest of the line before.
const CONCAT: &str = "draft/multiline-concat";

/// A line for the server, and the tags in front of it.
#[derive(Debug)]
pub(in crate::irc::session) struct Outgoing {
    /// Without the `@`; mostly none.
    pub(in crate::irc::session) tags: String,
    pub(in crate::irc::session) command: Command,
}

impl From<Command> for Outgoing {
    fn from(command: Command) -> Self {
        Self { tags: String::new(), command }
    }
}

/// What the server can do besides taking lines.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::irc::session) struct Abilities {
    /// It shows us our lines as others see them.
    pub(in crate::irc::session) echoes: bool,
    /// Its answers bear the label of the line that they are for.
    pub(in crate::irc::session) labels: bool,
    /// Lines and bytes of one message of several lines.
    pub(in crate::irc::session) multiline: Option<(usize, usize)>,
    /// It passes on what clients say of a line.
    pub(in crate::irc::session) tags: bool,
}

impl Outbox {
    /// The lines that go at once: one, or those of one message of several lines.
    pub(super) fn together(&mut self, room: usize) -> Vec<(u64, Line)> {
        let Some(turn) = self.turns.front_mut() else { return Vec::new() };
        let Some((speech, first)) = turn.lines.pop_front() else { return Vec::new() };
        let Some((most, bytes)) = self.abilities.multiline.filter(|_| is_joined(&first)) else {
            return vec![(speech, first)];
        };
        let mut left = bytes.saturating_sub(first.text().len());
        let mut together = vec![(speech, first)];
        while together.len() < most.min(room)
            && let Some((of, line)) = turn.lines.front()
            && *of == speech
            && is_joined(line)
            && line.text().len() < left
        {
            left -= line.text().len() + 1;
            together.extend(turn.lines.pop_front());
        }
        together
    }

    /// A message of several lines (IRCv3 draft/multiline).
    pub(super) fn message(&mut self, lines: Vec<(u64, Line)>) -> Vec<Outgoing> {
        self.number += 1;
        let name = format!("m{}", self.number);
        let target = lines.first().map(|(_, line)| line.target().to_owned()).unwrap_or_default();
        let batch = |sign: &str, rest: &[&str]| {
            let arguments =
                std::iter::once(format!("{sign}{name}")).chain(rest.iter().map(ToString::to_string));
            Outgoing::from(Command::Raw("BATCH".into(), arguments.collect()))
        };
        let mut all = vec![batch("+", &[MULTILINE, &target])];
        let (whole, rest) = (format!("batch={name}"), format!("batch={name};{CONCAT}"));
        for (at, (speech, line)) in lines.into_iter().enumerate() {
            // Whoever reads sees one line where there was one.
            let uncut = line.clone().uncut().filter(|_| at > 0);
            let tag = if uncut.is_some() { &rest } else { &whole };
            all.extend(self.write(speech, uncut.unwrap_or(line), Some(tag)));
        }
        all.push(batch("-", &[]));
        all
    }
}

/// Whether a line can be one of several of a message: words, and no action.
fn is_joined(line: &Line) -> bool {
    matches!(line, Line::Message { text, .. } if !text.starts_with('\x01'))
}
