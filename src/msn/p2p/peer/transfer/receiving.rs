//! Data that come from a peer, in order; what is missing is asked for (§9.6, §9.8).
//!
//! Knows what has come and what was asked for again. Refuses to know where the data go: they are handed on as events.

use std::time::Instant;

use bytes::Bytes;

use super::{Kind, OFFER_TIMEOUT, Stage, Transfer};
use crate::msn::p2p::object::MAX_UNSIZED_OBJECT;
use crate::msn::p2p::packet::{Flags, Packet};
use crate::msn::p2p::peer::PeerEvent;
use crate::msn::p2p::peer::outbox::Outbox;

/// Bytes before the data of an object.
pub(super) const PREPARATION: &[u8] = &[0; 4];

/// What a packet of data has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Received {
    /// More is awaited.
    Going,
    /// All is there; the acknowledgement waits until it is kept.
    Whole,
    /// More or other data came than were announced.
    Malformed,
}

impl Transfer {
    /// Takes a packet of its session.
    pub(in super::super) fn receive(
        &mut self,
        now: Instant,
        packet: &Packet,
        outbox: &mut Outbox,
    ) -> Received {
        if packet.flags.0 & 0x30 == 0 {
            let is_preparation = packet.total == 4 && packet.content == PREPARATION;
            if is_preparation && self.kind == Kind::Object && self.done == 0 {
                outbox.acknowledge(packet);
            }
            // Anything else without data is about how they are, not about the file.
            return Received::Going;
        }
        // Of an empty file there is one message without content.
        if packet.content.is_empty() && (self.size > 0 || self.kind == Kind::Object) {
            return Received::Going;
        }
        // An object may not say how large it is: its data do.
        if self.kind == Kind::Object && self.size == 0 && packet.total <= MAX_UNSIZED_OBJECT {
            self.size = packet.total;
        }
        if self.identifier == 0 {
            self.identifier = packet.identifier;
        }
        if self.identifier != packet.identifier {
            return Received::Going;
        }
        if packet.total != self.size {
            return Received::Malformed;
        }
        if packet.offset != self.done {
            self.miss(packet, outbox);
            return Received::Going;
        }
        self.append(now, packet, outbox)
    }

    fn append(&mut self, now: Instant, packet: &Packet, outbox: &mut Outbox) -> Received {
        self.done += packet.content.len() as u64;
        self.resumed = false;
        self.stage = Stage::Receiving;
        self.deadline = now + OFFER_TIMEOUT;
        if !packet.content.is_empty() {
            outbox.emit(PeerEvent::Data { transfer: self.id, bytes: packet.content.clone() });
        }
        if self.done != self.size {
            return Received::Going;
        }
        self.last = Some(Packet { content: Bytes::new(), ..packet.clone() });
        Received::Whole
    }

    /// Something is missing before this: it is asked for again, once for each gap. What came already is not wanted.
    fn miss(&mut self, packet: &Packet, outbox: &mut Outbox) {
        let done = self.done;
        if packet.offset <= done || self.missed.replace(done) == Some(done) {
            return;
        }
        let mut request = packet.acknowledgement(outbox.identifier());
        request.flags = Flags::NAK;
        request.ack_size = done;
        outbox.packets.push_back(request);
    }

    /// Has the sender go on from where its data stopped.
    pub(in super::super) fn ask_for_the_rest(&self, outbox: &mut Outbox) {
        let identifier = outbox.identifier();
        outbox.packets.push_back(Packet {
            session: self.session,
            identifier,
            offset: 0,
            total: self.size,
            flags: Flags::NAK,
            ack_id: self.identifier,
            ack_uid: 0,
            ack_size: self.done,
            content: Bytes::new(),
            application: 2,
        });
    }
}
