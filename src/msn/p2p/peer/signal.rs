//! Signalling messages of one peer: put together, understood, answered (§9.7, §9.10, §9.11).

use std::hash::{Hash, Hasher};
use std::time::Instant;

use base64::Engine;
use bytes::{Bytes, BytesMut};

use super::{
    ACK_TIMEOUT, Assembly, End, FILE, GOODBYE, Kind, MAX_ASSEMBLIES, MAX_SIGNAL, OBJECT, OFFER_TIMEOUT,
    Offered, Peer, PeerEvent, Stage, Transfer, TransferFailure, TransferId, ticket,
};
use crate::msn::p2p::Guid;
use crate::msn::p2p::file::{FileContext, LENIENT};
use crate::msn::p2p::number::read_number;
use crate::msn::p2p::object::MsnObject;
use crate::msn::p2p::packet::{Flags, MAX_CONTENT, Packet};
use crate::msn::p2p::slp::{Slp, Verb, content_type};

impl Transfer {
    /// The answer to the peer's invitation.
    pub(super) fn answer(&self, code: u16) -> Slp {
        // As they wrote it: some write it signed.
        let session =
            self.invitation.get("SessionID").map_or_else(|| self.session.to_string(), str::to_owned);
        let body = vec![("SessionID".to_owned(), session)];
        self.invitation.answer(code, content_type::SESSION_REQUEST, body)
    }

    /// Whether this offer is the one that waits for an answer, or was accepted.
    fn is_offered_again(&self, offer: &str) -> bool {
        !self.stage.is_over() && self.offer == offer
    }
}

