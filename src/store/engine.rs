//! One opening of the database: rows in and out, checks at the opening. The only file that names sled's trees.
//!
//! Knows nothing of syncs, of waiters or of what to do when the disk fails: every error and every panic of sled becomes a
//! [`StorageError`], and the engine is then good for reading only until another one is opened.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::{SealingKey, StoreError, fault};
use crate::bridge::port::storage::{Row, StorageError, Table};

/// The version of the layout; a store of a later version is refused.
const SCHEMA: u32 = 1;
/// Under which the version of all rows stands.
const SCHEMA_KEY: &[u8] = b"schema";
/// Under which a sealed value stands: only the key of this store opens that.
const MARKER_KEY: &[u8] = b"marker";
/// Number of the last batch, in the log itself.
const SEQUENCE_KEY: &[u8] = b"sequence";
/// sled moves a page of more than some 64 KiB to a file of its own that it never syncs. A page holds several values,
/// so larger ones are cut into pieces of this size.
const PIECE: usize = 4 * 1024;
/// Marks the keys of further pieces: beyond every table's number.
const PIECES: u8 = 0x80;

/// Rows as they go to the disk: sealed where their table is, and not yet cut. `None` removes.
pub(super) type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// An open database.
pub(super) struct Engine {
    tree: sled::Tree,
    sealing: SealingKey,
    /// Kept so that the database is not dropped.
    _database: sled::Db,
}

/// A row's key in the one tree: the table's number in front.
pub(super) fn full_key(table: Table, key: &[u8]) -> Vec<u8> {
    [&[table as u8], key].concat()
}

/// The key of a further piece of a value that is too large for one row.
fn piece_key(full: &[u8], number: u32) -> Vec<u8> {
    let mut key = full.to_vec();
    key[0] |= PIECES;
    key.push(0xFF);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// A failure of the engine, in words for people.
fn failed(error: sled::Error) -> StorageError {
    StorageError(fault::describe(&error))
}

/// sled breaks off where it finds what it does not expect: that ends one call here, and nothing else.
fn guarded<T>(work: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(StorageError("its log is cut short or overwritten".into())))
}

impl Engine {
    /// Opens the database in `directory` and looks at all of it. `promised` is the number of the last batch that is known
    /// to have been synced; `must_exist` refuses to begin an empty one.
    ///
    /// # Errors
    /// What cannot be read is an error that says what to do, never a panic and never an empty store in its place.
    pub(super) fn open(
        directory: &Path,
        sealing: SealingKey,
        promised: u64,
        must_exist: bool,
    ) -> Result<Self, StoreError> {
        if must_exist && !super::log_file(directory).exists() {
            return Err(StoreError::Vanished { directory: directory.to_owned() });
        }
        let engine = Self::open_unchecked(directory, sealing)?;
        engine.check(directory, promised)?;
        Ok(engine)
    }

    /// The same, of a database that may be damaged: nothing is looked at.
    ///
    /// # Errors
    /// The database cannot be opened at all.
    pub(super) fn open_unchecked(directory: &Path, sealing: SealingKey) -> Result<Self, StoreError> {
        let damaged = |reason: String| StoreError::damaged(directory, reason);
        let opened = catch_unwind(|| {
            sled::Config::new()
                .path(directory)
                .mode(sled::Mode::LowSpace)
                .cache_capacity(32 * 1024 * 1024)
                .flush_every_ms(None)
                .open()
        });
        let database = match opened {
            Ok(Ok(database)) => database,
            Ok(Err(sled::Error::Io(source))) => {
                return Err(StoreError::Unusable { directory: directory.to_owned(), source });
            }
            Ok(Err(error)) => return Err(damaged(error.to_string())),
            Err(_) => return Err(damaged("its log is cut short or overwritten".into())),
        };
        let tree = database.open_tree("msnbridge").map_err(|error| damaged(error.to_string()))?;
        Ok(Self { tree, sealing, _database: database })
    }

