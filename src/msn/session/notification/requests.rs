//! What a caller can ask of a signed-in session.

use std::time::Instant;

use super::{NotificationSession, Request};
use crate::msn::command::{ClientCommand, Status};
use crate::msn::ids::{Email, TrId};
use crate::msn::message::PersonalMessage;
use crate::msn::wire::{UrlText, Verb};

impl NotificationSession {
    /// Asks for a switchboard; [`super::NotificationEvent::SwitchboardReady`] carries the number given here.
    pub fn request_switchboard(&mut self, now: Instant) -> TrId {
        let trid = self.pending.expect(now, Request::Switchboard);
        self.wire.send(&ClientCommand::Xfr { trid, kind: "SB".into() });
        trid
    }

    /// Changes the own status; before the lists are loaded it becomes the status of the first announcement.
    pub fn set_status(&mut self, now: Instant, status: Status) {
        self.status = status;
        if self.announced {
            let trid = self.pending.expect(now, Request::Asked("change the status".into()));
            self.send_status(trid);
        }
    }

    /// Changes the picture that is announced.
    pub fn set_object(&mut self, now: Instant, object: Option<UrlText>) {
        self.object = object;
        if self.announced && self.dialect().has_msn_objects() {
            let trid = self.pending.expect(now, Request::Quiet("CHG"));
            self.send_status(trid);
        }
    }

    pub(super) fn send_status(&mut self, trid: TrId) {
        self.wire.send(&ClientCommand::Chg {
            trid,
            status: self.status,
            capabilities: Some(self.capabilities),
            object: self.object.clone().filter(|_| self.dialect().has_msn_objects()),
        });
    }

    /// Changes the own personal message. Kept, and sent where the dialect has personal messages.
    pub fn set_personal_message(&mut self, now: Instant, personal: PersonalMessage) {
        self.personal = personal;
        if self.announced {
            self.send_personal_message(now);
        }
    }

    pub(super) fn send_personal_message(&mut self, now: Instant) {
        if self.dialect().has_personal_message() {
            let trid = self.pending.expect(now, Request::Quiet("UUX"));
            let data = self.personal.encode().into_bytes().into();
            self.wire.send(&ClientCommand::Uux { trid, data });
        }
    }

    /// Sends a page to a contact's phone. A refusal comes as [`super::NotificationEvent::RequestRefused`]; success is
    /// silence (§5.7).
    pub fn page(&mut self, now: Instant, email: &Email, text: &str) {
        let what = format!("send a page to {email}");
        let trid = self.pending.expect(now, Request::Asked(what));
        let text = quick_xml::escape::escape(text);
        let data = format!("<TEXT xml:space=\"preserve\" enc=\"utf-8\">{text}</TEXT>").into_bytes().into();
        let Some(verb) = Verb::parse("PGD") else { return };
        self.wire.send(&ClientCommand::Page {
            verb,
            trid,
            target: vec![email.to_string(), "1".into()],
            data,
        });
    }

    /// Takes over what somebody is called on a switchboard, where it is newer than what the lists say.
    pub fn note_name(&mut self, email: &Email, name: &str) {
        self.roster.rename(email, name.to_owned());
    }

    /// Says goodbye; the server closes.
    pub fn sign_out(&mut self) {
        self.wire.send(&ClientCommand::Out);
    }
}
