//! What is stored of links: under `l` what each leads to, under `e` what was decided about an entry, under `p` as which
//! event of a frontend an entry is shown. Every row says when it is over.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::Shared;
use crate::bridge::event::Timestamp;
use crate::bridge::ids::{EntryId, PortalKey};
use crate::bridge::port::media::MediaId;
use crate::bridge::port::storage::{Batch, Row, Storage, StorageError, Table, Urgency, Write};
use crate::bridge::record::decode;

/// Rows read at once.
const PAGE: usize = 256;

/// What was decided about an entry: its link, or that it must not be shown any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShareRecord {
    pub(super) link: Option<String>,
    pub(super) said_with: EntryId,
    pub(super) portal: PortalKey,
    pub(super) expires: Timestamp,
}

/// Which entry an event of a frontend is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EventRef {
    pub(super) entry: EntryId,
    pub(super) expires: Timestamp,
}

/// Only this of a row.
#[derive(Debug, Deserialize)]
struct Dated {
    expires: Timestamp,
}

/// The row of a link, by its random id.
pub(super) fn link_row(id: &str) -> Vec<u8> {
    [b"l", id.as_bytes()].concat()
}

/// The row that leads from an entry to its link.
pub(super) fn entry_row(entry: &EntryId) -> Vec<u8> {
    [b"e", entry.as_str().as_bytes()].concat()
}

/// The row that leads from where a link was said to the link.
pub(super) fn place_row(reference: &str) -> Vec<u8> {
    [b"p", reference.as_bytes()].concat()
}

pub(super) fn rows(storage: &dyn Storage, prefix: &[u8]) -> Result<Vec<Row>, StorageError> {
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

/// Rows whose time is over; one that cannot be read is of no use to anybody.
pub(super) fn over(storage: &dyn Storage, at: Timestamp) -> Result<Vec<Row>, StorageError> {
    let is_over = |value: &[u8]| decode::<Dated>("link", value).map_or(true, |row| row.expires <= at);
    Ok(rows(storage, b"")?.into_iter().filter(|(_, value)| is_over(value)).collect())
}

/// The shared files.
///
/// # Errors
/// The store cannot be read.
pub fn media(storage: &dyn Storage) -> Result<HashSet<MediaId>, StorageError> {
    let links = rows(storage, b"l")?;
    let media = |value: &[u8]| decode::<Shared>("link", value).ok()?.media().cloned();
    Ok(links.iter().filter_map(|(_, value)| media(value)).collect())
}

/// Whether a file must stay although everybody has it. Where that cannot be read it stays for now.
pub(in crate::bridge) fn is_shared(storage: &dyn Storage, media: &MediaId) -> bool {
    self::media(storage).map_or(true, |shared| shared.contains(media))
}

/// Forgets all links: the configuration has none any more.
///
/// # Errors
/// The store cannot be read or written.
pub async fn clear(storage: &dyn Storage) -> Result<(), StorageError> {
    let rows = rows(storage, b"")?;
    if rows.is_empty() {
        return Ok(());
    }
    let removed = rows.into_iter().map(|(key, _)| Write { table: Table::Links, key, value: None });
    storage.commit(Batch(removed.collect()), Urgency::Now).await
}
