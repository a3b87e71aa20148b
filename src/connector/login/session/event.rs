//! What each event of a notification session means for its login.
//!
//! Knows whom an event is told to. Refuses to know the socket, and the order in which things come.

use super::Next;
use crate::bridge::event::{ConnectionState, RemoteKind};
use crate::bridge::ids::ConversationId;
use crate::connector::context::names;
use crate::connector::context::names::BoardName;
use crate::connector::login::calls::Ring;
use crate::connector::login::machine_id;
use crate::connector::login::pending::{Book, Tickets, UnderWay};
use crate::connector::login::task::LoginTask;
use crate::connector::login::{notices, oim};
use crate::connector::net::address_book::BookReader;
use crate::connector::net::pump::Pump;
use crate::connector::net::session_tokens::SessionTokens;
use crate::connector::translate::convert;
use crate::msn::command::{ListKind, Status};
use crate::msn::ids::Email;
use crate::msn::session::{NotificationEvent, NotificationSession};

impl LoginTask {
    /// What is seen of each contact when the lists have come: that somebody is not there counts too.
    async fn initial_presence(&self, pump: &Pump<NotificationSession>) {
        // Others on the lists may be in conversations too.
        let others = pump.machine.roster().contacts().filter(|c| !c.lists.has(ListKind::Forward));
        let others: Vec<_> = others.map(|contact| names::ghost(&contact.email, &contact.name)).collect();
        self.tell(RemoteKind::Named(others)).await;
        let contacts = pump.machine.roster().contacts().filter(|c| c.lists.has(ListKind::Forward));
        for presence in contacts.map(convert::presence).collect::<Vec<_>>() {
            self.tell(RemoteKind::Presence(presence)).await;
        }
    }

    pub(super) async fn handle_event(
        &mut self,
        pump: &mut Pump<NotificationSession>,
        under_way: &mut UnderWay,
        event: NotificationEvent,
    ) -> Next {
        use NotificationEvent as Event;
        match event {
            Event::Redirected(server) => return Next::Redirected(server),
            Event::TicketWanted { policy } => under_way.tickets = self.ticket(policy),
            Event::TokensWanted { policy } => self.tokens(under_way, policy),
            Event::BookWanted { is_paged } => under_way.book = self.book(under_way, is_paged),
            Event::OfflineMessages(waiting) => {
                let notice = self.offline.fetch(&self.shared, &self.login, waiting);
                self.notify_owner(notice).await;
            }
            Event::SignedIn { dialect } => tracing::info!(%dialect, "signed in"),
            Event::RosterLoaded => {
                under_way.ready = true;
                self.turn = None;
                self.waiters.forget_watched();
                self.initial_presence(pump).await;
                self.waiters.works();
                self.tell(RemoteKind::State(ConnectionState::Connected)).await;
                for conversation in self.calls.suspended.conversations() {
                    self.call_anew(pump, under_way, &conversation);
                }
            }
            Event::RosterIncomplete(gap) => {
                tracing::warn!(?gap, "the contact list is not what was announced");
                let notice = self.gaps.words(&gap);
                self.notify_owner(notice).await;
            }
            Event::GroupsChanged => {
                self.tell(RemoteKind::Groups(convert::groups(pump.machine.roster()))).await;
            }
            Event::PresenceChanged(contact) => {
                let capabilities = contact.capabilities.0;
                tracing::debug!(email = %contact.email, capabilities, "presence");
                self.calls.note_presence(&contact);
                let presence = convert::presence(&contact);
                if !presence.ghost.name.is_empty() {
                    self.calls.names.set(&contact.email, &presence.ghost.name);
                }
                self.tell(RemoteKind::Presence(presence)).await;
                if contact.status != Status::Offline {
                    self.appeared(&contact.email).await;
                }
            }
            Event::Named { email, name } => {
                self.calls.names.set(&email, &name);
                self.tell(RemoteKind::Named(vec![names::ghost(&email, &name)])).await;
            }
            Event::StatusConfirmed(status) if status != Status::Hidden => {
                let waiting = self.waiters.all_reachable();
                self.reachable(waiting).await;
            }
            Event::Rung { session, board, cookie, email, .. } => {
                self.rung(pump, Ring { caller: email.clone(), board, cookie, session });
                self.appeared(&email).await;
            }
            Event::SwitchboardReady { request, board, cookie } => {
                under_way.assign(request, Ok((board, cookie)));
            }
            Event::SwitchboardRefused { request, code } => {
                under_way.assign(request, Err(code));
            }
            Event::AddedBy { email, name, asks: true } => {
                self.tell(RemoteKind::ContactRequest(names::ghost(&email, &name))).await;
            }
            Event::RemovedBy { email } => {
                self.tell(RemoteKind::ContactRequestGone(names::account(&email))).await;
            }
            Event::Unlisted { email } => {
                self.tell(RemoteKind::PresenceLost(names::account(&email))).await;
            }
            Event::ChangeDone { handle, result } => {
                under_way.changed(handle, result.map_err(|failure| failure.to_string()));
            }
            other => self.notify_owner(notices::notice(other)).await,
        }
        Next::GoOn
    }

