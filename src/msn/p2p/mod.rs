//! Peer to peer: files, pictures and other objects between two clients (§9).
//!
//! Knows packets, signalling and the sessions of one peer, without I/O: packets in and out, time as an argument, every
//! random number from the caller. Refuses to know where data comes from and goes to.

mod file;
mod guid;
mod object;
mod packet;
mod peer;
mod slp;

pub use file::{ContextError, FileContext, safe_name};
pub use guid::Guid;
pub use object::{MsnObject, ObjectError, ObjectKind};
pub use packet::{FOOTER, Flags, HEADER, MAX_CONTENT, Packet, PacketError, Purpose};
pub use peer::{Names, Peer, PeerEvent, TransferFailure, TransferId};
pub use slp::{Slp, SlpError, Verb, content_type};
