//! The directory of files on their way. A file in work ends in `.part`; a whole one has no ending, and is removed when no
//! entry of the journal speaks of it and no picture is kept in it. All of them together have a bound.

use std::collections::HashSet;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};

use crate::bridge::media_use::media_in_use;
use crate::bridge::port::media::{Incoming, Media, MediaId};
use crate::bridge::port::storage::{Storage, StorageError};

/// What is younger than this may belong to an entry that is being written.
const YOUNG: Duration = Duration::from_secs(3600);
/// The ending of a file in work.
const PART: &str = "part";

/// A failure of the media directory, in words for people.
fn failed(error: &std::io::Error) -> StorageError {
    StorageError(format!("the directory of files: {error}"))
}

/// See the module.
pub struct MediaDirectory {
    directory: PathBuf,
    limit: AtomicU64,
    /// Bytes that all files together may have.
    budget: u64,
    /// Bytes that files in work are expected to have.
    reserved: Arc<AtomicU64>,
    /// Bytes of whole files. Held while one becomes whole or goes, so that counting anew counts right.
    kept: Arc<Mutex<u64>>,
}

impl MediaDirectory {
    /// Makes the directory where it is missing. Nothing is in work yet: what an earlier run left unfinished goes.
    ///
    /// # Errors
    /// The directory cannot be made or read.
    pub fn open(directory: &Path, limit: u64, budget: u64) -> std::io::Result<Self> {
        // What people sent is for nobody else on this machine.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        for entry in std::fs::read_dir(directory)?.flatten() {
            if entry.path().extension().is_some_and(|ending| ending == PART) {
                std::fs::remove_file(entry.path())?;
            }
        }
        let (directory, limit) = (directory.to_owned(), AtomicU64::new(limit));
        let kept = Arc::new(Mutex::new(kept(&directory)?));
        Ok(Self { directory, limit, budget, reserved: Arc::default(), kept })
    }

    /// Whatever somebody else did in the directory counts too.
    fn count_anew(&self) -> std::io::Result<()> {
        let mut counted = counted(&self.kept);
        *counted = kept(&self.directory)?;
        Ok(())
    }

    /// Removes whole files that nothing speaks of any more.
    ///
    /// # Errors
    /// The directory or the store cannot be read; what was removed until then stays removed.
    pub fn sweep(&self, storage: &dyn Storage) -> Result<usize, StorageError> {
        let old: Vec<PathBuf> = std::fs::read_dir(&self.directory)
            .map_err(|error| failed(&error))?
            .flatten()
            .filter(is_old)
            .map(|entry| entry.path())
            .collect();
        self.count_anew().map_err(|error| failed(&error))?;
        if old.is_empty() {
            return Ok(0);
        }
        // Read after the directory: what came since is young.
        let used: HashSet<MediaId> = media_in_use(storage)?;
        let is_used = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // One in work that nobody has written to for so long is nobody's.
            let is_part = path.extension().is_some_and(|ending| ending == PART);
            !is_part && MediaId::new(name).is_none_or(|id| used.contains(&id))
        };
        let gone: Vec<PathBuf> = old.into_iter().filter(|path| !is_used(path)).collect();
        let mut counted = counted(&self.kept);
        for path in &gone {
            match std::fs::remove_file(path) {
                // It was delivered meanwhile.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed.map_err(|error| failed(&error))?,
            }
        }
        *counted = kept(&self.directory).map_err(|error| failed(&error))?;
        Ok(gone.len())
    }
}

fn counted(kept: &Mutex<u64>) -> MutexGuard<'_, u64> {
    // Nothing that holds the lock panics.
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of whole files.
fn kept(directory: &Path) -> std::io::Result<u64> {
    let whole = std::fs::read_dir(directory)?.flatten().filter(|entry| entry.path().extension().is_none());
    Ok(whole.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum())
}

/// Whether a file is older than any transfer that may still be at work on it.
fn is_old(entry: &std::fs::DirEntry) -> bool {
    let written = entry.metadata().and_then(|metadata| metadata.modified());
    let age = written.ok().and_then(|written| SystemTime::now().duration_since(written).ok());
    age.is_some_and(|age| age > YOUNG)
}

/// A file in work, removed with this unless it was finished.
struct Part {
    path: PathBuf,
    writer: Option<BufWriter<File>>,
    expected: u64,
    written: u64,
    reserved: Arc<AtomicU64>,
    kept: Arc<Mutex<u64>>,
}

impl Drop for Part {
    fn drop(&mut self) {
        self.reserved.fetch_sub(self.expected, Ordering::Relaxed);
        if self.writer.is_some() {
            let _ = std::fs::remove_file(&self.path); // the next start removes it
        }
    }
}

