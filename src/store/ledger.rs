//! What is on the disk, what is on its way there, and whether the disk works.
//!
//! A batch is seen by readers at once, goes to the log with those that came beside it, and is kept until the disk has it.
//! After the first failure nothing more is taken but what nobody waits for; when the disk works again, the database is opened
//! anew and gets everything that it may lack, in order. Whoever was told of a failure does not know whether the batch is
//! there: it may be, now or later. Refuses to know when it is tried: that is `writer.rs` and `sync.rs`.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::watch;

use super::engine::{Changes, Engine, full_key};
use super::pending::Pending;
use super::{SealingKey, StoreError, fault};
use crate::bridge::port::storage::{Row, StorageError, Table, Urgency};

/// Bytes of changes that nobody waits for, kept while the disk fails; beyond, they are refused like all others.
const MAX_KEPT: usize = 16 * 1024 * 1024;
/// Beside the log: the number of the last batch that was synced. It is written after the sync, so it never promises
/// more than the disk holds.
const PROMISE: &str = "synced";

/// Why the disk does not take anything; `None` while it does.
pub type Health = Option<Arc<str>>;

/// A database and the files beside it.
struct Opened {
    engine: Engine,
    /// A handle of our own: fdatasync is about the file, not about who wrote.
    log: File,
    promise: File,
}

impl Opened {
    /// Opens the database, its log and its promise, and compares them.
    ///
    /// # Errors
    /// The directory is in use, damaged, of another version or sealed with another key.
    fn open(
        directory: &Path,
        sealing: SealingKey,
        promised: u64,
        must_exist: bool,
    ) -> Result<Self, StoreError> {
        let unusable = |source| StoreError::Unusable { directory: directory.to_owned(), source };
        let promised = promised.max(read_promise(directory).map_err(unusable)?);
        let engine = Engine::open(directory, sealing, promised, must_exist)?;
        let log = File::options().append(true).open(super::log_file(directory)).map_err(unusable)?;
        let promise = File::options().write(true).create(true).truncate(false).open(directory.join(PROMISE));
        Ok(Self { engine, log, promise: promise.map_err(unusable)? })
    }

    /// Everything up to this batch is on disk when this returns.
    ///
    /// # Errors
    /// The disk did not take it: whether any of it is there is not known.
    fn sync(&self, directory: &Path, sequence: u64) -> Result<(), StorageError> {
        self.engine.flush()?;
        #[cfg(test)]
        fault::simulated::check(directory, fault::simulated::Work::Sync)
            .map_err(|error| StorageError(fault::describe_io(&error)))?;
        let synced = self.log.sync_data().and_then(|()| fault::is_in_place(directory, &self.log));
        let promised = synced.and_then(|()| self.promise.write_all_at(&sequence.to_be_bytes(), 0));
        promised.map_err(|error| StorageError(fault::describe_io(&error)))
    }
}

