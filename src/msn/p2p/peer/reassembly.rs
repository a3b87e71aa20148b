//! Messages of signalling that come in several packets, put together (§9.5).
//!
//! Knows how far each message has come. Refuses to know what one says. Fragments come in order or not at all; a peer that
//! begins many and finishes none loses the oldest.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::msn::p2p::packet::Packet;

/// Most messages of signalling that are put together at once, and bytes of one.
const MAX_ASSEMBLIES: usize = 8;
const MAX_SIGNAL: u64 = 64 * 1024;

struct Assembly {
    identifier: u32,
    bytes: BytesMut,
}

/// Messages that are not whole yet.
#[derive(Default)]
pub(super) struct Reassembly(VecDeque<Assembly>);

impl Reassembly {
    /// The whole message, when this was the last of it.
    pub(super) fn accept(&mut self, packet: &Packet) -> Option<BytesMut> {
        if packet.total > MAX_SIGNAL || packet.total == 0 {
            return None;
        }
        let known = self.0.iter().position(|a| a.identifier == packet.identifier);
        let mut assembly = match (known, packet.offset) {
            (Some(at), offset) if offset == self.0[at].bytes.len() as u64 => self.0.remove(at)?,
            // Begun anew, or the first of it.
            (known, 0) => {
                known.and_then(|at| self.0.remove(at));
                Assembly { identifier: packet.identifier, bytes: BytesMut::new() }
            }
            _ => return None,
        };
        assembly.bytes.extend_from_slice(&packet.content);
        if packet.is_last() {
            return Some(assembly.bytes);
        }
        if self.0.len() >= MAX_ASSEMBLIES {
            self.0.pop_front();
        }
        self.0.push_back(assembly);
        None
    }

    /// Forgets what is not whole: its rest does not come.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msn::p2p::packet::Flags;

    fn fragment(identifier: u32, offset: u64, content: &'static str, total: u64) -> Packet {
        Packet {
            session: 0,
            identifier,
            offset,
            total,
            flags: Flags::NONE,
            ack_id: 0,
            ack_uid: 0,
            ack_size: 0,
            content: content.into(),
            application: 0,
        }
    }

    #[test]
    fn fragments_in_order_become_their_message_and_a_gap_none() {
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.accept(&fragment(1, 0, "abc", 6)), None);
        assert_eq!(reassembly.accept(&fragment(2, 3, "def", 6)), None, "the rest of another");
        assert_eq!(reassembly.accept(&fragment(1, 3, "def", 6)).unwrap(), "abcdef");
        assert_eq!(reassembly.accept(&fragment(1, 3, "def", 6)), None, "once");
        assert_eq!(reassembly.accept(&fragment(3, 0, "x", MAX_SIGNAL + 1)), None);
    }

    #[test]
    fn the_oldest_of_too_many_is_forgotten() {
        let mut reassembly = Reassembly::default();
        for identifier in 0..=u32::try_from(MAX_ASSEMBLIES).unwrap() {
            reassembly.accept(&fragment(identifier, 0, "abc", 6));
        }
        assert_eq!(reassembly.accept(&fragment(0, 3, "def", 6)), None);
        assert!(reassembly.accept(&fragment(1, 3, "def", 6)).is_some());
    }
}
