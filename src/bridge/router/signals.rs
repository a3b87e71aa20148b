//! What is only worth something now: typing, presence. One task for each frontend, so that a slow one delays nothing.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bridge::ids::{Leg, PortalKey};
use crate::bridge::journal::Origin;
use crate::bridge::ports::{Frontend, Outcome, Signal};

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

/// Reports waiting for one frontend; full, new ones are dropped: a failure is also said in a notice, which is kept.
const REPORTS: usize = 1024;

struct Report {
    portal: PortalKey,
    reference: String,
    outcome: Outcome,
}

/// Tells frontends what became of what they brought, without making a portal wait for them.
#[derive(Clone)]
pub(in crate::bridge) struct Reports {
    queues: Vec<(Leg, mpsc::Sender<Report>)>,
}

impl Reports {
    pub(in crate::bridge) fn start(
        frontends: &[Arc<dyn Frontend>],
        cancel: &CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let start_one = |frontend: &Arc<dyn Frontend>| {
            let (sender, waiting) = mpsc::channel(REPORTS);
            tasks.spawn(report(frontend.clone(), waiting, cancel.clone()));
            (frontend.leg(), sender)
        };
        Self { queues: frontends.iter().map(start_one).collect() }
    }

    pub(in crate::bridge) fn send(&self, portal: &PortalKey, origin: &Origin, outcome: Outcome) {
        let Some((_, queue)) = self.queues.iter().find(|(leg, _)| *leg == origin.leg) else { return };
        let report = Report { portal: portal.clone(), reference: origin.reference.clone(), outcome };
        if queue.try_send(report).is_err() {
            tracing::debug!(%portal, "dropped a report for a frontend that is busy");
        }
    }
}

async fn report(frontend: Arc<dyn Frontend>, mut waiting: mpsc::Receiver<Report>, cancel: CancellationToken) {
    let told = async {
        while let Some(Report { portal, reference, outcome }) = waiting.recv().await {
            frontend.report(&portal, &reference, outcome).await;
        }
    };
    tokio::select! {
        () = told => {}
        () = cancel.cancelled() => {}
    }
}
