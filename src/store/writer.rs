//! What nobody waits for goes to the log a moment after it was said, whatever the disk is doing.
//!
//! Knows that there is something to write. Refuses to know syncs: a process that is killed has lost nothing of what is in the
//! log, and a machine that loses its power has lost what was not synced. A sync takes as long as the disk likes, so writing
//! has a thread of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::ledger::Ledger;

/// How long a change waits for others, to be one batch of sled's with them: a process that is killed loses so much of what
/// nobody waited for.
const COMPANY: Duration = Duration::from_millis(2);

/// The thread that writes. Dropping it writes what is left and ends the thread.
pub(super) struct Writer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it never panics; if it did, it is gone all the same
        }
    }
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(ledger: Arc<Ledger>) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let write = move || run(&ledger, &woken);
        let thread = std::thread::Builder::new().name("store-write".into()).spawn(write)?;
        Ok(Self { wake: Some(wake), thread: Some(thread) })
    }

    /// There is something to write.
    pub(super) fn wake(&self) {
        if let Some(wake) = &self.wake {
            let _ = wake.try_send(()); // one that is on its way already is enough
        }
    }
}

fn run(ledger: &Ledger, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        std::thread::sleep(COMPANY);
        let _ = ledger.write(); // the ledger keeps what failed, and tells whoever waits for a sync
    }
    let _ = ledger.write(); // the same
}
