//! A store that is made elsewhere and put in its place when it is whole.
//!
//! Knows which files sled makes. The log comes last: a directory without it is no store, whatever else is in it, so a move
//! that is interrupted leaves none.

use std::fs::File;
use std::io;
use std::path::Path;

use super::{StoreError, log_file, private};

/// Where it is made: in the directory itself, which may be a file system of its own.
const PART: &str = "import.part";

/// Runs `fill`, which makes a store in the directory that it is given, and puts what it made into `directory`.
///
/// # Errors
/// Those of `fill`, after which nothing of it is left, and the disk's.
pub(super) fn make<T>(
    directory: &Path,
    fill: impl FnOnce(&Path) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let unusable = |source| StoreError::Unusable { directory: directory.to_owned(), source };
    private::create_directory(directory).map_err(unusable)?;
    let part = directory.join(PART);
    remove(&part).map_err(unusable)?;
    let filled = fill(&part);
    let placed = filled.and_then(|made| put(&part, directory).map(|()| made).map_err(unusable));
    let removed = remove(&part).map_err(unusable);
    placed.and_then(|made| removed.map(|()| made))
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn put(part: &Path, directory: &Path) -> io::Result<()> {
    // What is left of a store whose log is gone does not belong to this one.
    for entry in std::fs::read_dir(directory)?.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") || ["conf", "synced"].contains(&&*name) {
            std::fs::remove_file(entry.path())?;
        }
    }
    remove(&directory.join("blobs"))?;
    let log = log_file(part);
    for entry in std::fs::read_dir(part)?.flatten().filter(|entry| entry.path() != log) {
        std::fs::rename(entry.path(), directory.join(entry.file_name()))?;
    }
    File::open(directory)?.sync_all()?;
    std::fs::rename(&log, log_file(directory))?;
    File::open(directory)?.sync_all()
}
