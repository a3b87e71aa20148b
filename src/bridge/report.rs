//! What became of what frontends brought, told to them without making a portal wait. One task and one bounded queue for
//! each frontend.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ids::{Leg, PortalKey};
use super::journal::Origin;
use super::port::frontend::{Frontend, Outcome};

/// Reports waiting for one frontend; full, new ones are dropped: a failure is also said in a notice, which is kept.
const REPORTS: usize = 1024;

struct Report {
    portal: PortalKey,
    reference: String,
    outcome: Outcome,
}

/// Tells frontends what became of what they brought, without making a portal wait for them.
#[derive(Clone)]
pub(super) struct Reports {
    queues: Vec<(Leg, mpsc::Sender<Report>)>,
}

impl Reports {
    pub(super) fn start(
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

    /// Puts a report into the queue of the frontend that brought the entry.
    pub(super) fn send(&self, portal: &PortalKey, origin: &Origin, outcome: Outcome) {
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
