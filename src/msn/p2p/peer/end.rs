//! How a transfer ends: by whom a session may be closed, and what that says about the data (§9.8, §9.10).
//!
//! A file that we give has arrived once its receiver has acknowledged all of it and closed the session. An acknowledgement
//! alone proves nothing: there are clients that acknowledge what belongs to no session they know. Of those who know it, for
//! their answer named it, some close it by leaving the board (libpurple), some not at all (msnp11-sdk).

use std::time::{Duration, Instant};

use super::{ACK_TIMEOUT, Kind, Peer, PeerEvent, Stage, Transfer, TransferFailure};
use crate::msn::p2p::packet::Flags;

/// Some clients close a session before they acknowledge its data.
const LATE: Duration = Duration::from_secs(5);
/// A receiver who knows the session and has acknowledged all of it may leave it open: then this is waited for.
const CLOSING: Duration = Duration::from_secs(10);
/// Bytes that the systems of both sides may hold of a direct connection, and how many of them a slow peer reads a second.
const BUFFERED: u64 = 4 << 20;
const SLOWEST: u64 = 16 << 10;

impl Transfer {
    /// Whether all of a file of ours is on its way, and only its end is missing.
    fn is_given(&self) -> bool {
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

impl Peer {
    /// What carried everything is gone.
    pub fn lose(&mut self) {
        for transfer in std::mem::take(&mut self.transfers) {
            if !transfer.stage.is_over() {
                let (transfer, failure) = (transfer.id, TransferFailure::Lost);
                self.events.push_back(PeerEvent::Failed { transfer, failure });
            }
        }
        self.queue.clear();
        self.assemblies.clear();
        self.negotiation = None;
        self.moving = None;
    }

    /// They have left what carried everything. Some clients never say goodbye, and end a file so once they have
    /// acknowledged all of it.
    pub fn left(&mut self) {
        let has_it = |t: &mut Transfer| t.gives && t.end.acknowledged && t.end.is_known && !t.stage.is_over();
        for given in self.transfers.extract_if(.., has_it) {
            self.events.push_back(PeerEvent::Finished(given.id));
        }
        self.lose();
    }

    /// Does what is due. See [`Peer::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        self.negotiation.take_if(|negotiation| negotiation.deadline <= now);
        self.move_over(now);
        while let Some(at) = self.transfers.iter().position(|transfer| transfer.deadline <= now) {
            if self.transfers[at].stage.is_over() {
                self.transfers.remove(at);
                continue;
            }
            let late = &self.transfers[at];
            if late.end.acknowledged && late.end.is_known {
                let id = self.transfers.remove(at).id;
                self.events.push_back(PeerEvent::Finished(id));
                continue;
            }
            if late.stage == Stage::Receiving && late.size == 0 {
                // Some clients send nothing at all of an empty file: then nothing is missing.
                self.complete(now, at);
                continue;
            }
            let (transfer, failure) = (late.id, late.lateness());
            self.events.push_back(PeerEvent::Failed { transfer, failure });
            self.say_goodbye(now, at);
        }
    }

    pub(super) fn fail(&mut self, at: usize, failure: TransferFailure) {
        let transfer = self.transfers.remove(at);
        if !transfer.stage.is_over() {
            self.events.push_back(PeerEvent::Failed { transfer: transfer.id, failure });
        }
    }

    /// Everything is there: that is told, and they are told that we are done.
    pub(super) fn complete(&mut self, now: Instant, at: usize) {
        self.events.push_back(PeerEvent::Finished(self.transfers[at].id));
        self.say_goodbye(now, at);
    }

    /// They acknowledged the message that is the data; false where no data under that identifier wait for it.
    pub(super) fn data_acknowledged(&mut self, now: Instant, identifier: u32) -> bool {
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
            self.events.push_back(PeerEvent::Finished(id));
        } else {
            transfer.end.acknowledged = true;
            transfer.deadline = now + if transfer.end.is_known { CLOSING } else { ACK_TIMEOUT };
            self.check_delivered(at);
        }
        true
    }

    /// They closed a session.
    pub(super) fn closed(&mut self, now: Instant, at: usize) {
        let transfer = &mut self.transfers[at];
        if transfer.is_given() {
            transfer.end.closed = true;
            transfer.deadline = now + LATE;
            return self.check_delivered(at);
        }
        if transfer.stage == Stage::Receiving && transfer.size == 0 {
            // Nothing of it could have come.
            let id = self.transfers.remove(at).id;
            return self.events.push_back(PeerEvent::Finished(id));
        }
        self.fail(at, TransferFailure::Cancelled);
    }

    fn check_delivered(&mut self, at: usize) {
        let end = self.transfers[at].end;
        if end.acknowledged && end.closed {
            let id = self.transfers.remove(at).id;
            self.events.push_back(PeerEvent::Finished(id));
        }
    }

    /// They broke a session off below its signalling. A receiver that has all closes it so, too.
    pub(super) fn aborted(&mut self, now: Instant, session: u32, flags: Flags) {
        let is_it = |t: &Transfer| t.session == session && session != 0 && !t.stage.is_over();
        let Some(at) = self.transfers.iter().position(is_it) else { return };
        match flags == Flags::CLOSE && self.transfers[at].end.acknowledged {
            true => self.closed(now, at),
            false => self.fail(at, TransferFailure::Cancelled),
        }
    }
}
