//! What our side says in a call: sent in as many parts as it takes, answered once.
//!
//! Knows which part is of which message. Refuses to know boards: the machine sends.

use std::collections::HashMap;

use tokio::sync::oneshot;

use crate::connector::clock::now;
use crate::connector::context::call::CallContext;
use crate::connector::error::CallFailure;
use crate::connector::handle::{Confirmation, Message, Undelivered};
use crate::msn::command::Acknowledge;
use crate::msn::ids::{Capabilities, Email};
use crate::msn::message::{Content, separate_parts, text_payloads};
use crate::msn::session::{MessageHandle, SwitchboardSession};

/// Who waits for what becomes of a message.
type Answer = oneshot::Sender<Result<Confirmation, Undelivered>>;

/// A message under way: one answer for all its parts.
struct Sending {
    left: usize,
    failure: Option<CallFailure>,
    /// Where in the text each part begins, for those who get parts that stand alone.
    starts: Vec<usize>,
    /// The first part that did not arrive.
    first_failed: usize,
    /// Those who left before a part of it reached them.
    missed_by: Vec<Email>,
    reply: Answer,
    /// Until it was told that the acknowledgement is late.
    overdue: Option<oneshot::Sender<()>>,
}

/// The messages of one call that are under way.
#[derive(Default)]
pub(super) struct Sendings {
    under_way: HashMap<u64, Sending>,
    /// Which message a part is of, and which part of it.
    parts: HashMap<MessageHandle, (u64, usize)>,
    next: u64,
}

impl Sendings {
    /// Whether no message waits for its acknowledgement.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Says something to those who are here: in parts that belong together where everybody's program can put them together.
    pub(super) fn send(
        &mut self,
        ctx: &CallContext,
        board: &mut SwitchboardSession,
        message: &Message,
        reply: Answer,
        overdue: oneshot::Sender<()>,
    ) {
        let able = ctx.people.all_have(&ctx.members, Capabilities::MULTI_PACKET);
        let id = able.then(|| format!("{{{:032X}}}", rand::random::<u128>()));
        let (payloads, starts) = match message {
            Message::Text { text, style, .. } => {
                let starts = if able { Vec::new() } else { separate_parts(text, Some(style)) };
                (text_payloads(text, Some(style), id.as_deref()), starts)
            }
            Message::Nudge => (vec![Content::nudge().encode()], Vec::new()),
        };
        let number = self.next;
        self.next += 1;
        let sending = Sending {
            left: payloads.len(),
            failure: None,
            starts,
            first_failed: payloads.len(),
            missed_by: Vec::new(),
            reply,
            overdue: Some(overdue),
        };
        self.under_way.insert(number, sending);
        for (index, payload) in payloads.into_iter().enumerate() {
            let part = board.send(now(), Acknowledge::Always, payload.into());
            self.parts.insert(part, (number, index));
        }
    }

    /// What became of a part. The last part of a message answers for all; one that arrived also tells who is absent.
    pub(super) fn part_done(
        &mut self,
        ctx: &CallContext,
        absent: &mut Vec<Email>,
        part: MessageHandle,
        result: Result<Vec<Email>, CallFailure>,
    ) {
        let Some((number, index)) = self.parts.remove(&part) else { return };
        let Some(sending) = self.under_way.get_mut(&number) else { return };
        sending.left -= 1;
        match result {
            Ok(missed_by) => sending.missed_by.extend(missed_by),
            Err(failure) => {
                sending.first_failed = sending.first_failed.min(index);
                sending.failure = sending.failure.take().or(Some(failure));
            }
        }
        if sending.left > 0 {
            return;
        }
        if let Some(sending) = self.under_way.remove(&number) {
            sending.finish(ctx, absent);
        }
    }

    /// An acknowledgement should have come: the sender of the whole message may try another call. Told once a message.
    pub(super) fn part_overdue(&mut self, part: MessageHandle) {
        let sending = self.parts.get(&part).and_then(|(number, _)| self.under_way.get_mut(number));
        if let Some(overdue) = sending.and_then(|sending| sending.overdue.take()) {
            let _ = overdue.send(()); // the sender may have given up
        }
    }

    /// The call is over.
    pub(super) fn lose(&mut self) {
        let lost = || Err(CallFailure::Lost.into());
        self.under_way.drain().for_each(|(_, sending)| drop(sending.reply.send(lost())));
    }
}

impl Sending {
    /// All parts are acknowledged or lost: tells the sender which, with everybody who missed one of them.
    fn finish(mut self, ctx: &CallContext, absent: &mut Vec<Email>) {
        self.missed_by.sort();
        self.missed_by.dedup();
        let result = match self.failure {
            None => {
                let missed_by = self.missed_by.iter().map(|email| ctx.called(email)).collect();
                let absent = std::mem::take(absent).iter().map(|email| ctx.called(email)).collect();
                Ok(Confirmation { missed_by, absent })
            }
            // What did not arrive is told of with its own reason.
            Some(failure) => {
                let from = self.starts.get(self.first_failed).copied().unwrap_or(0);
                Err(Undelivered { failure, from })
            }
        };
        let _ = self.reply.send(result); // the sender may have given up
    }
}

#[cfg(test)]
mod tests;
