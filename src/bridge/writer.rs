//! Writes changes in their order, however long the disk takes, and gives back what follows each of them.
//!
//! Knows the disk and the order. Refuses to know what follows: the router does. A change is handed to the disk at once, so
//! that those that meet share a sync and a kill a moment later loses none. One task and two bounded queues: with the first
//! one full, the router takes nothing new until there is room, and goes on with what is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::port::storage::{Batch, Storage, StorageError, Urgency, disk_retry, until_it_works};

/// Changes waiting for the disk.
const WAITING: usize = 256;
/// Changes that one thing done by the router makes at most.
const ROOM: usize = 8;
/// A disk that fails holds up no stop for longer than this.
const GRACE: Duration = Duration::from_secs(5);

/// The writing side, and what was written.
pub(super) struct Writer<T> {
    storage: Arc<dyn Storage>,
    queue: Option<mpsc::Sender<Change<T>>>,
    written: mpsc::Receiver<T>,
    /// The number of the last change that was handed to the disk.
    last: Arc<AtomicU64>,
}

/// A change that the disk has, but may not have synced.
struct Change<T> {
    number: u64,
    /// The same again, for a disk that fails.
    batch: Batch,
    synced: BoxFuture<'static, Result<(), StorageError>>,
    then: T,
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
        let (storage, last) = (disk.storage.clone(), Arc::new(AtomicU64::new(0)));
        let task = Task { disk, waiting, done, last: last.clone() };
        tasks.spawn(async move {
            let stopped = async {
                cancel.cancelled().await;
                tokio::time::sleep(GRACE).await;
            };
            tokio::select! {
                () = task.run() => {}
                () = stopped => tracing::error!("not every change could be written while stopping"),
            }
        });
        Self { storage, queue: Some(queue), written, last }
    }

    /// Whether whatever one thing done by the router may change will be taken.
    pub(super) fn has_room(&self) -> bool {
        self.queue.as_ref().is_none_or(|queue| queue.capacity() >= ROOM)
    }

    /// Has a batch written, and `then` given back once it is on disk. Whether there is room was asked before anything was
    /// done.
    pub(super) fn write(&self, batch: Batch, then: T) {
        let Some(queue) = &self.queue else { return };
        let number = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        let synced = self.storage.commit(batch.clone(), Urgency::Now);
        if queue.try_send(Change { number, batch, synced, then }).is_err() {
            tracing::error!("what follows a change is lost: more wait than there is room for");
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

struct Task<T> {
    disk: Disk,
    waiting: mpsc::Receiver<Change<T>>,
    done: mpsc::Sender<T>,
    last: Arc<AtomicU64>,
}

impl<T> Task<T> {
    async fn run(mut self) {
        let mut under_way = FuturesOrdered::new();
        // Changes up to this one are written anew: one before them was, and must not stand behind them.
        let mut anew = 0;
        loop {
            let has_room = under_way.len() < WAITING;
            let (number, batch, synced, then) = tokio::select! {
                Some(Change { number, batch, synced, then }) = self.waiting.recv(), if has_room => {
                    under_way.push_back(async move { (number, batch, synced.await, then) });
                    continue;
                }
                Some(change) = under_way.next() => change,
                else => return,
            };
            if let Err(error) = &synced {
                tracing::error!(%error, "a change could not be written, trying again");
            }
            if synced.is_err() || number <= anew {
                self.write(batch).await;
                anew = self.last.load(Ordering::SeqCst);
            }
            if self.done.send(then).await.is_err() {
                return;
            }
        }
    }

    async fn write(&self, batch: Batch) {
        let (Disk { storage, heartbeat }, mut retry) = (&self.disk, disk_retry());
        while let Err(error) = storage.commit(batch.clone(), Urgency::Now).await {
            tracing::error!(%error, "a change could not be written, trying again");
            until_it_works(&**storage, &**heartbeat, &mut retry).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::port::storage::Table;
    use crate::bridge::testkit::{self, SimStorage};

    fn writer(storage: &Arc<SimStorage>) -> Writer<u8> {
        let disk = Disk { storage: storage.clone(), heartbeat: Arc::new(|| {}) };
        Writer::start(disk, CancellationToken::new(), &TaskTracker::new())
    }

    fn row(value: u8) -> Batch {
        let mut batch = Batch::default();
        batch.put(Table::Meta, *b"key", [value]);
        batch
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_handed_to_the_disk_at_once_and_those_that_meet_are_not_written_one_by_one() {
        let storage = Arc::new(SimStorage::default());
        let mut writer = writer(&storage);
        for n in 0..100 {
            writer.write(row(n), n);
            assert_eq!(storage.read(Table::Meta, b"key").unwrap(), Some(vec![n]), "before anybody waits");
        }
        for n in 0..100 {
            assert_eq!(writer.written().await, Some(n));
        }
        writer.close();
        assert_eq!(writer.written().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_older_change_that_failed_never_stands_behind_a_newer_one() {
        let storage = Arc::new(SimStorage::default());
        let mut writer = writer(&storage);
        storage.becomes(testkit::Disk::Full);
        writer.write(row(1), 1);
        writer.write(row(2), 2);
        // The first has failed and pauses; the disk works again, and takes another change before that ends.
        tokio::time::sleep(Duration::from_millis(1)).await;
        storage.becomes(testkit::Disk::Works);
        writer.write(row(3), 3);
        assert_eq!([writer.written().await, writer.written().await], [Some(1), Some(2)]);
        assert_eq!(writer.written().await, Some(3));
        assert_eq!(storage.read(Table::Meta, b"key").unwrap(), Some(vec![3]));
    }
}