    /// Whether the directory holds what an earlier run promised: a log that was cut back is damage.
    fn check(&self, directory: &Path, promised: u64) -> Result<(), StoreError> {
        let damaged = |error: StorageError| StoreError::damaged(directory, error.0);
        // Everything that was ever synced must be there: a log that lost its end would otherwise look like an older one.
        let stored = self.sequence().map_err(damaged)?;
        if stored < promised {
            let reason =
                format!("its log ends {} changes before what was on disk already", promised - stored);
            return Err(StoreError::damaged(directory, reason));
        }
        self.check_schema(directory)?;
        self.check_rows().map_err(damaged)
    }

    /// Number of the last batch in the log.
    ///
    /// # Errors
    /// The database cannot be read.
    pub(super) fn sequence(&self) -> Result<u64, StorageError> {
        let stored = self.read(&full_key(Table::Meta, SEQUENCE_KEY))?;
        Ok(stored.and_then(|value| value.try_into().ok()).map_or(0, u64::from_be_bytes))
    }

    /// Reads every row once: a log that lost its end is noticed now, not at the first message.
    fn check_rows(&self) -> Result<(), StorageError> {
        guarded(|| {
            for row in self.tree.iter() {
                let (key, value) = row.map_err(failed)?;
                if key.first().is_some_and(|table| table & PIECES == 0) {
                    self.assemble(&key, &value)?;
                }
            }
            Ok(())
        })
    }

    /// Whether the rows are of a version that this program reads.
    fn check_schema(&self, directory: &Path) -> Result<(), StoreError> {
        let damaged = |error: StorageError| StoreError::damaged(directory, error.0);
        let marker_key = full_key(Table::Meta, MARKER_KEY);
        match self.read(&full_key(Table::Meta, SCHEMA_KEY)).map_err(damaged)? {
            None if self.tree.is_empty() => {
                // The first value is sealed, so that a wrong key is noticed now and not at the first message.
                let marker = self.sealing.seal(MARKER_KEY, b"msnbridge");
                let version = full_key(Table::Meta, SCHEMA_KEY);
                let first = vec![(version, Some(SCHEMA.to_be_bytes().to_vec())), (marker_key, Some(marker))];
                self.apply(&first, 1).map_err(damaged)
            }
            None => Err(StoreError::damaged(directory, "its version is missing".into())),
            Some(version) => {
                let version = version.try_into().map(u32::from_be_bytes).unwrap_or(u32::MAX);
                if version != SCHEMA {
                    return Err(StoreError::Version { found: version, known: SCHEMA });
                }
                let marker = self.read(&marker_key).map_err(damaged)?.unwrap_or_default();
                self.sealing.open(MARKER_KEY, &marker).map(drop).map_err(|_| StoreError::WrongKey)
            }
        }
    }

    /// Makes changes that happen together or not at all, as the batch of this number.
    ///
    /// # Errors
    /// After one it is not known whether the changes are in the log.
    pub(super) fn apply(&self, changes: &Changes, sequence: u64) -> Result<(), StorageError> {
        guarded(|| {
            let mut writes = sled::Batch::default();
            for (key, value) in changes {
                self.drop_pieces(key, &mut writes)?;
                match value {
                    None => writes.remove(&key[..]),
                    Some(value) => put(&mut writes, key, value),
                }
            }
            put(&mut writes, &full_key(Table::Meta, SEQUENCE_KEY), &sequence.to_be_bytes());
            self.tree.apply_batch(writes).map_err(failed)
        })
    }

    /// Hands everything that was applied to the file; syncing the file is not done here.
    ///
    /// # Errors
    /// The disk did not take it.
    pub(super) fn flush(&self) -> Result<(), StorageError> {
        guarded(|| self.tree.flush().map(drop).map_err(failed))
    }

