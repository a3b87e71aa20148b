//! The data of one peer's transfers: given a fragment at a time, in turn, and taken in order (§9.5, §9.6, §9.8).

use std::time::Instant;

use bytes::Bytes;

use super::{
    ACK_TIMEOUT, Kind, MAX_RESENT, OFFER_TIMEOUT, Peer, PeerEvent, Stage, Transfer, TransferFailure,
    TransferId, ticket,
};
use crate::msn::p2p::object::MAX_UNSIZED_OBJECT;
use crate::msn::p2p::packet::{Flags, Packet};

/// Bytes before the data of an object.
const PREPARATION: &[u8] = &[0; 4];

impl Peer {
    /// The data that could be sent now: which transfer's, from where, and how many bytes at most. Transfers take turns.
    pub fn wants_data(&self) -> Option<(TransferId, u64, usize)> {
        if self.moving.is_some() {
            return None;
        }
        let count = self.transfers.len();
        let turns = (0..count).map(|n| (self.turn + n) % count);
        let next = turns.map(|at| &self.transfers[at]).find(|t| t.stage == Stage::Sending)?;
        let left = usize::try_from(next.size - next.done).unwrap_or(usize::MAX);
        Some((next.id, next.done, left.min(self.most_content())))
    }

    /// The bytes that were wanted, no more of them; gives the packet that carries them.
    pub fn provide(&mut self, now: Instant, id: TransferId, content: Bytes) -> Option<Packet> {
        let at = self.transfers.iter().position(|t| t.id == id && t.stage == Stage::Sending)?;
        self.turn = at + 1;
        let (most, direct) = (self.most_content(), self.direct);
        let transfer = &mut self.transfers[at];
        let (offset, end) = (transfer.done, transfer.done + content.len() as u64);
        if content.is_empty() && transfer.size > 0 || content.len() > most || end > transfer.size {
            return None;
        }
        transfer.done = end;
        transfer.deadline = now + transfer.silence(direct);
        transfer.on_board += u32::from(!direct);
        if end == transfer.size {
            transfer.stage = Stage::Sent;
        }
        let (flags, application) = match transfer.kind {
            Kind::File => (Flags::FILE, 2),
            Kind::Object => (Flags::OBJECT, 1),
        };
        Some(Packet {
            session: transfer.session,
            identifier: transfer.identifier,
            offset,
            total: transfer.size,
            flags,
            ack_id: ticket(transfer.identifier),
            ack_uid: 0,
            ack_size: 0,
            content,
            application,
        })
    }

    /// All fragments of the data have one identifier, whatever else is sent between them.
    pub(super) fn begin_data(&mut self, at: usize) {
        let identifier = self.identifier();
        let transfer = &mut self.transfers[at];
        transfer.identifier = identifier;
        transfer.stage = Stage::Sending;
    }

    pub(super) fn acknowledged(&mut self, now: Instant, packet: &Packet) {
        let id = packet.ack_id;
        let waits = |stage: &Stage| matches!(stage, Stage::Answered(n) | Stage::Preparing(n) if *n == id);
        if let Some(at) = self.transfers.iter().position(|t| waits(&t.stage)) {
            self.transfers[at].deadline = now + ACK_TIMEOUT;
            match self.transfers[at].stage {
                Stage::Answered(_) => self.prepare(at),
                _ => self.begin_data(at),
            }
            return;
        }
        if self.data_acknowledged(now, id) {
            return;
        }
        let over = Stage::Over { goodbye: Some(id) };
        self.transfers.retain(|transfer| transfer.stage != over);
        // Whoever acknowledges an invitation understands it, and may ask somebody.
        let inviting = Stage::Inviting { unheard: Some(id) };
        if let Some(transfer) = self.transfers.iter_mut().find(|t| t.stage == inviting) {
            transfer.stage = Stage::Inviting { unheard: None };
            transfer.deadline = now + OFFER_TIMEOUT;
        }
    }

