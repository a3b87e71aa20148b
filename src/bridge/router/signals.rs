//! What is only worth something now: typing, presence. One task for each frontend, so that a slow one delays nothing.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bridge::port::frontend::{Frontend, Signal};

/// Signals waiting for one frontend; full, new ones are dropped: the next one says more.
const WAITING: usize = 512;

pub(super) type SignalSender = mpsc::Sender<Signal>;

pub(super) fn start(
    frontends: &[Arc<dyn Frontend>],
    cancel: &CancellationToken,
    tasks: &TaskTracker,
) -> Vec<SignalSender> {
    let start_one = |frontend: &Arc<dyn Frontend>| {
        let (sender, waiting) = mpsc::channel(WAITING);
        tasks.spawn(run(frontend.clone(), waiting, cancel.clone()));
        sender
    };
    frontends.iter().map(start_one).collect()
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

pub(super) fn send(signals: &[SignalSender], signal: &Signal) {
    for sender in signals {
        if sender.try_send(signal.clone()).is_err() {
            tracing::debug!("dropped a signal for a frontend that is busy");
        }
    }
}
