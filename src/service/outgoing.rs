//! What a connection's writer is given, and how it is known that it was written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use crate::msn::command::ServerCommand;
use crate::msn::dialect::Dialect;
use crate::msn::ids::TrId;

/// One command for one connection.
pub(super) struct Outgoing {
    pub(super) dialect: Dialect,
    pub(super) command: ServerCommand,
    /// Signed once it is written.
    pub(super) receipt: Option<Receipt>,
}

impl Outgoing {
    pub(super) fn new(dialect: Dialect, command: ServerCommand) -> Self {
        Self { dialect, command, receipt: None }
    }
}

/// Whoever sent something waits for it to arrive everywhere.
struct Sender {
    /// Does not keep the connection of a sender who has gone.
    outbox: mpsc::WeakSender<Outgoing>,
    dialect: Dialect,
    trid: TrId,
    missed: AtomicBool,
}

impl Drop for Sender {
    fn drop(&mut self) {
        let trid = self.trid;
        let answer = match self.missed.load(Ordering::Relaxed) {
            true => ServerCommand::Nak { trid },
            false => ServerCommand::Ack { trid },
        };
        if let Some(outbox) = self.outbox.upgrade() {
            // A sender that does not read its own answers goes without.
            let _ = outbox.try_send(Outgoing::new(self.dialect, answer));
        }
    }
}

/// One receiver's part of it. Dropped unsigned, it did not arrive.
pub(super) struct Receipt {
    sender: Arc<Sender>,
    signed: bool,
}

impl Receipt {
    /// One for each of so many receivers; the answer goes to `outbox` when the last of them is dropped.
    pub(super) fn for_each(
        count: usize,
        outbox: &mpsc::Sender<Outgoing>,
        dialect: Dialect,
        trid: TrId,
    ) -> impl Iterator<Item = Self> + use<> {
        let sender =
            Arc::new(Sender { outbox: outbox.downgrade(), dialect, trid, missed: AtomicBool::new(false) });
        std::iter::repeat_n(sender, count).map(|sender| Self { sender, signed: false })
    }

    pub(super) fn sign(mut self) {
        self.signed = true;
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.signed {
            self.sender.missed.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the sender hears when these receivers have it or not.
    fn answers(signed: &[bool]) -> Vec<String> {
        let (outbox, mut answers) = mpsc::channel(8);
        let receipts = Receipt::for_each(signed.len(), &outbox, Dialect::Msnp11, TrId(7));
        let mut held: Vec<Receipt> = receipts.collect();
        for signed in signed {
            assert!(answers.try_recv().is_err(), "not before all have it");
            let receipt = held.remove(0);
            if *signed { receipt.sign() } else { drop(receipt) }
        }
        let text = |answer: Outgoing| String::from_utf8(answer.command.encode(answer.dialect)).unwrap();
        std::iter::from_fn(|| answers.try_recv().ok()).map(text).collect()
    }

    #[test]
    fn a_sender_hears_once_when_all_have_it_or_one_has_not() {
        assert_eq!(answers(&[true]), ["ACK 7\r\n"]);
        assert_eq!(answers(&[true, true, true]), ["ACK 7\r\n"]);
        assert_eq!(answers(&[true, false, true]), ["NAK 7\r\n"]);
    }
}
