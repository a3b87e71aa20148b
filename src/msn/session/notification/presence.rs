//! What the own account shows of itself: status, capabilities, picture, personal message (§4).
//!
//! Knows what is shown and whether it was announced on this connection. Refuses to know the contacts. Before the lists are
//! loaded nothing is sent: the first announcement carries what was set until then.

use std::time::Instant;

use super::channel::{Channel, Request};
use crate::msn::command::{ClientCommand, Status};
use crate::msn::ids::Capabilities;
use crate::msn::message::PersonalMessage;
use crate::msn::wire::UrlText;

/// The presence of the own account on one session.
#[derive(Debug)]
pub(super) struct OwnPresence {
    pub(super) status: Status,
    pub(super) capabilities: Capabilities,
    /// The picture that is announced, in the wire form of its object.
    pub(super) object: Option<UrlText>,
    pub(super) personal: PersonalMessage,
    pub(super) is_announced: bool,
}

impl OwnPresence {
    /// The first announcement: personal messages are asked for, then status and personal message go out (§2.7).
    pub(super) fn announce(&mut self, now: Instant, channel: &mut Channel) {
        if std::mem::replace(&mut self.is_announced, true) {
            return;
        }
        if channel.dialect().has_personal_message() && !channel.dialect().pushes_policies() {
            let file = |trid| ClientCommand::Gcf { trid, file: "Shields.xml".into() };
            channel.request(now, Request::Quiet("GCF"), file);
        }
        self.send_status(now, Request::Quiet("CHG"), channel);
        self.send_personal(now, channel);
    }

    pub(super) fn set_status(&mut self, now: Instant, status: Status, channel: &mut Channel) {
        self.status = status;
        if self.is_announced {
            self.send_status(now, Request::Asked("change the status".into()), channel);
        }
    }

    pub(super) fn set_object(&mut self, now: Instant, object: Option<UrlText>, channel: &mut Channel) {
        self.object = object;
        if self.is_announced && channel.dialect().has_msn_objects() {
            self.send_status(now, Request::Quiet("CHG"), channel);
        }
    }

    pub(super) fn set_personal(&mut self, now: Instant, personal: PersonalMessage, channel: &mut Channel) {
        self.personal = personal;
        if self.is_announced {
            self.send_personal(now, channel);
        }
    }

    fn send_status(&self, now: Instant, kind: Request, channel: &mut Channel) {
        let object = self.object.clone().filter(|_| channel.dialect().has_msn_objects());
        let (status, capabilities) = (self.status, Some(self.capabilities));
        channel.request(now, kind, |trid| ClientCommand::Chg { trid, status, capabilities, object });
    }

    fn send_personal(&self, now: Instant, channel: &mut Channel) {
        if channel.dialect().has_personal_message() {
            let data = self.personal.encode().into_bytes().into();
            channel.request(now, Request::Quiet("UUX"), |trid| ClientCommand::Uux { trid, data });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msn::dialect::Dialect;

    fn sent(channel: &mut Channel) -> Vec<String> {
        let outputs = std::iter::from_fn(|| channel.wire.poll_output());
        outputs.map(|bytes| String::from_utf8(bytes).unwrap()[..3].to_owned()).collect()
    }

    #[test]
    fn nothing_is_sent_before_the_first_announcement_and_that_comes_once() {
        let now = Instant::now();
        let mut channel = Channel::new(Dialect::Msnp11);
        let mut own = OwnPresence {
            status: Status::Online,
            capabilities: Capabilities::default(),
            object: None,
            personal: PersonalMessage::default(),
            is_announced: false,
        };
        own.set_status(now, Status::Busy, &mut channel);
        own.set_object(now, Some(UrlText::encode("picture")), &mut channel);
        own.set_personal(now, PersonalMessage::default(), &mut channel);
        assert!(sent(&mut channel).is_empty());
        own.announce(now, &mut channel);
        own.announce(now, &mut channel);
        assert_eq!(sent(&mut channel), ["GCF", "CHG", "UUX"]);
        assert_eq!(own.status, Status::Busy);
        own.set_status(now, Status::Away, &mut channel);
        assert_eq!(sent(&mut channel), ["CHG"]);
    }
}
