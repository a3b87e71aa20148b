//! Offline messages of one login: who fetches and leaves them, with the ticket of its session.
//!
//! Knows which ticket is the session's. Refuses to know envelopes and HTTP, which are [`super::oim`]'s.

use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore, oneshot};

use crate::bridge::ids::LoginId;
use crate::connector::context::Shared;
use crate::connector::login::oim::{Fetching, LeaveError, Outbox, Tickets};
use crate::msn::ids::{Email, Ticket};
use crate::msn::oim::MailData;

/// What a login has of its session for offline messages.
pub(in crate::connector) struct Offline {
    tickets: Option<Tickets>,
    outbox: Option<Arc<Mutex<Outbox>>>,
    /// One round of fetching at a time.
    turns: Arc<Semaphore>,
    /// The owner was told that messages wait which cannot be fetched.
    told: bool,
}

impl Default for Offline {
    fn default() -> Self {
        Self { tickets: None, outbox: None, turns: Arc::new(Semaphore::new(1)), told: false }
    }
}

impl Offline {
    /// A session begins, and will have a ticket.
    pub(in crate::connector) fn begin(&mut self, shared: &Shared, tickets: Tickets) {
        let store = shared.config.oim.store.clone();
        let outbox = store.and_then(|url| {
            Outbox::new(shared.passport.client(), url, tickets.clone(), shared.config.product.clone())
        });
        self.outbox = outbox.map(|outbox| Arc::new(Mutex::new(outbox)));
        self.tickets = Some(tickets);
    }

    /// The sign-in brought a ticket: requests of the mailbox use that.
    pub(in crate::connector) fn has_ticket(&self, ticket: &Ticket) {
        if let Some(tickets) = &self.tickets {
            tickets.set(ticket.clone());
        }
    }

    /// The server says that messages wait. Gives what the owner is told where nobody knows how to fetch them, once.
    pub(in crate::connector) fn fetch(
        &mut self,
        shared: &Shared,
        login: &LoginId,
        waiting: MailData,
    ) -> Option<String> {
        let (Some(url), Some(tickets)) = (shared.config.oim.rsi.clone(), self.tickets.clone()) else {
            let told = std::mem::replace(&mut self.told, true);
            let text = "Messages were left for you while you were away. The bridge does not know where to fetch them: \
                        its administrator can set msn.oim.rsi. Another MSN client can show them.";
            return (!told).then(|| text.to_owned());
        };
        let fetching = Fetching { shared: shared.clone(), login: login.clone(), tickets, url };
        let turns = self.turns.clone();
        shared.tasks.spawn(async move { fetching.run(waiting, &turns).await });
        None
    }

    /// Leaves words for somebody who is away; without a way to do that the reply is dropped.
    pub(in crate::connector) fn leave(
        &self,
        shared: &Shared,
        sender: (Email, String),
        to: Email,
        text: String,
        reply: oneshot::Sender<Result<(), LeaveError>>,
    ) {
        let Some(outbox) = self.outbox.clone() else { return };
        let (from, name) = sender;
        shared.tasks.spawn(async move {
            let left = outbox.lock().await.leave(&from, &name, &to, &text).await;
            let _ = reply.send(left); // whoever asked may have gone
        });
    }
}
