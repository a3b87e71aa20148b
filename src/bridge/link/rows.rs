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

/// An entry and others that were brought together with it, as far as something was decided about those.
pub(super) fn with_parts(storage: &dyn Storage, entry: &EntryId) -> Result<Vec<EntryId>, StorageError> {
    let prefix = [entry_row(entry).as_slice(), b"+"].concat();
    let others = rows(storage, &prefix)?.into_iter().filter_map(|(key, _)| String::from_utf8(key).ok());
    let others = others.filter_map(|row| row.strip_prefix('e').map(EntryId::new));
    Ok([entry.clone()].into_iter().chain(others).collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::ids::{ConversationId, LoginId};
    use crate::bridge::record::encode;
    use crate::bridge::testkit::SimStorage;

    #[tokio::test]
    async fn an_entry_is_found_with_those_that_were_brought_with_it() {
        let storage = SimStorage::default();
        let mut batch = Batch::default();
        for entry in ["m:$1", "m:$1+1", "m:$1+2", "m:$12", "m:$2"] {
            let entry = EntryId::new(entry);
            let portal = PortalKey::new(LoginId::new("a"), ConversationId::new("b"));
            let record = ShareRecord { link: None, said_with: entry.clone(), portal, expires: 1 };
            batch.put(Table::Links, entry_row(&entry), encode(&record));
        }
        storage.commit(batch, Urgency::Now).await.unwrap();
        let first = EntryId::new("m:$1");
        assert_eq!(with_parts(&storage, &first).unwrap(), [first.part(0), first.part(1), first.part(2)]);
    }
}
