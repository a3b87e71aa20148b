//! Why a store cannot be used, and the way back.
//!
//! Knows every way in which a directory can be wrong: moved, damaged, of another version, sealed with another key.
//! Refuses to mend any of them: the person who runs the bridge decides, with the sentence that stands here.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a store cannot be used. Each names the directory and the way back.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error(
        "the store in {} is damaged: {reason}. Move the directory aside, then run «msnbridge import FILE» with the newest \
         export (written by itself beside the store, or by «msnbridge export»). What was on its way is lost with it; \
         rooms, logins and settings come back", directory.display()
    )]
    Damaged { directory: PathBuf, reason: String },
    #[error("the store in {} cannot be used: {source}. Check that the directory exists and belongs to the user that runs the bridge, and that no other bridge is running", directory.display())]
    Unusable { directory: PathBuf, source: std::io::Error },
    #[error(
        "there is no store in {} any more, though its key is still there: a disk that is not mounted, or a directory that was \
         moved or removed. Put it back, or run «msnbridge import FILE» with the newest export; only to begin with nothing, \
         remove the key file too", directory.display()
    )]
    Vanished { directory: PathBuf },
    #[error(
        "the store has version {found}, this program knows {known}. Run the newer program, or import an export"
    )]
    Version { found: u32, known: u32 },
    #[error(
        "the store was sealed with another key. Put back the key file that belongs to it, or import an export under the new key"
    )]
    WrongKey,
    #[error("the key file {} cannot be used: {reason}", file.display())]
    KeyFile { file: PathBuf, reason: String },
    #[error(
        "there is a store in {} already, and an export is read into a new one only. Move the directory aside first; \
         nothing was changed", directory.display()
    )]
    InUse { directory: PathBuf },
    #[error("the export cannot be used: {0}")]
    Export(String),
    #[error("{0}")]
    Failed(String),
}

impl StoreError {
    pub(super) fn damaged(directory: &Path, reason: String) -> Self {
        Self::Damaged { directory: directory.to_owned(), reason }
    }
}
