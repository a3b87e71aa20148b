//! The transfers with one peer, by session: which are under way, whose turn it is, what a packet means for them.
//!
//! Knows every transfer until the other side has heard of its end. Refuses to know what carries the packets: whether that
//! is a direct connection is an argument.

mod board;
pub(super) mod end;
pub(super) mod invite;

use std::time::Instant;

use bytes::Bytes;

use super::outbox::Outbox;
use super::recent::Recent;
use super::transfer::{ACK_TIMEOUT, OFFER_TIMEOUT, Received, Stage, Transfer};
use super::{PeerEvent, TransferFailure, TransferId};
use crate::msn::ids::Email;
use crate::msn::p2p::packet::Packet;
use crate::msn::p2p::slp::Slp;

/// Most transfers with one peer at once.
const MAX_TRANSFERS: usize = 32;

/// The transfers with one peer.
pub(super) struct Sessions {
    own: String,
    peer: String,
    pub(super) transfers: Vec<Transfer>,
    next_transfer: u64,
    /// Whose turn it is to send data.
    turn: usize,
    /// Offers that were declined.
    declined: Recent,
}

impl Sessions {
    pub(super) fn new(own: &Email, peer: &Email) -> Self {
        Self {
            own: own.to_string(),
            peer: peer.to_string(),
            transfers: Vec::new(),
            next_transfer: 0,
            turn: 0,
            declined: Recent::default(),
        }
    }

