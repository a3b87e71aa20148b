//! The peer-to-peer machines of one call: one for each member with whom there was something.
//!
//! Knows who they are, and when they have something to do. Refuses to know what is sent and what is fetched: packets are
//! [`Peer`]'s, bytes are those of `file` and `object`.

use std::sync::Arc;
use std::time::Instant;

use crate::connector::clock::now;
use crate::connector::config::MsnConfig;
use crate::msn::ids::Email;
use crate::msn::p2p::{Guid, Means, Names, Packet, Peer, PeerEvent, TransferId};

/// Most members of a call with whom transfers can be under way.
const MAX_PEERS: usize = 20;

/// The peers of one call.
pub(in crate::connector) struct Peers {
    own: Email,
    config: Arc<MsnConfig>,
    known: Vec<(Email, Peer)>,
}

/// What a new session is called.
pub(in crate::connector) fn session_names() -> Names {
    Names::new(rand::random(), rand::random(), rand::random())
}

impl Peers {
    /// No peers yet: each is made when something is for it or of it.
    pub(in crate::connector) fn new(own: Email, config: Arc<MsnConfig>) -> Self {
        Self { own, config, known: Vec::new() }
    }

    /// The peer of somebody with whom there was something already.
    pub(in crate::connector) fn get(&mut self, email: &Email) -> Option<&mut Peer> {
        self.known.iter_mut().find(|(known, _)| known == email).map(|(_, peer)| peer)
    }

    /// The same, made where there is none; `None` where there are too many.
    pub(in crate::connector) fn open(&mut self, email: &Email) -> Option<&mut Peer> {
        if let Some(at) = self.known.iter().position(|(known, _)| known == email) {
            return Some(&mut self.known[at].1);
        }
        if self.known.len() >= MAX_PEERS {
            return None;
        }
        let peer = Peer::new(&self.own, email, rand::random()).with_means(self.means());
        self.known.push((email.clone(), peer));
        self.known.last_mut().map(|(_, peer)| peer)
    }

    /// What can be done here about direct connections. Behind a proxy nothing: they would show where the bridge is.
    fn means(&self) -> Means {
        let config = &self.config;
        match config.proxy {
            Some(_) => Means::default(),
            None => Means {
                dial: config.direct.dial,
                listen: config.direct.listens(),
                nonce: Guid(rand::random()),
            },
        }
    }

    /// Those with whom there was something.
    pub(in crate::connector) fn emails(&self) -> Vec<Email> {
        self.known.iter().map(|(email, _)| email.clone()).collect()
    }

    /// The peer is another call's from now on, or nobody's.
    pub(in crate::connector) fn take(&mut self, email: &Email) -> Option<Peer> {
        let at = self.known.iter().position(|(known, _)| known == email)?;
        Some(self.known.swap_remove(at).1)
    }

    /// The call ends, and all its peers with it.
    pub(in crate::connector) fn take_all(&mut self) -> Vec<(Email, Peer)> {
        std::mem::take(&mut self.known)
    }

    /// A peer that another call had, with its transfers.
    pub(in crate::connector) fn put(&mut self, email: &Email, peer: Peer) {
        self.known.push((email.clone(), peer));
    }

    /// What has arrived of a member is kept: they hear that.
    pub(in crate::connector) fn confirm(&mut self, email: &Email, transfer: TransferId) {
        if let Some(peer) = self.get(email) {
            peer.confirm(now(), transfer);
        }
    }

    /// Says no to what a member asks or has sent, or breaks off what is under way with them.
    pub(in crate::connector) fn end(&mut self, email: &Email, transfer: TransferId) {
        if let Some(peer) = self.get(email) {
            peer.end(now(), transfer);
        }
    }

    /// What happened at this peer, in order; `None` also for somebody who has none.
    pub(in crate::connector) fn poll_event(&mut self, email: &Email) -> Option<PeerEvent> {
        self.get(email).and_then(Peer::poll_event)
    }

    /// Signalling and acknowledgements for everybody.
    pub(in crate::connector) fn poll_packets(&mut self) -> Vec<(Email, Packet)> {
        let mut waiting = Vec::new();
        for (email, peer) in &mut self.known {
            waiting.extend(std::iter::from_fn(|| peer.poll_packet()).map(|packet| (email.clone(), packet)));
        }
        waiting
    }

    /// Whether what is for a member goes over a direct connection, not over the switchboard.
    pub(in crate::connector) fn is_direct(&self, email: &Email) -> bool {
        self.known.iter().any(|(known, peer)| known == email && peer.is_direct())
    }

    /// When a peer has something to do because of the time.
    pub(in crate::connector) fn next_timeout(&self) -> Option<Instant> {
        self.known.iter().filter_map(|(_, peer)| peer.poll_timeout()).min()
    }

    /// Whose data could be sent now, over direct connections or over the switchboard: from which byte on, and how many.
    pub(in crate::connector) fn wants_data(&self, direct: bool) -> Option<(Email, TransferId, u64, usize)> {
        self.known.iter().filter(|(_, peer)| peer.is_direct() == direct).find_map(|(email, peer)| {
            let (transfer, offset, length) = peer.wants_data()?;
            Some((email.clone(), transfer, offset, length))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::tests::{alone, email};
    use crate::msn::p2p::FileContext;

    fn peers() -> Peers {
        Peers::new(email("alice"), alone().config)
    }

    #[tokio::test]
    async fn transfers_are_under_way_with_no_more_members_than_are_held() {
        let mut peers = peers();
        for n in 0..MAX_PEERS {
            assert!(peers.open(&email(&format!("c{n}"))).is_some());
        }
        assert!(peers.open(&email("bob")).is_none(), "one too many");
        assert!(peers.open(&email("c7")).is_some(), "one who is known");
        assert!(peers.take(&email("c7")).is_some() && peers.get(&email("c7")).is_none());
        assert!(peers.open(&email("bob")).is_some());
        assert_eq!(peers.emails().len(), MAX_PEERS);
        assert_eq!(peers.take_all().len(), MAX_PEERS);
        assert!(peers.emails().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn each_packet_is_for_its_member_and_the_earliest_time_counts() {
        let mut peers = peers();
        assert_eq!(peers.next_timeout(), None);
        let file = FileContext { name: "a".into(), size: 1, preview: None };
        let mut timeouts = Vec::new();
        for name in ["bob", "carol"] {
            let peer = peers.open(&email(name)).unwrap();
            peer.offer(now(), &file, session_names());
            timeouts.extend(peer.poll_timeout());
            tokio::time::advance(std::time::Duration::from_secs(1)).await;
        }
        assert_eq!(peers.next_timeout(), timeouts.into_iter().min());
        let mut to: Vec<Email> = peers.poll_packets().into_iter().map(|(to, _)| to).collect();
        to.dedup();
        assert_eq!(to, [email("bob"), email("carol")]);
        assert!(peers.poll_packets().is_empty() && !peers.is_direct(&email("bob")));
    }
}
