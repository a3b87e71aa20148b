//! Messages as they come in: put together where they came in parts, and understood (§7).
//!
//! Knows one assembler for each member. Refuses to know what is done with a message. One that cannot be understood is
//! logged and skipped: the call goes on.

use std::time::Instant;

use bytes::Bytes;

use crate::msn::ids::Email;
use crate::msn::message::{Assembler, Content, Envelope};

/// The parts of messages that have not come whole, by sender.
#[derive(Default)]
pub(super) struct Reception(Vec<(Email, Assembler)>);

impl Reception {
    /// The message that this payload is, or is the last part of. `members`: how many people are here.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        members: usize,
        sender: &Email,
        payload: &Bytes,
    ) -> Option<Content> {
        let skipped = |error: &dyn std::fmt::Display| {
            tracing::warn!(%error, email = %sender, bytes = payload.len(), "skipped a message");
        };
        let envelope = Envelope::parse(payload).inspect_err(|error| skipped(error)).ok()?;
        let envelope = self.assembler(members, sender).accept(now, envelope)?;
        Content::parse(&envelope).inspect_err(|error| skipped(error)).ok()
    }

    /// Somebody has left: the rest of what they began does not come.
    pub(super) fn forget(&mut self, email: &Email) {
        self.0.retain(|(known, _)| known != email);
    }

    fn assembler(&mut self, members: usize, email: &Email) -> &mut Assembler {
        let at = self.0.iter().position(|(known, _)| known == email).unwrap_or_else(|| {
            // Only members can send; a server that invents senders makes us forget the oldest.
            if self.0.len() > members {
                self.0.remove(0);
            }
            self.0.push((email.clone(), Assembler::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}
