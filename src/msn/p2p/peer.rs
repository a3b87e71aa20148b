//! All transfers with one peer, over whatever carries packets in order: offered, accepted, sent, received, ended.
//!
//! Knows the sessions and what each packet means for them. Refuses to know the switchboard, files and pictures: data come
//! in by [`Peer::provide`] and go out as [`PeerEvent::Data`], a fragment at a time.

mod board;
mod data;
mod end;
mod invite;
mod recent;
mod signal;
mod transport;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::Guid;
use super::direct::Nonce;
use super::file::FileContext;
use super::number::{next_number, peer_number};
use super::object::MsnObject;
use super::packet::{Packet, Purpose};
use super::slp::Slp;
use crate::msn::ids::Email;
use recent::Recent;
pub use transport::{Door, Means};
use transport::{Moving, Negotiation};

/// How long somebody may think about an offer, and how long a sender may pause (§9.6).
const OFFER_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a peer may leave what we said unacknowledged; then nobody there understands it, or has it.
const ACK_TIMEOUT: Duration = Duration::from_secs(30);
/// Most transfers with one peer at once.
const MAX_TRANSFERS: usize = 32;
/// Most messages of signalling that are put together at once, and bytes of one.
const MAX_ASSEMBLIES: usize = 8;
const MAX_SIGNAL: u64 = 64 * 1024;
/// How often a peer may ask for the same file's data again.
const MAX_RESENT: u32 = 16;
/// How long a goodbye may go unanswered before the session is forgotten.
const GOODBYE: Duration = Duration::from_secs(30);

/// Names a transfer of this [`Peer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferId(u64);

/// What a new session is called: all random.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    pub call: Guid,
    pub branch: Guid,
    /// Written in decimal: one that every client reads the same, see [`peer_number`].
    pub session: u32,
}

impl Names {
    /// Names made of these random bits.
    pub fn new(call: u128, branch: u128, session: u32) -> Self {
        Self { call: Guid(call), branch: Guid(branch), session: peer_number(session) }
    }
}

/// Why a transfer came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferFailure {
    /// They do not want it, or do not have it.
    Declined,
    /// They ended it, or withdrew what they had offered.
    Cancelled,
    /// They cannot, with this code.
    Refused(u16),
    TimedOut,
    /// What carried it is gone.
    Lost,
    /// More or other data came than were announced.
    Malformed,
    /// They acknowledged everything of a session that they do not know, and did not close it: they may not have it.
    Unclosed,
}

/// What happened with a peer.
#[derive(Debug, Clone, PartialEq)]
pub enum PeerEvent {
    /// Answer with [`Peer::accept`] or [`Peer::end`].
    FileOffered {
        transfer: TransferId,
        file: FileContext,
    },
    /// Answer with [`Peer::accept`] and the object's data, or [`Peer::end`].
    ObjectWanted {
        transfer: TransferId,
        object: MsnObject,
    },
    /// Something was offered that is not known here, cannot be read, or is one too many; it has been declined.
    Declined {
        what: Offered,
    },
    /// They took what we offered: data are wanted from now on.
    Accepted(TransferId),
    /// The next bytes.
    Data {
        transfer: TransferId,
        bytes: Bytes,
    },
    /// The receiving side has everything: it is here, or they have acknowledged all of it and closed the session.
    Finished(TransferId),
    /// They could connect to us: answer with [`Peer::listening`]. Whoever comes shows [`Peer::door_nonce`].
    ListenWanted,
    /// They listen at one of these: answer with [`Peer::direct_up`] or [`Peer::direct_down`].
    DialWanted {
        addresses: Vec<SocketAddr>,
        nonce: Nonce,
    },
    Failed {
        transfer: TransferId,
        failure: TransferFailure,
    },
}

/// What was offered and declined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offered {
    /// Its name, where that could be read.
    File(Option<String>),
    /// Nobody sees that an object was asked for.
    Object,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Object,
}

/// Where a transfer stands. The numbers are identifiers of messages whose acknowledgement is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// They asked; somebody decides.
    Asked,
    /// We asked, and this message is not acknowledged yet.
    Inviting {
        unheard: Option<u32>,
    },
    /// We have said yes to giving an object.
    Answered(u32),
    /// The four bytes before the data of an object.
    Preparing(u32),
    Sending,
    Sent,
    Receiving,
    /// The direct connection broke under it: the receiver may have the rest sent over the switchboard.
    Broken,
    /// All is there, or all is lost; their goodbye, or the acknowledgement of ours, is missing.
    Over {
        goodbye: Option<u32>,
    },
}

impl Stage {
    fn is_over(self) -> bool {
        matches!(self, Self::Over { .. })
    }
}

/// What is known of the end of a file that we give: it has arrived once both are true.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    /// They acknowledged all of it. Some clients acknowledge whatever comes.
    acknowledged: bool,
    /// They closed the session.
    closed: bool,
    /// Their answer named our session: they know which one it is.
    is_known: bool,
}

struct Transfer {
    id: TransferId,
    kind: Kind,
    stage: Stage,
    /// Whether the data go to them.
    gives: bool,
    /// The invitation, ours or theirs: answers and later requests are made from it.
    invitation: Slp,
    session: u32,
    /// The identifier of the message that is the data.
    identifier: u32,
    size: u64,
    done: u64,
    /// What was missing from here on has been asked for.
    missed: Option<u64>,
    /// What an offer of theirs is known by.
    offer: String,
    /// How often they asked for something again.
    resent: u32,
    /// Fragments that the switchboard has not passed on yet.
    on_board: u32,
    end: End,
    /// It went on over another switchboard, and nothing shows yet that the other side goes along.
    resumed: bool,
    deadline: Instant,
}

