//! What every part of a notification session shares: the wire, the requests that wait for replies, and the events.
//!
//! Knows how a request gets its number and its deadline (§1.2). Refuses to know what a reply means: the parts do.

use std::collections::VecDeque;
use std::time::Instant;

use super::event::NotificationEvent;
use crate::msn::command::{ClientCommand, Context, Link};
use crate::msn::dialect::Dialect;
use crate::msn::ids::TrId;
use crate::msn::session::pending::Pending;
use crate::msn::session::wire::ClientWire;

/// What a pending request was.
#[derive(Debug)]
pub(super) enum Request {
    Login,
    Sync,
    Switchboard,
    /// The step of a change that is under way.
    Change,
    /// Something a person asked for, in words for them.
    Asked(String),
    /// Something the session did by itself; a refusal is only logged.
    Quiet(&'static str),
}

/// One connection as the parts of its session see it.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) wire: ClientWire,
    pub(super) pending: Pending<Request>,
    pub(super) events: VecDeque<NotificationEvent>,
}

impl Channel {
    pub(super) fn new(dialect: Dialect) -> Self {
        let wire = ClientWire::new(Context { link: Link::Notification, dialect });
        Self { wire, pending: Pending::new(), events: VecDeque::new() }
    }

    /// The dialect that the two sides speak; the most preferred one until they have agreed.
    pub(super) fn dialect(&self) -> Dialect {
        self.wire.context.dialect
    }

    /// Sends a request that must be answered in time, under the number given here.
    pub(super) fn request(
        &mut self,
        now: Instant,
        kind: Request,
        command: impl FnOnce(TrId) -> ClientCommand,
    ) -> TrId {
        let trid = self.pending.expect(now, kind);
        self.wire.send(&command(trid));
        trid
    }

    pub(super) fn emit(&mut self, event: NotificationEvent) {
        self.events.push_back(event);
    }

    /// Takes the request that this number answers; true if it was the step of a change.
    pub(super) fn take_step(&mut self, trid: TrId) -> bool {
        matches!(self.pending.take(trid), Some(Request::Change))
    }
}
