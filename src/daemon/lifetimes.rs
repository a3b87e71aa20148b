//! The two phases of a stop: what ends first takes nothing new in, what ends last writes down what came.
//!
//! Knows tokens and tasks. Refuses to know what runs in them, and how long a stop may take.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Tokens and tasks of both phases.
#[derive(Debug, Clone, Default)]
pub(super) struct Lifetimes {
    /// Ends the sessions with the networks and the endpoint: nothing new comes in.
    pub(super) intake: CancellationToken,
    pub(super) intake_tasks: TaskTracker,
    /// Ends the core, which first writes down what has come in.
    pub(super) core: CancellationToken,
    pub(super) core_tasks: TaskTracker,
    /// Cancelled when an administrator ends the program.
    pub(super) shutdown: CancellationToken,
    /// Cancelled when the core broke off.
    pub(super) broken: CancellationToken,
}

impl Lifetimes {
    /// Ends the intake and waits for it, then the core. The caller bounds how long.
    pub(super) async fn end(&self) {
        for (token, tasks) in [(&self.intake, &self.intake_tasks), (&self.core, &self.core_tasks)] {
            token.cancel();
            tasks.close();
            tasks.wait().await;
        }
    }

    /// Runs something until the intake ends, which it notices by itself.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.intake_tasks.spawn(task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_core_ends_only_once_everything_that_takes_in_has_ended() {
        let lifetimes = Lifetimes::default();
        let (intake, core) = (lifetimes.intake.clone(), lifetimes.core.clone());
        let seen = lifetimes.intake_tasks.spawn(async move {
            intake.cancelled().await;
            tokio::task::yield_now().await;
            core.is_cancelled()
        });
        let core = lifetimes.core.clone();
        lifetimes.core_tasks.spawn(async move { core.cancelled().await });
        lifetimes.end().await;
        assert!(!seen.await.unwrap(), "the core was ended while something still came in");
    }
}
