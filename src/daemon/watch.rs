//! The watchdog: systemd hears that the bridge lives for as long as its loops turn.
//!
//! Knows when each loop turned last. Refuses to judge why one stands: systemd restarts the service then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::notify;

/// Counts the turns of the loops.
#[derive(Debug, Clone, Default)]
pub(super) struct Heartbeat {
    beats: Arc<AtomicU64>,
}

impl Heartbeat {
    /// What the loops call.
    pub(super) fn beat(&self) -> Arc<dyn Fn() + Send + Sync> {
        let beats = self.beats.clone();
        Arc::new(move || {
            beats.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Passes life signs on, at most every half interval and only while there are any.
    pub(super) async fn feed(self, cancel: CancellationToken) {
        let Some(interval) = sd_notify::watchdog_enabled() else { return };
        let mut last = 0;
        loop {
            tokio::select! {
                () = tokio::time::sleep((interval / 3).max(Duration::from_millis(200))) => {}
                () = cancel.cancelled() => return,
            }
            let now = self.beats.load(Ordering::Relaxed);
            if now != last {
                last = now;
                notify::alive();
            }
        }
    }
}
