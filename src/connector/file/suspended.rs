//! Files under way whose switchboard broke: set aside, and taken up by the next call with the same contact (§9.12).
//!
//! Knows what is set aside and for how long. Only our own broken line is mended so: a contact who leaves ends what was
//! under way with them, for most clients say no more than that when they give a file up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::bridge::ids::ConversationId;
use crate::connector::call::Call;
use crate::connector::clock::now;
use crate::connector::file::direct::Direct;
use crate::connector::file::incoming::Arriving;
use crate::connector::file::outgoing::OutgoingFile;
use crate::connector::handle::CallNotice;
use crate::connector::net::pump::Pump;
use crate::connector::translate::group;
use crate::msn::ids::Email;
use crate::msn::p2p::{Peer, TransferId};
use crate::msn::session::SwitchboardSession;

/// How long another call may take to come about: time to sign in anew, and to call.
const RESUME_TIMEOUT: Duration = Duration::from_secs(30);

/// What was under way with one contact.
pub(in crate::connector) struct SuspendedTransfer {
    /// Told apart from what else was under way with them.
    number: u64,
    pub(in crate::connector) conversation: ConversationId,
    pub(in crate::connector) email: Email,
    pub(in crate::connector) peer: Peer,
    pub(in crate::connector) arriving: Vec<(TransferId, Arriving)>,
    pub(in crate::connector) sending: Vec<OutgoingFile>,
    /// From where on it is not known that they have it.
    pub(in crate::connector) unconfirmed: Vec<(TransferId, u64)>,
    pub(in crate::connector) direct: Option<Direct>,
    /// Dropped when it is taken up.
    waiting: Option<oneshot::Sender<()>>,
}

/// What is waited for after something was set aside.
pub(in crate::connector) struct Waiting {
    number: u64,
    taken: oneshot::Receiver<()>,
}

/// What the calls of one login have set aside.
#[derive(Clone, Default)]
pub(in crate::connector) struct SuspendedTransfers(Arc<Mutex<Vec<SuspendedTransfer>>>);

impl SuspendedTransfers {
    fn known(&self) -> MutexGuard<'_, Vec<SuspendedTransfer>> {
        // Nothing that holds the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The conversations in which something waits.
    pub(in crate::connector) fn conversations(&self) -> Vec<ConversationId> {
        self.known().iter().map(|transfer| transfer.conversation.clone()).collect()
    }

    fn take(&self, which: impl Fn(&SuspendedTransfer) -> bool) -> Option<SuspendedTransfer> {
        let mut known = self.known();
        let at = known.iter().position(which)?;
        Some(known.swap_remove(at))
    }
}

impl Call {
    /// The line of this call broke: what can go on in another is set aside. Resolves with `None` where nothing can.
    pub(in crate::connector) async fn set_aside(&mut self) -> Option<Waiting> {
        if group::is_group(&self.conversation) || self.of.cancel.is_cancelled() {
            return None;
        }
        let email = self.members.first()?.clone();
        let peer = self.transfers.known(&email)?;
        let goes_on = peer.outlive(now());
        self.drain_events(&email).await;
        if !goes_on {
            return None;
        }
        let peer = self.transfers.remove(&email)?;
        let direct = self.direct.take_if(|direct| direct.is_with(&email) && peer.is_direct());
        let unconfirmed = self.outgoing_files.unconfirmed(&email);
        let (waiting, taken) = oneshot::channel();
        let number = rand::random();
        let transfer = SuspendedTransfer {
            number,
            conversation: self.conversation.clone(),
            email: email.clone(),
            peer,
            arriving: self.transfers.take_files(&email),
            sending: self.outgoing_files.take(&email),
            unconfirmed,
            direct,
            waiting: Some(waiting),
        };
        tracing::info!(%email, "the switchboard broke under a file; looking for another");
        self.of.suspended.known().push(transfer);
        let _ = self.of.news.send(CallNotice::Broke(self.conversation.clone())).await; // the login may have ended
        Some(Waiting { number, taken })
    }

    /// Waits until another call has taken up what was set aside, and takes it back if none does.
    pub(in crate::connector) async fn hand_over(&mut self, waiting: Waiting) {
        let Waiting { number, taken } = waiting;
        let until = Instant::now() + RESUME_TIMEOUT;
        let cancel = self.of.cancel.clone();
        tokio::select! {
            _ = taken => return,
            () = tokio::time::sleep_until(until) => {}
            () = cancel.cancelled() => {}
        }
        // Taken up at the very last moment, it is gone from there.
        if let Some(transfer) = self.of.suspended.take(|transfer| transfer.number == number) {
            self.take_back(transfer);
        }
    }

    fn take_back(&mut self, transfer: SuspendedTransfer) {
        let SuspendedTransfer { email, peer, arriving, sending, direct, .. } = transfer;
        self.transfers.put(&email, peer, arriving);
        self.outgoing_files.under_way.extend(sending);
        self.direct = direct;
    }

    /// Somebody is here with whom a file was under way in a call that broke: it goes on.
    pub(in crate::connector) async fn take_up(&mut self, pump: &mut Pump<SwitchboardSession>) {
        let [email] = &self.members[..] else { return };
        let email = email.clone();
        // Two peers for one person would not understand each other's names.
        if self.transfers.known(&email).is_some_and(|peer| !peer.is_idle()) {
            return;
        }
        // A call of two that is about to be a group, or is one, is not the place for it.
        let fits = |c: &SuspendedTransfer| c.email == email && c.conversation == self.conversation;
        let Some(mut transfer) = self.of.suspended.take(fits) else { return };
        tracing::info!(%email, "a file goes on over another switchboard");
        drop(transfer.waiting.take());
        transfer.peer.resume(now(), &transfer.unconfirmed);
        self.transfers.remove(&email);
        self.take_back(transfer);
        self.flush(pump, &email).await;
    }
}
