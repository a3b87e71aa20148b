//! What comes in on a signed-in session.

use std::time::Instant;

use super::changes::new_group_id;
use super::{NotificationEvent as Event, NotificationSession, Request};
use crate::msn::challenge::Product;
use crate::msn::command::{ClientCommand, ErrorCode, ListKind, ServerCommand};
use crate::msn::ids::{ContactId, Email, GroupId, TrId};
use crate::msn::message::{Envelope, PersonalMessage, ServerNotice, alert_text, page_text};
use crate::msn::session::sync::Line;
use crate::msn::session::{Contact, Roster, SessionError};
use crate::msn::wire::UrlText;

impl NotificationSession {
    pub(super) fn handle_traffic(
        &mut self,
        now: Instant,
        command: ServerCommand,
    ) -> Result<(), SessionError> {
        match command {
            ServerCommand::Failed { code, trid } => self.failed(now, code, trid)?,
            ServerCommand::Out { reason } => return Err(SessionError::SignedOut(reason)),
            ServerCommand::Chl { challenge } => self.answer_challenge(now, &challenge),
            ServerCommand::Qng { seconds } => self.ponged(now, seconds),
            ServerCommand::Qry { trid } | ServerCommand::Uux { trid } => {
                self.pending.take(trid);
            }
            ServerCommand::Msg { payload, .. } => self.server_message(&payload),
            ServerCommand::Not { data } => {
                self.events.extend(alert_text(&data).map(|text| Event::Alert { text }));
            }
            ServerCommand::Ipg { data } => {
                self.events.extend(page_text(&data).map(|(from, text)| Event::Paged { from, text }));
            }
            ServerCommand::XfrSwitchboard { trid, board, cookie } => {
                self.pending.take(trid);
                self.events.push_back(Event::SwitchboardReady { request: trid, board, cookie });
            }
            ServerCommand::XfrNotification { server, .. } => self.events.push_back(Event::Redirected(server)),
            ServerCommand::Rng { session, board, cookie, email, name } => {
                let name = name.decode();
                self.events.push_back(Event::Rung { session, board, cookie, email, name });
            }
            other => self.handle_lists(now, other),
        }
        Ok(())
    }

    fn handle_lists(&mut self, now: Instant, command: ServerCommand) {
        match command {
            ServerCommand::Syn { trid, stamp, counts } => {
                self.pending.take(trid);
                self.roster.begin(stamp, counts);
                self.sync.answered(now, counts);
                self.check_roster(now);
            }
            ServerCommand::Lst(entry) => {
                let email = entry.email.clone();
                self.roster.insert(entry);
                self.listed(now, &email);
            }
            ServerCommand::Lsg { group, name } => {
                self.roster.insert_group(group, &name);
                self.sync.came(now, Line::Group);
                self.check_roster(now);
            }
            ServerCommand::Bpr { email: Some(email), property, value: Some(name), .. }
                if property == "MFN" =>
            {
                self.called(&email, name.decode());
            }
            ServerCommand::Bpr { email, property, value, .. } => {
                self.roster.set_property(email.as_ref(), &property, value.as_ref());
            }
            ServerCommand::Prp { trid, property, value: Some(name), .. } if property == "MFN" => {
                self.learn_name(&name);
                self.answered(now, trid, None);
            }
            ServerCommand::Prp { trid, property, value, .. } => {
                self.roster.settings.set(property, value.map(|value| value.decode()));
                self.answered(now, trid, None);
            }
            ServerCommand::Gtc { trid, setting, .. } => {
                self.roster.settings.asks = Some(setting != "N");
                self.answered(now, trid, None);
            }
            ServerCommand::Blp { trid, setting, .. } => {
                self.roster.settings.strangers_allowed = Some(setting != "BL");
                self.answered(now, trid, None);
            }
            ServerCommand::Rea { trid, email, name, .. } => {
                if !self.answered(now, Some(trid), None) {
                    self.renamed_elsewhere(&email, &name);
                }
            }
            ServerCommand::Sbp { trid, contact, property, value } => {
                let whose = self.roster.by_id(&contact).filter(|_| property == "MFN");
                if let (false, Some(email), Some(name)) = (self.answered(now, Some(trid), None), whose, value)
                {
                    self.called(&email, name.decode());
                }
            }
            ServerCommand::Group { verb, trid, rest } => {
                let is_new = verb.as_str() == "ADG";
                let id = is_new.then(|| new_group_id(&rest, self.dialect().has_guids())).flatten();
                self.answered(now, Some(trid), id);
            }
            ServerCommand::Add { trid, list, email, name, .. } => {
                self.added(trid, list, &email, name.as_ref(), None);
                self.answered(now, Some(trid), None);
            }
            ServerCommand::Adc { trid, list, email, name, contact, .. } => {
                if let Some(email) = email {
                    self.added(trid, list, &email, name.as_ref(), contact);
                }
                self.answered(now, Some(trid), None);
            }
            ServerCommand::Rem { trid, list, target, group, .. } => {
                self.removed(list, &target, group.is_some());
                self.answered(now, Some(trid), None);
            }
            other => self.handle_presence(other),
        }
    }

