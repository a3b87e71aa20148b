//! Why the disk failed, in words for whoever runs the bridge, and whether it works again.
//!
//! Knows the system's error numbers and what they mean for a person. Refuses to try again: the ledger and the media do.

use std::io::{Error, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::log_file;

/// As much must fit before the store is opened anew: a segment of its log and something beside it.
const PROBE: usize = 1024 * 1024;

/// What a library's error says of the disk.
pub(super) fn describe(error: &sled::Error) -> String {
    match error {
        sled::Error::Io(source) => describe_io(source),
        other => other.to_string(),
    }
}

/// What an error of the system means for the person who runs the bridge, and what to do.
pub(super) fn describe_io(error: &Error) -> String {
    let known = match error.kind() {
        ErrorKind::StorageFull => "the disk is full",
        ErrorKind::QuotaExceeded => "the disk quota is used up",
        ErrorKind::ReadOnlyFilesystem => "the disk can only be read",
        ErrorKind::FileTooLarge => "a file may not grow any further (a limit on the size of files)",
        ErrorKind::NotFound => "the store's directory is gone",
        ErrorKind::PermissionDenied => "the store may not be written by the user that runs the bridge",
        _ => return format!("the disk reports an error: {error}"),
    };
    known.to_owned()
}

/// Whether the store's directory takes as much as an opening needs; the reason when it does not.
///
/// # Errors
/// The disk's own, or that the log is not there.
pub(super) fn probe(directory: &Path) -> Result<(), Error> {
    if !log_file(directory).exists() {
        return Err(Error::from(ErrorKind::NotFound));
    }
    #[cfg(test)]
    [simulated::Work::Write, simulated::Work::Sync]
        .into_iter()
        .try_for_each(|work| simulated::check(directory, work))?;
    let path = probe_file(directory);
    let tried = std::fs::File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0; PROBE])?;
        file.sync_all()
    });
    let removed = std::fs::remove_file(&path);
    tried.and(removed)
}

fn probe_file(directory: &Path) -> PathBuf {
    directory.join("probe.part")
}

/// Whether the log that is open is still the one under its name: files can be written long after their directory has gone.
///
/// # Errors
/// [`ErrorKind::NotFound`] when it is not.
pub(super) fn is_in_place(directory: &Path, log: &std::fs::File) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    let named = std::fs::metadata(log_file(directory))?;
    let open = log.metadata()?;
    if (named.dev(), named.ino()) == (open.dev(), open.ino()) {
        return Ok(());
    }
    Err(Error::from(ErrorKind::NotFound))
}

/// What a part of the disk's work says that fails in a test: faults that no real disk can be made to show here.
#[cfg(test)]
pub(super) mod simulated {
    use std::collections::HashMap;
    use std::io::Error;
    use std::path::{Path, PathBuf};
    use std::sync::{LazyLock, Mutex};

    /// What fails.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(in crate::store) enum Work {
        /// Every write; and so nothing is synced.
        Write,
        /// What was written does not reach the disk.
        Sync,
    }

    type Faults = HashMap<PathBuf, (Work, i32)>;

    static FAULTS: LazyLock<Mutex<Faults>> = LazyLock::new(Mutex::default);

    /// From now on this work fails in `directory` with the system's error of this number; or nothing does any more.
    pub(in crate::store) fn set(directory: &Path, fault: Option<(Work, i32)>) {
        let mut faults = FAULTS.lock().unwrap();
        match fault {
            Some(fault) => drop(faults.insert(directory.to_owned(), fault)),
            None => drop(faults.remove(directory)),
        }
    }

    /// What the disk of a test does with this kind of work now.
    ///
    /// # Errors
    /// What the test has set.
    pub(in crate::store) fn check(directory: &Path, work: Work) -> Result<(), Error> {
        match FAULTS.lock().unwrap().get(directory) {
            Some((failing, number)) if *failing == work => Err(Error::from_raw_os_error(*number)),
            _ => Ok(()),
        }
    }
}
