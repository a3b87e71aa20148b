//! What one notification session has asked for and not been answered: tickets, switchboards, changes, a trial.
//!
//! Knows who waits for which answer. Refuses to know what is done with it.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::connector::error::TicketError;
use crate::connector::handle::Assignment;
use crate::msn::ids::{Ticket, TrId};
use crate::msn::session::ChangeHandle;

type Trial = Option<BoxFuture<'static, bool>>;
pub(in crate::connector) type Tickets = Option<BoxFuture<'static, Result<Ticket, TicketError>>>;

/// What one session has under way.
#[derive(Default)]
pub(in crate::connector) struct UnderWay {
    pub(in crate::connector) tickets: Tickets,
    boards: HashMap<TrId, oneshot::Sender<Assignment>>,
    /// Those who wait for changes of the lists.
    pub(in crate::connector) changes: HashMap<ChangeHandle, oneshot::Sender<Result<(), String>>>,
    /// The lists are loaded: conversations can be opened.
    pub(in crate::connector) ready: bool,
    pub(in crate::connector) trial: Trial,
}

impl UnderWay {
    /// A switchboard is asked for; those that were never answered are nobody's any more.
    pub(in crate::connector) fn expect_board(
        &mut self,
        request: TrId,
        assignment: oneshot::Sender<Assignment>,
    ) {
        self.boards.retain(|_, waiting| !waiting.is_closed());
        self.boards.insert(request, assignment);
    }

    /// A switchboard is there, or is refused.
    pub(in crate::connector) fn assign(&mut self, request: TrId, assignment: Assignment) {
        if let Some(waiting) = self.boards.remove(&request) {
            let _ = waiting.send(assignment); // the call may have given up
        }
    }

    /// What became of a change of the lists.
    pub(in crate::connector) fn changed(&mut self, change: ChangeHandle, result: Result<(), String>) {
        if let Some(waiting) = self.changes.remove(&change) {
            let _ = waiting.send(result); // they may have gone
        }
    }

    /// What comes next of a trial or a ticket; never where neither is waited for. Cancelling this loses nothing.
    pub(in crate::connector) async fn next(&mut self) -> Answer {
        tokio::select! {
            works = answer(&mut self.trial) => Answer::Tried(works),
            ticket = answer(&mut self.tickets) => Answer::Ticket(ticket),
        }
    }
}

/// An answer that was waited for.
pub(in crate::connector) enum Answer {
    /// Whether a switchboard could be entered.
    Tried(bool),
    Ticket(Result<Ticket, TicketError>),
}

async fn answer<T>(asked: &mut Option<BoxFuture<'static, T>>) -> T {
    let Some(waiting) = asked else { return std::future::pending().await };
    let answer = waiting.await;
    *asked = None;
    answer
}
