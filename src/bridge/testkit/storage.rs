//! A disk: what is written is seen at once, and kept over a crash once it is synced.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::faults::Steps;
use crate::bridge::port::storage::{Batch, Row, Storage, StorageError, Table, Urgency};

type Rows = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

/// How the disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Works,
    /// Nothing is written.
    Full,
    /// Nothing is written, and nothing can be read.
    Unreadable,
    /// It says that nothing is written, and it is all the same: a sync that failed.
    FailsAndKeeps,
}

#[derive(Debug, Default)]
struct State {
    visible: Rows,
    durable: Rows,
    /// Visible, and lost in a crash; in the order of their writing.
    unsynced: Vec<Batch>,
}

impl State {
    /// Everything up to and with the `n`th unsynced batch is on disk.
    fn sync(&mut self, n: usize) {
        for batch in self.unsynced.drain(..n.min(self.unsynced.len())) {
            apply(&mut self.durable, batch);
        }
    }
}

fn apply(rows: &mut Rows, batch: Batch) {
    for write in batch.0 {
        let key = (write.table as u8, write.key);
        match write.value {
            Some(value) => drop(rows.insert(key, value)),
            None => drop(rows.remove(&key)),
        }
    }
}

#[derive(Debug)]
pub(crate) struct SimStorage {
    state: Arc<Mutex<State>>,
    steps: Arc<Steps>,
    disk: watch::Sender<Disk>,
}

impl Default for SimStorage {
    /// A disk in a world that never stops.
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl SimStorage {
    pub(super) fn new(steps: Arc<Steps>) -> Self {
        Self { state: Arc::default(), steps, disk: watch::Sender::new(Disk::Works) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What is on disk before the bridge begins.
    pub(crate) fn holds(&self, batch: Batch) {
        let mut state = self.state();
        apply(&mut state.durable, batch);
        state.visible = state.durable.clone();
    }

    pub(crate) fn becomes(&self, disk: Disk) {
        self.disk.send_replace(disk);
    }

    /// What was not synced is gone, but for its first `kept` batches: the machine wrote them by itself.
    pub(crate) fn crash(&self, kept: usize) {
        let mut state = self.state();
        state.sync(kept);
        state.unsynced.clear();
        state.visible = state.durable.clone();
    }

    /// Everything is synced, as at the end of a life that ended well.
    pub(crate) fn close(&self) {
        self.crash(usize::MAX);
    }

    /// Batches that a crash could lose now.
    pub(crate) fn unsynced(&self) -> usize {
        self.state().unsynced.len()
    }

    fn readable(&self) -> Result<(), StorageError> {
        match *self.disk.borrow() {
            Disk::Unreadable => Err(StorageError("the disk does not answer".into())),
            _ => Ok(()),
        }
    }

    /// How many rows of a table have keys that start so, on disk or not. Nothing is copied.
    pub(crate) fn count(&self, table: Table, prefix: &[u8]) -> usize {
        let state = self.state();
        let rows = state.visible.range((table as u8, prefix.to_vec())..);
        rows.take_while(|((of, key), _)| *of == table as u8 && key.starts_with(prefix)).count()
    }

    /// Rows of a table, on disk or not.
    pub(crate) fn rows(&self, table: Table) -> Vec<Row> {
        self.scan(table, &[], None, usize::MAX).unwrap()
    }
}

impl Storage for SimStorage {
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.readable()?;
        Ok(self.state().visible.get(&(table as u8, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        self.readable()?;
        let state = self.state();
        let from = (table as u8, after.map_or(prefix, |after| after.max(prefix)).to_vec());
        let rows = state.visible.range(from..);
        let own = rows.take_while(|((of, key), _)| *of == table as u8 && key.starts_with(prefix));
        let behind = own.filter(|((_, key), _)| after.is_none_or(|after| key.as_slice() > after));
        Ok(behind.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn commit(&self, batch: Batch, urgency: Urgency) -> BoxFuture<'static, Result<(), StorageError>> {
        let disk = *self.disk.borrow();
        let number = {
            let mut state = self.state();
            if !self.steps.has_stopped() && !matches!(disk, Disk::Full | Disk::Unreadable) {
                apply(&mut state.visible, batch.clone());
                state.unsynced.push(batch);
            }
            state.unsynced.len()
        };
        let (state, steps) = (self.state.clone(), self.steps.clone());
        Box::pin(async move {
            steps.step().await;
            if disk != Disk::Works {
                return Err(StorageError("the disk is full".into()));
            }
            if urgency == Urgency::Now {
                let mut state = state.lock().unwrap();
                // Others may have synced a part of it meanwhile.
                let all = state.unsynced.len();
                state.sync(number.min(all));
            }
            Ok(())
        })
    }

    fn works(&self) -> BoxFuture<'static, ()> {
        let mut disk = self.disk.subscribe();
        Box::pin(async move {
            let _ = disk.wait_for(|disk| *disk == Disk::Works).await; // the world is over
        })
    }
}
