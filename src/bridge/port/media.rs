//! Files on their way between networks: kept whole on disk before anybody is told of them, read as streams, and gone when
//! nothing in the journal speaks of them any more.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::storage::StorageError;

/// Names a file that is kept. Letters and digits only: it is a file name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MediaId(String);

impl MediaId {
    /// `None` for what could be anything but a name of ours.
    pub fn new(name: impl Into<String>) -> Option<Self> {
        let name = name.into();
        let fits = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric());
        fits.then_some(Self(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MediaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file that somebody sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    pub media: MediaId,
    /// Harmless wherever it is shown or stored.
    pub name: String,
    pub size: u64,
}

/// A file that is coming in. Dropped unfinished, nothing of it stays.
pub trait Incoming: Send + Sync {
    /// Adds bytes at the end.
    ///
    /// # Errors
    /// [`StorageError`]: the disk has not taken them; the file can only be dropped.
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), StorageError>>;

    /// The file is whole: it is on disk when this resolves.
    ///
    /// # Errors
    /// [`StorageError`]: the disk has not taken all of it, and nothing of it stays.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<MediaId, StorageError>>;
}

/// Where files are kept.
pub trait Media: Send + Sync {
    /// Bytes of the largest file that is taken.
    fn limit(&self) -> u64;

    /// One side takes no larger files than this.
    fn lower_limit(&self, bytes: u64);

    /// Room for a file of this many bytes; an error where there is none.
    ///
    /// # Errors
    /// [`StorageError`]: there is no room for it, or the disk takes no files.
    fn begin(&self, expected: u64) -> BoxFuture<'_, Result<Box<dyn Incoming>, StorageError>>;

    /// Removes a finished file that nothing speaks of.
    fn discard(&self, media: &MediaId);

    /// Where a finished file is, to be read only.
    fn path(&self, media: &MediaId) -> PathBuf;
}
