//! Answers that name the line they are for.
//!
//! Knows the labels of lines on their way. Refuses to guess: what has no label is told by its target. Source: IRCv3
//! labeled-response.

use super::{Outbox, SayFailure, State, Written};

impl Outbox {
    /// The server answers the line of this label: with an echo, or with a word that it has nothing to say.
    pub(in crate::irc::session) fn labeled(&mut self, label: &str) {
        if let Some(line) = self.line_of(label) {
            line.state = State::Arrived;
        }
        self.settle();
    }

    /// The server has taken the line of this label and says nothing more of it. Where it shows us what others see, it has
    /// shown nobody this one.
    pub(in crate::irc::session) fn acknowledged(&mut self, label: &str) {
        if !self.abilities.echoes {
            self.labeled(label);
        }
    }

    fn line_of(&mut self, label: &str) -> Option<&mut Written> {
        let mut lines = self.batches.iter_mut().flat_map(|batch| &mut batch.lines);
        lines.find(|line| line.label == label && line.state == State::Unknown)
    }

    /// The server refuses the line of this label. False where there is none.
    pub(in crate::irc::session) fn refused_label(&mut self, label: &str, reason: &str) -> bool {
        let Some(line) = self.line_of(label) else { return false };
        line.state = State::Refused;
        let speech = line.speech;
        self.end(speech, Err(SayFailure::Refused(format!("IRC refuses: {reason}"))));
        true
    }
}
