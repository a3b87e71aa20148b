//! What one peer is to be sent and what its caller is to be told, in order.
//!
//! Knows how our messages are numbered and cut into packets (§9.4, §9.5). Refuses to know what a message means.

use std::collections::VecDeque;

use bytes::Bytes;

use super::PeerEvent;
use crate::msn::p2p::number::{next_number, peer_number};
use crate::msn::p2p::packet::{Flags, MAX_CONTENT, Packet};
use crate::msn::p2p::slp::Slp;

/// Packets and events that wait to be taken.
pub(super) struct Outbox {
    pub(super) next_identifier: u32,
    /// Signalling and acknowledgements: sent before data.
    pub(super) packets: VecDeque<Packet>,
    pub(super) events: VecDeque<PeerEvent>,
}

impl Outbox {
    /// `base` is random: where our identifiers begin (§9.4).
    pub(super) fn new(base: u32) -> Self {
        Self { next_identifier: peer_number(base), packets: VecDeque::new(), events: VecDeque::new() }
    }

    /// The next identifier of ours (§9.4).
    pub(super) fn identifier(&mut self) -> u32 {
        let identifier = self.next_identifier;
        self.next_identifier = next_number(identifier);
        identifier
    }

    pub(super) fn emit(&mut self, event: PeerEvent) {
        self.events.push_back(event);
    }

    /// Queues a message, in as many packets as it needs; gives its identifier.
    pub(super) fn signal(&mut self, message: &Slp) -> u32 {
        let bytes = Bytes::from(message.encode());
        let identifier = self.identifier();
        for begin in (0..bytes.len()).step_by(MAX_CONTENT) {
            let content = bytes.slice(begin..(begin + MAX_CONTENT).min(bytes.len()));
            self.packets.push_back(Packet {
                session: 0,
                identifier,
                offset: begin as u64,
                total: bytes.len() as u64,
                flags: Flags::NONE,
                ack_id: ticket(identifier),
                ack_uid: 0,
                ack_size: 0,
                content,
                application: 0,
            });
        }
        identifier
    }

    /// Says that the message which ends in this packet is here.
    pub(super) fn acknowledge(&mut self, packet: &Packet) {
        let identifier = self.identifier();
        self.packets.push_back(packet.acknowledgement(identifier));
    }
}

/// A number of a message's own, which comes back in its acknowledgement: different for different identifiers.
pub(super) fn ticket(identifier: u32) -> u32 {
    identifier.wrapping_mul(0x9E37_79B1) ^ 0x5DEE_CE66
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msn::p2p::slp::{Verb, content_type};

    #[test]
    fn a_long_message_is_cut_into_packets_of_one_identifier_and_the_next_has_another() {
        let mut outbox = Outbox::new(1000);
        let mut message = Slp {
            verb: Verb::Invite,
            to: "a@e.c".into(),
            from: "b@e.c".into(),
            branch: String::new(),
            sequence: 0,
            call: String::new(),
            content_type: content_type::SESSION_REQUEST.to_owned(),
            body: vec![("Context".into(), "x".repeat(2 * MAX_CONTENT))],
        };
        let first = outbox.signal(&message);
        assert!(outbox.packets.len() > 2 && outbox.packets.iter().all(|packet| packet.identifier == first));
        let whole: usize = outbox.packets.iter().map(|packet| packet.content.len()).sum();
        assert_eq!(whole, message.encode().len());
        assert!(outbox.packets.pop_back().unwrap().is_last());
        message.body.clear();
        assert_ne!(outbox.signal(&message), first);
    }
}
