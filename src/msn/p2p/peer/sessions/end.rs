//! How a transfer ends: by whom a session may be closed, and what that says about the data (§9.8, §9.10).
//!
//! A file that we give has arrived once its receiver has acknowledged all of it and closed the session. An acknowledgement
//! alone proves nothing: there are clients that acknowledge what belongs to no session they know. Of those who know it, for
//! their answer named it, some close it by leaving the board (libpurple), some not at all (msnp11-sdk). What we receive is
//! acknowledged once it is kept; a goodbye without that says that it is not.

use std::time::{Duration, Instant};

use super::Sessions;
use crate::msn::p2p::Guid;
use crate::msn::p2p::packet::Flags;
use crate::msn::p2p::peer::outbox::Outbox;
use crate::msn::p2p::peer::transfer::{ACK_TIMEOUT, Kind, OFFER_TIMEOUT, Stage, Transfer};
use crate::msn::p2p::peer::{PeerEvent, TransferFailure, TransferId};
use crate::msn::p2p::slp::{Slp, Verb, content_type};

/// How long a goodbye may go unanswered before the session is forgotten.
pub(in super::super) const GOODBYE: Duration = Duration::from_secs(30);
/// Some clients close a session before they acknowledge its data.
const LATE: Duration = Duration::from_secs(5);
/// A receiver who knows the session and has acknowledged all of it may leave it open: then this is waited for.
const CLOSING: Duration = Duration::from_secs(10);

impl Sessions {
    /// Says no to what is asked, withdraws what we offered, or breaks off what is under way.
    pub(in super::super) fn end(&mut self, now: Instant, id: TransferId, outbox: &mut Outbox) {
        let Some(at) = self.transfers.iter().position(|t| t.id == id) else { return };
        match self.transfers[at].stage {
            Stage::Over { .. } => {}
            Stage::Asked => {
                let declined = self.transfers.remove(at);
                self.declined.remember(&declined.offer);
                outbox.signal(&declined.answer(603));
            }
            _ => self.say_goodbye(now, at, outbox),
        }
    }

    /// What carried everything is gone.
    pub(in super::super) fn lose(&mut self, outbox: &mut Outbox) {
        for transfer in std::mem::take(&mut self.transfers) {
            if !transfer.stage.is_over() {
                let (transfer, failure) = (transfer.id, TransferFailure::Lost);
                outbox.emit(PeerEvent::Failed { transfer, failure });
            }
        }
    }

    /// They have left what carried everything. Some clients never say goodbye, and end a file so once they have
    /// acknowledged all of it.
    pub(in super::super) fn left(&mut self, outbox: &mut Outbox) {
        let has_it = |t: &mut Transfer| t.gives && t.end.acknowledged && t.end.is_known && !t.stage.is_over();
        for given in self.transfers.extract_if(.., has_it) {
            outbox.emit(PeerEvent::Finished(given.id));
        }
        self.lose(outbox);
    }

    /// Ends what nobody said anything about in time.
    pub(in super::super) fn handle_timeout(&mut self, now: Instant, outbox: &mut Outbox) {
        while let Some(at) = self.transfers.iter().position(|transfer| transfer.deadline <= now) {
            let late = &self.transfers[at];
            if late.stage.is_over() {
                self.transfers.remove(at);
            } else if late.end.acknowledged && late.end.is_known {
                let id = self.transfers.remove(at).id;
                outbox.emit(PeerEvent::Finished(id));
            } else if late.stage == Stage::Receiving && late.size == 0 {
                // Some clients send nothing at all of an empty file: then nothing is missing.
                self.arrived(now, at, outbox);
            } else {
                let failure = late.lateness();
                self.break_off(now, at, failure, outbox);
            }
        }
    }

    /// Ends a session from our side; it is remembered until they have heard of it.
    pub(super) fn say_goodbye(&mut self, now: Instant, at: usize, outbox: &mut Outbox) {
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
        let goodbye = Some(outbox.signal(&goodbye));
        self.transfers[at].stage = Stage::Over { goodbye };
    }

