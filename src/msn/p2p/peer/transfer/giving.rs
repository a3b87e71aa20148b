//! Data that go to a peer: announced, cut into fragments, sent again from where they are missed (§9.5, §9.8).
//!
//! Knows what was given and what the switchboard has not passed on. Refuses to know whose turn it is.

use std::time::Instant;

use bytes::Bytes;

use super::receiving::PREPARATION;
use super::{ACK_TIMEOUT, Kind, Stage, Transfer};
use crate::msn::p2p::packet::{Flags, Packet};
use crate::msn::p2p::peer::outbox::{Outbox, ticket};

/// How often a peer may ask for the same file's data again.
pub(in super::super) const MAX_RESENT: u32 = 16;

impl Transfer {
    /// An object's data are announced by four zero bytes.
    pub(in super::super) fn prepare(&mut self, outbox: &mut Outbox) {
        let identifier = outbox.identifier();
        self.stage = Stage::Preparing(identifier);
        outbox.packets.push_back(Packet {
            session: self.session,
            identifier,
            offset: 0,
            total: PREPARATION.len() as u64,
            flags: Flags::NONE,
            ack_id: ticket(identifier),
            ack_uid: 0,
            ack_size: 0,
            content: Bytes::from_static(PREPARATION),
            application: 1,
        });
    }

    /// All fragments of the data have one identifier, whatever else is sent between them.
    pub(in super::super) fn begin_data(&mut self, outbox: &mut Outbox) {
        self.identifier = outbox.identifier();
        self.stage = Stage::Sending;
    }

    /// The packet that carries these bytes, `most` of them at most; none where they are not those that were wanted.
    pub(in super::super) fn provide(
        &mut self,
        now: Instant,
        content: Bytes,
        (most, direct): (usize, bool),
    ) -> Option<Packet> {
        let (offset, end) = (self.done, self.done + content.len() as u64);
        if content.is_empty() && self.size > 0 || content.len() > most || end > self.size {
            return None;
        }
        self.done = end;
        self.deadline = now + self.silence(direct);
        self.on_board += u32::from(!direct);
        if end == self.size {
            self.stage = Stage::Sent;
        }
        let (flags, application) = match self.kind {
            Kind::File => (Flags::FILE, 2),
            Kind::Object => (Flags::OBJECT, 1),
        };
        Some(Packet {
            session: self.session,
            identifier: self.identifier,
            offset,
            total: self.size,
            flags,
            ack_id: ticket(self.identifier),
            ack_uid: 0,
            ack_size: 0,
            content,
            application,
        })
    }

    /// Whether somebody who has the data up to here misses any. Behind a connection that broke nothing may be missing,
    /// and yet they wait.
    pub(in super::super) fn misses(&self, from: u64) -> bool {
        from < self.done || self.stage == Stage::Broken && from == self.done && self.done < self.size
    }

    /// They miss something, and want it from there on; false where they would have it sent for ever.
    pub(in super::super) fn send_again(&mut self, now: Instant, from: u64) -> bool {
        let goes_on = self.rewind(from);
        if goes_on {
            self.resumed = false;
            self.end.acknowledged = false;
            self.deadline = now + ACK_TIMEOUT;
        }
        goes_on
    }

    /// What was sent from there on goes again; false where that was too often.
    pub(in super::super) fn rewind(&mut self, from: u64) -> bool {
        self.resent += 1;
        let goes_on = self.resent <= MAX_RESENT;
        if goes_on {
            self.done = from;
            self.stage = Stage::Sending;
        }
        goes_on
    }
}
