//! Files under way whose switchboard broke: set aside, and taken up by the next call with the same contact (§9.12).
//!
//! Knows what is set aside and for how long. Only our own broken line is mended so: a contact who leaves ends what was
//! under way with them, for most clients say no more than that when they give a file up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::bridge::ids::ConversationId;
use crate::connector::clock::now;
use crate::connector::context::call::CallContext;
use crate::connector::file::direct::Direct;
use crate::connector::file::incoming::Arriving;
use crate::connector::file::outgoing::OutgoingFile;
use crate::connector::handle::CallNotice;
use crate::msn::ids::Email;
use crate::msn::p2p::{Peer, TransferId};

/// How long another call may take to come about: time to sign in anew, and to call.
const RESUME_TIMEOUT: Duration = Duration::from_secs(30);

/// What is under way with one contact.
pub(in crate::connector) struct TransferState {
    pub(in crate::connector) peer: Peer,
    pub(in crate::connector) arriving: Vec<(TransferId, Arriving)>,
    pub(in crate::connector) sending: Vec<OutgoingFile>,
    /// From where on it is not known that they have it.
    pub(in crate::connector) unconfirmed: Vec<(TransferId, u64)>,
    pub(in crate::connector) direct: Option<Direct>,
}

/// Transfers with one member whose call broke, until another call takes them up.
struct SuspendedTransfer {
    /// Told apart from what else was under way with them.
    number: u64,
    conversation: ConversationId,
    email: Email,
    state: TransferState,
    /// Dropped when it is taken up.
    waiting: Option<oneshot::Sender<()>>,
}

/// What is waited for after something was set aside.
struct Waiting {
    number: u64,
    taken: oneshot::Receiver<()>,
}

/// What the calls of one login have set aside.
#[derive(Clone, Default)]
pub(in crate::connector) struct SuspendedTransfers(Arc<Mutex<Vec<SuspendedTransfer>>>);

impl SuspendedTransfers {
    fn lock(&self) -> MutexGuard<'_, Vec<SuspendedTransfer>> {
        // Nothing that holds the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The conversations in which something waits.
    pub(in crate::connector) fn conversations(&self) -> Vec<ConversationId> {
        self.lock().iter().map(|transfer| transfer.conversation.clone()).collect()
    }

    /// The first that fits, once.
    fn take(&self, which: impl Fn(&SuspendedTransfer) -> bool) -> Option<SuspendedTransfer> {
        let mut waiting = self.lock();
        let at = waiting.iter().position(which)?;
        Some(waiting.swap_remove(at))
    }
}

/// What one call sets aside, and takes up of others.
pub(in crate::connector) struct Suspension {
    transfers: SuspendedTransfers,
    waiting: Option<Waiting>,
}

impl Suspension {
    /// Nothing of this call waits yet; `transfers` is shared by all calls of the login.
    pub(in crate::connector) fn new(transfers: SuspendedTransfers) -> Self {
        Self { transfers, waiting: None }
    }

    /// The line of this call broke: what was under way with its member waits for another call.
    pub(in crate::connector) async fn suspend(
        &mut self,
        ctx: &CallContext,
        email: Email,
        state: TransferState,
    ) {
        tracing::info!(%email, "the switchboard broke under a file; looking for another");
        let (waiting, taken) = oneshot::channel();
        let (number, conversation, waiting) = (rand::random(), ctx.conversation.clone(), Some(waiting));
        self.transfers.lock().push(SuspendedTransfer { number, conversation, email, state, waiting });
        self.waiting = Some(Waiting { number, taken });
        let _ = ctx.news.send(CallNotice::Broke(ctx.conversation.clone())).await; // the login may have ended
    }

    /// Waits until another call has taken up what was set aside; gives what none has taken up in time.
    pub(in crate::connector) async fn hand_over(
        &mut self,
        ctx: &CallContext,
    ) -> Option<(Email, TransferState)> {
        let Waiting { number, taken } = self.waiting.take()?;
        let until = Instant::now() + RESUME_TIMEOUT;
        tokio::select! {
            _ = taken => return None,
            () = tokio::time::sleep_until(until) => {}
            () = ctx.cancel.cancelled() => {}
        }
        // Taken up at the very last moment, it is gone from there.
        let transfer = self.transfers.take(|transfer| transfer.number == number)?;
        Some((transfer.email, transfer.state))
    }

    /// Somebody may be here with whom a file was under way in a call that broke: gives what goes on.
    pub(in crate::connector) fn resume(&mut self, ctx: &mut CallContext) -> Option<(Email, TransferState)> {
        let [email] = &ctx.members[..] else { return None };
        // Two peers for one person would not understand each other's names.
        if ctx.peers.get(email).is_some_and(|peer| !peer.is_idle()) {
            return None;
        }
        // A call of two that is about to be a group, or is one, is not the place for it.
        let fits = |t: &SuspendedTransfer| t.email == *email && t.conversation == ctx.conversation;
        let mut transfer = self.transfers.take(fits)?;
        tracing::info!(%email, "a file goes on over another switchboard");
        drop(transfer.waiting.take());
        let state = &mut transfer.state;
        state.peer.resume(now(), &state.unconfirmed);
        ctx.peers.take(email);
        Some((transfer.email, transfer.state))
    }
}

#[cfg(test)]
mod tests;
