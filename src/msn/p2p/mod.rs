//! Peer to peer: files, pictures and other objects between two clients (§9).
//!
//! Knows packets, signalling and the sessions of one peer, without I/O: packets in and out, time as an argument, every
//! random number from the caller. Refuses to know where data comes from and goes to.

mod direct;
mod file;
mod guid;
mod number;
mod object;
mod packet;
mod peer;
mod slp;

use crate::msn::ids::Email;
pub use direct::{DirectEvent, DirectFailure, DirectSession, MAX_DIRECT, Nonce};
pub use file::{ContextError, FileContext, safe_name};
pub use guid::Guid;
pub use number::{peer_number, read_number};
pub use object::{MAX_UNSIZED_OBJECT, MsnObject, ObjectError, ObjectKind};
pub use packet::{FOOTER, Flags, HEADER, MAX_CONTENT, Packet, PacketError, Purpose};
pub use peer::{Door, Means, Names, Offered, Peer, PeerEvent, TransferFailure, TransferId};

pub use slp::{Slp, SlpError, Verb, content_type};

/// Whether a packet in a call is for us: everybody in the call gets it (§9.1). One that names nobody is for everybody.
pub fn is_for(destination: Option<&Email>, own: &Email) -> bool {
    destination.is_none_or(|destination| destination == own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msn::message::{Content, Envelope};

    #[test]
    fn conf_100_packets_for_another_account_are_ignored() {
        let own = Email::parse("alice@example.com").unwrap();
        let to = |destination: &str| {
            let payload = format!(
                "MIME-Version: 1.0\r\nContent-Type: application/x-msnmsgrp2p\r\nP2P-Dest: {destination}\r\n\r\n"
            );
            let envelope = Envelope::parse(&[payload.as_bytes(), &[0; 52]].concat().into()).unwrap();
            match Content::parse(&envelope) {
                Ok(Content::Peer { destination, .. }) => is_for(destination.as_ref(), &own),
                other => panic!("{other:?}"),
            }
        };
        assert!(to("alice@example.com"));
        assert!(to("ALICE@Example.com;{70531C96-FA19-4BA8-9E58-DC14531B7BB5}"));
        assert!(!to("bob@example.com"));
        assert!(!to("alice@example.org"));
    }
}
