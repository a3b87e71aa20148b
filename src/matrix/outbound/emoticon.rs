//! The small pictures of a text, on the homeserver.
//!
//! Knows which picture was uploaded already (row `e` and its digest), and how long words wait for one. Refuses to hold words
//! up beyond that: a shortcut says what its picture was.

use std::sync::Arc;
use std::time::Duration;

use ruma::{MilliSecondsSinceUnixEpoch, UserId};
use tokio::time::Instant;

use crate::bridge::body::{Emoticon, Image};
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::media::{File, MediaId};
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::matrix::homeserver::{MediaClient, storage_failed};
use crate::matrix::html;

/// How long words wait for a small picture in them.
const EMOTICON_TIMEOUT: Duration = Duration::from_secs(5);
/// Time between two looks for one.
const LOOK: Duration = Duration::from_millis(100);

/// Uploads emoticons, each once.
pub(crate) struct EmoticonUploader {
    pub(crate) media: Arc<MediaClient>,
    pub(crate) storage: Arc<dyn Storage>,
}

impl EmoticonUploader {
    /// The small pictures of a text that was said at `said_at`, in milliseconds since 1970. One that has not come yet is
    /// waited for a moment.
    ///
    /// # Errors
    /// Transient: the store cannot be read.
    pub(crate) async fn pictures(
        &self,
        speaker: &UserId,
        emoticons: &[Emoticon],
        said_at: u64,
    ) -> Result<Vec<html::Picture>, DeliveryError> {
        // Counted from when it was said: a peer who announces pictures that never come delays nobody's backlog.
        let now = u64::from(MilliSecondsSinceUnixEpoch::now().get());
        let age = Duration::from_millis(now.saturating_sub(said_at));
        let until = Instant::now() + EMOTICON_TIMEOUT.saturating_sub(age);
        let mut pictures = Vec::new();
        for Emoticon { shortcut, image } in emoticons {
            let uri = match image {
                Image::Source { source } => Some(source.clone()),
                Image::Kept { digest } => self.uploaded(speaker, digest, until).await?,
            };
            pictures.extend(uri.map(|uri| (shortcut.clone(), uri)));
        }
        Ok(pictures)
    }

    async fn uploaded(
        &self,
        speaker: &UserId,
        digest: &str,
        until: Instant,
    ) -> Result<Option<String>, DeliveryError> {
        let row = [b"e", digest.as_bytes()].concat();
        if let Some(known) = self.storage.read(Table::Rooms, &row).map_err(storage_failed)? {
            return Ok(String::from_utf8(known).ok());
        }
        let Some(media) = self.kept(digest, until).await? else { return Ok(None) };
        let Some(kind) = self.media.image_kind(&media).await else { return Ok(None) };
        let name = format!("emoticon.{}", kind.extension());
        let uri = match self.media.upload(speaker, &File { media, name, size: 0 }, kind.mime_type()).await {
            Ok(uri) => uri,
            // The words go without it, and find out themselves whether the homeserver is there.
            Err(error) => {
                tracing::info!(%error, "an emoticon was not uploaded");
                return Ok(None);
            }
        };
        let mut batch = Batch::default();
        batch.put(Table::Rooms, row, uri.as_str());
        drop(self.storage.commit(batch, Urgency::Soon)); // losing it costs another upload
        Ok(Some(uri))
    }

    /// The picture on disk, waited for.
    async fn kept(&self, digest: &str, until: Instant) -> Result<Option<MediaId>, DeliveryError> {
        loop {
            let kept = self.storage.read(Table::Pictures, digest.as_bytes()).map_err(storage_failed)?;
            if kept.is_some() || Instant::now() >= until {
                return Ok(kept.and_then(|kept| MediaId::new(String::from_utf8(kept).ok()?)));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