/// A message of signalling in several packets.
struct Assembly {
    identifier: u32,
    bytes: BytesMut,
}

/// The transfers with one peer.
pub struct Peer {
    own: String,
    peer: String,
    next_identifier: u32,
    transfers: Vec<Transfer>,
    assemblies: VecDeque<Assembly>,
    /// Signalling and acknowledgements: sent before data.
    queue: VecDeque<Packet>,
    events: VecDeque<PeerEvent>,
    next_transfer: u64,
    /// Whose turn it is to send data.
    turn: usize,
    means: Means,
    /// Packets go over a direct connection.
    direct: bool,
    negotiation: Option<Negotiation>,
    /// What they announced of their nonce when they asked for a direct connection and we could not listen.
    hashed: Option<Guid>,
    /// A direct connection is there, and what the switchboard still carries goes first.
    moving: Option<Moving>,
    /// Calls in which we have said where we listen.
    described: Recent,
    /// Offers that were declined.
    declined: Recent,
}

impl Peer {
    /// `base` is random: where our identifiers begin (§9.4).
    pub fn new(own: &Email, peer: &Email, base: u32) -> Self {
        Self {
            own: own.to_string(),
            peer: peer.to_string(),
            next_identifier: peer_number(base),
            transfers: Vec::new(),
            assemblies: VecDeque::new(),
            queue: VecDeque::new(),
            events: VecDeque::new(),
            next_transfer: 0,
            turn: 0,
            means: Means::default(),
            direct: false,
            negotiation: None,
            hashed: None,
            moving: None,
            described: Recent::default(),
            declined: Recent::default(),
        }
    }

    /// Says yes: to a file, which comes then, or to an object, whose data are then wanted.
    pub fn accept(&mut self, now: Instant, id: TransferId) {
        let Some(at) = self.transfers.iter().position(|t| t.id == id && t.stage == Stage::Asked) else {
            return;
        };
        let answer = self.transfers[at].answer(200);
        let sent = self.signal(&answer);
        let transfer = &mut self.transfers[at];
        let is_soon = transfer.gives || transfer.size == 0;
        transfer.deadline = now + if is_soon { ACK_TIMEOUT } else { OFFER_TIMEOUT };
        transfer.stage = if transfer.gives { Stage::Answered(sent) } else { Stage::Receiving };
    }

    /// Somebody is asked about what they offer: it may wait until then.
    pub fn wait_for_answer(&mut self, id: TransferId, until: Instant) {
        let asked = self.transfers.iter_mut().find(|t| t.id == id && t.stage == Stage::Asked);
        asked.into_iter().for_each(|transfer| transfer.deadline = until);
    }

    /// Says no to what is asked, withdraws what we offered, or breaks off what is under way.
    pub fn end(&mut self, now: Instant, id: TransferId) {
        let Some(at) = self.transfers.iter().position(|t| t.id == id) else { return };
        match self.transfers[at].stage {
            Stage::Over { .. } => {}
            Stage::Asked => {
                let declined = self.transfers.remove(at);
                let answer = declined.answer(603);
                self.declined.remember(&declined.offer);
                self.signal(&answer);
            }
            _ => self.say_goodbye(now, at),
        }
    }

    /// Whether anything is under way.
    pub fn is_idle(&self) -> bool {
        self.transfers.is_empty() && self.queue.is_empty() && self.events.is_empty()
    }

    /// A packet came, addressed to us.
    pub fn handle(&mut self, now: Instant, packet: &Packet) {
        match packet.purpose() {
            Purpose::Ack => self.acknowledged(now, packet),
            Purpose::Nak => self.asked_again(now, packet),
            Purpose::Handshake => {}
            Purpose::Abort => self.aborted(now, packet.session, packet.flags),
            Purpose::Signalling => self.signalled(now, packet),
            Purpose::Data => self.received(now, packet),
        }
    }

    /// The next packet that does not carry data. Data are asked for only where there is none.
    pub fn poll_packet(&mut self) -> Option<Packet> {
        self.queue.pop_front()
    }

    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    /// When [`Peer::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let negotiation = self.negotiation.as_ref().map(|negotiation| negotiation.deadline);
        let moved = self.moving.as_ref().and_then(Moving::deadline);
        self.transfers.iter().map(|transfer| transfer.deadline).chain(negotiation).chain(moved).min()
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

    /// The next identifier of ours (§9.4).
    fn identifier(&mut self) -> u32 {
        let identifier = self.next_identifier;
        self.next_identifier = next_number(identifier);
        identifier
    }
}

/// A number of a message's own, which comes back in its acknowledgement: different for different identifiers.
fn ticket(identifier: u32) -> u32 {
    identifier.wrapping_mul(0x9E37_79B1) ^ 0x5DEE_CE66
}

/// Files.
const FILE: Guid = Guid(0x5D3E02AB_6190_11D3_BBBB_00C04F795683);
/// Pictures, emoticons, winks, voice clips.
const OBJECT: Guid = Guid(0xA4268EEC_FEC5_49E5_95C3_F126696BDBF6);

#[cfg(test)]
mod tests;