    /// Where the transfer stands that this message is about.
    pub(super) fn of_call(&self, message: &Slp) -> Option<usize> {
        self.transfers.iter().position(|transfer| message.is_of(&transfer.invitation.call))
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = Instant> {
        self.transfers.iter().map(|transfer| transfer.deadline)
    }

    /// Says yes: to a file, which comes then, or to an object, whose data are then wanted.
    pub(super) fn accept(&mut self, now: Instant, id: TransferId, outbox: &mut Outbox) {
        let asked = self.transfers.iter_mut().find(|t| t.id == id && t.stage == Stage::Asked);
        let Some(transfer) = asked else { return };
        let sent = outbox.signal(&transfer.answer(200));
        let is_soon = transfer.gives || transfer.size == 0;
        transfer.deadline = now + if is_soon { ACK_TIMEOUT } else { OFFER_TIMEOUT };
        transfer.stage = if transfer.gives { Stage::Answered(sent) } else { Stage::Receiving };
    }

    /// Somebody is asked about what they offer: it may wait until then.
    pub(super) fn wait_for_answer(&mut self, id: TransferId, until: Instant) {
        let asked = self.transfers.iter_mut().find(|t| t.id == id && t.stage == Stage::Asked);
        asked.into_iter().for_each(|transfer| transfer.deadline = until);
    }

    fn add(&mut self, transfer: Transfer) -> Option<TransferId> {
        if self.transfers.iter().filter(|t| !t.stage.is_over()).count() >= MAX_TRANSFERS {
            return None;
        }
        // Those that are over are remembered for a moment, not for as long as others come.
        if self.transfers.len() >= 2 * MAX_TRANSFERS
            && let Some(oldest) = self.transfers.iter().position(|t| t.stage.is_over())
        {
            self.transfers.remove(oldest);
        }
        let id = transfer.id;
        self.next_transfer += 1;
        self.transfers.push(transfer);
        Some(id)
    }

    /// The data that could be sent now: which transfer's, from where, and how many bytes at most. Transfers take turns.
    pub(super) fn wants_data(&self, most: usize) -> Option<(TransferId, u64, usize)> {
        let count = self.transfers.len();
        let turns = (0..count).map(|n| (self.turn + n) % count);
        let next = turns.map(|at| &self.transfers[at]).find(|t| t.stage == Stage::Sending)?;
        let left = usize::try_from(next.size - next.done).unwrap_or(usize::MAX);
        Some((next.id, next.done, left.min(most)))
    }

    /// The bytes that were wanted; gives the packet that carries them.
    pub(super) fn provide(
        &mut self,
        now: Instant,
        id: TransferId,
        content: Bytes,
        limit: (usize, bool),
    ) -> Option<Packet> {
        let at = self.transfers.iter().position(|t| t.id == id && t.stage == Stage::Sending)?;
        self.turn = at + 1;
        self.transfers[at].provide(now, content, limit)
    }

    /// A message of ours has arrived.
    pub(super) fn acknowledged(&mut self, now: Instant, id: u32, outbox: &mut Outbox) {
        let waits = |stage: &Stage| matches!(stage, Stage::Answered(n) | Stage::Preparing(n) if *n == id);
        if let Some(transfer) = self.transfers.iter_mut().find(|t| waits(&t.stage)) {
            transfer.deadline = now + ACK_TIMEOUT;
            match transfer.stage {
                Stage::Answered(_) => transfer.prepare(outbox),
                _ => transfer.begin_data(outbox),
            }
            return;
        }
        if self.data_acknowledged(now, id, outbox) {
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

    /// They miss something, and want it from there on.
    pub(super) fn asked_again(&mut self, now: Instant, packet: &Packet, outbox: &mut Outbox) {
        let sending = |stage: Stage| matches!(stage, Stage::Sending | Stage::Sent | Stage::Broken);
        let mut all = self.transfers.iter_mut().enumerate();
        let found = all.find(|(_, t)| sending(t.stage) && t.identifier == packet.ack_id);
        let Some((at, transfer)) = found.filter(|(_, t)| t.misses(packet.ack_size)) else { return };
        if !transfer.send_again(now, packet.ack_size) {
            self.break_off(now, at, TransferFailure::Malformed, outbox);
        }
    }

    /// Data came.
    pub(super) fn received(&mut self, now: Instant, packet: &Packet, outbox: &mut Outbox) {
        let receives =
            |stage: Stage| matches!(stage, Stage::Receiving | Stage::Inviting { .. } | Stage::Broken);
        let is_it = |t: &Transfer| t.session == packet.session && !t.gives && receives(t.stage);
        // Late packets of what is over are nobody's.
        let Some(at) = self.transfers.iter().position(is_it) else { return };
        match self.transfers[at].receive(now, packet, outbox) {
            Received::Going => {}
            Received::Whole => self.arrived(now, at, outbox),
            Received::Malformed => self.break_off(now, at, TransferFailure::Malformed, outbox),
        }
    }

    /// A failure of ours or theirs: it is told, and they are told that we are done.
    fn break_off(&mut self, now: Instant, at: usize, failure: TransferFailure, outbox: &mut Outbox) {
        outbox.emit(PeerEvent::Failed { transfer: self.transfers[at].id, failure });
        self.say_goodbye(now, at, outbox);
    }
}

#[cfg(test)]
mod tests {
    use super::invite::Asked;
    use super::*;
    use crate::msn::p2p::peer::Names;
    use crate::msn::p2p::peer::transfer::Kind;

    #[test]
    fn transfers_that_give_data_take_turns() {
        let now = Instant::now();
        let email = |text| Email::parse(text).unwrap();
        let (mut outbox, mut sessions) = (Outbox::new(1), Sessions::new(&email("a@e.c"), &email("b@e.c")));
        for number in 1..=2_u32 {
            let asked = Asked { application: crate::msn::p2p::Guid(1), number: 2, context: String::new() };
            let names = Names::new(number.into(), number.into(), number);
            sessions.invite(now, (Kind::File, &asked, 10), names, &mut outbox);
            sessions.transfers.last_mut().unwrap().begin_data(&mut outbox);
        }
        let mut offsets = Vec::new();
        while let Some((id, offset, length)) = sessions.wants_data(5) {
            offsets.push((id, offset));
            sessions.provide(now, id, vec![7; length].into(), (5, false)).unwrap();
        }
        let (first, second) = (sessions.transfers[0].id, sessions.transfers[1].id);
        assert_eq!(offsets, [(first, 0), (second, 0), (first, 5), (second, 5)]);
    }
}
