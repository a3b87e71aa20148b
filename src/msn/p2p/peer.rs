//! All transfers with one peer, over whatever carries packets in order: offered, accepted, sent, received, ended.
//!
//! Knows which part a packet is for: the transfers by session, the agreement on a direct connection, the messages that are
//! put together. Refuses to know the switchboard, files and pictures: data come in by [`Peer::provide`] and go out as
//! [`PeerEvent::Data`], a fragment at a time; whether they are kept is said by [`Peer::confirm`].

mod outbox;
mod reassembly;
mod recent;
mod sessions;
#[cfg(test)]
mod tests;
mod transfer;
mod transport;

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

use super::direct::Nonce;
use super::file::FileContext;
use super::number::peer_number;
use super::object::MsnObject;
use super::packet::{Packet, Purpose};
use super::slp::{Slp, Verb, content_type};
use super::{Guid, MAX_CONTENT, MAX_DIRECT};
use crate::msn::ids::Email;
use outbox::Outbox;
use reassembly::Reassembly;
use sessions::Sessions;
use sessions::invite::Asked;
use transfer::Kind;
use transport::Transport;
pub use transport::{Door, Means};

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
    /// All data are here, and they have not heard so: answer with [`Peer::confirm`], or with [`Peer::end`] where they
    /// cannot be kept or are wrong.
    Arrived(TransferId),
    /// They have acknowledged all that we gave, and closed the session.
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

/// The transfers with one peer.
pub struct Peer {
    outbox: Outbox,
    reassembly: Reassembly,
    sessions: Sessions,
    transport: Transport,
}

impl Peer {
    /// `base` is random: where our identifiers begin (§9.4).
    pub fn new(own: &Email, peer: &Email, base: u32) -> Self {
        Self {
            outbox: Outbox::new(base),
            reassembly: Reassembly::default(),
            sessions: Sessions::new(own, peer),
            transport: Transport::default(),
        }
    }

    /// Allows direct connections, as far as they are possible here.
    pub fn with_means(mut self, means: Means) -> Self {
        self.transport.allow(means);
        self
    }

    /// Offers a file. Its data are wanted once it is accepted.
    pub fn offer(&mut self, now: Instant, file: &FileContext, names: Names) -> TransferId {
        self.invite(now, Kind::File, &Asked::file(file), file.size, names)
    }

    /// Asks for an object that the peer has announced.
    pub fn want(&mut self, now: Instant, object: &MsnObject, names: Names) -> TransferId {
        self.invite(now, Kind::Object, &Asked::object(object), object.size, names)
    }

    fn invite(&mut self, now: Instant, kind: Kind, asked: &Asked, size: u64, names: Names) -> TransferId {
        self.transport.forget(&names.call.to_string());
        self.sessions.invite(now, (kind, asked, size), names, &mut self.outbox)
    }

    /// Says yes: to a file, which comes then, or to an object, whose data are then wanted.
    pub fn accept(&mut self, now: Instant, id: TransferId) {
        self.sessions.accept(now, id, &mut self.outbox);
    }

    /// Somebody is asked about what they offer: it may wait until then.
    pub fn wait_for_answer(&mut self, id: TransferId, until: Instant) {
        self.sessions.wait_for_answer(id, until);
    }

    /// What has [arrived](PeerEvent::Arrived) is whole and kept: only now do they hear that it is.
    pub fn confirm(&mut self, now: Instant, id: TransferId) {
        self.sessions.confirm(now, id, &mut self.outbox);
    }

    /// Says no to what is asked or has arrived, withdraws what we offered, or breaks off what is under way.
    pub fn end(&mut self, now: Instant, id: TransferId) {
        self.sessions.end(now, id, &mut self.outbox);
    }

    /// Whether nothing is under way, and nothing is left to be sent or told.
    pub fn is_idle(&self) -> bool {
        self.sessions.transfers.is_empty() && self.outbox.packets.is_empty() && self.outbox.events.is_empty()
    }

    /// A packet came, addressed to us.
    pub fn handle(&mut self, now: Instant, packet: &Packet) {
        let Self { outbox, sessions, .. } = self;
        match packet.purpose() {
            Purpose::Ack => sessions.acknowledged(now, packet.ack_id, outbox),
            Purpose::Nak => sessions.asked_again(now, packet, outbox),
            Purpose::Handshake => {}
            Purpose::Abort => sessions.aborted(now, (packet.session, packet.flags), outbox),
            Purpose::Signalling => self.signalled(now, packet),
            Purpose::Data => sessions.received(now, packet, outbox),
        }
    }

    fn signalled(&mut self, now: Instant, packet: &Packet) {
        let Some(bytes) = self.reassembly.accept(packet) else { return };
        self.outbox.acknowledge(packet);
        match Slp::parse(&bytes) {
            Ok(message) => self.understood(now, &message),
            Err(error) => tracing::debug!(%error, "a message of a peer was not understood"),
        }
    }

