//! What stands beside an offered file: a small picture of it, where it is one that is worth it (§9.9).
//!
//! Knows its bounds. Refuses to know the offer that it goes with.

use std::path::PathBuf;
use std::time::Duration;

use crate::pixels;

/// Pixels of a side.
const SIDE: u32 = 96;
/// Bytes of a preview, which goes in an invitation, and how long an offer waits for it.
const MAX_PREVIEW: usize = 16 * 1024;
const PREVIEW_TIME: Duration = Duration::from_secs(2);

/// A PNG of the file at this path; `None` for no picture, for a large one, and for one that takes long.
pub(in crate::connector) async fn preview(path: PathBuf) -> Option<Vec<u8>> {
    let small = pixels::work(move || {
        let picture = pixels::decode(&path)?;
        pixels::png(&picture.thumbnail(SIDE, SIDE))
    });
    let data = tokio::time::timeout(PREVIEW_TIME, small).await.ok()?.ok()?;
    (data.len() <= MAX_PREVIEW).then_some(data)
}