    fn handle_presence(&mut self, command: ServerCommand) {
        let changed = match command {
            ServerCommand::Chg { trid, status, .. } => {
                self.pending.take(trid);
                self.events.push_back(Event::StatusConfirmed(status));
                None
            }
            ServerCommand::Iln { presence, .. } | ServerCommand::Nln { presence } => {
                self.roster.set_presence(&presence)
            }
            ServerCommand::Fln { email } => self.roster.set_offline(&email),
            ServerCommand::Ubx { email, data } => {
                let read = PersonalMessage::parse(&data);
                let read = read.inspect_err(|error| tracing::warn!(%error, "skipped a personal message"));
                read.ok().and_then(|personal| self.roster.set_personal(&email, personal))
            }
            _ => None,
        };
        if let Some(contact) = changed {
            self.events.push_back(Event::PresenceChanged(Box::new(contact.clone())));
        }
    }

    /// Somebody of the lists. Who comes when they were thought complete is shown like anybody.
    fn listed(&mut self, now: Instant, email: &Email) {
        let late = !self.sync.is_under_way();
        self.sync.came(now, Line::Contact);
        if !late {
            return self.check_roster(now);
        }
        let Some(contact) = self.roster.contact(email).cloned() else { return };
        if Roster::is_request(&contact, self.dialect()) {
            let (email, name) = (contact.email.clone(), contact.name.clone());
            self.events.push_back(Event::AddedBy { email, name, asks: true });
        }
        if contact.lists.has(ListKind::Forward) {
            self.events.push_back(Event::PresenceChanged(Box::new(contact)));
        }
    }

    /// Lines of the lists that could not be read count like those that could: nobody waits for them.
    pub(super) fn count_skipped(&mut self, now: Instant) {
        for verb in self.wire.take_skipped() {
            let line = match verb.as_str() {
                "LST" => Line::Contact,
                "LSG" => Line::Group,
                _ => continue,
            };
            self.sync.unreadable(now, line);
            self.check_roster(now);
        }
    }

    fn check_roster(&mut self, now: Instant) {
        if self.sync.take_complete() {
            self.roster_ready(now);
        }
    }

    /// The lists are there, as far as they come: the session announces itself, personal message, then status (§2.7).
    pub(super) fn roster_ready(&mut self, now: Instant) {
        self.events.push_back(Event::RosterLoaded);
        self.events.extend(self.sync.gap().map(Event::RosterIncomplete));
        if self.roster.take_regrouped() {
            self.events.push_back(Event::GroupsChanged);
        }
        self.tell_of_requests();
        if self.announced {
            return;
        }
        self.announced = true;
        if self.dialect().has_personal_message() {
            let trid = self.pending.expect(now, Request::Quiet("GCF"));
            self.wire.send(&ClientCommand::Gcf { trid, file: "Shields.xml".into() });
        }
        let trid = self.pending.expect(now, Request::Quiet("CHG"));
        self.send_status(trid);
        self.send_personal_message(now);
    }

    /// A reply has come: to a step of a change, or to something that nobody waits for.
    /// True if it was to a step.
    fn answered(&mut self, now: Instant, trid: Option<TrId>, id: Option<GroupId>) -> bool {
        let is_step = matches!(trid.and_then(|trid| self.pending.take(trid)), Some(Request::Change));
        if is_step {
            self.step_done(now, id);
        }
        is_step
    }

    /// Somebody on the lists is called so now.
    pub(super) fn called(&mut self, email: &Email, name: String) {
        if self.roster.rename(email, name.clone()) {
            self.events.push_back(Event::Named { email: email.clone(), name });
        }
    }

    /// Another client of the own account changed a name.
    fn renamed_elsewhere(&mut self, email: &Email, name: &UrlText) {
        match *email == self.identity.email {
            true => self.learn_name(name),
            false => self.called(email, name.decode()),
        }
    }