impl Incoming for Part {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(async move {
            let Some(writer) = &mut self.writer else { return Ok(()) };
            self.written += bytes.len() as u64;
            writer.write_all(&bytes).await.map_err(|error| failed(&error))
        })
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<MediaId, StorageError>> {
        Box::pin(async move {
            let whole = self.path.with_extension("");
            let name = whole.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let id = MediaId::new(name).ok_or_else(|| StorageError("a file without a name".into()))?;
            if let Some(writer) = &mut self.writer {
                writer.flush().await.map_err(|error| failed(&error))?;
                writer.get_ref().sync_all().await.map_err(|error| failed(&error))?;
            }
            {
                let mut kept = counted(&self.kept);
                std::fs::rename(&self.path, &whole).map_err(|error| failed(&error))?;
                *kept += self.written;
            }
            self.writer = None;
            // The name is on disk too before anybody relies on it.
            if let Some(directory) = whole.parent() {
                let directory = File::open(directory).await.map_err(|error| failed(&error))?;
                directory.sync_all().await.map_err(|error| failed(&error))?;
            }
            Ok(id)
        })
    }
}

impl Media for MediaDirectory {
    fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    fn lower_limit(&self, bytes: u64) {
        self.limit.fetch_min(bytes, Ordering::Relaxed);
    }

    fn begin(&self, expected: u64) -> BoxFuture<'_, Result<Box<dyn Incoming>, StorageError>> {
        Box::pin(async move {
            let kept = *counted(&self.kept);
            let reserved = self.reserved.load(Ordering::Relaxed);
            if kept.saturating_add(reserved).saturating_add(expected) > self.budget {
                return Err(StorageError("the files on their way fill what is set aside for them".into()));
            }
            let name = format!("{:032x}", rand::random::<u128>());
            let path = self.directory.join(name).with_extension(PART);
            let file = File::options().write(true).create_new(true).open(&path).await;
            let writer = BufWriter::with_capacity(64 * 1024, file.map_err(|error| failed(&error))?);
            self.reserved.fetch_add(expected, Ordering::Relaxed);
            let (reserved, kept) = (self.reserved.clone(), self.kept.clone());
            let part = Part { path, writer: Some(writer), expected, written: 0, reserved, kept };
            Ok(Box::new(part) as Box<dyn Incoming>)
        })
    }

    fn discard(&self, media: &MediaId) {
        let path = self.path(media);
        let mut kept = counted(&self.kept);
        let size = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        // The sweep removes it otherwise.
        if std::fs::remove_file(path).is_ok() {
            *kept = kept.saturating_sub(size);
        }
    }

    fn path(&self, media: &MediaId) -> PathBuf {
        self.directory.join(media.as_str())
    }
}

/// Sweeps every now and then, until stopped.
pub async fn sweep_media(
    media: Arc<MediaDirectory>,
    storage: Arc<dyn Storage>,
    cancel: tokio_util::sync::CancellationToken,
) {
    loop {
        let (media, storage) = (media.clone(), storage.clone());
        match tokio::task::spawn_blocking(move || media.sweep(&*storage)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(removed)) => tracing::info!(removed, "removed files that were delivered"),
            Ok(Err(error)) => tracing::warn!(%error, "old files were not removed"),
            Err(error) => tracing::error!(%error, "the sweep broke off"),
        }
        tokio::select! {
            () = tokio::time::sleep(YOUNG) => {}
            () = cancel.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(budget: u64) -> (tempfile::TempDir, MediaDirectory) {
        let folder = tempfile::tempdir().unwrap();
        let media = MediaDirectory::open(folder.path(), 1000, budget).unwrap();
        (folder, media)
    }

    #[tokio::test]
    async fn an_unfinished_file_leaves_nothing_and_a_whole_one_is_there() {
        let (folder, media) = directory(1000);
        let mut part = media.begin(5).await.unwrap();
        part.write(Bytes::from_static(b"hello")).await.unwrap();
        drop(part);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut part = media.begin(5).await.unwrap();
        part.write(Bytes::from_static(b"hello")).await.unwrap();
        let id = part.finish().await.unwrap();
        assert_eq!(std::fs::read(media.path(&id)).unwrap(), b"hello");
        media.discard(&id);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn all_files_together_have_a_bound() {
        let (_folder, media) = directory(10);
        let first = media.begin(6).await.unwrap();
        assert!(media.begin(5).await.is_err());
        drop(first);
        let mut second = media.begin(6).await.unwrap();
        second.write(Bytes::from_static(b"123456")).await.unwrap();
        let whole = second.finish().await.unwrap();
        assert!(media.begin(5).await.is_err());
        assert!(media.begin(4).await.is_ok());
        media.discard(&whole);
        media.discard(&whole);
        assert!(media.begin(10).await.is_ok());
    }
}