    pub(super) fn fail(&mut self, at: usize, failure: TransferFailure, outbox: &mut Outbox) {
        let transfer = self.transfers.remove(at);
        if !transfer.stage.is_over() {
            outbox.emit(PeerEvent::Failed { transfer: transfer.id, failure });
        }
    }

    /// Everything is there: that is told, and they hear nothing before it is kept.
    pub(super) fn arrived(&mut self, now: Instant, at: usize, outbox: &mut Outbox) {
        let transfer = &mut self.transfers[at];
        transfer.stage = Stage::Whole;
        transfer.deadline = now + OFFER_TIMEOUT;
        outbox.emit(PeerEvent::Arrived(transfer.id));
    }

    /// What has arrived is kept: its last data are acknowledged, and they are told that we are done.
    pub(in super::super) fn confirm(&mut self, now: Instant, id: TransferId, outbox: &mut Outbox) {
        let is_it = |t: &Transfer| t.id == id && t.stage == Stage::Whole;
        let Some(at) = self.transfers.iter().position(is_it) else { return };
        // Of an empty file there may have been no packet.
        if let Some(last) = self.transfers[at].last.take() {
            outbox.acknowledge(&last);
        }
        self.say_goodbye(now, at, outbox);
    }

    /// They acknowledged the message that is the data; false where no data under that identifier wait for it.
    pub(super) fn data_acknowledged(&mut self, now: Instant, identifier: u32, outbox: &mut Outbox) -> bool {
        let is_it = |t: &Transfer| {
            t.gives
                && matches!(t.stage, Stage::Sent | Stage::Broken)
                && t.done == t.size
                && t.identifier == identifier
        };
        let Some(at) = self.transfers.iter().position(is_it) else { return false };
        let transfer = &mut self.transfers[at];
        transfer.deadline = now + ACK_TIMEOUT;
        if transfer.kind == Kind::Object {
            // Nobody waits to hear of it.
            transfer.stage = Stage::Over { goodbye: None };
            let id = transfer.id;
            outbox.emit(PeerEvent::Finished(id));
        } else {
            transfer.end.acknowledged = true;
            transfer.deadline = now + if transfer.end.is_known { CLOSING } else { ACK_TIMEOUT };
            self.check_delivered(at, outbox);
        }
        true
    }

    /// They closed a session.
    pub(in super::super) fn closed(&mut self, now: Instant, at: usize, outbox: &mut Outbox) {
        let transfer = &mut self.transfers[at];
        if transfer.is_given() {
            transfer.end.closed = true;
            transfer.deadline = now + LATE;
            return self.check_delivered(at, outbox);
        }
        if transfer.stage == Stage::Receiving && transfer.size == 0 {
            // Nothing of it could have come.
            let id = self.transfers.remove(at).id;
            return outbox.emit(PeerEvent::Arrived(id));
        }
        self.fail(at, TransferFailure::Cancelled, outbox);
    }

    fn check_delivered(&mut self, at: usize, outbox: &mut Outbox) {
        let end = self.transfers[at].end;
        if end.acknowledged && end.closed {
            let id = self.transfers.remove(at).id;
            outbox.emit(PeerEvent::Finished(id));
        }
    }

    /// They broke a session off below its signalling. A receiver that has all closes it so, too.
    pub(in super::super) fn aborted(
        &mut self,
        now: Instant,
        (session, flags): (u32, Flags),
        outbox: &mut Outbox,
    ) {
        let is_it = |t: &Transfer| t.session == session && session != 0 && !t.stage.is_over();
        let Some(at) = self.transfers.iter().position(is_it) else { return };
        match flags == Flags::CLOSE && self.transfers[at].end.acknowledged {
            true => self.closed(now, at, outbox),
            false => self.fail(at, TransferFailure::Cancelled, outbox),
        }
    }
}
