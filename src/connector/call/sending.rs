//! What our side says in a call: sent in as many parts as it takes, answered once.

use tokio::sync::oneshot;

use super::{Call, Message, Sending};
use crate::connector::CallFailure;
use crate::connector::emoticon::Offered;
use crate::connector::pump::{Pump, now};
use crate::msn::command::Acknowledge;
use crate::msn::ids::Capabilities;
use crate::msn::message::{Content, text_payloads};
use crate::msn::session::{MessageHandle, SwitchboardSession};

impl Call {
    pub(super) fn send(
        &mut self,
        pump: &mut Pump<SwitchboardSession>,
        message: &Message,
        reply: oneshot::Sender<Result<(), CallFailure>>,
    ) {
        let able = self.of.multi_packet || pump.machine.all_have(Capabilities::MULTI_PACKET);
        let id = able.then(|| format!("{{{:032X}}}", rand::random::<u128>()));
        let payloads = match message {
            Message::Text { text, style, emoticons } => {
                self.offer_emoticons(pump, emoticons);
                text_payloads(text, Some(style), id.as_deref())
            }
            Message::Nudge => vec![Content::nudge().encode()],
        };
        let number = self.next_sending;
        self.next_sending += 1;
        self.sendings.insert(number, Sending { left: payloads.len(), failure: None, reply });
        for payload in payloads {
            let part = pump.machine.send(now(), Acknowledge::Always, payload.into());
            self.parts.insert(part, number);
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

    pub(super) fn part_done(&mut self, part: MessageHandle, failure: Option<CallFailure>) {
        let Some(number) = self.parts.remove(&part) else { return };
        let Some(sending) = self.sendings.get_mut(&number) else { return };
        sending.left -= 1;
        sending.failure = sending.failure.take().or(failure);
        if sending.left > 0 {
            return;
        }
        if let Some(sending) = self.sendings.remove(&number) {
            let result = sending.failure.map_or(Ok(()), Err);
            let _ = sending.reply.send(result); // the sender may have given up
        }
    }
}
