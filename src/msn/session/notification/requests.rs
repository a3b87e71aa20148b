//! What a caller can ask of a session.
//!
//! Knows the words of what is asked for once: a switchboard, a page, goodbye; hands the rest to the part that keeps it.
//! Refuses to know what becomes of a request: its reply is read by the session.

use std::time::Instant;

use super::channel::Request;
use super::{Change, ChangeHandle, NotificationSession};
use crate::msn::command::{ClientCommand, Status};
use crate::msn::ids::{Email, TrId};
use crate::msn::message::PersonalMessage;
use crate::msn::wire::{UrlText, Verb};

impl NotificationSession {
    /// Asks for a change; [`super::NotificationEvent::ChangeDone`] says what became of it.
    pub fn change(&mut self, now: Instant, change: Change) -> ChangeHandle {
        self.changes.push(now, change, &mut self.lists, &mut self.channel)
    }

    /// Asks for a switchboard; [`super::NotificationEvent::SwitchboardReady`] carries the number given here.
    pub fn request_switchboard(&mut self, now: Instant) -> TrId {
        let command = |trid| ClientCommand::Xfr { trid, kind: "SB".into() };
        self.channel.request(now, Request::Switchboard, command)
    }

    /// Changes the own status; before the lists are loaded it becomes the status of the first announcement.
    pub fn set_status(&mut self, now: Instant, status: Status) {
        self.presence.set_status(now, status, &mut self.channel);
    }

    /// Changes the picture that is announced.
    pub fn set_object(&mut self, now: Instant, object: Option<UrlText>) {
        self.presence.set_object(now, object, &mut self.channel);
    }

    /// Changes the own personal message. Kept, and sent where the dialect has personal messages.
    pub fn set_personal_message(&mut self, now: Instant, personal: PersonalMessage) {
        self.presence.set_personal(now, personal, &mut self.channel);
    }

    /// Sends a page to a contact's phone. A refusal comes as [`super::NotificationEvent::RequestRefused`]; success is silence
    /// (§5.7).
    pub fn page(&mut self, now: Instant, email: &Email, text: &str) {
        let what = format!("send a page to {email}");
        let text = quick_xml::escape::escape(text);
        let data = format!("<TEXT xml:space=\"preserve\" enc=\"utf-8\">{text}</TEXT>").into_bytes().into();
        let Some(verb) = Verb::parse("PGD") else { return };
        let target = vec![email.to_string(), "1".into()];
        let command = |trid| ClientCommand::Page { verb, trid, target, data };
        self.channel.request(now, Request::Asked(what), command);
    }

    /// Takes over what somebody is called on a switchboard, where it is newer than what the lists say.
    pub fn note_name(&mut self, email: &Email, name: &str) {
        self.lists.roster.rename(email, name.to_owned());
    }

    /// Says goodbye; the server closes.
    pub fn sign_out(&mut self) {
        self.channel.wire.send(&ClientCommand::Out);
    }
}
