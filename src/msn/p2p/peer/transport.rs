//! Whether the data of a peer go by a connection of their own, and how the two agree on one (§9.10, §9.11).
//!
//! Whoever gives a large file asks. Whoever is asked listens, or says that it cannot; then the one who asked may listen.
//! Nothing waits for what comes of it: data go over the switchboard, and move over if a direct connection comes about.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Peer, PeerEvent, Stage};
use crate::msn::p2p::direct::Nonce;
use crate::msn::p2p::packet::{Flags, Packet};
use crate::msn::p2p::slp::{Slp, Verb, content_type};
use crate::msn::p2p::{Guid, MAX_CONTENT, MAX_DIRECT};

/// A smaller file is through before a connection of its own would be.
const DIRECT_FROM: u64 = 64 << 10;
/// How long they may think about the question.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the switchboard's last fragments may take to be read, once it has passed them on: a direct connection must
/// not overtake them.
const SETTLE: Duration = Duration::from_secs(1);
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(20);
/// A transfer whose connection broke waits so long for the other side to go on over the switchboard.
const RESUME: Duration = Duration::from_secs(20);
/// Most addresses of one answer that are looked at.
const MAX_ADDRESSES: usize = 16;

/// What can be done here about direct connections.
#[derive(Debug, Clone, Copy, Default)]
pub struct Means {
    pub dial: bool,
    pub listen: bool,
    /// Random: what somebody who connects here has to show.
    pub nonce: Guid,
}

/// Where somebody listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    pub addresses: Vec<IpAddr>,
    pub port: u16,
}

#[derive(Debug)]
pub(super) enum Step {
    /// We asked.
    Asked,
    /// A door is to be opened here: for this wish of theirs, or after they could not.
    Opening(Option<Slp>),
    Connecting,
}

/// The way to a direct connection.
#[derive(Debug, Default)]
pub(super) struct Moving {
    /// When all that the switchboard has passed on is taken for read; `None` while it still has some.
    settles: Option<Instant>,
}

impl Moving {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.settles
    }
}

/// An agreement in the making.
#[derive(Debug)]
pub(super) struct Negotiation {
    pub(super) step: Step,
    /// The call it belongs to, and the branch of our question.
    invitation: Slp,
    /// What they announced of a nonce that they keep to themselves.
    hashed: Option<Guid>,
    pub(super) deadline: Instant,
}

impl Peer {
    /// Allows direct connections, as far as they are possible here.
    pub fn with_means(mut self, means: Means) -> Self {
        self.means = means;
        self
    }

    /// Whether packets go over a direct connection now, not over the switchboard.
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    /// Most content of a packet of data.
    pub(super) fn most_content(&self) -> usize {
        if self.direct { MAX_DIRECT } else { MAX_CONTENT }
    }

    /// The door that was wanted, or that there is none.
    pub fn listening(&mut self, now: Instant, door: Option<&Door>) {
        let Some(negotiation) = self.negotiation.as_mut() else { return };
        let hashed = negotiation.hashed;
        let Step::Opening(wish) = std::mem::replace(&mut negotiation.step, Step::Connecting) else { return };
        negotiation.deadline = now + CONNECT;
        match (wish, door) {
            (Some(wish), door) => {
                self.answer_transport(&wish, door, hashed);
                if door.is_none() {
                    self.negotiation = None;
                }
            }
            // Whoever is told a second time where we listen tells us again, and so on.
            (None, Some(_)) if self.described.knows(&negotiation.invitation.call) => self.negotiation = None,
            (None, Some(door)) => {
                // A question of its own, in the same call.
                let branch = negotiation.invitation.branch.parse::<Guid>().unwrap_or_default();
                negotiation.invitation.branch = Guid(branch.0.wrapping_add(1)).to_string();
                let mut offer = negotiation.invitation.clone();
                offer.content_type = content_type::TRANSPORT_RESPONSE.to_owned();
                offer.body = self.description(Some(door), hashed);
                self.described.remember(&offer.call);
                self.signal(&offer);
            }
            (None, None) => self.negotiation = None,
        }
    }

    /// A direct connection is there, and both have shown who they are.
    pub fn direct_up(&mut self, now: Instant) {
        self.negotiation = None;
        // Two ways keep no order: what the switchboard has arrives first.
        let begun = |t: &super::Transfer| t.gives && t.stage == Stage::Sending && t.done > 0;
        if self.transfers.iter().any(begun) {
            self.moving.get_or_insert_default();
            self.move_over(now);
        } else {
            self.direct = true;
        }
    }

    /// Goes on by the direct connection once nothing can be overtaken there.
    pub(super) fn move_over(&mut self, now: Instant) {
        let carries = |t: &super::Transfer| t.on_board > 0 && !t.stage.is_over();
        let waits = self.transfers.iter().any(carries);
        let Some(moving) = &mut self.moving else { return };
        let settles = match waits {
            true => None,
            false => Some(moving.settles.unwrap_or(now + SETTLE)),
        };
        moving.settles = settles;
        if settles.is_some_and(|at| at <= now) {
            self.moving = None;
            self.direct = true;
        }
    }

