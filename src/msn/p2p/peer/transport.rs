//! Whether the data of a peer go by a connection of their own, and how the two agree on one (§9.10, §9.11).
//!
//! Whoever gives a large file asks. Whoever is asked listens, or says that it cannot; then the one who asked may listen.
//! Nothing waits for what comes of it: data go over the switchboard, and move over if a direct connection comes about.
//! Refuses to know the transfers: whether one has begun, and what the switchboard still carries, are arguments.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::PeerEvent;
use super::outbox::Outbox;
use super::recent::Recent;
use crate::msn::p2p::Guid;
use crate::msn::p2p::direct::Nonce;
use crate::msn::p2p::slp::{Slp, Verb, content_type};

/// A smaller file is through before a connection of its own would be.
const DIRECT_FROM: u64 = 64 << 10;
/// How long they may think about the question.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the switchboard's last fragments may take to be read, once it has passed them on: a direct connection must
/// not overtake them.
const SETTLE: Duration = Duration::from_secs(1);
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(20);
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
struct Moving {
    /// When all that the switchboard has passed on is taken for read; `None` while it still has some.
    settles: Option<Instant>,
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

/// What carries the packets of one peer, and what becomes of that.
#[derive(Debug, Default)]
pub(super) struct Transport {
    means: Means,
    /// Packets go over a direct connection.
    direct: bool,
    pub(super) negotiation: Option<Negotiation>,
    /// What they announced of their nonce when they asked for a direct connection and we could not listen.
    hashed: Option<Guid>,
    /// A direct connection is there, and what the switchboard still carries goes first.
    moving: Option<Moving>,
    /// Calls in which we have said where we listen.
    described: Recent,
}

impl Transport {
    pub(super) fn allow(&mut self, means: Means) {
        self.means = means;
    }

    /// Whether packets go over a direct connection now, not over the switchboard.
    pub(super) fn is_direct(&self) -> bool {
        self.direct
    }

    /// Whether data wait until the switchboard has passed on all that it has.
    pub(super) fn is_moving(&self) -> bool {
        self.moving.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let negotiation = self.negotiation.as_ref().map(|negotiation| negotiation.deadline);
        let moved = self.moving.as_ref().and_then(|moving| moving.settles);
        negotiation.into_iter().chain(moved).min()
    }

    /// A call of this name begins: nothing was said in it.
    pub(super) fn forget(&mut self, call: &str) {
        self.described.forget(call);
    }

    /// What was being agreed on, or moved to, comes about no more.
    pub(super) fn stop(&mut self) {
        self.negotiation = None;
        self.moving = None;
    }

    /// Gives up what nobody answered in time.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.negotiation.take_if(|negotiation| negotiation.deadline <= now);
    }

    /// The door that was wanted, or that there is none.
    pub(super) fn listening(&mut self, now: Instant, door: Option<&Door>, outbox: &mut Outbox) {
        let Some(negotiation) = self.negotiation.as_mut() else { return };
        let hashed = negotiation.hashed;
        let Step::Opening(wish) = std::mem::replace(&mut negotiation.step, Step::Connecting) else { return };
        negotiation.deadline = now + CONNECT;
        match (wish, door) {
            (Some(wish), door) => {
                self.answer(&wish, (door, hashed), outbox);
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
                outbox.signal(&offer);
            }
            (None, None) => self.negotiation = None,
        }
    }

    /// A direct connection is there, and both have shown who they are. `begun`: data of ours are on their way already.
    pub(super) fn up(&mut self, now: Instant, begun: bool, on_board: bool) {
        self.negotiation = None;
        // Two ways keep no order: what the switchboard has arrives first.
        if begun {
            self.moving.get_or_insert_default();
            self.move_over(now, on_board);
        } else {
            self.direct = true;
        }
    }

    /// Goes on by the direct connection once nothing can be overtaken there: the switchboard has passed on all it had.
    pub(super) fn move_over(&mut self, now: Instant, on_board: bool) {
        let Some(moving) = &mut self.moving else { return };
        moving.settles = (!on_board).then(|| moving.settles.unwrap_or(now + SETTLE));
        if moving.settles.is_some_and(|at| at <= now) {
            self.moving = None;
            self.direct = true;
        }
    }

    /// The direct connection did not come about, or is gone. One that could not be made is not tried again. True where
    /// data went by it.
    pub(super) fn down(&mut self) -> bool {
        self.negotiation = None;
        let was_direct = std::mem::take(&mut self.direct);
        if !was_direct && self.moving.take().is_none() {
            self.means = Means { nonce: self.means.nonce, ..Means::default() };
        }
        was_direct
    }

    /// Data of ours go from now on. Of a large file it is asked whether they can go another way: some clients never answer.
    /// `invitation` is that of the transfer, `size` its bytes.
    pub(super) fn begin(&mut self, now: Instant, invitation: &Slp, size: u64, outbox: &mut Outbox) {
        let able = self.means.dial || self.means.listen;
        let busy = self.direct || self.moving.is_some() || self.negotiation.is_some();
        if busy || !able || size < DIRECT_FROM {
            return;
        }
        let mut wish = invitation.clone();
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
        outbox.signal(&wish);
        let invitation = Slp { body: Vec::new(), ..wish };
        self.negotiation =
            Some(Negotiation { step: Step::Asked, invitation, hashed: None, deadline: now + ANSWER });
    }

