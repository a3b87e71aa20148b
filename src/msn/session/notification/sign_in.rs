//! Signing in, as a part of the session: tickets are asked for and handed over, and the lists are asked for behind `USR OK`
//! (§2, §18).
//!
//! Knows until when a ticket must be there. Refuses to know the order of the commands, which is the login's.

use std::time::{Duration, Instant};

use super::channel::{Channel, Request};
use super::{Event, NotificationSession, State};
use crate::msn::command::{ClientCommand, ServerCommand};
use crate::msn::endpoint::MachineId;
use crate::msn::ids::Ticket;
use crate::msn::session::SessionError;
use crate::msn::session::login::{Login, Output, Step};
use crate::msn::session::sync::Sync;
use crate::msn::sso::{IV, Tokens};
use crate::msn::wire::UrlText;

/// How long the caller may take to bring a ticket: the sign-in pages have time-outs of their own below this.
const TICKET_TIMEOUT: Duration = Duration::from_secs(90);

impl NotificationSession {
    /// Hands over the ticket asked for by [`TicketWanted`](Event::TicketWanted).
    pub fn provide_ticket(&mut self, now: Instant, ticket: Ticket) {
        if let State::SigningIn(Login::AwaitTicket) = self.state {
            self.ticket_by = None;
            let Channel { wire, pending, .. } = &mut self.channel;
            let mut number = || pending.expect(now, Request::Login);
            self.state = State::SigningIn(Login::ticket(Output { wire, number: &mut number }, ticket));
        }
    }

    /// Hands over the tickets asked for by [`TokensWanted`](Event::TokensWanted). `iv` is random; `machine` is the same in
    /// every session of this account here (§18.5).
    pub fn provide_tokens(&mut self, now: Instant, tokens: &Tokens, iv: [u8; IV], machine: &MachineId) {
        if let State::SigningIn(Login::AwaitTokens { nonce }) = &mut self.state {
            let nonce = std::mem::take(nonce);
            self.ticket_by = None;
            let Channel { wire, pending, .. } = &mut self.channel;
            let mut number = || pending.expect(now, Request::Login);
            let out = Output { wire, number: &mut number };
            self.state = State::SigningIn(Login::tokens(out, nonce, tokens, iv, machine));
        }
    }

    pub(super) fn handle_login(
        &mut self,
        now: Instant,
        login: Login,
        command: ServerCommand,
    ) -> Result<(), SessionError> {
        if matches!(command, ServerCommand::Out { .. } | ServerCommand::Msg { .. }) {
            self.state = State::SigningIn(login);
            return self.handle_traffic(now, command);
        }
        let asked = login.asked();
        let Channel { wire, pending, .. } = &mut self.channel;
        let mut number = || pending.expect(now, Request::Login);
        let step = login.handle(command, &self.identity, Output { wire, number: &mut number })?;
        // What was not the answer is waited for on: it has its number, perhaps, and nothing else of it.
        if let Some(trid) = asked.filter(|_| step.asked() != asked) {
            pending.take(trid);
        }
        match step {
            Step::Continue(login) => self.state = State::SigningIn(login),
            Step::TicketWanted { policy } => {
                self.state = State::SigningIn(Login::AwaitTicket);
                self.ticket_by = Some(now + TICKET_TIMEOUT);
                self.channel.emit(Event::TicketWanted { policy });
            }
            Step::TokensWanted { policy, nonce } => {
                self.state = State::SigningIn(Login::AwaitTokens { nonce });
                self.ticket_by = Some(now + TICKET_TIMEOUT);
                self.channel.emit(Event::TokensWanted { policy });
            }
            Step::Redirected(server) => self.channel.emit(Event::Redirected(server)),
            Step::SignedIn { name } => self.signed_in(now, name),
        }
        Ok(())
    }

    fn signed_in(&mut self, now: Instant, name: Option<UrlText>) {
        self.state = State::SignedIn;
        if let Some(name) = name {
            self.lists.learn_name(&name, &mut self.channel);
        }
        self.keep_alive.begin(now);
        let dialect = self.dialect();
        self.channel.emit(Event::SignedIn { dialect });
        if dialect.has_soap_roster() {
            return self.want_book(now);
        }
        let stamp = self.lists.roster.request_stamp(dialect);
        self.lists.roster.expect();
        self.lists.sync = Sync::begin(now);
        self.channel.request(now, Request::Sync, |trid| ClientCommand::Syn { trid, stamp });
    }
}
