//! Files shown where they cannot be carried: kept for a while, under an address that nobody can guess.
//!
//! Knows what is shared, for which entry, and until when. Refuses to know HTTP and what an address looks like: that is
//! told to [`Links::new`]. A file leaves before its time when what was said of it is removed, and when newer ones need
//! its room.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::BridgeError;
use super::event::Timestamp;
use super::ids::EntryId;
use super::journal::media_in_use;
use super::media::{File, Media, MediaId};
use super::ports::{Batch, Row, Storage, StorageError, Table, Urgency, Write};
use super::record::{decode, encode};

/// How often what is over is looked for.
const SWEEP: Duration = Duration::from_secs(600);
/// Rows read at once.
const PAGE: usize = 256;

/// A file under an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedFile {
    pub media: MediaId,
    pub name: String,
    pub size: u64,
    /// From then on it is not there any more.
    pub expires: Timestamp,
}

/// What is known of an entry: its file, or that it must not be shown any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    media: Option<MediaId>,
    expires: Timestamp,
}

/// Which entry an event of a frontend is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    entry: EntryId,
    expires: Timestamp,
}

/// Only this of a row.
#[derive(Debug, Deserialize)]
struct Dated {
    expires: Timestamp,
}

fn file_row(media: &MediaId) -> Vec<u8> {
    [b"m", media.as_str().as_bytes()].concat()
}

fn entry_row(entry: &EntryId) -> Vec<u8> {
    [b"e", entry.as_str().as_bytes()].concat()
}

fn place_row(reference: &str) -> Vec<u8> {
    [b"p", reference.as_bytes()].concat()
}

/// The shared files.
pub(super) fn media(storage: &dyn Storage) -> Result<HashSet<MediaId>, StorageError> {
    let rows = rows(storage, b"m")?;
    let id = |key: Vec<u8>| MediaId::new(String::from_utf8(key.strip_prefix(b"m")?.to_vec()).ok()?);
    Ok(rows.into_iter().filter_map(|(key, _)| id(key)).collect())
}

fn rows(storage: &dyn Storage, prefix: &[u8]) -> Result<Vec<Row>, StorageError> {
    let mut all: Vec<Row> = Vec::new();
    loop {
        let after = all.last().map(|(key, _)| key.clone());
        let rows = storage.scan(Table::Links, prefix, after.as_deref(), PAGE)?;
        if rows.is_empty() {
            return Ok(all);
        }
        all.extend(rows);
    }
}

/// Whether a file must stay although everybody has it.
pub(super) fn is_shared(storage: &dyn Storage, media: &MediaId) -> bool {
    storage.read(Table::Links, &file_row(media)).is_ok_and(|row| row.is_some())
}

/// How long files are kept, and how many.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub keep: Duration,
    /// Bytes of all shared files.
    pub budget: u64,
}

/// The files that are shared.
pub struct Links {
    storage: Arc<dyn Storage>,
    media: Arc<dyn Media>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    address: Box<dyn Fn(&SharedFile) -> String + Send + Sync>,
    terms: Terms,
    /// Held by whoever changes anything.
    changing: Mutex<()>,
}

/// What became of a wish to share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Share {
    /// The address.
    At(String),
    /// What was said of it has been removed.
    Removed,
    /// It alone is larger than all may be.
    TooLarge,
}

impl Links {
    pub fn new(
        storage: Arc<dyn Storage>,
        media: Arc<dyn Media>,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
        address: Box<dyn Fn(&SharedFile) -> String + Send + Sync>,
        terms: Terms,
    ) -> Self {
        Self { storage, media, clock, address, terms, changing: Mutex::default() }
    }

    fn end(&self) -> Timestamp {
        let keep = u64::try_from(self.terms.keep.as_millis()).unwrap_or(u64::MAX);
        (self.clock)().saturating_add(keep)
    }

    fn read<T: serde::de::DeserializeOwned>(&self, row: &[u8]) -> Result<Option<T>, BridgeError> {
        let value = self.storage.read(Table::Links, row)?;
        value.map(|value| decode("link", &value)).transpose()
    }

    /// The file, if it is still to be had.
    pub fn find(&self, media: &MediaId) -> Result<Option<SharedFile>, BridgeError> {
        let found: Option<SharedFile> = self.read(&file_row(media))?;
        Ok(found.filter(|file| file.expires > (self.clock)()))
    }

    /// What was decided about an entry before.
    pub fn known(&self, entry: &EntryId) -> Result<Option<Share>, BridgeError> {
        let Some(told) = self.read::<Told>(&entry_row(entry))? else { return Ok(None) };
        let Some(media) = told.media else { return Ok(Some(Share::Removed)) };
        Ok(self.find(&media)?.map(|file| Share::At((self.address)(&file))))
    }

