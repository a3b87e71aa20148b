//! Files that outlive the switchboard they began on, and go on over the next (§9.12).

use std::time::{Duration, Instant};

use super::{Kind, MAX_RESENT, OFFER_TIMEOUT, Peer, PeerEvent, Stage, Transfer, TransferFailure, TransferId};

/// What goes on over another switchboard must move within this: the other side may have given it up.
const ANOTHER: Duration = Duration::from_secs(30);

impl Peer {
    /// The switchboard is gone and another may come: files of which data went go on there, anything else is lost. True
    /// where something does.
    pub fn outlive(&mut self, now: Instant) -> bool {
        self.negotiation = None;
        self.moving = None;
        let goes_on = |t: &Transfer| {
            let moves = matches!(t.stage, Stage::Sending | Stage::Sent | Stage::Receiving | Stage::Broken);
            t.stage.is_over() || t.kind == Kind::File && moves
        };
        for lost in self.transfers.extract_if(.., |transfer| !goes_on(transfer)) {
            let (transfer, failure) = (lost.id, TransferFailure::Lost);
            self.events.push_back(PeerEvent::Failed { transfer, failure });
        }
        // Nobody can say anything until then: that is no silence.
        self.transfers.iter_mut().for_each(|transfer| transfer.deadline = now + OFFER_TIMEOUT);
        self.queue.clear();
        self.assemblies.clear();
        self.transfers.iter().any(|transfer| !transfer.stage.is_over())
    }

    /// The switchboard has passed a fragment on: silence begins behind it.
    pub fn delivered(&mut self, now: Instant, id: TransferId) {
        let direct = self.direct;
        if let Some(transfer) = self.transfers.iter_mut().find(|t| t.id == id) {
            transfer.on_board = transfer.on_board.saturating_sub(1);
            if matches!(transfer.stage, Stage::Sending | Stage::Sent) && !transfer.end.closed {
                transfer.deadline = now + transfer.silence(direct);
            }
        }
        self.move_over(now);
    }

    /// The switchboard could not deliver a fragment: it goes again, and so does what was sent behind it. A board that
    /// delivers nothing is not asked for ever.
    pub fn undelivered(&mut self, now: Instant, id: TransferId, offset: u64) {
        let moves = |t: &Transfer| matches!(t.stage, Stage::Sending | Stage::Sent);
        let Some(at) = self.transfers.iter().position(|t| t.id == id && moves(t)) else { return };
        let transfer = &mut self.transfers[at];
        transfer.on_board = transfer.on_board.saturating_sub(1);
        let is_empty = transfer.size == 0 && transfer.stage == Stage::Sent;
        if self.direct || transfer.end.acknowledged || offset >= transfer.done && !is_empty {
            return self.move_over(now);
        }
        transfer.resent += 1;
        if transfer.resent > MAX_RESENT {
            self.events.push_back(PeerEvent::Failed { transfer: id, failure: TransferFailure::Lost });
            return self.say_goodbye(now, at);
        }
        transfer.done = offset;
        transfer.stage = Stage::Sending;
        self.move_over(now);
    }

    /// Another switchboard is there. What was given is sent again from where it is not known that it arrived; what
    /// comes is asked for from where it stopped.
    pub fn resume(&mut self, now: Instant, unconfirmed: &[(TransferId, u64)]) {
        for at in 0..self.transfers.len() {
            let transfer = &mut self.transfers[at];
            if transfer.stage.is_over() {
                continue;
            }
            transfer.deadline = now + ANOTHER;
            transfer.resumed = true;
            transfer.on_board = 0;
            if self.direct || transfer.end.acknowledged {
                continue;
            }
            if !transfer.gives {
                if transfer.done > 0 {
                    self.ask_for_the_rest(at);
                }
                continue;
            }
            let from =
                unconfirmed.iter().filter(|(id, _)| *id == transfer.id).map(|(_, offset)| *offset).min();
            transfer.done = from.unwrap_or(transfer.done).min(transfer.done);
            if transfer.done < transfer.size || transfer.size == 0 && from.is_some() {
                transfer.stage = Stage::Sending;
            }
        }
    }
}