    /// A board calls somebody otherwise than before: everybody hears what they are called by all that is known.
    pub(in crate::connector) async fn board_named(
        &self,
        pump: Option<&mut Pump<NotificationSession>>,
        named: &BoardName,
    ) {
        let Some(name) = named.newest(pump.as_ref().map(|pump| pump.machine.roster())) else { return };
        if let Some(pump) = pump {
            pump.machine.note_name(&named.email, &name);
        }
        self.calls.names.set(&named.email, &name);
        self.tell(RemoteKind::Met(names::ghost(&named.email, &name))).await;
    }

    fn ticket(&mut self, policy: String) -> Tickets {
        let (passport, password) = (self.shared.passport.clone(), self.credentials.password.clone());
        let email = self.email()?;
        self.offline.begin(
            &self.shared,
            oim::Tickets::new(passport.clone(), email.clone(), password.clone(), policy.clone()),
        );
        Some(Box::pin(async move { passport.ticket(&email, &password, &policy).await }))
    }

    /// The tickets of the token service. The name of this place must be on disk before it is told to anybody.
    fn tokens(&mut self, under_way: &mut UnderWay, policy: String) {
        let Some(email) = self.email() else { return };
        let (shared, login) = (self.shared.clone(), self.login.clone());
        let tokens =
            SessionTokens::new(shared.tokens.clone(), email, self.credentials.password.clone(), policy);
        under_way.session_tokens = Some(tokens.clone());
        self.offline.begin(&self.shared, oim::Tickets::of(tokens.clone()));
        under_way.tokens = Some(Box::pin(async move {
            let machine = machine_id::ensure(&*shared.storage, &login).await?;
            Ok((tokens.all().await?, machine))
        }));
    }

    /// The contact list, read with the tickets of this session.
    fn book(&self, under_way: &UnderWay, is_paged: bool) -> Book {
        let (tokens, email, shared) = (under_way.session_tokens.clone()?, self.email()?, self.shared.clone());
        Some(Box::pin(async move {
            let client = shared.passport.client();
            let reader = BookReader::new(client, &shared.config, &email, tokens).await?;
            reader.read(is_paged).await
        }))
    }

    fn rung(&mut self, pump: &Pump<NotificationSession>, ring: Ring) {
        if let Some(own) = self.email() {
            self.calls.answer(own, pump.machine.dialect(), ring);
        }
    }

    /// Somebody can be reached now.
    async fn appeared(&mut self, email: &Email) {
        let waiting = self.waiters.appeared(&self.shared, &self.login, email);
        self.reachable(waiting).await;
    }

    async fn reachable(&self, conversations: Vec<ConversationId>) {
        for conversation in conversations {
            self.tell(RemoteKind::Reachable { conversation: Some(conversation) }).await;
        }
    }

    /// The session was tried and works.
    pub(super) async fn session_works(&mut self) {
        if self.waiters.works() {
            self.tell(RemoteKind::Reachable { conversation: None }).await;
        }
    }

    pub(super) async fn notify_owner(&self, notice: Option<String>) {
        if let Some(text) = notice {
            self.tell(RemoteKind::Notice { text }).await;
        }
    }
}
