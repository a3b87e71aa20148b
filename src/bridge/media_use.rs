//! Which files of the media directory something still speaks of.
//!
//! Knows the journal's entries, the links and the pictures that name a file. Refuses to remove one: the sweep of the store
//! does, with what this says.

use std::collections::HashSet;

use super::body::Body;
use super::journal::Entry;
use super::link::rows;
use super::port::delivery::Content;
use super::port::media::MediaId;
use super::port::storage::{Storage, StorageError, Table};
use super::record::decode;

/// Files that something in the journal speaks of, shared ones, and pictures that are kept. What was given up is told, and its file
/// goes.
///
/// # Errors
/// The store cannot be read.
pub fn media_in_use(storage: &dyn Storage) -> Result<HashSet<MediaId>, StorageError> {
    let mut used = rows::media(storage)?;
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows = storage.scan(Table::Pictures, &[], after.as_deref(), 256)?;
        let Some((last, _)) = rows.last() else { break };
        after = Some(last.clone());
        used.extend(rows.into_iter().filter_map(|(_, media)| MediaId::new(String::from_utf8(media).ok()?)));
    }
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows = storage.scan(Table::Journal, &[], after.as_deref(), 256)?;
        let Some((last, _)) = rows.last() else { break };
        after = Some(last.clone());
        for (_, value) in rows {
            // What cannot be read may speak of anything.
            let entry = decode::<Entry>("journal entry", &value);
            let entry = entry.map_err(|error| StorageError(error.to_string()))?;
            if let Content::Said { body: Body::File(file) } = entry.content {
                used.insert(file.media);
            }
        }
    }
    Ok(used)
}