    fn added(
        &mut self,
        trid: TrId,
        list: ListKind,
        email: &Email,
        name: Option<&UrlText>,
        id: Option<ContactId>,
    ) {
        self.roster.add(list, email, name, id);
        // Whoever adds us says what they are called; what we add is called as we said.
        if let (ListKind::Reverse, TrId(0), Some(name)) = (list, trid, name)
            && Email::parse(&name.decode()).ok().as_ref() != Some(email)
        {
            self.called(email, name.decode());
        }
        if list != ListKind::Reverse || trid != TrId(0) {
            return;
        }
        let lists = self.roster.contact(email).map(|contact| contact.lists).unwrap_or_default();
        let asks = !lists.has(ListKind::Allow) && !lists.has(ListKind::Block);
        let name = name.map_or_else(|| email.to_string(), UrlText::decode);
        self.events.push_back(Event::AddedBy { email: email.clone(), name, asks });
    }

    fn removed(&mut self, list: ListKind, target: &str, only_from_group: bool) {
        if only_from_group {
            return;
        }
        let whose = self.roster.whose(target);
        self.roster.remove(list, target);
        if let (ListKind::Reverse, Some(email)) = (list, whose) {
            self.events.push_back(Event::RemovedBy { email });
        }
    }

    /// Those who asked while we were away (§3.4).
    fn tell_of_requests(&mut self) {
        let dialect = self.dialect();
        let asking = self.roster.contacts().filter(|contact| Roster::is_request(contact, dialect));
        let event = |c: &Contact| Event::AddedBy { email: c.email.clone(), name: c.name.clone(), asks: true };
        let events: Vec<Event> = asking.map(event).collect();
        self.events.extend(events);
    }

    fn failed(&mut self, now: Instant, code: ErrorCode, trid: TrId) -> Result<(), SessionError> {
        let request = self.pending.take(trid);
        if request.is_none() {
            // A server that means the session closes it.
            tracing::info!(%code, trid = trid.0, "the server refused what nobody asked for");
            return Ok(());
        }
        match request {
            Some(Request::Switchboard) => {
                self.events.push_back(Event::SwitchboardRefused { request: trid, code });
            }
            Some(Request::Change) => self.step_failed(now, code),
            Some(Request::Asked(what)) => self.events.push_back(Event::RequestRefused { what, code }),
            Some(Request::Sync) => return Err(SessionError::Refused(code)),
            Some(Request::Quiet(what)) => tracing::info!(what, %code, "the server refused a request"),
            Some(Request::Login) | None => {}
        }
        if code.ends_session() && code != ErrorCode::HIDDEN {
            return Err(SessionError::Refused(code));
        }
        Ok(())
    }

    fn answer_challenge(&mut self, now: Instant, challenge: &str) {
        let dialect = self.dialect();
        let id = if dialect.has_long_challenge() { "PROD0090YUAUV{2B" } else { "PROD0038W!61ZTF9" };
        let product = self.product.clone().or_else(|| Product::published(id, dialect));
        let Some(product) = product else { return };
        let answer = product.answer(challenge, dialect).into_bytes().into();
        // Servers exist that never confirm, so nobody waits for it; a wrong answer closes the session (540).
        let trid = self.pending.expect(now, Request::Quiet("QRY"));
        self.wire.send(&ClientCommand::Qry { trid, product: product.id, answer });
    }

    fn ponged(&mut self, now: Instant, seconds: Option<u32>) {
        self.pong_by = None;
        if let Some(seconds) = seconds {
            // Five seconds before the server expects it, and never more often than every five seconds.
            let seconds = u64::from(seconds.clamp(10, 600)) - 5;
            self.interval = std::time::Duration::from_secs(seconds);
            self.next_ping = self.pings.then(|| now + self.interval);
        }
    }

    fn server_message(&mut self, payload: &bytes::Bytes) {
        let Ok(envelope) = Envelope::parse(payload) else { return };
        let event = match ServerNotice::parse(&envelope) {
            ServerNotice::Profile { client_ip: Some(ip) } => Event::AddressLearned(ip),
            ServerNotice::GoingDown { minutes } => Event::GoingDown { minutes },
            ServerNotice::Mail { from, subject } => Event::Mail { from, subject },
            ServerNotice::Mailbox { unread, elsewhere, offline } => {
                self.events.extend(offline.filter(|data| !data.is_empty()).map(Event::OfflineMessages));
                if unread.saturating_add(elsewhere) == 0 {
                    return;
                }
                Event::UnreadMail { unread, elsewhere }
            }
            ServerNotice::OfflineMessages(data) => Event::OfflineMessages(data),
            _ => return,
        };
        self.events.push_back(event);
    }
}
