//! Transfers and what carries them: a switchboard that passes fragments on, its successor, a connection that broke
//! (§9.12).
//!
//! Knows what may be lost with either and what goes on. Refuses to know which of them is there: that is an argument.

use std::time::{Duration, Instant};

use super::Sessions;
use crate::msn::p2p::peer::outbox::Outbox;
use crate::msn::p2p::peer::transfer::{Kind, OFFER_TIMEOUT, Stage, Transfer};
use crate::msn::p2p::peer::{PeerEvent, TransferFailure, TransferId};

/// What goes on over another switchboard must move within this: the other side may have given it up.
const ANOTHER: Duration = Duration::from_secs(30);
/// A transfer whose connection broke waits so long for the other side to go on over the switchboard.
const RESUME: Duration = Duration::from_secs(20);

impl Sessions {
    /// The switchboard is gone and another may come: files of which data went go on there, anything else is lost. True
    /// where something does.
    pub(in super::super) fn outlive(&mut self, now: Instant, outbox: &mut Outbox) -> bool {
        let goes_on = |t: &Transfer| {
            let moves = matches!(t.stage, Stage::Sending | Stage::Sent | Stage::Receiving | Stage::Broken);
            t.stage.is_over() || t.kind == Kind::File && moves
        };
        for lost in self.transfers.extract_if(.., |transfer| !goes_on(transfer)) {
            let (transfer, failure) = (lost.id, TransferFailure::Lost);
            outbox.emit(PeerEvent::Failed { transfer, failure });
        }
        // Nobody can say anything until then: that is no silence.
        self.transfers.iter_mut().for_each(|transfer| transfer.deadline = now + OFFER_TIMEOUT);
        self.transfers.iter().any(|transfer| !transfer.stage.is_over())
    }

    /// The switchboard has passed a fragment on: silence begins behind it.
    pub(in super::super) fn delivered(&mut self, now: Instant, id: TransferId, direct: bool) {
        if let Some(transfer) = self.transfers.iter_mut().find(|t| t.id == id) {
            transfer.on_board = transfer.on_board.saturating_sub(1);
            if matches!(transfer.stage, Stage::Sending | Stage::Sent) && !transfer.end.closed {
                transfer.deadline = now + transfer.silence(direct);
            }
        }
    }

    /// The switchboard could not deliver a fragment: it goes again, and so does what was sent behind it. A board that
    /// delivers nothing is not asked for ever. True where the file goes on.
    pub(in super::super) fn undelivered(
        &mut self,
        now: Instant,
        (id, offset): (TransferId, u64),
        direct: bool,
        outbox: &mut Outbox,
    ) -> bool {
        let moves = |t: &Transfer| matches!(t.stage, Stage::Sending | Stage::Sent);
        let Some(at) = self.transfers.iter().position(|t| t.id == id && moves(t)) else { return false };
        let transfer = &mut self.transfers[at];
        transfer.on_board = transfer.on_board.saturating_sub(1);
        let is_empty = transfer.size == 0 && transfer.stage == Stage::Sent;
        if direct || transfer.end.acknowledged || offset >= transfer.done && !is_empty {
            return true;
        }
        let goes_on = transfer.rewind(offset);
        if !goes_on {
            self.break_off(now, at, TransferFailure::Lost, outbox);
        }
        goes_on
    }

    /// Another switchboard is there. What was given is sent again from where it is not known that it arrived; what
    /// comes is asked for from where it stopped.
    pub(in super::super) fn resume(
        &mut self,
        now: Instant,
        unconfirmed: &[(TransferId, u64)],
        direct: bool,
        outbox: &mut Outbox,
    ) {
        for transfer in &mut self.transfers {
            if transfer.stage.is_over() {
                continue;
            }
            transfer.deadline = now + ANOTHER;
            transfer.resumed = true;
            transfer.on_board = 0;
            if direct || transfer.end.acknowledged {
                continue;
            }
            if !transfer.gives {
                if transfer.done > 0 {
                    transfer.ask_for_the_rest(outbox);
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

    /// The direct connection broke. What was sent last may be lost: only the receiver knows what is missing, and says so.
    pub(in super::super) fn broke(&mut self, now: Instant, outbox: &mut Outbox) {
        let breaks = |t: &Transfer| matches!(t.stage, Stage::Sending | Stage::Sent | Stage::Receiving);
        for transfer in self.transfers.iter_mut().filter(|t| breaks(t) && t.done > 0) {
            transfer.stage = Stage::Broken;
            transfer.deadline = now + RESUME;
            if !transfer.gives {
                transfer.ask_for_the_rest(outbox);
            }
        }
    }

    /// Whether the data of a transfer of ours have begun to go.
    pub(in super::super) fn are_begun(&self) -> bool {
        self.transfers.iter().any(|t| t.gives && t.stage == Stage::Sending && t.done > 0)
    }

    /// Whether the switchboard still has something to pass on.
    pub(in super::super) fn are_on_board(&self) -> bool {
        self.transfers.iter().any(|t| t.on_board > 0 && !t.stage.is_over())
    }
}
