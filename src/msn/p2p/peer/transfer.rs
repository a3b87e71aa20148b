//! One transfer with a peer: where it stands, and how long the other side may be silent about it (§9.6, §9.8).
//!
//! Knows the stages of a transfer and its two directions, a file each. Refuses to know the other transfers, and when one
//! is forgotten.

pub(super) mod giving;
mod receiving;

use std::time::{Duration, Instant};

use super::{TransferFailure, TransferId};
use crate::msn::p2p::packet::Packet;
use crate::msn::p2p::slp::{Slp, content_type};
pub(super) use receiving::Received;

/// How long somebody may think about an offer, and how long a sender may pause (§9.6).
pub(super) const OFFER_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a peer may leave what we said unacknowledged; then nobody there understands it, or has it.
pub(super) const ACK_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes that the systems of both sides may hold of a direct connection, and how many of them a slow peer reads a second.
const BUFFERED: u64 = 4 << 20;
/// Bytes per second below which a transfer is taken for dead.
const SLOWEST: u64 = 16 << 10;

/// What travels, as seen from this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Object,
}

/// Where a transfer stands. The numbers are identifiers of messages whose acknowledgement is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
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
    /// All has come, and nobody has said yet that it is kept.
    Whole,
    /// The direct connection broke under it: the receiver may have the rest sent over the switchboard.
    Broken,
    /// All is there, or all is lost; their goodbye, or the acknowledgement of ours, is missing.
    Over {
        goodbye: Option<u32>,
    },
}

impl Stage {
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Over { .. })
    }
}

/// What is known of the end of a file that we give: it has arrived once both are true.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct End {
    /// They acknowledged all of it. Some clients acknowledge whatever comes.
    pub(super) acknowledged: bool,
    /// They closed the session.
    pub(super) closed: bool,
    /// Their answer named our session: they know which one it is.
    pub(super) is_known: bool,
}

/// One transfer with a peer.
pub(super) struct Transfer {
    pub(super) id: TransferId,
    pub(super) kind: Kind,
    pub(super) stage: Stage,
    /// Whether the data go to them.
    pub(super) gives: bool,
    /// The invitation, ours or theirs: answers and later requests are made from it.
    pub(super) invitation: Slp,
    pub(super) session: u32,
    /// The identifier of the message that is the data.
    pub(super) identifier: u32,
    pub(super) size: u64,
    pub(super) done: u64,
    /// What was missing from here on has been asked for.
    pub(super) missed: Option<u64>,
    /// The packet that made it whole, without its content: acknowledged once all is kept.
    pub(super) last: Option<Packet>,
    /// What an offer of theirs is known by.
    pub(super) offer: String,
    /// How often they asked for something again.
    pub(super) resent: u32,
    /// Fragments that the switchboard has not passed on yet.
    pub(super) on_board: u32,
    pub(super) end: End,
    /// It went on over another switchboard, and nothing shows yet that the other side goes along.
    pub(super) resumed: bool,
    pub(super) deadline: Instant,
}

impl Transfer {
    /// A transfer of which nothing has come yet; an object that they ask for is given, a file is not.
    pub(super) fn new(id: TransferId, kind: Kind, invitation: Slp, session: u32, deadline: Instant) -> Self {
        Self {
            id,
            kind,
            stage: Stage::Asked,
            gives: kind == Kind::Object,
            invitation,
            session,
            identifier: 0,
            size: 0,
            done: 0,
            missed: None,
            last: None,
            resent: 0,
            offer: String::new(),
            on_board: 0,
            end: End::default(),
            resumed: false,
            deadline,
        }
    }

    /// The answer to the peer's invitation.
    pub(super) fn answer(&self, code: u16) -> Slp {
        // As they wrote it: some write it signed.
        let session =
            self.invitation.get("SessionID").map_or_else(|| self.session.to_string(), str::to_owned);
        let body = vec![("SessionID".to_owned(), session)];
        self.invitation.answer(code, content_type::SESSION_REQUEST, body)
    }

    /// Whether this offer is the one that waits for an answer, or was accepted.
    pub(super) fn is_offered_again(&self, offer: &str) -> bool {
        !self.stage.is_over() && self.offer == offer
    }

    /// Whether all of a file of ours is on its way, and only its end is missing.
    pub(super) fn is_given(&self) -> bool {
        self.gives
            && self.kind == Kind::File
            && matches!(self.stage, Stage::Sent | Stage::Broken)
            && self.done == self.size
    }

    /// What nobody said in time.
    pub(super) fn lateness(&self) -> TransferFailure {
        match self.stage {
            _ if self.end.acknowledged => TransferFailure::Unclosed,
            _ if self.end.closed => TransferFailure::Cancelled,
            Stage::Broken => TransferFailure::Lost,
            _ if self.resumed => TransferFailure::Lost,
            _ => TransferFailure::TimedOut,
        }
    }

    /// How long a peer may say nothing about data that were sent last. What a direct connection has taken, they may not
    /// have read for a while.
    pub(super) fn silence(&self, direct: bool) -> Duration {
        match direct {
            true => ACK_TIMEOUT + Duration::from_secs(self.size.min(BUFFERED) / SLOWEST),
            false => ACK_TIMEOUT,
        }
    }
}
