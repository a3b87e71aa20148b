//! Invitations: what we ask of a peer, and what they ask of us (§9.8, §9.10).
//!
//! Knows what can be asked for, a file or an object, and what is declined by itself: what cannot be read, is not known
//! here, or is one too many. Refuses to know who decides about the rest.

use std::hash::{Hash, Hasher};
use std::time::Instant;

use base64::Engine;

use super::Sessions;
use crate::msn::p2p::Guid;
use crate::msn::p2p::file::{FileContext, LENIENT};
use crate::msn::p2p::number::read_number;
use crate::msn::p2p::object::MsnObject;
use crate::msn::p2p::peer::outbox::Outbox;
use crate::msn::p2p::peer::transfer::{ACK_TIMEOUT, Kind, OFFER_TIMEOUT, Stage, Transfer};
use crate::msn::p2p::peer::{Names, Offered, PeerEvent, TransferFailure, TransferId};
use crate::msn::p2p::slp::{Slp, Verb, content_type};

/// Files.
pub(in super::super) const FILE: Guid = Guid(0x5D3E02AB_6190_11D3_BBBB_00C04F795683);
/// Pictures, emoticons, winks, voice clips.
pub(in super::super) const OBJECT: Guid = Guid(0xA4268EEC_FEC5_49E5_95C3_F126696BDBF6);

/// What an invitation asks for.
pub(in super::super) struct Asked {
    pub(in super::super) application: Guid,
    pub(in super::super) number: u32,
    pub(in super::super) context: String,
}

impl Asked {
    /// That a peer takes a file.
    pub(in super::super) fn file(file: &FileContext) -> Self {
        Self { application: FILE, number: 2, context: file.encode() }
    }

    /// That a peer gives an object which it has announced.
    pub(in super::super) fn object(object: &MsnObject) -> Self {
        let context = base64::engine::general_purpose::STANDARD.encode(format!("{}\0", object.as_xml()));
        Self { application: OBJECT, number: 1, context }
    }
}

impl Sessions {
    /// Asks for something of this size, in bytes.
    pub(in super::super) fn invite(
        &mut self,
        now: Instant,
        (kind, asked, size): (Kind, &Asked, u64),
        names: Names,
        outbox: &mut Outbox,
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
        let id = TransferId(self.next_transfer);
        let transfer = Transfer::new(id, kind, invitation.clone(), names.session, now + ACK_TIMEOUT);
        let stage = Stage::Inviting { unheard: None };
        let added = self.add(Transfer { stage, gives: kind == Kind::File, size, ..transfer });
        if added.is_none() {
            // Told as any other failure, so that the caller has one way to hear of it.
            self.next_transfer += 1;
            outbox.emit(PeerEvent::Failed { transfer: id, failure: TransferFailure::Lost });
            return id;
        }
        let unheard = Some(outbox.signal(&invitation));
        if let Some(transfer) = self.transfers.last_mut() {
            transfer.stage = Stage::Inviting { unheard };
        }
        id
    }

    /// They want to give or to have something; false where they say so again.
    pub(in super::super) fn invited(&mut self, now: Instant, message: &Slp, outbox: &mut Outbox) -> bool {
        let at = self.of_call(message);
        let offer = offer_name(message);
        if self.declined.knows(&offer) || at.is_some_and(|at| self.transfers[at].is_offered_again(&offer)) {
            return false;
        }
        if let Some(at) = at {
            // Calls have the same names again in some clients: the old one is over.
            self.fail(at, TransferFailure::Cancelled, outbox);
        }
        let session = message.get("SessionID").and_then(read_number).unwrap_or(0);
        let id = TransferId(self.next_transfer);
        // Data are told apart by their session alone.
        let is_free =
            session != 0 && !self.transfers.iter().any(|t| t.session == session && !t.stage.is_over());
        let asked = is_free.then(|| asked_of_us(message, id)).flatten();
        let transfer = |kind, size| {
            // An answer copies the head and the session; the context may be long.
            let invitation = Slp { body: session_of(message), ..message.clone() };
            let transfer = Transfer::new(id, kind, invitation, session, now + OFFER_TIMEOUT);
            Transfer { size, offer: offer.clone(), ..transfer }
        };
        let added = asked.and_then(|(kind, size, event)| self.add(transfer(kind, size)).map(|_| event));
        let event = added.unwrap_or_else(|| {
            outbox.signal(&transfer(Kind::File, 0).answer(603));
            self.declined.remember(&offer);
            PeerEvent::Declined { what: declined(message) }
        });
        outbox.emit(event);
        true
    }

    /// Their answer to our invitation. Gives the transfer whose data go from now on.
    pub(in super::super) fn answered(
        &mut self,
        now: Instant,
        at: usize,
        (code, answer): (u16, &Slp),
        outbox: &mut Outbox,
    ) -> Option<&Transfer> {
        if !matches!(self.transfers[at].stage, Stage::Inviting { .. }) {
            return None;
        }
        if code != 200 {
            let declined = code == 603;
            let failure = if declined { TransferFailure::Declined } else { TransferFailure::Refused(code) };
            self.fail(at, failure, outbox);
            return None;
        }
        let transfer = &mut self.transfers[at];
        let is_soon = transfer.gives || transfer.kind == Kind::Object;
        transfer.deadline = now + if is_soon { ACK_TIMEOUT } else { OFFER_TIMEOUT };
        transfer.end.is_known = answer.get("SessionID").and_then(read_number) == Some(transfer.session);
        if transfer.gives {
            transfer.begin_data(outbox);
        } else {
            transfer.stage = Stage::Receiving;
        }
        outbox.emit(PeerEvent::Accepted(transfer.id));
        transfer.gives.then_some(transfer)
    }
}

fn application(invitation: &Slp) -> Option<Guid> {
    invitation.get("EUF-GUID").and_then(|guid| guid.parse::<Guid>().ok())
}

/// What an invitation asks for and how large it is, where it can be read.
fn asked_of_us(invitation: &Slp, id: TransferId) -> Option<(Kind, u64, PeerEvent)> {
    let context = invitation.get("Context").unwrap_or_default();
    match application(invitation)? {
        FILE => {
            let file = FileContext::decode(context).ok()?;
            Some((Kind::File, file.size, PeerEvent::FileOffered { transfer: id, file }))
        }
        OBJECT => {
            let object = object(context)?;
            Some((Kind::Object, object.size, PeerEvent::ObjectWanted { transfer: id, object }))
        }
        _ => None,
    }
}

fn declined(invitation: &Slp) -> Offered {
    let context = invitation.get("Context").unwrap_or_default();
    match application(invitation) {
        Some(FILE) => Offered::File(FileContext::decode(context).ok().map(|file| file.name)),
        Some(OBJECT) => Offered::Object,
        _ => Offered::Unknown,
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
