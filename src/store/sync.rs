//! Group commit: one thread that syncs the log for everybody who waits.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use crate::bridge::ports::{StorageError, Urgency};

/// Waiters that may queue; each is a handful of words, and each is somebody who waits.
const QUEUE: usize = 65_536;
/// How long a batch that is not urgent waits for company.
const PATIENCE: Duration = Duration::from_millis(200);

struct Waiter {
    urgency: Urgency,
    done: Box<dyn FnOnce(Result<(), StorageError>) + Send>,
}

/// Syncs are at least this far apart when they follow one another: what comes in between shares the next one.
const SPACING: Duration = Duration::from_millis(4);

/// Asks for syncs and counts them. Dropping it ends the thread, and only then lets go of the log.
pub(super) struct Syncer {
    waiters: Option<SyncSender<Waiter>>,
    thread: Option<JoinHandle<()>>,
    count: Arc<AtomicU64>,
    /// Number of the last batch handed to the log.
    applied: Arc<AtomicU64>,
}

/// Beside the log: the number of the last batch that was synced. It is written after the sync, so it never promises
/// more than the disk holds.
const PROMISE: &str = "synced";

/// What an earlier run knew to be on disk; 0 for a new store.
pub(super) fn promised(directory: &Path) -> std::io::Result<u64> {
    match std::fs::read(directory.join(PROMISE)) {
        Ok(bytes) => Ok(bytes.try_into().map_or(0, u64::from_be_bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.waiters = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it never panics; if it did, it is gone all the same
        }
    }
}

impl Syncer {
    pub(super) fn start(tree: sled::Tree, directory: &Path) -> std::io::Result<Self> {
        // A handle of our own: fdatasync is about the file, not about who wrote.
        let log = File::options().append(true).open(super::log_file(directory))?;
        let promise =
            File::options().write(true).create(true).truncate(false).open(directory.join(PROMISE))?;
        let (waiters, queue) = sync_channel(QUEUE);
        let count = Arc::new(AtomicU64::new(0));
        let applied = Arc::new(AtomicU64::new(0));
        let work = Work { tree, log, promise, applied: applied.clone(), count: count.clone() };
        let thread = std::thread::Builder::new().name("store-sync".into()).spawn(move || work.run(&queue))?;
        Ok(Self { waiters: Some(waiters), thread: Some(thread), count, applied })
    }

    /// A batch is in the log; the next sync covers it.
    pub(super) fn applied(&self, sequence: u64) {
        self.applied.store(sequence, Ordering::Release);
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Everything applied before this call is on disk when the future resolves.
    pub(super) fn request(&self, urgency: Urgency) -> BoxFuture<'static, Result<(), StorageError>> {
        let (done, synced) = oneshot::channel();
        // Whoever asked may have gone.
        let done = Box::new(move |result| drop(done.send(result)));
        let queued = self.waiters.as_ref().is_some_and(|w| w.try_send(Waiter { urgency, done }).is_ok());
        Box::pin(async move {
            let stopped = || StorageError("the store has stopped".into());
            if !queued {
                return Err(StorageError("too many changes wait for the disk".into()));
            }
            synced.await.map_err(|_| stopped())?
        })
    }

    pub(super) fn sync_blocking(&self) -> Result<(), StorageError> {
        let (done, synced) = sync_channel(1);
        let done = Box::new(move |result| drop(done.send(result)));
        let stopped = || StorageError("the store has stopped".into());
        let waiters = self.waiters.as_ref().ok_or_else(stopped)?;
        waiters.send(Waiter { urgency: Urgency::Now, done }).map_err(|_| stopped())?;
        synced.recv().map_err(|_| stopped())?
    }
}

/// What the thread works with.
struct Work {
    tree: sled::Tree,
    log: File,
    promise: File,
    applied: Arc<AtomicU64>,
    count: Arc<AtomicU64>,
}

impl Work {
    fn run(&self, queue: &Receiver<Waiter>) {
        let mut last = Instant::now();
        while let Ok(first) = queue.recv() {
            let mut waiting = vec![first];
            std::thread::sleep((last + SPACING).saturating_duration_since(Instant::now()));
            gather(queue, &mut waiting);
            let result = self.sync();
            last = Instant::now();
            self.count.fetch_add(1, Ordering::Relaxed);
            for waiter in waiting {
                (waiter.done)(result.clone());
            }
        }
    }

    fn sync(&self) -> Result<(), StorageError> {
        let sequence = self.applied.load(Ordering::Acquire);
        self.tree.flush().map_err(|error| StorageError(error.to_string()))?;
        let synced =
            self.log.sync_data().and_then(|()| self.promise.write_all_at(&sequence.to_be_bytes(), 0));
        synced.map_err(|error| StorageError(error.to_string()))
    }
}

/// Takes everybody who waits already; without anybody urgent, also who comes in the next moment.
fn gather(queue: &Receiver<Waiter>, waiting: &mut Vec<Waiter>) {
    let until = Instant::now() + PATIENCE;
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