    /// They ask how we can be reached. That is answered once a call.
    pub(super) fn asked(&mut self, now: Instant, wish: &Slp, outbox: &mut Outbox) {
        let is_answered =
            |n: &Negotiation| matches!(&n.step, Step::Opening(Some(asked)) if asked.is_of(&wish.call));
        if self.described.knows(&wish.call) || self.negotiation.as_ref().is_some_and(is_answered) {
            return;
        }
        let hashed = wish.get("Hashed-Nonce").and_then(|guid| guid.parse().ok());
        let knows_bridge = wish.get("Bridges").is_none_or(|bridges| bridges.contains("TCPv1"));
        if !self.means.listen || !knows_bridge || self.direct || self.negotiation.is_some() {
            self.hashed = hashed;
            return self.answer(wish, (None, hashed), outbox);
        }
        let head = Slp { body: Vec::new(), ..wish.clone() };
        let (step, deadline) = (Step::Opening(Some(head.clone())), now + CONNECT);
        self.negotiation = Some(Negotiation { step, invitation: head, hashed, deadline });
        outbox.emit(PeerEvent::ListenWanted);
    }

    /// They listen: we could not, or they answer our question in a question of their own. Clients that answer so take ours
    /// for another.
    pub(super) fn offered(&mut self, now: Instant, offer: &Slp, outbox: &mut Outbox) {
        let hashed = self.hashed;
        self.answer(offer, (None, hashed), outbox);
        let is_free = self.negotiation.as_ref().is_none_or(|n| matches!(n.step, Step::Asked));
        let target = self.target(offer).filter(|_| !self.direct && self.moving.is_none() && is_free);
        let Some((addresses, nonce)) = target else { return };
        let invitation = Slp { body: Vec::new(), ..offer.clone() };
        let (step, deadline) = (Step::Connecting, now + CONNECT);
        self.negotiation = Some(Negotiation { step, invitation, hashed, deadline });
        outbox.emit(PeerEvent::DialWanted { addresses, nonce });
    }

    /// Whether this answers our question about a transport.
    pub(super) fn is_about(&self, answer: &Slp) -> bool {
        let ours = self.negotiation.as_ref().is_some_and(|n| {
            !matches!(n.step, Step::Opening(_)) && n.invitation.branch.eq_ignore_ascii_case(&answer.branch)
        });
        ours || answer.content_type.starts_with("application/x-msnmsgr-trans")
    }

    pub(super) fn answered(&mut self, now: Instant, code: u16, answer: &Slp, outbox: &mut Outbox) {
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
                outbox.emit(PeerEvent::DialWanted { addresses, nonce });
            }
            None if code == 200 && self.means.listen => {
                negotiation.step = Step::Opening(None);
                outbox.emit(PeerEvent::ListenWanted);
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
    pub(super) fn door_nonce(&self) -> Nonce {
        match self.negotiation.as_ref().and_then(|negotiation| negotiation.hashed) {
            Some(theirs) => Nonce::Hashed { own: self.means.nonce, theirs },
            None => Nonce::Plain(self.means.nonce),
        }
    }

    /// Says where we listen, where that was not said in this call.
    fn answer(&mut self, request: &Slp, (door, hashed): (Option<&Door>, Option<Guid>), outbox: &mut Outbox) {
        if !self.described.remember(&request.call) {
            return;
        }
        let body = self.description(door, hashed);
        outbox.signal(&request.answer(200, content_type::TRANSPORT_RESPONSE, body));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_move_over_once_the_switchboard_has_passed_on_all_it_had_and_a_moment_has_gone() {
        let now = Instant::now();
        let mut transport = Transport::default();
        transport.up(now, true, true);
        assert!(transport.is_moving() && !transport.is_direct());
        assert_eq!(transport.deadline(), None, "the switchboard still has some");
        transport.move_over(now, false);
        assert_eq!(transport.deadline(), Some(now + SETTLE));
        transport.move_over(now + SETTLE, false);
        assert!(transport.is_direct() && !transport.is_moving());
        assert!(transport.down(), "data went by it");
        assert!(!transport.down());
    }

    #[test]
    fn a_small_file_is_not_worth_a_question() {
        let now = Instant::now();
        let (mut transport, mut outbox) = (Transport::default(), Outbox::new(1));
        transport.allow(Means { dial: true, listen: true, nonce: Guid(7) });
        let invitation = Slp {
            verb: Verb::Invite,
            to: "a@e.c".into(),
            from: "b@e.c".into(),
            branch: Guid(1).to_string(),
            sequence: 0,
            call: Guid(2).to_string(),
            content_type: content_type::SESSION_REQUEST.to_owned(),
            body: Vec::new(),
        };
        transport.begin(now, &invitation, DIRECT_FROM - 1, &mut outbox);
        assert!(outbox.packets.is_empty() && transport.deadline().is_none());
        transport.begin(now, &invitation, DIRECT_FROM, &mut outbox);
        assert_eq!(outbox.packets.len(), 1);
        assert_eq!(transport.deadline(), Some(now + ANSWER));
    }
}
