//! What is only worth something now: typing, presence, names. One task for each frontend, so that a slow one delays
//! nothing.
//!
//! Knows what each login sees of its contacts. Refuses to keep a signal: what cannot be shown now is dropped, and the next
//! one says more.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bridge::event::{Ghost, GhostPresence};
use crate::bridge::ids::{GhostId, LoginId};
use crate::bridge::port::frontend::{Frontend, Signal};
use crate::bridge::presence::Presences;

/// Signals waiting for one frontend; full, new ones are dropped.
const WAITING: usize = 512;

/// The queues of the frontends, and what each login sees of its contacts.
pub(super) struct SignalHub {
    frontends: Vec<mpsc::Sender<Signal>>,
    presences: Presences,
}

impl SignalHub {
    pub(super) fn start(
        frontends: &[Arc<dyn Frontend>],
        ghost_per_login: bool,
        cancel: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let start_one = |frontend: &Arc<dyn Frontend>| {
            let (sender, waiting) = mpsc::channel(WAITING);
            tasks.spawn(run(frontend.clone(), waiting, cancel.clone()));
            sender
        };
        let frontends = frontends.iter().map(start_one).collect();
        Self { frontends, presences: Presences::new(ghost_per_login) }
    }

    /// Puts a signal into every frontend's queue that has room.
    pub(super) fn show(&self, signal: &Signal) {
        for sender in &self.frontends {
            if sender.try_send(signal.clone()).is_err() {
                tracing::debug!("dropped a signal for a frontend that is busy");
            }
        }
    }

    /// A login sees this of a contact now.
    pub(super) fn presence(&mut self, login: &LoginId, presence: GhostPresence) {
        let shown = self.presences.update(login, presence);
        shown.iter().for_each(|signal| self.show(signal));
    }

    /// A login sees nothing of this contact any more.
    pub(super) fn presence_lost(&mut self, login: &LoginId, ghost: &Ghost) {
        let shown = self.presences.lose(login, ghost);
        shown.iter().for_each(|signal| self.show(signal));
    }

    /// The logins whose contact it is.
    pub(super) fn logins_of(&self, ghost: &GhostId) -> Vec<LoginId> {
        self.presences.logins_of(ghost)
    }
}

async fn run(frontend: Arc<dyn Frontend>, mut waiting: mpsc::Receiver<Signal>, cancel: CancellationToken) {
    let shown = async {
        while let Some(signal) = waiting.recv().await {
            frontend.show(signal).await;
        }
    };
    tokio::select! {
        () = shown => {}
        () = cancel.cancelled() => {}
    }
}
