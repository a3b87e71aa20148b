//! The picture that a login shows to its contacts: made small from whatever its owner has, kept, announced, and given to
//! whoever asks.

use std::path::Path;
use std::sync::Arc;

use image::imageops::FilterType;

use crate::bridge::ids::LoginId;
use crate::bridge::port::media::{File, MediaId};
use crate::bridge::port::storage::{Batch, StorageError, Table, Urgency};
use crate::connector::context::Shared;
use crate::connector::handle::OwnPicture;
use crate::connector::object::cache;
use crate::msn::ids::Email;
use crate::msn::p2p::{MsnObject, ObjectKind};
use crate::pixels;

/// Pixels of a side, the best first: official clients show 96.
const SIDES: [u32; 3] = [96, 64, 48];
/// Pixels of an emoticon's longer side.
const EMOTICON: u32 = 50;
/// Bytes that official clients take for a picture.
const MAX_BYTES: usize = 24 * 1024;
fn row(login: &LoginId) -> Vec<u8> {
    [cache::OWN, login.as_str().as_bytes()].concat()
}

fn describe(email: &Email, data: &[u8]) -> MsnObject {
    MsnObject::new(email.as_str(), ObjectKind::DisplayPicture, "TFR2C.tmp", data)
}

/// What was shown last.
pub(in crate::connector) fn load(shared: &Shared, login: &LoginId, email: &Email) -> Option<Arc<OwnPicture>> {
    let value = shared.storage.read(Table::Pictures, &row(login)).ok().flatten()?;
    let media = MediaId::new(String::from_utf8(value).ok()?)?;
    let data = std::fs::read(shared.media.path(&media)).ok()?;
    Some(Arc::new(OwnPicture { object: describe(email, &data), media }))
}

/// Makes a picture of a file, or none of none; kept in the place of the one before.
///
/// # Errors
/// It is no picture, or the disk does not take it, in words for people.
pub(in crate::connector) async fn make(
    shared: &Shared,
    login: &LoginId,
    email: &Email,
    file: Option<&File>,
) -> Result<Option<Arc<OwnPicture>>, String> {
    let failed = |error: StorageError| error.to_string();
    let old = load(shared, login, email);
    let face = match file {
        Some(file) => {
            let path = shared.media.path(&file.media);
            let data = pixels::work(move || shrink(&path)).await?;
            let object = describe(email, &data);
            if old.as_ref().is_some_and(|old| old.object.digest == object.digest) {
                return Ok(old);
            }
            let mut part = shared.media.begin(data.len() as u64).await.map_err(failed)?;
            part.write(data.into()).await.map_err(failed)?;
            Some(Arc::new(OwnPicture { object, media: part.finish().await.map_err(failed)? }))
        }
        None => None,
    };
    let mut batch = Batch::default();
    match &face {
        Some(face) => batch.put(Table::Pictures, row(login), face.media.as_str()),
        None => batch.remove(Table::Pictures, row(login)),
    }
    shared.storage.commit(batch, Urgency::Now).await.map_err(failed)?;
    if let Some(old) = old {
        shared.media.discard(&old.media);
    }
    Ok(face)
}

/// A small picture for a text, kept under its digest like those of contacts.
///
/// # Errors
/// It is no picture, or the disk does not take it, in words for people.
pub(in crate::connector) async fn emoticon(
    shared: &Shared,
    email: &Email,
    file: &File,
) -> Result<Arc<OwnPicture>, String> {
    let failed = |error: StorageError| error.to_string();
    let path = shared.media.path(&file.media);
    let small = pixels::work_soon(move || {
        let picture = pixels::decode(&path)?;
        pixels::png(&picture.resize(EMOTICON, EMOTICON, FilterType::CatmullRom))
    });
    let data = small.await?;
    let object = MsnObject::new(email.as_str(), ObjectKind::Emoticon, "TFR2D.tmp", &data);
    let digest = cache::digest(&object);
    if let Some(media) = cache::kept(shared, &digest) {
        return Ok(Arc::new(OwnPicture { object, media }));
    }
    let mut part = shared.media.begin(data.len() as u64).await.map_err(failed)?;
    part.write(data.into()).await.map_err(failed)?;
    let media = part.finish().await.map_err(failed)?;
    cache::keep(shared, &digest, &media).await.map_err(failed)?;
    Ok(Arc::new(OwnPicture { object, media }))
}

/// A PNG that an MSN client shows, or why there can be none.
///
/// # Errors
/// It is no picture, in words for people.
pub(in crate::connector) fn shrink(path: &Path) -> Result<Vec<u8>, String> {
    let picture = pixels::decode(path)?;
    let mut last = Err("the picture cannot be made small enough".to_owned());
    for side in SIDES {
        last = pixels::png(&picture.resize_to_fill(side, side, FilterType::CatmullRom));
        if last.as_ref().is_ok_and(|data| data.len() <= MAX_BYTES) {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{DynamicImage, ImageFormat};

    use super::*;

    fn file(data: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), data).unwrap();
        file
    }

    #[test]
    fn any_picture_becomes_a_small_png() {
        let noisy = DynamicImage::ImageRgb8(image::RgbImage::from_fn(640, 480, |x, y| {
            let mixed = ((x * 7919) ^ (y * 104_729)).wrapping_mul(2_654_435_761);
            image::Rgb([(mixed >> 8) as u8, (mixed >> 16) as u8, (mixed >> 24) as u8])
        }));
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif] {
            let mut data = Cursor::new(Vec::new());
            noisy.write_to(&mut data, format).unwrap();
            let small = shrink(file(&data.into_inner()).path()).unwrap();
            assert!(small.len() <= MAX_BYTES, "{format:?}: {} bytes", small.len());
            let read = image::load_from_memory_with_format(&small, ImageFormat::Png).unwrap();
            assert!(SIDES.contains(&read.width()) && read.width() == read.height());
        }
    }
}