impl Peer {
    /// Queues a message, in as many packets as it needs; gives its identifier.
    pub(super) fn signal(&mut self, message: &Slp) -> u32 {
        let bytes = Bytes::from(message.encode());
        let identifier = self.identifier();
        for begin in (0..bytes.len()).step_by(MAX_CONTENT) {
            let content = bytes.slice(begin..(begin + MAX_CONTENT).min(bytes.len()));
            self.queue.push_back(Packet {
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

    /// Ends a session from our side; it is remembered until they have heard of it.
    pub(super) fn say_goodbye(&mut self, now: Instant, at: usize) {
        let transfer = &mut self.transfers[at];
        transfer.stage = Stage::Over { goodbye: None };
        transfer.deadline = now + GOODBYE;
        // A request of its own has a branch of its own.
        let branch = transfer.invitation.branch.parse::<Guid>().unwrap_or_default();
        let goodbye = Slp {
            verb: Verb::Bye,
            to: self.peer.clone(),
            from: self.own.clone(),
            branch: Guid(branch.0.wrapping_add(1)).to_string(),
            sequence: 0,
            call: transfer.invitation.call.clone(),
            content_type: content_type::SESSION_CLOSE.to_owned(),
            body: Vec::new(),
        };
        let goodbye = Some(self.signal(&goodbye));
        self.transfers[at].stage = Stage::Over { goodbye };
    }

    pub(super) fn signalled(&mut self, now: Instant, packet: &Packet) {
        if packet.total > MAX_SIGNAL || packet.total == 0 {
            return;
        }
        let Some(bytes) = self.assemble(packet) else { return };
        let acknowledgement = self.identifier();
        self.queue.push_back(packet.acknowledgement(acknowledgement));
        match Slp::parse(&bytes) {
            Ok(message) => self.understood(now, &message),
            Err(error) => tracing::debug!(%error, "a message of a peer was not understood"),
        }
    }

    /// The whole message, when this was the last of it. Fragments come in order or not at all.
    fn assemble(&mut self, packet: &Packet) -> Option<BytesMut> {
        let known = self.assemblies.iter().position(|a| a.identifier == packet.identifier);
        let mut assembly = match (known, packet.offset) {
            (Some(at), offset) if offset == self.assemblies[at].bytes.len() as u64 => {
                self.assemblies.remove(at)?
            }
            // Begun anew, or the first of it.
            (known, 0) => {
                known.and_then(|at| self.assemblies.remove(at));
                Assembly { identifier: packet.identifier, bytes: BytesMut::new() }
            }
            _ => return None,
        };
        assembly.bytes.extend_from_slice(&packet.content);
        if packet.is_last() {
            return Some(assembly.bytes);
        }
        if self.assemblies.len() >= MAX_ASSEMBLIES {
            self.assemblies.pop_front();
        }
        self.assemblies.push_back(assembly);
        None
    }

    fn understood(&mut self, now: Instant, message: &Slp) {
        let at = self.transfers.iter().position(|t| message.is_of(&t.invitation.call));
        match (&message.verb, message.content_type.as_str()) {
            (Verb::Invite, content_type::TRANSPORT_REQUEST) => self.transport_asked(now, message),
            (Verb::Invite, content_type::TRANSPORT_RESPONSE) => self.transport_offered(now, message),
            (Verb::Invite, content_type::SESSION_REQUEST) => self.invited(now, message, at),
            // Of newer clients, about how to reach them: nothing that has to be answered.
            (Verb::Invite, _) => {}
            (Verb::Bye, _) => {
                if let Some(at) = at {
                    self.closed(now, at);
                }
            }
            (Verb::Status(code), _) if self.is_about_transport(message) => {
                self.transport_answered(now, *code, message);
            }
            (Verb::Status(code), _) => {
                if let Some(at) = at {
                    self.answered(now, at, *code, message);
                }
            }
            (Verb::Ack, _) => {}
        }
    }

    /// They want to give or to have something.
    fn invited(&mut self, now: Instant, message: &Slp, at: Option<usize>) {
        let session = message.get("SessionID").and_then(read_number).unwrap_or(0);
        let offer = offer_name(message);
        if self.declined.knows(&offer) || at.is_some_and(|at| self.transfers[at].is_offered_again(&offer)) {
            return;
        }
        self.described.forget(&message.call);
        if let Some(at) = at {
            // Calls have the same names again in some clients: the old one is over.
            self.fail(at, TransferFailure::Cancelled);
        }
        let application = message.get("EUF-GUID").and_then(|guid| guid.parse::<Guid>().ok());
        let context = message.get("Context").unwrap_or_default();
        let id = TransferId(self.next_transfer);
        // Data are told apart by their session alone.
        let is_free =
            session != 0 && !self.transfers.iter().any(|t| t.session == session && !t.stage.is_over());
        let asked = match application {
            _ if !is_free => None,
            Some(FILE) => FileContext::decode(context).ok().map(|file| {
                let size = file.size;
                (Kind::File, size, PeerEvent::FileOffered { transfer: id, file })
            }),
            Some(OBJECT) => object(context).map(|object| {
                let size = object.size;
                (Kind::Object, size, PeerEvent::ObjectWanted { transfer: id, object })
            }),
            _ => None,
        };
        let transfer = |kind, size| Transfer {
            id,
            kind,
            stage: Stage::Asked,
            gives: kind == Kind::Object,
            // An answer copies the head and the session; the context may be long.
            invitation: Slp { body: session_of(message), ..message.clone() },
            session,
            identifier: 0,
            size,
            done: 0,
            missed: None,
            resent: 0,
            offer: offer.clone(),
            on_board: 0,
            end: End::default(),
            resumed: false,
            deadline: now + OFFER_TIMEOUT,
        };
        let added = match asked {
            Some((kind, size, event)) => self.add(transfer(kind, size)).map(|_| event),
            None => None,
        };
        let event = added.unwrap_or_else(|| {
            let answer = transfer(Kind::File, 0).answer(603);
            self.declined.remember(&offer);
            self.signal(&answer);
            let name = || FileContext::decode(context).ok().map(|file| file.name);
            let what = match application {
                Some(FILE) => Offered::File(name()),
                Some(OBJECT) => Offered::Object,
                _ => Offered::Unknown,
            };
            PeerEvent::Declined { what }
        });
        self.events.push_back(event);
    }

    /// Their answer to our invitation.
    fn answered(&mut self, now: Instant, at: usize, code: u16, answer: &Slp) {
        let transfer = &mut self.transfers[at];
        if !matches!(transfer.stage, Stage::Inviting { .. }) {
            return;
        }
        match code {
            200 => {
                let is_soon = transfer.gives || transfer.kind == Kind::Object;
                transfer.deadline = now + if is_soon { ACK_TIMEOUT } else { OFFER_TIMEOUT };
                transfer.end.is_known =
                    answer.get("SessionID").and_then(read_number) == Some(transfer.session);
                transfer.stage = if transfer.gives { Stage::Sending } else { Stage::Receiving };
                let (id, gives) = (transfer.id, transfer.gives);
                if gives {
                    self.begin(now, at);
                }
                self.events.push_back(PeerEvent::Accepted(id));
            }
            603 => self.fail(at, TransferFailure::Declined),
            code => self.fail(at, TransferFailure::Refused(code)),
        }
    }
}

/// What an offer of theirs is known by. Some clients give the same names to another one.
fn offer_name(invitation: &Slp) -> String {
    let mut hasher = std::hash::DefaultHasher::new();
    invitation.body.hash(&mut hasher);
    format!("{} {:x}", invitation.call, hasher.finish())
}

/// The line of an invitation that names its session.
fn session_of(invitation: &Slp) -> Vec<(String, String)> {
    invitation.body.iter().filter(|(name, _)| name.eq_ignore_ascii_case("SessionID")).cloned().collect()
}

/// The object in a context: base64, mostly with a NUL behind it.
fn object(context: &str) -> Option<MsnObject> {
    let compact: String = context.chars().filter(|c| !c.is_ascii_whitespace() && *c != '\0').collect();
    let bytes = LENIENT.decode(compact).ok()?;
    MsnObject::parse(&String::from_utf8_lossy(&bytes)).ok()
}
