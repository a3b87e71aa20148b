//! What nobody waits for goes to the log a moment after it was said, whatever the disk is doing.
//!
//! Knows that there is something to write. Refuses to know syncs: a process that is killed has lost nothing of what is in the
//! log, and a machine that loses its power has lost what was not synced. A sync takes as long as the disk likes, so writing
//! has a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::ledger::Ledger;
use super::worker::Worker;

/// How long a change waits for others, to be one batch of sled's with them: a process that is killed loses so much of what
/// nobody waited for.
const COMPANY: Duration = Duration::from_millis(2);

/// Has written what was taken. Dropping it writes what is left.
pub(super) struct Writer(Worker<()>);

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(ledger: Arc<Ledger>) -> std::io::Result<Self> {
        Worker::start("store-write", 1, move |woken| run(&ledger, woken)).map(Self)
    }

    /// There is something to write.
    pub(super) fn wake(&self) {
        self.0.try_hand(()); // one that is on its way already is enough
    }
}

fn run(ledger: &Ledger, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        std::thread::sleep(COMPANY);
        let _ = ledger.write(); // the ledger keeps what failed, and tells whoever waits for a sync
    }
    let _ = ledger.write(); // the same
}
