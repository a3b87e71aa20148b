//! The store on disk: the only module that names sled.
//!
//! Implements [`Storage`] on one sled tree, whose batches are atomic. sled's flush is no fsync, so the file is synced
//! here, and commits are grouped: one sync for everything that waits. Values of tables that hold people's words are
//! sealed. No value is larger than sled keeps in its log.

mod error;
mod export;
mod key;
mod media;
mod sync;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Mutex;

use futures_util::future::BoxFuture;

pub use error::StoreError;
pub use export::{export, import};
pub use key::SealingKey;
pub use media::{MediaDirectory, sweep_media};

use crate::bridge::ports::{Batch, Row, Storage, StorageError, Table, Urgency};
use sync::Syncer;

/// The version of the layout; a store of a later version is refused.
const SCHEMA: u32 = 1;
const SCHEMA_KEY: &[u8] = b"schema";
/// sled moves a page of more than some 64 KiB to a file of its own that it never syncs. A page holds several values,
/// so larger ones are cut into pieces of this size.
const PIECE: usize = 4 * 1024;
/// Marks the keys of further pieces: beyond every table's number.
const PIECES: u8 = 0x80;

/// Number of the last batch, in the log itself.
const SEQUENCE_KEY: &[u8] = b"sequence";

/// An open store.
pub struct Store {
    tree: sled::Tree,
    /// Number of the last batch; held while one is applied, so that batches are numbered in their order.
    sequence: Mutex<u64>,
    syncer: Syncer,
    sealing: SealingKey,
    /// Kept so that the database is not dropped.
    _database: sled::Db,
}

/// Where sled keeps its log inside a store's directory.
fn log_file(directory: &Path) -> std::path::PathBuf {
    directory.join("db")
}

impl Store {
    /// Opens or creates the store in `directory`. A store that cannot be read is an error that says what to do, never
    /// a panic and never an empty store in its place.
    pub fn open(directory: &Path, sealing: SealingKey) -> Result<Self, StoreError> {
        let opened = std::panic::catch_unwind(|| {
            sled::Config::new()
                .path(directory)
                .mode(sled::Mode::LowSpace)
                .cache_capacity(32 * 1024 * 1024)
                .flush_every_ms(None)
                .open()
        });
        let damaged = |reason: String| StoreError::damaged(directory, reason);
        let database = match opened {
            Ok(Ok(database)) => database,
            Ok(Err(sled::Error::Io(source))) => {
                return Err(StoreError::Unusable { directory: directory.to_owned(), source });
            }
            Ok(Err(error)) => return Err(damaged(error.to_string())),
            Err(_) => return Err(damaged("its log is cut short or overwritten".into())),
        };
        let tree = database.open_tree("msnbridge").map_err(|error| damaged(error.to_string()))?;
        let unusable = |source| StoreError::Unusable { directory: directory.to_owned(), source };
        let promised = sync::promised(directory).map_err(unusable)?;
        let syncer = Syncer::start(tree.clone(), directory).map_err(unusable)?;
        let store = Self { tree, sequence: Mutex::new(0), syncer, sealing, _database: database };
        store.check_sequence(directory, promised)?;
        store.check_schema(directory)?;
        store.check_rows(directory)?;
        Ok(store)
    }

    /// Everything that was ever synced must be there: a log that lost its end would otherwise look like an older one.
    fn check_sequence(&self, directory: &Path, promised: u64) -> Result<(), StoreError> {
        let stored =
            self.read(Table::Meta, SEQUENCE_KEY).map_err(|error| StoreError::damaged(directory, error.0))?;
        let stored = stored.and_then(|value| value.try_into().ok()).map_or(0, u64::from_be_bytes);
        if stored < promised {
            let reason =
                format!("its log ends {} changes before what was on disk already", promised - stored);
            return Err(StoreError::damaged(directory, reason));
        }
        *self.lock_sequence() = stored;
        Ok(())
    }

