//! What we ask of a peer: to take a file, or to give an object (§9.8, §9.10).

use std::time::Instant;

use base64::Engine;

use super::{
    ACK_TIMEOUT, End, FILE, Kind, Names, OBJECT, Peer, PeerEvent, Stage, Transfer, TransferFailure,
    TransferId,
};
use crate::msn::p2p::Guid;
use crate::msn::p2p::file::FileContext;
use crate::msn::p2p::object::MsnObject;
use crate::msn::p2p::slp::{Slp, Verb, content_type};

/// What an invitation asks for.
pub(super) struct Asked {
    pub(super) application: Guid,
    pub(super) number: u32,
    pub(super) context: String,
}

impl Peer {
    /// Offers a file. Its data are wanted once it is accepted.
    pub fn offer(&mut self, now: Instant, file: &FileContext, names: Names) -> TransferId {
        let asked = Asked { application: FILE, number: 2, context: file.encode() };
        self.invite(now, Kind::File, &asked, file.size, names)
    }

    /// Asks for an object that the peer has announced.
    pub fn want(&mut self, now: Instant, object: &MsnObject, names: Names) -> TransferId {
        let context = base64::engine::general_purpose::STANDARD.encode(format!("{}\0", object.as_xml()));
        let asked = Asked { application: OBJECT, number: 1, context };
        self.invite(now, Kind::Object, &asked, object.size, names)
    }

    pub(super) fn invite(
        &mut self,
        now: Instant,
        kind: Kind,
        asked: &Asked,
        size: u64,
        names: Names,
    ) -> TransferId {
        let body = [
            ("EUF-GUID", asked.application.to_string()),
            ("SessionID", names.session.to_string()),
            ("AppID", asked.number.to_string()),
            ("Context", asked.context.clone()),
        ];
        let invitation = Slp {
            verb: Verb::Invite,
            to: self.peer.clone(),
            from: self.own.clone(),
            branch: names.branch.to_string(),
            sequence: 0,
            call: names.call.to_string(),
            content_type: content_type::SESSION_REQUEST.to_owned(),
            body: body.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        };
        self.described.forget(&invitation.call);
        let id = self.add(Transfer {
            id: TransferId(self.next_transfer),
            kind,
            stage: Stage::Inviting { unheard: None },
            gives: kind == Kind::File,
            invitation: invitation.clone(),
            session: names.session,
            identifier: 0,
            size,
            done: 0,
            missed: None,
            resent: 0,
            offer: String::new(),
            on_board: 0,
            end: End::default(),
            resumed: false,
            deadline: now + ACK_TIMEOUT,
        });
        match id {
            Some(id) => {
                let unheard = Some(self.signal(&invitation));
                if let Some(transfer) = self.transfers.last_mut() {
                    transfer.stage = Stage::Inviting { unheard };
                }
                id
            }
            // Told as any other failure, so that the caller has one way to hear of it.
            None => {
                let transfer = TransferId(self.next_transfer);
                self.next_transfer += 1;
                self.events.push_back(PeerEvent::Failed { transfer, failure: TransferFailure::Lost });
                transfer
            }
        }
    }
}
