//! Brings the file behind a link to the disk when somebody asks for it.
//!
//! Knows where a file is and who can fetch it. Refuses to serve it: the HTTP server does. One fetch runs for all who ask
//! for the same file.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::rows::link_row;
use super::{Links, Location, Origin, Shared};
use crate::bridge::BridgeError;
use crate::bridge::body::Attachment;
use crate::bridge::ids::Leg;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::frontend::Frontend;
use crate::bridge::port::media::File;
use crate::bridge::port::storage::{Batch, Table, Urgency};
use crate::bridge::record::encode;

/// How long whoever asks waits; the file is brought all the same, for when they ask again.
const FETCH_TIMEOUT: Duration = Duration::from_secs(40);

/// What is behind a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    File {
        path: PathBuf,
        name: String,
    },
    /// Its time is over, it was removed, or it cannot be had.
    Gone,
    /// Asking again may help.
    NotYet,
}

impl Links {
    /// The file behind a link.
    ///
    /// # Errors
    /// [`BridgeError::Storage`] and [`BridgeError::Record`]: what the link stands for cannot be read.
    pub async fn open(
        self: &Arc<Self>,
        id: &str,
        frontends: &[Arc<dyn Frontend>],
    ) -> Result<Opened, BridgeError> {
        let Some(shared) = self.find(id)? else { return Ok(Opened::Gone) };
        let (leg, attachment) = match &shared.location {
            Location::Local { .. } => return Ok(self.here(&shared)),
            Location::Remote(Origin { leg, attachment }) => (*leg, attachment.clone()),
        };
        let Some(frontend) = frontends.iter().find(|frontend| frontend.leg() == leg).cloned() else {
            return Ok(Opened::Gone);
        };
        let lock = self.lock_of(id);
        let Ok(guard) = lock.clone().try_lock_owned() else {
            // Somebody is bringing it: what becomes of that is waited for, and nothing begun anew.
            let _ = tokio::time::timeout(FETCH_TIMEOUT, lock.lock()).await; // what is there then counts
            return Ok(match self.find(id)? {
                Some(shared) => self.here(&shared),
                None => Opened::Gone,
            });
        };
        let (links, id) = (self.clone(), id.to_owned());
        // Whoever asked may go; the next one finds it.
        let brought = tokio::spawn(async move {
            let _guard = guard;
            links.bring(&id, leg, frontend, &attachment).await
        });
        match tokio::time::timeout(FETCH_TIMEOUT, brought).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => {
                tracing::error!(%error, "a file could not be brought");
                Ok(Opened::NotYet)
            }
            Err(_) => Ok(Opened::NotYet),
        }
    }

    /// Held by whoever brings the file of this link.
    fn lock_of(&self, id: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut bringing = self.bringing.lock().unwrap_or_else(PoisonError::into_inner);
        bringing.retain(|_, lock| Arc::strong_count(lock) > 1);
        bringing.entry(id.to_owned()).or_default().clone()
    }

    /// A file that is on the disk, opened for reading.
    fn here(&self, shared: &Shared) -> Opened {
        match shared.media() {
            Some(media) => Opened::File { path: self.around.media.path(media), name: shared.name.clone() },
            None => Opened::NotYet,
        }
    }

    /// Fetches the file from its frontend, once for all who wait for it.
    async fn bring(
        &self,
        id: &str,
        leg: Leg,
        frontend: Arc<dyn Frontend>,
        attachment: &Attachment,
    ) -> Result<Opened, BridgeError> {
        match self.find(id)? {
            None => return Ok(Opened::Gone),
            Some(shared) if shared.media().is_some() => return Ok(self.here(&shared)),
            Some(_) => {}
        }
        let Ok(_permit) = self.permits.acquire().await else { return Ok(Opened::NotYet) };
        tracing::info!(name = attachment.name, %leg, "bringing a file that somebody asks for");
        let file = match frontend.fetch_now(attachment).await {
            Ok(file) => file,
            Err(DeliveryError::Permanent { reason }) => {
                tracing::info!(reason, "a file that somebody asks for cannot be had");
                return self.end_link(id);
            }
            Err(error) => {
                tracing::warn!(%error, "a file that somebody asks for does not come now");
                return Ok(Opened::NotYet);
            }
        };
        self.keep(id, file).await
    }

    /// Nothing will ever be behind it: it is not tried again.
    fn end_link(&self, id: &str) -> Result<Opened, BridgeError> {
        let _one = self.changing();
        let mut batch = Batch::default();
        batch.remove(Table::Links, link_row(id));
        drop(self.around.storage.commit(batch, Urgency::Soon)); // lost, it is tried once more
        Ok(Opened::Gone)
    }

    /// The file has come; the link may have been taken back meanwhile.
    async fn keep(&self, id: &str, file: File) -> Result<Opened, BridgeError> {
        let (synced, gone, opened) = {
            let _one = self.changing();
            let Some(mut shared) = self.find(id)? else {
                self.around.media.discard(&file.media);
                return Ok(Opened::Gone);
            };
            let Location::Remote(origin) = shared.location else { return Ok(Opened::NotYet) };
            shared.location = Location::Local { media: file.media, size: file.size, from: Some(origin) };
            let mut batch = Batch::default();
            let gone = self.make_room(&shared, &mut batch)?;
            batch.put(Table::Links, link_row(id), encode(&shared));
            (self.around.storage.commit(batch, Urgency::Soon), gone, self.here(&shared))
        };
        synced.await?;
        self.release(gone);
        Ok(opened)
    }
}