    fn lock_sequence(&self) -> std::sync::MutexGuard<'_, u64> {
        // Nothing that holds the lock panics; if it did, the number is still right.
        self.sequence.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Reads every row once: a log that lost its end is noticed now, not at the first message.
    fn check_rows(&self, directory: &Path) -> Result<(), StoreError> {
        let read_all = || -> Result<(), StorageError> {
            for row in self.tree.iter() {
                let (key, value) = row.map_err(failed)?;
                if key.first().is_some_and(|table| table & PIECES == 0) {
                    self.assemble(&key, &value)?;
                }
            }
            Ok(())
        };
        let read = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read_all));
        let read = read.unwrap_or_else(|_| Err(StorageError("its log is cut short or overwritten".into())));
        read.map_err(|error| StoreError::damaged(directory, error.0))
    }

    fn check_schema(&self, directory: &Path) -> Result<(), StoreError> {
        let fail = |error: StorageError| StoreError::damaged(directory, error.0);
        // The first value is sealed, so that a wrong key is noticed now and not at the first message.
        let marker = self.sealing.seal(b"marker", b"msnbridge");
        match self.read(Table::Meta, SCHEMA_KEY).map_err(fail)? {
            None if self.tree.is_empty() => {
                let mut batch = Batch::default();
                batch.put(Table::Meta, SCHEMA_KEY, SCHEMA.to_be_bytes());
                batch.put(Table::Meta, &b"marker"[..], marker);
                self.apply(&batch).map_err(fail)?;
                self.syncer.sync_blocking().map_err(fail)
            }
            None => Err(StoreError::damaged(directory, "its version is missing".into())),
            Some(version) => {
                let version = version.try_into().map(u32::from_be_bytes).unwrap_or(u32::MAX);
                if version != SCHEMA {
                    return Err(StoreError::Version { found: version, known: SCHEMA });
                }
                let marker = self.read(Table::Meta, b"marker").map_err(fail)?.unwrap_or_default();
                self.sealing.open(b"marker", &marker).map(drop).map_err(|_| StoreError::WrongKey)
            }
        }
    }

    /// How often the log was synced, for tests and metrics.
    pub fn syncs(&self) -> u64 {
        self.syncer.count()
    }

    fn full_key(table: Table, key: &[u8]) -> Vec<u8> {
        [&[table as u8], key].concat()
    }

    fn piece_key(full: &[u8], number: u32) -> Vec<u8> {
        let mut key = full.to_vec();
        key[0] |= PIECES;
        key.push(0xFF);
        key.extend_from_slice(&number.to_be_bytes());
        key
    }

    fn apply(&self, batch: &Batch) -> Result<(), StorageError> {
        let mut writes = sled::Batch::default();
        for write in &batch.0 {
            let key = Self::full_key(write.table, &write.key);
            self.drop_pieces(&key, &mut writes)?;
            match &write.value {
                None => writes.remove(key),
                Some(value) if write.table.is_sealed() => {
                    let sealed = self.sealing.seal(&key, value);
                    Self::put(&mut writes, &key, &sealed);
                }
                Some(value) => Self::put(&mut writes, &key, value),
            }
        }
        let mut sequence = self.lock_sequence();
        Self::put(&mut writes, &Self::full_key(Table::Meta, SEQUENCE_KEY), &(*sequence + 1).to_be_bytes());
        self.tree.apply_batch(writes).map_err(failed)?;
        *sequence += 1;
        self.syncer.applied(*sequence);
        Ok(())
    }

    /// The first two bytes say how many further pieces a value has.
    fn put(writes: &mut sled::Batch, key: &[u8], value: &[u8]) {
        let mut pieces = value.chunks(PIECE);
        let first = pieces.next().unwrap_or_default();
        let more = u16::try_from(pieces.len()).unwrap_or(u16::MAX);
        writes.insert(key, [&more.to_be_bytes(), first].concat());
        for (number, piece) in (0..u32::from(more)).zip(pieces) {
            writes.insert(Self::piece_key(key, number), piece);
        }
    }

    fn drop_pieces(&self, key: &[u8], writes: &mut sled::Batch) -> Result<(), StorageError> {
        let old = self.tree.get(key).map_err(failed)?;
        let more =
            old.and_then(|value| value.first_chunk().map(|more| u16::from_be_bytes(*more))).unwrap_or(0);
        (0..u32::from(more)).for_each(|number| writes.remove(Self::piece_key(key, number)));
        Ok(())
    }

    fn assemble(&self, full: &[u8], first: &[u8]) -> Result<Vec<u8>, StorageError> {
        let (more, first) = first.split_first_chunk().ok_or_else(|| StorageError("an empty row".into()))?;
        let mut value = first.to_vec();
        for number in 0..u32::from(u16::from_be_bytes(*more)) {
            let piece = self.tree.get(Self::piece_key(full, number)).map_err(failed)?;
            value
                .extend_from_slice(&piece.ok_or_else(|| StorageError("a piece of a row is missing".into()))?);
        }
        let table = full.first().copied().unwrap_or(0);
        if Table::ALL.into_iter().any(|t| t as u8 == table && t.is_sealed()) {
            return self.sealing.open(full, &value).map_err(|error| StorageError(error.to_string()));
        }
        Ok(value)
    }
}

fn failed(error: sled::Error) -> StorageError {
    StorageError(error.to_string())
}

impl Storage for Store {
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let full = Self::full_key(table, key);
        let value = self.tree.get(&full).map_err(failed)?;
        value.map(|value| self.assemble(&full, &value)).transpose()
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        let prefix = Self::full_key(table, prefix);
        let start = after.map_or_else(|| prefix.clone(), |after| Self::full_key(table, after));
        let rows = self.tree.range(start.clone()..);
        let mut found = Vec::new();
        for row in rows {
            let (key, value) = row.map_err(failed)?;
            if !key.starts_with(&prefix) {
                break;
            }
            if after.is_some() && key == start {
                continue;
            }
            found.push((key[1..].to_vec(), self.assemble(&key, &value)?));
            if found.len() == limit {
                break;
            }
        }
        Ok(found)
    }

    fn commit(&self, batch: Batch, urgency: Urgency) -> BoxFuture<'static, Result<(), StorageError>> {
        let applied = self.apply(&batch);
        let synced = applied.map(|()| self.syncer.request(urgency));
        Box::pin(async move { synced?.await })
    }
}
