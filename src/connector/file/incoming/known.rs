//! The transfers of one call: with whom, and what is coming.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;

use crate::bridge::port::media::Incoming;
use crate::connector::file::interrupted::IncompleteFile;
use crate::connector::file::progress::ProgressReporter;
use crate::msn::ids::Email;
use crate::msn::p2p::{Means, MsnObject, Packet, Peer, TransferId};

/// Most members of a call with whom transfers can be under way.
const MAX_PEERS: usize = 20;

/// Most offers declined without asking that are shown, in one call.
const MAX_REFUSED: u32 = 10;

/// The transfers of one call.
#[derive(Default)]
pub(in crate::connector) struct Transfers {
    pub(super) peers: Vec<(Email, Peer)>,
    pub(super) files: BTreeMap<(String, TransferId), Arriving>,
    /// Offers that were declined without asking, and shown.
    refused: u32,
    /// Pictures that were not what was announced: not fetched again in this call.
    pub(super) wrong: Vec<[u8; 20]>,
}

/// A file, or a picture, that is coming in.
pub(in crate::connector) struct Arriving {
    /// A picture is nothing that anybody sent: it has no name, and is not spoken of.
    pub(super) object: Option<MsnObject>,
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) done: u64,
    /// Of a file that somebody sends.
    pub(super) teller: Option<ProgressReporter>,
    pub(super) note: Option<IncompleteFile>,
    /// What of it is on disk; `None` once the disk has failed.
    pub(super) file: Option<Box<dyn Incoming>>,
}

impl Transfers {
    /// What is shown of an offer that was declined: of the tenth that there are ever more, of those behind it nothing.
    pub(in crate::connector) fn refusal(&mut self, text: String) -> Option<String> {
        self.refused = self.refused.saturating_add(1);
        match self.refused {
            ..MAX_REFUSED => Some(text),
            MAX_REFUSED => Some("offers ever more, which is declined and not shown any more".into()),
            _ => None,
        }
    }

    /// Whether nothing is under way that would be lost with the call.
    pub(in crate::connector) fn is_idle(&self) -> bool {
        self.files.is_empty()
    }

    /// When a peer has something to do because of the time.
    pub(in crate::connector) fn deadline(&self) -> Option<Instant> {
        self.peers.iter().filter_map(|(_, peer)| peer.poll_timeout()).min()
    }

    /// Whose data could be sent now: over direct connections, or over the switchboard.
    pub(in crate::connector) fn wants_data(&self, direct: bool) -> Option<(Email, TransferId, u64, usize)> {
        self.peers.iter().filter(|(_, peer)| peer.is_direct() == direct).find_map(|(email, peer)| {
            let (transfer, offset, length) = peer.wants_data()?;
            Some((email.clone(), transfer, offset, length))
        })
    }

    pub(in crate::connector) fn provide(
        &mut self,
        at: Instant,
        email: &Email,
        transfer: TransferId,
        bytes: Bytes,
    ) -> Option<Packet> {
        let (_, peer) = self.peers.iter_mut().find(|(known, _)| known == email)?;
        peer.provide(at, transfer, bytes)
    }

    /// The peer of somebody with whom there was something already.
    pub(in crate::connector) fn known(&mut self, email: &Email) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|(known, _)| known == email).map(|(_, peer)| peer)
    }

    /// Those with whom there was something.
    pub(in crate::connector) fn emails(&self) -> Vec<Email> {
        self.peers.iter().map(|(email, _)| email.clone()).collect()
    }

    pub(in crate::connector) fn remove(&mut self, email: &Email) -> Option<Peer> {
        let at = self.peers.iter().position(|(known, _)| known == email)?;
        Some(self.peers.swap_remove(at).1)
    }

    /// What is coming from one contact.
    pub(in crate::connector) fn take_files(&mut self, email: &Email) -> Vec<(TransferId, Arriving)> {
        let theirs = self.files.extract_if(.., |(key, _), _| *key == email.to_key());
        theirs.map(|((_, transfer), arriving)| (transfer, arriving)).collect()
    }

    /// What was under way with somebody in another call.
    pub(in crate::connector) fn put(
        &mut self,
        email: &Email,
        peer: Peer,
        arriving: Vec<(TransferId, Arriving)>,
    ) {
        self.peers.push((email.clone(), peer));
        let files = arriving.into_iter().map(|(transfer, file)| ((email.to_key(), transfer), file));
        self.files.extend(files);
    }

    /// Whether an object is on its way already.
    pub(in crate::connector) fn is_fetching(&self, object: &MsnObject) -> bool {
        let same = |arriving: &Arriving| arriving.object.as_ref().is_some_and(|o| o.digest == object.digest);
        self.files.values().any(same)
    }

    /// What is coming from one contact.
    pub(in crate::connector) fn count(&self, email: &Email) -> usize {
        self.files.keys().filter(|(key, _)| *key == email.to_key()).count()
    }

    pub(in crate::connector) fn peer(
        &mut self,
        own: &Email,
        email: &Email,
        means: Means,
    ) -> Option<&mut Peer> {
        let known = self.peers.iter().position(|(known, _)| known == email);
        let at = match known {
            Some(at) => at,
            None if self.peers.len() >= MAX_PEERS => return None,
            None => {
                self.peers.push((email.clone(), Peer::new(own, email, rand::random()).with_means(means)));
                self.peers.len() - 1
            }
        };
        Some(&mut self.peers[at].1)
    }
}