    /// The direct connection did not come about, or is gone. One that could not be made is not tried again.
    pub fn direct_down(&mut self, now: Instant) {
        self.negotiation = None;
        if std::mem::take(&mut self.direct) {
            self.transfers_broke(now);
        } else if self.moving.take().is_none() {
            self.means = Means { nonce: self.means.nonce, ..Means::default() };
        }
    }

    /// What was sent last may be lost: only the receiver knows what is missing, and says so.
    fn transfers_broke(&mut self, now: Instant) {
        for at in 0..self.transfers.len() {
            let transfer = &mut self.transfers[at];
            let breaks = matches!(transfer.stage, Stage::Sending | Stage::Sent | Stage::Receiving);
            if !breaks || transfer.done == 0 {
                continue;
            }
            transfer.stage = Stage::Broken;
            transfer.deadline = now + RESUME;
            if !transfer.gives {
                self.ask_for_the_rest(at);
            }
        }
    }

    /// Has the sender go on from where its data stopped.
    pub(super) fn ask_for_the_rest(&mut self, at: usize) {
        let transfer = &self.transfers[at];
        let (session, total, done, of) =
            (transfer.session, transfer.size, transfer.done, transfer.identifier);
        let identifier = self.identifier();
        self.queue.push_back(Packet {
            session,
            identifier,
            offset: 0,
            total,
            flags: Flags::NAK,
            ack_id: of,
            ack_uid: 0,
            ack_size: done,
            content: Bytes::new(),
            application: 2,
        });
    }

    /// Data of ours go from now on. Of a large file it is asked whether they can go another way: some clients never answer.
    pub(super) fn begin(&mut self, now: Instant, at: usize) {
        let able = self.means.dial || self.means.listen;
        self.begin_data(at);
        let busy = self.direct || self.moving.is_some() || self.negotiation.is_some();
        if busy || !able || self.transfers[at].size < DIRECT_FROM {
            return;
        }
        let mut wish = self.transfers[at].invitation.clone();
        let branch = wish.branch.parse::<Guid>().unwrap_or_default();
        wish.branch = Guid(branch.0.wrapping_add(2)).to_string();
        wish.verb = Verb::Invite;
        wish.content_type = content_type::TRANSPORT_REQUEST.to_owned();
        let kind = if self.means.listen { "Direct-Connect" } else { "Firewall" };
        let body = [
            ("Bridges", "TCPv1"),
            ("NetID", "0"),
            ("Conn-Type", kind),
            ("UPnPNat", "false"),
            ("ICF", "false"),
        ];
        wish.body = body.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.signal(&wish);
        let invitation = Slp { body: Vec::new(), ..wish };
        self.negotiation =
            Some(Negotiation { step: Step::Asked, invitation, hashed: None, deadline: now + ANSWER });
    }

    /// They ask how we can be reached. That is answered once a call.
    pub(super) fn transport_asked(&mut self, now: Instant, wish: &Slp) {
        let is_answered =
            |n: &Negotiation| matches!(&n.step, Step::Opening(Some(asked)) if asked.is_of(&wish.call));
        if self.described.knows(&wish.call) || self.negotiation.as_ref().is_some_and(is_answered) {
            return;
        }
        let hashed = wish.get("Hashed-Nonce").and_then(|guid| guid.parse().ok());
        let knows_bridge = wish.get("Bridges").is_none_or(|bridges| bridges.contains("TCPv1"));
        if !self.means.listen || !knows_bridge || self.direct || self.negotiation.is_some() {
            self.hashed = hashed;
            return self.answer_transport(wish, None, hashed);
        }
        let head = Slp { body: Vec::new(), ..wish.clone() };
        let (step, deadline) = (Step::Opening(Some(head.clone())), now + CONNECT);
        self.negotiation = Some(Negotiation { step, invitation: head, hashed, deadline });
        self.events.push_back(PeerEvent::ListenWanted);
    }

    /// They listen: we could not, or they answer our question in a question of their own. Clients that answer so take ours
    /// for another.
    pub(super) fn transport_offered(&mut self, now: Instant, offer: &Slp) {
        let hashed = self.hashed;
        self.answer_transport(offer, None, hashed);
        let is_free = self.negotiation.as_ref().is_none_or(|n| matches!(n.step, Step::Asked));
        let target = self.target(offer).filter(|_| !self.direct && self.moving.is_none() && is_free);
        let Some((addresses, nonce)) = target else { return };
        let invitation = Slp { body: Vec::new(), ..offer.clone() };
        let (step, deadline) = (Step::Connecting, now + CONNECT);
        self.negotiation = Some(Negotiation { step, invitation, hashed, deadline });
        self.events.push_back(PeerEvent::DialWanted { addresses, nonce });
    }

