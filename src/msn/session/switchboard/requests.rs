//! The requests of a call that wait for their replies, and what an acknowledgement proves (§6.4).
//!
//! Knows how long each kind is waited for, and who left before a message was acknowledged. Refuses to know what is in a
//! message, and which command carries it.

use std::time::{Duration, Instant};

use super::event::MessageHandle;
use crate::msn::command::Acknowledge;
use crate::msn::ids::{Email, TrId};
use crate::msn::session::pending::{Pending, REPLY_TIMEOUT};

/// How long an acknowledgement takes at most where everything works: a poll or two of a gateway, and the server's own work.
const ACK_TIMEOUT: Duration = Duration::from_secs(9);

/// How long an acknowledgement is waited for at all: one that comes so late still saves a message from being repeated.
const GIVE_UP_TIMEOUT: Duration = Duration::from_secs(120);

/// What a reply may be for.
#[derive(Debug)]
pub(super) enum Request {
    /// `USR` or `ANS`: the board is to let us in.
    Enter,
    Invite(Email),
    Message(Sent),
}

/// A message that waits for its acknowledgement.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) handle: MessageHandle,
    /// Those who left since it was sent.
    pub(super) missed_by: Vec<Email>,
    /// When its acknowledgement should have come; `None` once that was said.
    ack_by: Option<Instant>,
}

/// The requests of one call under their numbers.
#[derive(Debug)]
pub(super) struct Requests(Pending<Request>);

impl Requests {
    pub(super) fn new() -> Self {
        Self(Pending::new())
    }

    /// A number for the first command of the call.
    pub(super) fn enter(&mut self, now: Instant) -> TrId {
        self.0.expect_within(now, ACK_TIMEOUT, Request::Enter)
    }

    /// A number for a `CAL`.
    pub(super) fn invite(&mut self, now: Instant, email: Email) -> TrId {
        self.0.expect(now, Request::Invite(email))
    }

    /// A number for a `MSG`. Text is overdue after [`ACK_TIMEOUT`] and given up after [`GIVE_UP_TIMEOUT`]; of what is
    /// never acknowledged nothing is remembered.
    pub(super) fn message(&mut self, now: Instant, handle: MessageHandle, acknowledge: Acknowledge) -> TrId {
        if acknowledge == Acknowledge::Never {
            return self.0.number();
        }
        let is_text = acknowledge == Acknowledge::Always;
        let ack_by = is_text.then(|| now + ACK_TIMEOUT);
        let timeout = if is_text { GIVE_UP_TIMEOUT } else { REPLY_TIMEOUT };
        self.0.expect_within(now, timeout, Request::Message(Sent { handle, missed_by: Vec::new(), ack_by }))
    }

    /// The request with this number, once.
    pub(super) fn take(&mut self, trid: TrId) -> Option<Request> {
        self.0.take(trid)
    }

    /// The message with this number, once; a reply to anything else is dropped with what it was for.
    pub(super) fn take_message(&mut self, trid: TrId) -> Option<Sent> {
        match self.0.take(trid)? {
            Request::Message(sent) => Some(sent),
            _ => None,
        }
    }

    /// A request whose reply is not waited for any longer.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Option<Request> {
        self.0.take_overdue(now)
    }

    /// All messages that wait: their acknowledgements prove nothing any more.
    pub(super) fn take_messages(&mut self) -> Vec<MessageHandle> {
        let is_message = |request: &Request| matches!(request, Request::Message(_));
        self.0.take_all(is_message).into_iter().filter_map(handle).collect()
    }

    /// Forgets every request; the connection is gone. Gives the messages among them.
    pub(super) fn drain(&mut self) -> Vec<MessageHandle> {
        self.0.drain().filter_map(handle).collect()
    }

    /// Somebody has left, and has not read what is on its way.
    pub(super) fn missed(&mut self, email: &Email) {
        for request in self.0.iter_mut() {
            if let Request::Message(sent) = request {
                sent.missed_by.push(email.clone());
            }
        }
    }

    /// The messages whose acknowledgements should have come by now; each is named once.
    pub(super) fn take_late(&mut self, now: Instant) -> Vec<MessageHandle> {
        let late = |request: &mut Request| match request {
            Request::Message(sent) if sent.ack_by.is_some_and(|at| at <= now) => {
                sent.ack_by = None;
                Some(sent.handle)
            }
            _ => None,
        };
        self.0.iter_mut().filter_map(late).collect()
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let ack_by = |request: &Request| match request {
            Request::Message(sent) => sent.ack_by,
            _ => None,
        };
        [self.0.deadline(), self.0.iter().filter_map(ack_by).min()].into_iter().flatten().min()
    }
}

fn handle(request: Request) -> Option<MessageHandle> {
    match request {
        Request::Message(sent) => Some(sent.handle),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_late_once_and_given_up_much_later() {
        let now = Instant::now();
        let mut requests = Requests::new();
        requests.message(now, MessageHandle(1), Acknowledge::Always);
        requests.message(now, MessageHandle(2), Acknowledge::Data);
        assert_eq!(requests.next_timeout(), Some(now + ACK_TIMEOUT));
        assert_eq!(requests.take_late(now + ACK_TIMEOUT), [MessageHandle(1)]);
        assert_eq!(requests.take_late(now + ACK_TIMEOUT), []);
        assert_eq!(requests.take_overdue(now + REPLY_TIMEOUT).and_then(handle), Some(MessageHandle(2)));
        assert_eq!(requests.take_overdue(now + GIVE_UP_TIMEOUT - ACK_TIMEOUT).and_then(handle), None);
        assert_eq!(requests.take_overdue(now + GIVE_UP_TIMEOUT).and_then(handle), Some(MessageHandle(1)));
        assert_eq!(requests.next_timeout(), None);
    }
}
