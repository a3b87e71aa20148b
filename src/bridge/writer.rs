//! Writes changes one after the other, however long the disk takes, and gives back what follows each of them.
//!
//! Knows the disk and the order. Refuses to know what follows: the router does. One task and two bounded queues: with the
//! first one full, the router takes nothing new until there is room, and goes on with what is written.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::port::storage::{Batch, Storage, Urgency, disk_retry, until_it_works};

/// Changes waiting for the disk.
const WAITING: usize = 256;
/// Changes that one thing done by the router makes at most.
const ROOM: usize = 8;
/// A disk that fails holds up no stop for longer than this.
const GRACE: Duration = Duration::from_secs(5);

/// The writing side, and what was written.
pub(super) struct Writer<T> {
    queue: Option<mpsc::Sender<(Batch, T)>>,
    written: mpsc::Receiver<T>,
}

/// The disk and those who watch.
pub(super) struct Disk {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) heartbeat: Arc<dyn Fn() + Send + Sync>,
}

impl<T: Send + 'static> Writer<T> {
    /// Starts the task. It ends when the writer is closed and everything is written, or [`GRACE`] after `cancel`.
    pub(super) fn start(disk: Disk, cancel: CancellationToken, tasks: &TaskTracker) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        let (done, written) = mpsc::channel(WAITING);
        tasks.spawn(run(disk, waiting, done, cancel));
        Self { queue: Some(queue), written }
    }

    /// Whether whatever one thing done by the router may change will be taken.
    pub(super) fn has_room(&self) -> bool {
        self.queue.as_ref().is_none_or(|queue| queue.capacity() >= ROOM)
    }

    /// Has a batch written, and `then` given back once it is on disk. Whether there is room was asked before anything was done.
    pub(super) fn write(&self, batch: Batch, then: T) {
        let Some(queue) = &self.queue else { return };
        if queue.try_send((batch, then)).is_err() {
            tracing::error!("a change was not written: more wait than there is room for");
        }
    }

    /// What follows the next change that is on disk.
    pub(super) async fn written(&mut self) -> Option<T> {
        self.written.recv().await
    }

    /// Nothing more comes.
    pub(super) fn close(&mut self) {
        self.queue = None;
    }
}

async fn run<T>(
    disk: Disk,
    mut waiting: mpsc::Receiver<(Batch, T)>,
    done: mpsc::Sender<T>,
    cancel: CancellationToken,
) {
    while let Some((batch, then)) = waiting.recv().await {
        let stopped = async {
            cancel.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            biased;
            () = write(&disk, batch) => drop(done.send(then).await), // the router may have stopped
            () = stopped => return tracing::error!("a change could not be written while stopping"),
        }
    }
}

async fn write(disk: &Disk, batch: Batch) {
    let mut retry = disk_retry();
    while let Err(error) = disk.storage.commit(batch.clone(), Urgency::Now).await {
        tracing::error!(%error, "a change could not be written, trying again");
        until_it_works(&*disk.storage, &*disk.heartbeat, &mut retry).await;
    }
}