    /// Whether this answers our question about a transport.
    pub(super) fn is_about_transport(&self, answer: &Slp) -> bool {
        let ours = self.negotiation.as_ref().is_some_and(|n| {
            !matches!(n.step, Step::Opening(_)) && n.invitation.branch.eq_ignore_ascii_case(&answer.branch)
        });
        ours || answer.content_type.starts_with("application/x-msnmsgr-trans")
    }

    pub(super) fn transport_answered(&mut self, now: Instant, code: u16, answer: &Slp) {
        match self.negotiation.as_ref().map(|negotiation| &negotiation.step) {
            Some(Step::Asked) => {}
            // They do not want to come to our door.
            Some(Step::Connecting) if code != 200 => {
                self.negotiation = None;
                return;
            }
            _ => return,
        }
        let target = self.target(answer).filter(|_| code == 200);
        let Some(negotiation) = &mut self.negotiation else { return };
        negotiation.deadline = now + CONNECT;
        match target {
            Some((addresses, nonce)) => {
                negotiation.step = Step::Connecting;
                self.events.push_back(PeerEvent::DialWanted { addresses, nonce });
            }
            None if code == 200 && self.means.listen => {
                negotiation.step = Step::Opening(None);
                self.events.push_back(PeerEvent::ListenWanted);
            }
            None => self.negotiation = None,
        }
    }

    /// Where they listen, if they do and it can be tried.
    fn target(&self, answer: &Slp) -> Option<(Vec<SocketAddr>, Nonce)> {
        let listens = answer.get("Listening").is_some_and(|word| word.eq_ignore_ascii_case("true"));
        if !listens || !self.means.dial {
            return None;
        }
        let guid = |name: &str| answer.get(name).and_then(|guid| guid.parse::<Guid>().ok());
        let nonce = match (guid("Nonce"), guid("Hashed-Nonce"), self.hashed) {
            (Some(nonce), ..) => Nonce::Plain(nonce),
            // Ours was announced when they asked; else they could not know who we are.
            (None, Some(theirs), Some(_)) => Nonce::Hashed { own: self.means.nonce, theirs },
            _ => return None,
        };
        let addresses = addresses(answer);
        (!addresses.is_empty()).then_some((addresses, nonce))
    }

    /// How somebody who comes to our door shows who they are.
    pub fn door_nonce(&self) -> Nonce {
        match self.negotiation.as_ref().and_then(|negotiation| negotiation.hashed) {
            Some(theirs) => Nonce::Hashed { own: self.means.nonce, theirs },
            None => Nonce::Plain(self.means.nonce),
        }
    }

    /// Says where we listen, where that was not said in this call.
    fn answer_transport(&mut self, request: &Slp, door: Option<&Door>, hashed: Option<Guid>) {
        if !self.described.remember(&request.call) {
            return;
        }
        let body = self.description(door, hashed);
        self.signal(&request.answer(200, content_type::TRANSPORT_RESPONSE, body));
    }

    /// Where we listen. The addresses stand there although there are none: clients that miss them take the answer for one
    /// to something else.
    fn description(&self, door: Option<&Door>, hashed: Option<Guid>) -> Vec<(String, String)> {
        let nonce = match (hashed, door) {
            (Some(_), _) => ("Hashed-Nonce", self.means.nonce.hashed()),
            (None, Some(_)) => ("Nonce", self.means.nonce),
            (None, None) => ("Nonce", Guid::default()),
        };
        let addresses = door.map_or_else(
            || "0.0.0.0".to_owned(),
            |door| door.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        );
        let body = [
            ("Bridge", "TCPv1".to_owned()),
            ("Listening", door.is_some().to_string()),
            (nonce.0, nonce.1.to_string()),
            ("IPv4Internal-Addrs", addresses),
            ("IPv4Internal-Port", door.map_or(0, |door| door.port).to_string()),
        ];
        body.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Inner addresses first, then outer ones.
fn addresses(answer: &Slp) -> Vec<SocketAddr> {
    let kinds = [
        ("IPv4Internal-Addrs", "IPv4Internal-Port"),
        ("IPv4External-Addrs", "IPv4External-Port"),
        ("IPv6-Addrs", "IPv6-Port"),
    ];
    let mut found = Vec::new();
    for (addresses, port) in kinds {
        let port = answer.get(port).and_then(|port| port.parse::<u16>().ok()).filter(|port| *port != 0);
        let (Some(addresses), Some(port)) = (answer.get(addresses), port) else { continue };
        let read = addresses.split([' ', ',']).filter_map(|address| address.parse::<IpAddr>().ok());
        found.extend(read.filter(|address| !address.is_unspecified()).map(|a| SocketAddr::new(a, port)));
    }
    found.truncate(MAX_ADDRESSES);
    found
}