    fn understood(&mut self, now: Instant, message: &Slp) {
        let Self { outbox, sessions, transport, .. } = self;
        let at = sessions.of_call(message);
        match (&message.verb, message.content_type.as_str()) {
            (Verb::Invite, content_type::TRANSPORT_REQUEST) => transport.asked(now, message, outbox),
            (Verb::Invite, content_type::TRANSPORT_RESPONSE) => transport.offered(now, message, outbox),
            (Verb::Invite, content_type::SESSION_REQUEST) => {
                if sessions.invited(now, message, outbox) {
                    transport.forget(&message.call);
                }
            }
            // Of newer clients, about how to reach them: nothing that has to be answered.
            (Verb::Invite, _) => {}
            (Verb::Bye, _) => {
                if let Some(at) = at {
                    sessions.closed(now, at, outbox);
                }
            }
            (Verb::Status(code), _) if transport.is_about(message) => {
                transport.answered(now, *code, message, outbox);
            }
            (Verb::Status(code), _) => {
                let given = at.and_then(|at| sessions.answered(now, at, (*code, message), outbox));
                if let Some(transfer) = given {
                    transport.begin(now, &transfer.invitation, transfer.size, outbox);
                }
            }
            (Verb::Ack, _) => {}
        }
    }

    /// The next packet that does not carry data. Data are asked for only where there is none.
    pub fn poll_packet(&mut self) -> Option<Packet> {
        self.outbox.packets.pop_front()
    }

    /// What happened, in order; to be asked after every other call until it gives `None`.
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        self.outbox.events.pop_front()
    }

    /// When [`Peer::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sessions.deadlines().chain(self.transport.deadline()).min()
    }

    /// Does what is due. See [`Peer::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        self.transport.handle_timeout(now);
        self.move_over(now);
        self.sessions.handle_timeout(now, &mut self.outbox);
    }

    /// The data that could be sent now: which transfer's, from where, and how many bytes at most. Transfers take turns.
    pub fn wants_data(&self) -> Option<(TransferId, u64, usize)> {
        if self.transport.is_moving() { None } else { self.sessions.wants_data(self.most_content()) }
    }

    /// The bytes that were wanted, no more of them; gives the packet that carries them.
    pub fn provide(&mut self, now: Instant, id: TransferId, content: Bytes) -> Option<Packet> {
        let limit = (self.most_content(), self.transport.is_direct());
        self.sessions.provide(now, id, content, limit)
    }

    /// Most content of a packet of data, in bytes.
    fn most_content(&self) -> usize {
        if self.transport.is_direct() { MAX_DIRECT } else { MAX_CONTENT }
    }

    /// What carried everything is gone.
    pub fn lose(&mut self) {
        self.sessions.lose(&mut self.outbox);
        self.clear();
    }

    /// They have left what carried everything. Some clients never say goodbye, and end a file so once they have
    /// acknowledged all of it.
    pub fn left(&mut self) {
        self.sessions.left(&mut self.outbox);
        self.clear();
    }

    /// The switchboard is gone and another may come: files of which data went go on there, anything else is lost. True
    /// where something does.
    pub fn outlive(&mut self, now: Instant) -> bool {
        self.clear();
        self.sessions.outlive(now, &mut self.outbox)
    }

    /// What is half said is never said to the end.
    fn clear(&mut self) {
        self.outbox.packets.clear();
        self.reassembly.clear();
        self.transport.stop();
    }

    /// The switchboard has passed a fragment on: silence begins behind it.
    pub fn delivered(&mut self, now: Instant, id: TransferId) {
        self.sessions.delivered(now, id, self.transport.is_direct());
        self.move_over(now);
    }

    /// The switchboard could not deliver a fragment: it goes again, and so does what was sent behind it. A board that
    /// delivers nothing is not asked for ever.
    pub fn undelivered(&mut self, now: Instant, id: TransferId, offset: u64) {
        let direct = self.transport.is_direct();
        if self.sessions.undelivered(now, (id, offset), direct, &mut self.outbox) {
            self.move_over(now);
        }
    }

    /// Another switchboard is there. What was given is sent again from where it is not known that it arrived; what
    /// comes is asked for from where it stopped.
    pub fn resume(&mut self, now: Instant, unconfirmed: &[(TransferId, u64)]) {
        let direct = self.transport.is_direct();
        self.sessions.resume(now, unconfirmed, direct, &mut self.outbox);
    }

    /// Whether packets go over a direct connection now, not over the switchboard.
    pub fn is_direct(&self) -> bool {
        self.transport.is_direct()
    }

    /// The door that was wanted, or that there is none.
    pub fn listening(&mut self, now: Instant, door: Option<&Door>) {
        self.transport.listening(now, door, &mut self.outbox);
    }

    /// A direct connection is there, and both have shown who they are.
    pub fn direct_up(&mut self, now: Instant) {
        self.transport.up(now, self.sessions.are_begun(), self.sessions.are_on_board());
    }

    /// Goes on by the direct connection once nothing can be overtaken there.
    fn move_over(&mut self, now: Instant) {
        self.transport.move_over(now, self.sessions.are_on_board());
    }

    /// The direct connection did not come about, or is gone. One that could not be made is not tried again.
    pub fn direct_down(&mut self, now: Instant) {
        if self.transport.down() {
            self.sessions.broke(now, &mut self.outbox);
        }
    }

    /// How somebody who comes to our door shows who they are.
    pub fn door_nonce(&self) -> Nonce {
        self.transport.door_nonce()
    }
}
