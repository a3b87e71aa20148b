//! What objects are kept: fetched once for each digest, and found again under it.
//!
//! Knows rows and files. Refuses to know what they are shown as.

use crate::bridge::link;
use crate::bridge::port::media::MediaId;
use crate::bridge::port::storage::{Batch, StorageError, Table, Urgency};
use crate::connector::context::Shared;
use crate::msn::p2p::MsnObject;

/// Most pictures that are kept; then some are forgotten, and fetched again when they are seen again.
const MAX_KEPT: usize = 2000;
/// How many are forgotten at once.
const FORGOTTEN: usize = 200;

/// What the rows of owners' pictures begin with.
pub(in crate::connector) const OWN: &[u8] = b"own ";

/// The name of an object's row.
pub(in crate::connector) fn digest(object: &MsnObject) -> String {
    object.digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The kept data of an object.
pub(in crate::connector) fn kept(shared: &Shared, digest: &str) -> Option<MediaId> {
    let row = shared.storage.read(Table::Pictures, digest.as_bytes()).ok().flatten()?;
    let media = MediaId::new(String::from_utf8(row).ok()?)?;
    shared.media.path(&media).exists().then_some(media)
}

/// Remembers the data of an object; some others are forgotten where there are too many.
///
/// # Errors
/// The disk has failed.
pub(in crate::connector) async fn keep(
    shared: &Shared,
    digest: &str,
    media: &MediaId,
) -> Result<(), StorageError> {
    let mut batch = Batch::default();
    let mut rows = shared.storage.scan(Table::Pictures, &[], None, MAX_KEPT)?;
    let mut gone = Vec::new();
    if rows.len() >= MAX_KEPT {
        // Any of them, so that nobody chooses whose. What owners show stays.
        rows.retain(|(key, _)| !key.starts_with(OWN));
        let first = rand::random_range(0..rows.len().saturating_sub(FORGOTTEN).max(1));
        for (key, value) in rows.into_iter().skip(first).take(FORGOTTEN) {
            batch.remove(Table::Pictures, key);
            gone.extend(String::from_utf8(value).ok().and_then(MediaId::new));
        }
    }
    batch.put(Table::Pictures, digest, media.as_str());
    shared.storage.commit(batch, Urgency::Now).await?;
    if !gone.is_empty() {
        let shown = link::media(&*shared.storage)?;
        gone.iter().filter(|media| !shown.contains(media)).for_each(|media| shared.media.discard(media));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::tests::component;

    #[tokio::test]
    async fn a_full_cache_evicts_some_with_their_files_and_never_what_owners_show() {
        let call = component();
        let (shared, mut batch) = (&call.ctx.shared, Batch::default());
        let own = [OWN, b"alice"].concat();
        batch.put(Table::Pictures, own.clone(), "own");
        for n in 1..MAX_KEPT {
            batch.put(Table::Pictures, format!("{n:040}"), call.media.add(&format!("m{n}"), b"x").as_str());
        }
        shared.storage.commit(batch, Urgency::Now).await.unwrap();
        keep(shared, "new", &call.media.add("new", b"x")).await.unwrap();
        let rows = shared.storage.scan(Table::Pictures, &[], None, usize::MAX).unwrap();
        assert_eq!(rows.len(), MAX_KEPT - FORGOTTEN + 1);
        let has = |key: &[u8]| rows.iter().any(|(known, _)| known == key);
        assert!(has(&own) && has(b"new"));
        for n in 1..MAX_KEPT {
            let (digest, media) = (format!("{n:040}"), MediaId::new(format!("m{n}")).unwrap());
            assert_eq!(shared.media.path(&media).exists(), has(digest.as_bytes()), "{n}");
        }
        // There is room again.
        keep(shared, "newer", &call.media.add("newer", b"x")).await.unwrap();
        assert_eq!(
            shared.storage.scan(Table::Pictures, &[], None, usize::MAX).unwrap().len(),
            rows.len() + 1
        );
    }
}
