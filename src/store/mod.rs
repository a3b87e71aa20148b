//! The store on disk: the only module that names sled.
//!
//! Implements [`Storage`] on one sled tree, whose batches are atomic. sled's flush is no fsync, so the file is synced
//! here, and commits are grouped: one batch of sled's and one sync for everything that waits. Values of tables that hold
//! people's words are sealed. No value is larger than sled keeps in its log. After an error of the disk nothing more is
//! taken, and the store is opened anew until it works: sled itself never recovers from one.

mod engine;
mod error;
mod export;
mod fault;
mod key;
mod ledger;
mod media;
mod pending;
mod place;
mod private;
mod salvage;
mod sync;
#[cfg(test)]
mod tests;
mod worker;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

pub use error::StoreError;
pub use export::{Imported, export, import, verify};
pub use key::SealingKey;
pub use ledger::Health;
pub use media::{MediaDirectory, sweep_media};
pub use private::create_file;
pub use salvage::{Salvaged, salvage};

use crate::bridge::port::storage::{Batch, Row, Storage, StorageError, Table, Urgency};
use engine::{Changes, full_key};
use ledger::Ledger;
use sync::Syncer;
use writer::Writer;

/// An open store.
pub struct Store {
    ledger: Arc<Ledger>,
    writer: Writer,
    syncer: Syncer,
    sealing: SealingKey,
    directory: PathBuf,
}

/// Where sled keeps its log inside a store's directory: where it is, there is a store.
fn log_file(directory: &Path) -> PathBuf {
    directory.join("db")
}

/// Whether a directory holds a store. A directory alone is none: somebody may have made it for us.
pub fn is_store(directory: &Path) -> bool {
    log_file(directory).exists()
}

impl Store {
    /// Opens the store in `directory`, or begins one where there is none.
    ///
    /// # Errors
    /// A store that cannot be read is an error that says what to do, never a panic and never an empty store in its place.
    pub fn open(directory: &Path, sealing: SealingKey) -> Result<Self, StoreError> {
        let unusable = |source| StoreError::Unusable { directory: directory.to_owned(), source };
        private::create_directory(directory).map_err(unusable)?;
        Self::open_with(directory, sealing, false)
    }

    /// Opens the store in `directory`, which must be there.
    ///
    /// # Errors
    /// [`StoreError::Vanished`] where there is none; the others as [`Store::open`].
    pub fn open_existing(directory: &Path, sealing: SealingKey) -> Result<Self, StoreError> {
        Self::open_with(directory, sealing, true)
    }

    fn open_with(directory: &Path, sealing: SealingKey, must_exist: bool) -> Result<Self, StoreError> {
        let unusable = |source| StoreError::Unusable { directory: directory.to_owned(), source };
        let ledger = Arc::new(Ledger::open(directory, sealing.clone(), must_exist)?);
        private::restrict(directory);
        let syncer = Syncer::start(ledger.clone(), directory).map_err(unusable)?;
        let writer = Writer::start(ledger.clone()).map_err(unusable)?;
        let store = Self { ledger, writer, syncer, sealing, directory: directory.to_owned() };
        store.syncer.sync_blocking().map_err(|error| StoreError::Failed(error.0))?;
        Ok(store)
    }

    /// Bytes of the store on disk.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn bytes(&self) -> std::io::Result<u64> {
        bytes_below(&self.directory)
    }

    /// How often the log was synced, for tests and metrics.
    pub fn syncs(&self) -> u64 {
        self.syncer.count()
    }

    /// Whether the disk takes what it is given, and why not.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.ledger.health()
    }

    /// Takes a batch: readers see it from now on.
    fn apply(&self, batch: Batch, urgency: Urgency) -> Result<(), StorageError> {
        let changes: Changes = batch
            .0
            .into_iter()
            .map(|write| {
                let key = full_key(write.table, &write.key);
                let seal = |value: Vec<u8>| match write.table.is_sealed() {
                    true => self.sealing.seal(&key, &zeroize::Zeroizing::new(value)),
                    false => value,
                };
                let value = write.value.map(seal);
                (key, value)
            })
            .collect();
        self.ledger.apply(changes, urgency)?;
        if urgency == Urgency::Soon {
            self.writer.wake();
        }
        Ok(())
    }
}

/// Bytes of all files below a directory; one that goes meanwhile does not count.
fn bytes_below(directory: &Path) -> std::io::Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(directory)?.flatten() {
        sum += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path())?,
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        };
    }
    Ok(sum)
}

impl Storage for Store {
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.ledger.read(&full_key(table, key))
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        self.ledger.scan(table, prefix, after, limit)
    }

    fn commit(&self, batch: Batch, urgency: Urgency) -> BoxFuture<'static, Result<(), StorageError>> {
        let applied = self.apply(batch, urgency);
        let synced = applied.map(|()| self.syncer.request(urgency));
        Box::pin(async move { synced?.await })
    }

    fn works(&self) -> BoxFuture<'static, ()> {
        let mut health = self.health();
        Box::pin(async move {
            let _ = health.wait_for(Option::is_none).await; // the store has stopped: whoever goes on is told so
        })
    }
}