    /// Keeps a file, and gives its address: the same for the same entry. On disk when this resolves.
    pub async fn share(&self, entry: &EntryId, file: &File) -> Result<Share, BridgeError> {
        let _one = self.changing.lock().await;
        if let Some(known) = self.known(entry)? {
            return Ok(known);
        }
        if file.size > self.terms.budget {
            return Ok(Share::TooLarge);
        }
        let expires = self.end();
        let shared =
            SharedFile { media: file.media.clone(), name: file.name.clone(), size: file.size, expires };
        let mut batch = Batch::default();
        let gone = self.make_room(file.size, &mut batch)?;
        batch.put(Table::Links, file_row(&file.media), encode(&shared));
        let told = Told { media: Some(file.media.clone()), expires };
        batch.put(Table::Links, entry_row(entry), encode(&told));
        self.storage.commit(batch, Urgency::Now).await?;
        self.release(&gone)?;
        Ok(Share::At((self.address)(&shared)))
    }

    /// The oldest go until there is room for so many bytes.
    fn make_room(&self, bytes: u64, batch: &mut Batch) -> Result<Vec<MediaId>, BridgeError> {
        let mut files: Vec<SharedFile> = rows(&*self.storage, b"m")?
            .iter()
            .map(|(_, value)| decode("link", value))
            .collect::<Result<_, _>>()?;
        files.sort_by_key(|file| file.expires);
        let mut total = files.iter().map(|file| file.size).sum::<u64>().saturating_add(bytes);
        let mut gone = Vec::new();
        for file in files {
            if total <= self.terms.budget {
                break;
            }
            total -= file.size;
            batch.remove(Table::Links, file_row(&file.media));
            gone.push(file.media);
        }
        Ok(gone)
    }

    /// What was said of an entry was removed: its file is not to be had any more, now or later.
    pub async fn revoke(&self, entry: &EntryId) -> Result<(), BridgeError> {
        let _one = self.changing.lock().await;
        let told: Option<Told> = self.read(&entry_row(entry))?;
        let media = told.and_then(|told| told.media);
        let mut batch = Batch::default();
        media.iter().for_each(|media| batch.remove(Table::Links, file_row(media)));
        let removed = Told { media: None, expires: self.end() };
        batch.put(Table::Links, entry_row(entry), encode(&removed));
        self.storage.commit(batch, Urgency::Now).await?;
        self.release(media.as_slice())
    }

    /// A file that was brought for a link which could not be made.
    pub(super) fn forget(&self, file: &File) {
        self.media.discard(&file.media);
    }

    /// Remembers as which event of its own a frontend shows an entry.
    pub fn shown_as(&self, entry: &EntryId, reference: &str) {
        let place = Place { entry: entry.clone(), expires: self.end() };
        let mut batch = Batch::default();
        batch.put(Table::Links, place_row(reference), encode(&place));
        // Lost in a crash, the link lives until its end.
        drop(self.storage.commit(batch, Urgency::Soon));
    }

    /// The entry that a frontend shows as this event, where that was remembered.
    pub fn entry_shown_as(&self, reference: &str) -> Option<EntryId> {
        let place: Option<Place> = self.read(&place_row(reference)).ok().flatten();
        place.map(|place| place.entry)
    }

    /// Files that are not shared any more go, unless they are still to be delivered.
    fn release(&self, gone: &[MediaId]) -> Result<(), BridgeError> {
        if !gone.is_empty() {
            let used = media_in_use(&*self.storage)?;
            gone.iter().filter(|media| !used.contains(media)).for_each(|media| self.media.discard(media));
        }
        Ok(())
    }

    /// Removes what is over.
    pub async fn sweep(&self) -> Result<usize, BridgeError> {
        let _one = self.changing.lock().await;
        let at = (self.clock)();
        // A row that cannot be read is of no use to anybody.
        let is_over = |value: &[u8]| decode::<Dated>("link", value).map_or(true, |row| row.expires <= at);
        let over: Vec<Vec<u8>> = rows(&*self.storage, b"")?
            .into_iter()
            .filter(|(_, value)| is_over(value))
            .map(|(key, _)| key)
            .collect();
        let media = |key: &Vec<u8>| MediaId::new(String::from_utf8(key.strip_prefix(b"m")?.to_vec()).ok()?);
        let gone: Vec<MediaId> = over.iter().filter_map(media).collect();
        let removed = over.into_iter().map(|key| Write { table: Table::Links, key, value: None }).collect();
        self.storage.commit(Batch(removed), Urgency::Soon).await?;
        self.release(&gone)?;
        Ok(gone.len())
    }

    /// Sweeps every now and then, until stopped.
    pub async fn run(self: Arc<Self>, cancel: CancellationToken) {
        loop {
            match self.sweep().await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "links are over"),
                Err(error) => tracing::warn!(%error, "links that are over were not removed"),
            }
            tokio::select! {
                () = tokio::time::sleep(SWEEP) => {}
                () = cancel.cancelled() => return,
            }
        }
    }
}