    /// Removes the further pieces of a value that is replaced or removed.
    fn drop_pieces(&self, key: &[u8], writes: &mut sled::Batch) -> Result<(), StorageError> {
        let old = self.tree.get(key).map_err(failed)?;
        let more =
            old.and_then(|value| value.first_chunk().map(|more| u16::from_be_bytes(*more))).unwrap_or(0);
        (0..u32::from(more)).for_each(|number| writes.remove(piece_key(key, number)));
        Ok(())
    }

    /// A row's value, put together from its pieces; still sealed where its table is.
    ///
    /// # Errors
    /// The database cannot be read, or a piece of the value is missing.
    pub(super) fn read(&self, full: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        guarded(|| {
            let value = self.tree.get(full).map_err(failed)?;
            value.map(|value| self.assemble(full, &value)).transpose()
        })
    }

    /// Rows of a table whose key starts with `prefix` and comes after `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// The same as of [`Engine::read`].
    pub(super) fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        let prefix = full_key(table, prefix);
        let start = after.map_or_else(|| prefix.clone(), |after| full_key(table, after));
        guarded(|| {
            let mut found = Vec::new();
            for row in self.tree.range(start.clone()..) {
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
        })
    }

    /// Reads every row that there is, whatever has become of the others: its table's number, its key, and its value or why
    /// that cannot be had. Gives why the reading ended early, if it did.
    pub(super) fn read_all(
        &self,
        mut row: impl FnMut(u8, &[u8], Result<Vec<u8>, StorageError>) -> Result<(), StoreError>,
    ) -> Result<Option<StorageError>, StoreError> {
        let mut rows = self.tree.iter();
        loop {
            let next = guarded(|| rows.next().transpose().map_err(failed));
            let (key, value) = match next {
                Ok(Some(next)) => next,
                Ok(None) => return Ok(None),
                Err(error) => return Ok(Some(error)),
            };
            let Some((table, bare)) = key.split_first().filter(|(table, _)| *table & PIECES == 0) else {
                continue;
            };
            row(*table, bare, guarded(|| self.assemble(&key, &value)))?;
        }
    }

    /// A value as the program knows it: unsealed where its table is sealed.
    ///
    /// # Errors
    /// It was sealed with another key, or for another row.
    pub(super) fn unseal(&self, full: &[u8], value: Vec<u8>) -> Result<Vec<u8>, StorageError> {
        let table = full.first().copied().unwrap_or(0);
        if Table::ALL.into_iter().any(|t| t as u8 == table && t.is_sealed()) {
            return self.sealing.open(full, &value).map_err(|error| StorageError(error.to_string()));
        }
        Ok(value)
    }

    /// Puts a value together whose first piece says how many there are.
    fn assemble(&self, full: &[u8], first: &[u8]) -> Result<Vec<u8>, StorageError> {
        let (more, first) = first.split_first_chunk().ok_or_else(|| StorageError("an empty row".into()))?;
        let mut value = first.to_vec();
        for number in 0..u32::from(u16::from_be_bytes(*more)) {
            let piece = self.tree.get(piece_key(full, number)).map_err(failed)?;
            value
                .extend_from_slice(&piece.ok_or_else(|| StorageError("a piece of a row is missing".into()))?);
        }
        self.unseal(full, value)
    }

    /// Rows of all tables, pieces counted one by one.
    #[cfg(test)]
    pub(super) fn rows(&self) -> usize {
        self.tree.iter().count()
    }
}

/// The first two bytes say how many further pieces a value has.
fn put(writes: &mut sled::Batch, key: &[u8], value: &[u8]) {
    let mut pieces = value.chunks(PIECE);
    let first = pieces.next().unwrap_or_default();
    let more = u16::try_from(pieces.len()).unwrap_or(u16::MAX);
    writes.insert(key, [&more.to_be_bytes(), first].concat());
    for (number, piece) in (0..u32::from(more)).zip(pieces) {
        writes.insert(piece_key(key, number), piece);
    }
}
