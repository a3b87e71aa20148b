//! What a caller can ask of a signed-in session.

use std::time::Instant;

use super::{NotificationSession, Request, UrlText};
use crate::msn::command::{ClientCommand, ListKind, Status};
use crate::msn::ids::{Email, TrId};
use crate::msn::message::PersonalMessage;

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

    pub(super) fn send_status(&mut self, trid: TrId) {
        self.wire.send(&ClientCommand::Chg {
            trid,
            status: self.status,
            capabilities: Some(self.capabilities),
            object: None,
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

    /// Puts somebody on the forward and allow lists.
    pub fn add_contact(&mut self, now: Instant, email: &Email) {
        for list in [ListKind::Allow, ListKind::Forward] {
            let have = self.roster.contact(email).is_some_and(|c| c.lists.has(list));
            if !have {
                let trid = self.pending.expect(now, Request::Asked(format!("add {email}")));
                let command = self.addition(trid, list, email);
                self.wire.send(&command);
            }
        }
    }

    fn addition(&self, trid: TrId, list: ListKind, email: &Email) -> ClientCommand {
        let forward = list == ListKind::Forward;
        let name = UrlText::encode(email.as_str());
        let email = email.clone();
        if self.dialect().has_guids() {
            let name = forward.then_some(name);
            ClientCommand::Adc { trid, list, email: Some(email), name, contact: None, group: None }
        } else {
            ClientCommand::Add { trid, list, email, name: Some(name), group: None }
        }
    }

    /// Says goodbye; the server closes.
    pub fn sign_out(&mut self) {
        self.wire.send(&ClientCommand::Out);
    }
}
