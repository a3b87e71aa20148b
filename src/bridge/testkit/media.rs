//! Files: kept nowhere, but it is remembered which were let go.

use std::sync::Mutex;

use futures_util::future::BoxFuture;

use crate::bridge::port::media::{Incoming, Media, MediaId};
use crate::bridge::port::storage::StorageError;

/// No file comes in this.
#[derive(Debug, Default)]
pub(crate) struct SimMedia {
    discarded: Mutex<Vec<MediaId>>,
}

impl SimMedia {
    /// Files that nothing speaks of any more.
    pub(crate) fn discarded(&self) -> Vec<MediaId> {
        self.discarded.lock().unwrap().clone()
    }
}

impl Media for SimMedia {
    fn limit(&self) -> u64 {
        0
    }

    fn lower_limit(&self, _bytes: u64) {}

    fn begin(&self, _expected: u64) -> BoxFuture<'_, Result<Box<dyn Incoming>, StorageError>> {
        Box::pin(async { Err(StorageError("there is no room".into())) })
    }

    fn discard(&self, media: &MediaId) {
        self.discarded.lock().unwrap().push(media.clone());
    }

    fn path(&self, media: &MediaId) -> std::path::PathBuf {
        media.as_str().into()
    }
}
