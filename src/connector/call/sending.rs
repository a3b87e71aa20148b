//! What our side says in a call: sent in as many parts as it takes, answered once.

use tokio::sync::oneshot;

use crate::connector::call::{Call, Sending};
use crate::connector::clock::now;
use crate::connector::error::CallFailure;
use crate::connector::handle::{Confirmation, Message, Offered, Undelivered};
use crate::connector::net::pump::Pump;

use crate::msn::command::Acknowledge;
use crate::msn::ids::{Capabilities, Email};
use crate::msn::message::{Content, separate_parts, text_payloads};
use crate::msn::session::{MessageHandle, SwitchboardSession};

impl Call {
    pub(super) fn send(
        &mut self,
        pump: &mut Pump<SwitchboardSession>,
        message: &Message,
        reply: oneshot::Sender<Result<Confirmation, Undelivered>>,
        overdue: oneshot::Sender<()>,
    ) {
        self.grouping.spoken = true;
        let able = self.of.people.all_have(&self.members, Capabilities::MULTI_PACKET);
        let id = able.then(|| format!("{{{:032X}}}", rand::random::<u128>()));
        let (payloads, starts) = match message {
            Message::Text { text, style, emoticons } => {
                self.offer_emoticons(pump, emoticons);
                let starts = if able { Vec::new() } else { separate_parts(text, Some(style)) };
                (text_payloads(text, Some(style), id.as_deref()), starts)
            }
            Message::Nudge => (vec![Content::nudge().encode()], Vec::new()),
        };
        let number = self.next_sending;
        self.next_sending += 1;
        let sending = Sending {
            left: payloads.len(),
            failure: None,
            starts,
            first_failed: payloads.len(),
            missed_by: Vec::new(),
            reply,
            overdue: Some(overdue),
        };
        self.sendings.insert(number, sending);
        for (index, payload) in payloads.into_iter().enumerate() {
            let part = pump.machine.send(now(), Acknowledge::Always, payload.into());
            self.parts.insert(part, (number, index));
        }
        self.last_typing = None;
    }

    fn offer_emoticons(&mut self, pump: &mut Pump<SwitchboardSession>, emoticons: &[Offered]) {
        if emoticons.is_empty() {
            return;
        }
        self.emoticons.offer(emoticons);
        let pairs = emoticons.iter().map(|e| (e.shortcut.as_str(), e.face.object.as_xml()));
        let payload = Content::emoticons(pairs).encode().into();
        pump.machine.send(now(), Acknowledge::OnFailure, payload);
    }

    pub(super) fn part_done(&mut self, part: MessageHandle, result: Result<Vec<Email>, CallFailure>) {
        let Some((number, index)) = self.parts.remove(&part) else { return };
        let Some(sending) = self.sendings.get_mut(&number) else { return };
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
        if let Some(Sending { failure, starts, first_failed, mut missed_by, reply, .. }) =
            self.sendings.remove(&number)
        {
            missed_by.sort();
            missed_by.dedup();
            let missed_by = missed_by.iter().map(|email| self.called(email)).collect();
            // What did not arrive is told of with its own reason.
            let told = if failure.is_none() { std::mem::take(&mut self.absent) } else { Vec::new() };
            let absent = told.iter().map(|email| self.called(email)).collect();
            let from = starts.get(first_failed).copied().unwrap_or(0);
            let undelivered = failure.map(|failure| Undelivered { failure, from });
            let result = undelivered.map_or(Ok(Confirmation { missed_by, absent }), Err);
            let _ = reply.send(result); // the sender may have given up
        }
    }

    pub(super) fn part_overdue(&mut self, part: MessageHandle) {
        let sending = self.parts.get(&part).and_then(|(number, _)| self.sendings.get_mut(number));
        if let Some(overdue) = sending.and_then(|sending| sending.overdue.take()) {
            let _ = overdue.send(()); // the sender may have given up
        }
    }
}
