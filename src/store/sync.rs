//! Group commit: one thread that syncs the log for everybody who waits, and opens the store anew when it failed.
//!
//! Knows who waits, and the pace of the disk. Refuses to know rows: the ledger does. A batch is answered when a sync that
//! began after it has ended.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::ledger::Ledger;
use super::worker::Worker;
use crate::bridge::port::storage::{StorageError, Urgency};
use crate::measure;
use crate::retry::Retry;

/// Waiters that may queue; each is a handful of words, and each is somebody who waits.
const QUEUE: usize = 65_536;
/// How long a batch that is not urgent waits for company.
const COMPANY: Duration = Duration::from_millis(200);
/// Syncs are at least this far apart when they follow one another: what comes in between shares the next one.
pub(super) const SPACING: Duration = Duration::from_millis(4);
/// How often a store to which nothing is written is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Pauses between attempts to open a store that failed.
const REOPEN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// A batch, and who is told when it is on disk.
struct Waiter {
    urgency: Urgency,
    done: Box<dyn FnOnce(Result<(), StorageError>) + Send>,
}

/// Asks for syncs and counts them. Dropping it syncs what is left, and only then lets go of the log.
pub(super) struct Syncer {
    waiters: Worker<Waiter>,
    count: Arc<AtomicU64>,
}

impl Syncer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(ledger: Arc<Ledger>, directory: &Path) -> std::io::Result<Self> {
        let count = Arc::new(AtomicU64::new(0));
        let work = Work { ledger, reopening: None, count: count.clone() };
        tracing::debug!(directory = %directory.display(), "the store is open");
        let waiters = Worker::start("store-sync", QUEUE, move |queue| work.run(queue))?;
        Ok(Self { waiters, count })
    }

    /// Syncs since the start.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Everything applied before this call is on disk when the future resolves.
    ///
    /// # Errors
    /// Too many changes wait for the disk, the disk did not take them, or the store has stopped.
    pub(super) fn request(&self, urgency: Urgency) -> BoxFuture<'static, Result<(), StorageError>> {
        let (done, synced) = oneshot::channel();
        // Whoever asked may have gone.
        let done = Box::new(move |result| drop(done.send(result)));
        let queued = self.waiters.try_hand(Waiter { urgency, done });
        Box::pin(async move {
            let stopped = || StorageError("the store has stopped".into());
            if !queued {
                return Err(StorageError("too many changes wait for the disk".into()));
            }
            synced.await.map_err(|_| stopped())?
        })
    }

    /// Waits on this thread until everything so far is on disk.
    ///
    /// # Errors
    /// The disk did not take them, or the store has stopped.
    pub(super) fn sync_blocking(&self) -> Result<(), StorageError> {
        let (done, synced) = sync_channel(1);
        let done = Box::new(move |result| drop(done.send(result)));
        let stopped = || StorageError("the store has stopped".into());
        if !self.waiters.hand(Waiter { urgency: Urgency::Now, done }) {
            return Err(stopped());
        }
        synced.recv().map_err(|_| stopped())?
    }
}

/// When a store that failed is opened next, and how long is waited after that.
struct Reopening {
    at: Instant,
    retry: Retry,
}

impl Reopening {
    fn begin() -> Self {
        let [first, longest] = REOPEN;
        let mut retry = Retry::new(first, longest);
        Self { at: Instant::now() + retry.next_pause(), retry }
    }
}

/// What the thread works with.
struct Work {
    ledger: Arc<Ledger>,
    reopening: Option<Reopening>,
    count: Arc<AtomicU64>,
}

impl Work {
    /// Takes whoever waits, syncs once for all of them, and answers.
    fn run(mut self, queue: &Receiver<Waiter>) {
        let mut last = Instant::now();
        loop {
            match queue.recv_timeout(self.idle()) {
                Ok(first) => {
                    let mut waiting = vec![first];
                    std::thread::sleep((last + SPACING).saturating_duration_since(Instant::now()));
                    gather(queue, &mut waiting);
                    let began = Instant::now();
                    let result = self.ledger.sync();
                    let outcome = if result.is_ok() { "ok" } else { "failed" };
                    measure::took(measure::COMMIT, ("outcome", outcome), began.elapsed());
                    last = Instant::now();
                    self.count.fetch_add(1, Ordering::Relaxed);
                    for waiter in waiting {
                        (waiter.done)(result.clone());
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.ledger.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.mend();
        }
    }

    /// The pause before the next look at what is not urgent.
    fn idle(&self) -> Duration {
        let due = self.reopening.as_ref().map(|next| next.at.saturating_duration_since(Instant::now()));
        due.map_or(LOOK, |due| due.min(LOOK))
    }

    /// Opens a store that failed, when its time has come.
    fn mend(&mut self) {
        if self.ledger.failure().is_none() {
            self.reopening = None;
            return;
        }
        let next = self.reopening.get_or_insert_with(Reopening::begin);
        if Instant::now() < next.at {
            return;
        }
        match self.ledger.reopen() {
            Ok(()) => self.reopening = None,
            Err(error) => {
                tracing::warn!(%error, "the store does not work yet");
                next.at = Instant::now() + next.retry.next_pause();
            }
        }
    }
}

/// Takes everybody who waits already; without anybody urgent, also who comes in the next moment.
fn gather(queue: &Receiver<Waiter>, waiting: &mut Vec<Waiter>) {
    let until = Instant::now() + COMPANY;
    loop {
        while let Ok(waiter) = queue.try_recv() {
            waiting.push(waiter);
        }
        if waiting.iter().any(|waiter| waiter.urgency == Urgency::Now) {
            return;
        }
        match queue.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(waiter) => waiting.push(waiter),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
    }
}
