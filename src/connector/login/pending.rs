//! What one notification session has asked for and not been answered: tickets, switchboards, changes, a trial.
//!
//! Knows who waits for which answer. Refuses to know what is done with it.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::connector::error::{BookError, TicketError};
use crate::connector::handle::Assignment;
use crate::connector::net::session_tokens::SessionTokens;
use crate::msn::address_book::AddressBook;
use crate::msn::endpoint::MachineId;
use crate::msn::ids::{Ticket, TrId};
use crate::msn::session::ChangeHandle;

type Trial = Option<BoxFuture<'static, bool>>;
/// The contact list, where it is read over SOAP.
pub(in crate::connector) type Book = Option<BoxFuture<'static, Result<AddressBook, BookError>>>;
/// The tickets of the token service, and the name of this place.
pub(in crate::connector) type Tokens =
    Option<BoxFuture<'static, Result<(crate::msn::sso::Tokens, MachineId), TicketError>>>;
pub(in crate::connector) type Tickets = Option<BoxFuture<'static, Result<Ticket, TicketError>>>;

/// What one session has under way.
#[derive(Default)]
pub(in crate::connector) struct UnderWay {
    pub(in crate::connector) tickets: Tickets,
    pub(in crate::connector) tokens: Tokens,
    /// Where the tickets of this session come from, once it has signed in by them.
    pub(in crate::connector) session_tokens: Option<SessionTokens>,
    pub(in crate::connector) book: Book,
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
            book = answer(&mut self.book) => Answer::Book(book.map(Box::new)),
            tokens = answer(&mut self.tokens) => Answer::Tokens(tokens.map(Box::new)),
        }
    }
}

/// An answer that was waited for.
pub(in crate::connector) enum Answer {
    /// Whether a switchboard could be entered.
    Tried(bool),
    Ticket(Result<Ticket, TicketError>),
    Book(Result<Box<AddressBook>, BookError>),
    Tokens(Result<Box<(crate::msn::sso::Tokens, MachineId)>, TicketError>),
}

async fn answer<T>(asked: &mut Option<BoxFuture<'static, T>>) -> T {
    let Some(waiting) = asked else { return std::future::pending().await };
    let answer = waiting.await;
    *asked = None;
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::tests::email;
    use crate::msn::command::ErrorCode;
    use crate::msn::dialect::Dialect;
    use crate::msn::session::{Change, NotificationSession};

    fn machine() -> NotificationSession {
        let (config, credentials) =
            (crate::connector::tests::config(), crate::connector::tests::credentials());
        crate::connector::login::machine::machine(&config, &credentials, None, false).unwrap()
    }

    #[tokio::test]
    async fn each_answer_is_for_who_asked_and_those_who_gave_up_are_forgotten() {
        let (mut machine, mut under_way) = (machine(), UnderWay::default());
        let mut ask = |under_way: &mut UnderWay| {
            let (reply, answer) = oneshot::channel();
            let request = machine.request_switchboard(crate::connector::clock::now());
            under_way.expect_board(request, reply);
            (request, answer)
        };
        let (given_up, answer) = ask(&mut under_way);
        drop(answer);
        let ((first, mut refused), (second, mut waiting)) = (ask(&mut under_way), ask(&mut under_way));
        assert_eq!(under_way.boards.len(), 2);
        under_way.assign(given_up, Err(ErrorCode(1)));
        under_way.assign(first, Err(ErrorCode::HIDDEN));
        assert!(matches!(refused.try_recv(), Ok(Err(ErrorCode::HIDDEN))) && waiting.try_recv().is_err());
        under_way.assign(first, Err(ErrorCode(1)));
        under_way.assign(second, Err(ErrorCode(2)));
        assert!(matches!(waiting.try_recv(), Ok(Err(ErrorCode(2)))));

        let change = machine.change(crate::connector::clock::now(), Change::Block { email: email("bob") });
        let (reply, mut answer) = oneshot::channel();
        under_way.changes.insert(change, reply);
        under_way.changed(change, Err("no".into()));
        assert_eq!(answer.try_recv(), Ok(Err("no".into())));
        assert_eq!(machine.dialect(), Dialect::Msnp11);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_and_a_ticket_answer_once_each() {
        let mut under_way = UnderWay::default();
        let never = std::time::Duration::from_secs(600);
        assert!(tokio::time::timeout(never, under_way.next()).await.is_err(), "nothing is waited for");
        under_way.trial = Some(Box::pin(std::future::ready(true)));
        assert!(matches!(under_way.next().await, Answer::Tried(true)));
        under_way.tickets = Some(Box::pin(std::future::ready(Ok(Ticket::new("t=1")))));
        assert!(matches!(under_way.next().await, Answer::Ticket(Ok(_))));
        assert!(under_way.trial.is_none() && under_way.tickets.is_none());
    }
}
