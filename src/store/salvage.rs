//! What can still be read of a store, damaged or not, saved as an export.
//!
//! Works on a copy: sled mends its log when it opens one, and what it cuts off may be what somebody else could read. Knows
//! how much of each table is there. Refuses to bring anything back: `import` does.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use super::engine::Engine;
use super::export::{Writer, fail, tables};
use super::{SealingKey, StoreError, is_store, private};
use crate::bridge::port::storage::Table;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Salvaged {
    /// Rows of the export.
    pub saved: usize,
    /// Messages and events on their way that were seen: no export holds those.
    pub on_the_way: usize,
    /// Rows that are there and cannot be read, with the reason of one of them.
    pub unreadable: BTreeMap<String, usize>,
    /// Why nothing behind a certain row could be read.
    pub broke_off: Option<String>,
}

impl Salvaged {
    /// Whether all that there is could be read.
    pub fn is_whole(&self) -> bool {
        self.unreadable.is_empty() && self.broke_off.is_none()
    }
}

/// Writes what can be read of the store in `directory`, which nobody has open; the directory stays as it is.
///
/// # Errors
/// There is no store, nothing of it can be opened, or the copy or the export cannot be written.
pub fn salvage(directory: &Path, key: &SealingKey, out: &mut dyn Write) -> Result<Salvaged, StoreError> {
    if !is_store(directory) {
        return Err(StoreError::Vanished { directory: directory.to_owned() });
    }
    let copy = tempfile_beside(directory);
    let unusable = |source| StoreError::Unusable { directory: copy.clone(), source };
    let _ = std::fs::remove_dir_all(&copy); // of an attempt that broke off
    let copied = copy_files(directory, &copy).map_err(unusable);
    let salvaged = copied.and_then(|()| read(&copy, key, out));
    let _ = std::fs::remove_dir_all(&copy); // it holds nothing that is not in the other
    salvaged
}

/// Where the copy is made: on the same file system, which has room for one more as for every export.
fn tempfile_beside(directory: &Path) -> std::path::PathBuf {
    directory.with_extension("salvage.part")
}

fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    private::create_directory(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy_files(&entry.path(), &target)?,
            false => drop(std::fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}

fn read(copy: &Path, key: &SealingKey, out: &mut dyn Write) -> Result<Salvaged, StoreError> {
    let engine = Engine::open_unchecked(copy, key.clone())?;
    let (mut writer, mut found) = (Writer::begin(key, out)?, Salvaged::default());
    let broke_off = engine.read_all(|number, row, value| {
        let Some(table) = Table::ALL.into_iter().find(|table| *table as u8 == number) else { return Ok(()) };
        let is_exported = tables().any(|exported| exported == table);
        match value {
            Ok(value) if is_exported => writer.row(table, row, &value)?,
            Ok(_) => found.on_the_way += usize::from(table.is_transient()),
            Err(error) => *found.unreadable.entry(format!("{table:?}: {}", error.0)).or_default() += 1,
        }
        Ok(())
    })?;
    found.broke_off = broke_off.map(|error| error.0);
    found.saved = writer.end().map_err(fail)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::port::storage::{Batch, Storage, Urgency};
    use crate::store::{Store, import};

    async fn filled(directory: &Path, key: &SealingKey, rows: u32) {
        let store = Store::open(directory, key.clone()).unwrap();
        for n in 0..rows {
            let mut batch = Batch::default();
            batch.put(Table::Rooms, format!("room {n}"), vec![b'x'; 300]);
            batch.put(Table::DeadLetters, format!("letter {n}"), vec![b'y'; 300]);
            batch.put(Table::Journal, format!("entry {n}"), vec![b'z'; 300]);
            store.commit(batch, Urgency::Now).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_whole_store_is_saved_whole_and_left_as_it_was() {
        let place = tempfile::tempdir().unwrap();
        let (directory, key) = (place.path().join("store"), SealingKey::generate());
        filled(&directory, &key, 10).await;
        let before = std::fs::read(directory.join("db")).unwrap();
        let mut out = Vec::new();
        let found = salvage(&directory, &key, &mut out).unwrap();
        assert_eq!((found.saved, found.on_the_way, found.is_whole()), (20, 10, true), "{found:?}");
        assert_eq!(std::fs::read(directory.join("db")).unwrap(), before);
        let again = place.path().join("again");
        assert_eq!(import(&again, &key, &mut &out[..]).unwrap().rows, 20);
    }

    #[tokio::test]
    async fn of_a_store_that_lost_its_end_what_is_before_that_is_saved() {
        let place = tempfile::tempdir().unwrap();
        let (directory, key) = (place.path().join("store"), SealingKey::generate());
        filled(&directory, &key, 200).await;
        let log = directory.join("db");
        let length = std::fs::metadata(&log).unwrap().len();
        std::fs::File::options().write(true).open(&log).unwrap().set_len(length / 2).unwrap();
        for entry in std::fs::read_dir(&directory).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with("snap.") {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
        assert!(Store::open_existing(&directory, key.clone()).is_err(), "it is damaged");
        let mut out = Vec::new();
        let found = salvage(&directory, &key, &mut out).unwrap();
        assert!((1..400).contains(&found.saved), "{found:?}");
        let again = place.path().join("again");
        assert_eq!(import(&again, &key, &mut &out[..]).unwrap().rows, found.saved);
    }

    #[tokio::test]
    async fn what_another_key_sealed_is_counted_and_not_saved() {
        let place = tempfile::tempdir().unwrap();
        let (directory, key) = (place.path().join("store"), SealingKey::generate());
        filled(&directory, &key, 10).await;
        let found = salvage(&directory, &SealingKey::generate(), &mut Vec::new()).unwrap();
        assert_eq!(found.saved, 10, "the open ones: {found:?}");
        assert!(found.unreadable.values().sum::<usize>() >= 20, "{found:?}");
    }
}