/// What an earlier run knew to be on disk; 0 for a new store.
fn read_promise(directory: &Path) -> std::io::Result<u64> {
    match std::fs::read(directory.join(PROMISE)) {
        Ok(bytes) => Ok(bytes.try_into().map_or(0, u64::from_be_bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Numbers of batches, and those batches that are not on disk yet.
#[derive(Default)]
struct State {
    /// Number of the last batch that was taken.
    sequence: u64,
    /// What the log has not been handed.
    pending: Pending,
    /// Number of the last batch that is on disk.
    synced: u64,
    /// Batches that may not be on disk, with their numbers.
    unsynced: VecDeque<(u64, Changes)>,
    bytes: usize,
    failed: Health,
}

impl State {
    /// A batch was taken: it is kept until a sync has passed it, to be written again if that fails.
    fn keep(&mut self, number: u64, changes: Changes) {
        self.bytes += size(&changes);
        self.unsynced.push_back((number, changes));
    }

    /// Batches up to this number need not be kept any more.
    fn synced_up_to(&mut self, number: u64) {
        self.synced = number;
        while self.unsynced.front().is_some_and(|(first, _)| *first <= number) {
            let gone = self.unsynced.pop_front();
            self.bytes -= gone.map_or(0, |(_, changes)| size(&changes));
        }
    }
}

/// Bytes of a batch's keys and values.
fn size(changes: &Changes) -> usize {
    changes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum()
}

/// The store's one writer, with everything that is not on disk yet.
pub(super) struct Ledger {
    directory: PathBuf,
    sealing: SealingKey,
    /// Held by whoever writes or opens anew, before the other two: what an old reading of `state` says is never written
    /// behind what a newer one says.
    writing: Mutex<()>,
    /// Empty only while and after a new opening failed. Never taken by who holds `state`.
    opened: RwLock<Option<Opened>>,
    state: Mutex<State>,
    health: watch::Sender<Health>,
}

impl Ledger {
    /// Opens the store of a directory. `must_exist`: a directory without one is an error, and gets no new store.
    ///
    /// # Errors
    /// The directory is in use, damaged, of another version or sealed with another key.
    pub(super) fn open(directory: &Path, sealing: SealingKey, must_exist: bool) -> Result<Self, StoreError> {
        let opened = Opened::open(directory, sealing.clone(), 0, must_exist)?;
        let sequence = opened.engine.sequence().map_err(|error| StoreError::damaged(directory, error.0))?;
        let state = State { sequence, ..State::default() };
        Ok(Self {
            directory: directory.to_owned(),
            sealing,
            writing: Mutex::default(),
            opened: RwLock::new(Some(opened)),
            state: Mutex::new(state),
            health: watch::Sender::new(None),
        })
    }

    /// Whether the disk takes changes, where others wait for that.
    pub(super) fn health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock panics: sled is called in a guarded way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(&self) -> RwLockReadGuard<'_, Option<Opened>> {
        self.opened.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the disk takes nothing now; `None` while it does.
    pub(super) fn failure(&self) -> Health {
        self.state().failed.clone()
    }

    /// From now on nothing is taken.
    fn fail(&self, state: &mut State, error: &StorageError) {
        if state.failed.is_none() {
            let reason: Arc<str> = error.0.as_str().into();
            tracing::error!(%reason, directory = %self.directory.display(), "the store failed: nothing is taken until it works again");
            state.failed = Some(reason.clone());
            self.health.send_replace(Some(reason));
        }
    }

    /// Makes changes visible to readers; they go to the log with the next [`Ledger::write`].
    ///
    /// # Errors
    /// The disk takes nothing now. What is not urgent is kept in memory for the next opening, as far as the bound goes.
    pub(super) fn apply(&self, changes: Changes, urgency: Urgency) -> Result<(), StorageError> {
        let mut state = self.state();
        if let Some(reason) = state.failed.clone() {
            if urgency == Urgency::Soon && state.bytes + size(&changes) <= MAX_KEPT {
                let number = state.sequence;
                state.keep(number, changes);
            }
            return Err(StorageError(reason.to_string()));
        }
        state.sequence += 1;
        let number = state.sequence;
        state.pending.put(number, &changes);
        state.keep(number, changes);
        Ok(())
    }

    /// Hands everything that was taken to the log, as one batch: a process that is killed has lost nothing of it. Gives the
    /// batch's number.
    ///
    /// # Errors
    /// The disk did not take it: whether any of it is there is not known.
    pub(super) fn write(&self) -> Result<u64, StorageError> {
        let _one = self.writing();
        let (number, changes) = {
            let state = self.state();
            if let Some(reason) = &state.failed {
                return Err(StorageError(reason.to_string()));
            }
            if state.pending.is_empty() {
                return Ok(state.sequence);
            }
            (state.sequence, state.pending.all())
        };
        #[cfg(test)]
        let simulated = fault::simulated::check(&self.directory, fault::simulated::Work::Write)
            .map_err(|error| StorageError(fault::describe(&sled::Error::Io(error))));
        #[cfg(not(test))]
        let simulated = Ok(());
        let written = match &*self.opened() {
            Some(opened) => simulated
                .and_then(|()| opened.engine.apply(&changes, number))
                .and_then(|()| opened.engine.flush()),
            None => Err(StorageError("the store is closed".into())),
        };
        let mut state = self.state();
        match written {
            // Readers find it in the log from here on.
            Ok(()) => state.pending.written_up_to(number),
            Err(ref error) => self.fail(&mut state, error),
        }
        written.map(|()| number)
    }

    /// Everything taken before this call is on disk when this returns.
    ///
    /// # Errors
    /// The disk did not take it: whether any of it is there is not known.
    pub(super) fn sync(&self) -> Result<(), StorageError> {
        let number = self.write()?;
        let synced = match &*self.opened() {
            Some(opened) => opened.sync(&self.directory, number),
            None => Err(StorageError("the store is closed".into())),
        };
        let mut state = self.state();
        match synced {
            Ok(()) => state.synced_up_to(number),
            Err(ref error) => self.fail(&mut state, error),
        }
        synced
    }

    /// Notices a store that went away while nothing was written.
    pub(super) fn look(&self) {
        let gone = match &*self.opened() {
            Some(opened) => fault::is_in_place(&self.directory, &opened.log),
            None => Ok(()),
        };
        if let Err(error) = gone {
            self.fail(&mut self.state(), &StorageError(fault::describe_io(&error)));
        }
    }

    /// Opens the database anew and writes what it may lack. While the disk takes nothing the old one is kept for readers.
    ///
    /// # Errors
    /// The disk still takes nothing, or the database cannot be opened.
    pub(super) fn reopen(&self) -> Result<(), StoreError> {
        let failed = |error: StorageError| StoreError::Failed(error.0);
        let probed = fault::probe(&self.directory);
        probed.map_err(|error| StoreError::Failed(fault::describe_io(&error)))?;
        let _one = self.writing();
        let promised = self.state().synced;
        let mut slot = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        let old = slot.take();
        // sled breaks off when it cannot write as it is closed, and what it could not write is kept here.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(old)));
        let opened = slot.insert(Opened::open(&self.directory, self.sealing.clone(), promised, true)?);
        let mut state = self.state();
        let mut number = opened.engine.sequence().map_err(failed)?;
        for (kept, changes) in &mut state.unsynced {
            number += 1;
            *kept = number;
            opened.engine.apply(changes, number).map_err(failed)?;
        }
        opened.sync(&self.directory, number).map_err(failed)?;
        state.pending.clear();
        state.sequence = number;
        state.synced_up_to(number);
        state.failed = None;
        drop(state);
        tracing::info!(directory = %self.directory.display(), "the store works again");
        self.health.send_replace(None);
        Ok(())
    }

    /// A row, with changes that are not synced yet.
    ///
    /// # Errors
    /// The database cannot be read, or is closed, or the value cannot be unsealed.
    pub(super) fn read(&self, full: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        let pending = self.state().pending.get(full).map(|value| value.map(<[u8]>::to_vec));
        self.with(|engine| match pending {
            Some(value) => value.map(|value| engine.unseal(full, value)).transpose(),
            None => engine.read(full),
        })
    }

    /// The rows of [`Engine::scan`], with changes that are not synced yet.
    ///
    /// # Errors
    /// The same as of [`Ledger::read`].
    pub(super) fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        let full = |key: &[u8]| full_key(table, key);
        let pending = self.state().pending.range(&full(prefix), after.map(full).as_deref());
        if pending.is_empty() {
            return self.with(|engine| engine.scan(table, prefix, after, limit));
        }
        self.with(|engine| {
            // As many more as may be removed or replaced.
            let found = engine.scan(table, prefix, after, limit.saturating_add(pending.len()))?;
            let mut rows: BTreeMap<Vec<u8>, Vec<u8>> = found.into_iter().collect();
            for (full, value) in pending {
                match value {
                    Some(value) => drop(rows.insert(full[1..].to_vec(), engine.unseal(&full, value)?)),
                    None => drop(rows.remove(&full[1..])),
                }
            }
            Ok(rows.into_iter().take(limit).collect())
        })
    }

    /// Reads from the database, which is there unless a new opening failed.
    fn with<T>(&self, read: impl FnOnce(&Engine) -> Result<T, StorageError>) -> Result<T, StorageError> {
        match &*self.opened() {
            Some(opened) => read(&opened.engine),
            None => Err(StorageError("the store is closed until the disk works again".into())),
        }
    }

    /// Rows of all tables; 0 while nothing can be read.
    #[cfg(test)]
    pub(super) fn rows(&self) -> usize {
        self.opened().as_ref().map_or(0, |opened| opened.engine.rows())
    }
}