    /// An object's data are announced by four zero bytes.
    fn prepare(&mut self, at: usize) {
        let identifier = self.identifier();
        let transfer = &mut self.transfers[at];
        transfer.stage = Stage::Preparing(identifier);
        self.queue.push_back(Packet {
            session: transfer.session,
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

    /// They miss something, and want it from there on.
    pub(super) fn asked_again(&mut self, now: Instant, packet: &Packet) {
        let id = packet.ack_id;
        let sending = |stage: Stage| matches!(stage, Stage::Sending | Stage::Sent | Stage::Broken);
        let found = self.transfers.iter_mut().find(|t| sending(t.stage) && t.identifier == id);
        // Behind a connection that broke nothing may be missing, and yet they wait.
        let missing = |t: &&mut Transfer| {
            packet.ack_size < t.done
                || t.stage == Stage::Broken && packet.ack_size == t.done && t.done < t.size
        };
        let Some(transfer) = found.filter(missing) else { return };
        transfer.resent += 1;
        if transfer.resent <= MAX_RESENT {
            transfer.done = packet.ack_size;
            transfer.resumed = false;
            transfer.stage = Stage::Sending;
            transfer.end.acknowledged = false;
            transfer.deadline = now + ACK_TIMEOUT;
            return;
        }
        // They would have it sent for ever.
        let transfer = transfer.id;
        self.events.push_back(PeerEvent::Failed { transfer, failure: TransferFailure::Malformed });
        if let Some(at) = self.transfers.iter().position(|t| t.id == transfer) {
            self.say_goodbye(now, at);
        }
    }

    pub(super) fn received(&mut self, now: Instant, packet: &Packet) {
        let receives =
            |stage: Stage| matches!(stage, Stage::Receiving | Stage::Inviting { .. } | Stage::Broken);
        let at =
            self.transfers.iter().position(|t| t.session == packet.session && !t.gives && receives(t.stage));
        // Late packets of what is over are nobody's.
        let Some(at) = at else { return };
        let transfer = &mut self.transfers[at];
        if packet.flags.0 & 0x30 == 0 {
            let is_preparation = packet.total == 4 && packet.content == PREPARATION;
            if is_preparation && transfer.kind == Kind::Object && transfer.done == 0 {
                self.acknowledge(packet);
            }
            // Anything else without data is about how they are, not about the file.
            return;
        }
        // Of an empty file there is one message without content.
        if packet.content.is_empty() && (transfer.size > 0 || transfer.kind == Kind::Object) {
            return;
        }
        // An object may not say how large it is: its data do.
        if transfer.kind == Kind::Object && transfer.size == 0 && packet.total <= MAX_UNSIZED_OBJECT {
            transfer.size = packet.total;
        }
        if transfer.identifier == 0 {
            transfer.identifier = packet.identifier;
        }
        if transfer.identifier != packet.identifier {
            return;
        }
        if packet.total != transfer.size {
            self.events.push_back(PeerEvent::Failed {
                transfer: self.transfers[at].id,
                failure: TransferFailure::Malformed,
            });
            return self.say_goodbye(now, at);
        }
        if packet.offset != transfer.done {
            return self.miss(packet, at);
        }
        transfer.done += packet.content.len() as u64;
        transfer.resumed = false;
        transfer.stage = Stage::Receiving;
        transfer.deadline = now + OFFER_TIMEOUT;
        let (id, whole) = (transfer.id, transfer.done == transfer.size);
        if !packet.content.is_empty() {
            self.events.push_back(PeerEvent::Data { transfer: id, bytes: packet.content.clone() });
        }
        if whole {
            self.acknowledge(packet);
            self.complete(now, at);
        }
    }

    /// Something is missing before this: it is asked for again, once for each gap. What came already is not wanted.
    fn miss(&mut self, packet: &Packet, at: usize) {
        let transfer = &mut self.transfers[at];
        let done = transfer.done;
        if packet.offset <= done || transfer.missed.replace(done) == Some(done) {
            return;
        }
        let identifier = self.identifier();
        let mut request = packet.acknowledgement(identifier);
        request.flags = Flags::NAK;
        request.ack_size = done;
        self.queue.push_back(request);
    }

    fn acknowledge(&mut self, packet: &Packet) {
        let identifier = self.identifier();
        self.queue.push_back(packet.acknowledgement(identifier));
    }
}
