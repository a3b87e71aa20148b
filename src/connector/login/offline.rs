//! Offline messages of one login: who fetches and leaves them, with the ticket of its session.
//!
//! Knows which ticket is the session's. Refuses to know envelopes and HTTP, which are [`super::oim`]'s.

use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore, oneshot};

use crate::bridge::event::RemoteKind;
use crate::connector::context::Shared;
use crate::connector::login::oim::{Fetching, LeaveError, Outbox, Tickets};
use crate::connector::login::task::LoginTask;
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

    pub(in crate::connector) fn has_ticket(&self, ticket: &Ticket) {
        if let Some(tickets) = &self.tickets {
            tickets.set(ticket.clone());
        }
    }
}

impl LoginTask {
    /// The server says that messages wait.
    pub(in crate::connector) async fn fetch_offline(&mut self, waiting: MailData) {
        let (Some(url), Some(tickets)) = (self.shared.config.oim.rsi.clone(), self.offline.tickets.clone())
        else {
            if !std::mem::replace(&mut self.offline.told, true) {
                let text = "Messages were left for you while you were away. The bridge does not know where to fetch them: \
                            its administrator can set msn.oim.rsi. Another MSN client can show them."
                    .to_owned();
                self.tell(RemoteKind::Notice { text }).await;
            }
            return;
        };
        let fetching = Fetching { shared: self.shared.clone(), login: self.login.clone(), tickets, url };
        let turns = self.offline.turns.clone();
        self.shared.tasks.spawn(async move { fetching.run(waiting, &turns).await });
    }

    /// Leaves words for somebody who is away.
    pub(in crate::connector) fn leave_offline(
        &self,
        name: String,
        to: Email,
        text: String,
        reply: oneshot::Sender<Result<(), LeaveError>>,
    ) {
        let (Some(outbox), Some(from)) = (self.offline.outbox.clone(), self.email()) else { return };
        self.shared.tasks.spawn(async move {
            let left = outbox.lock().await.leave(&from, &name, &to, &text).await;
            let _ = reply.send(left); // whoever asked may have gone
        });
    }
}
