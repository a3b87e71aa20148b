//! The picture that a login shows to its contacts: made small from whatever its owner has, kept, announced, and given to
//! whoever asks.

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};

use super::{Shared, picture};
use crate::bridge::ids::LoginId;
use crate::bridge::media::{File, MediaId};
use crate::bridge::ports::{Batch, StorageError, Table, Urgency};
use crate::msn::ids::Email;
use crate::msn::p2p::{MsnObject, ObjectKind};

/// Pixels of a side, the best first: official clients show 96.
const SIDES: [u32; 3] = [96, 64, 48];
/// Bytes that official clients take for a picture.
/// Pixels of an emoticon's longer side.
const EMOTICON: u32 = 50;
const MAX_BYTES: usize = 24 * 1024;
/// Bytes of a file that is looked at.
const MAX_FILE: u64 = 20 << 20;
/// Pixels of a side, and bytes in memory, of a picture that is decoded: a small file can claim to be any number.
const MAX_SIDE: u32 = 10_000;
const MAX_MEMORY: u64 = 128 << 20;

/// A picture that is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Face {
    pub(super) object: MsnObject,
    pub(super) media: MediaId,
}

fn row(login: &LoginId) -> Vec<u8> {
    [b"own ", login.as_str().as_bytes()].concat()
}

fn describe(email: &Email, data: &[u8]) -> MsnObject {
    MsnObject::new(email.as_str(), ObjectKind::DisplayPicture, "TFR2C.tmp", data)
}

/// What was shown last.
pub(super) fn load(shared: &Shared, login: &LoginId, email: &Email) -> Option<Arc<Face>> {
    let value = shared.storage.read(Table::Pictures, &row(login)).ok().flatten()?;
    let media = MediaId::new(String::from_utf8(value).ok()?)?;
    let data = std::fs::read(shared.media.path(&media)).ok()?;
    Some(Arc::new(Face { object: describe(email, &data), media }))
}

/// Makes a picture of a file, or none of none; kept in the place of the one before.
pub(super) async fn make(
    shared: &Shared,
    login: &LoginId,
    email: &Email,
    file: Option<&File>,
) -> Result<Option<Arc<Face>>, String> {
    let failed = |error: StorageError| error.to_string();
    let old = load(shared, login, email);
    let face = match file {
        Some(file) => {
            let path = shared.media.path(&file.media);
            let small = tokio::task::spawn_blocking(move || shrink(&path)).await;
            let data = small.map_err(|error| error.to_string())??;
            let object = describe(email, &data);
            if old.as_ref().is_some_and(|old| old.object.digest == object.digest) {
                return Ok(old);
            }
            let mut part = shared.media.begin(data.len() as u64).await.map_err(failed)?;
            part.write(data.into()).await.map_err(failed)?;
            Some(Arc::new(Face { object, media: part.finish().await.map_err(failed)? }))
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
pub(super) async fn emoticon(shared: &Shared, email: &Email, file: &File) -> Result<Arc<Face>, String> {
    let failed = |error: StorageError| error.to_string();
    let path = shared.media.path(&file.media);
    let small = tokio::task::spawn_blocking(move || {
        let picture = decode(&path)?;
        png(&picture.resize(EMOTICON, EMOTICON, FilterType::CatmullRom))
    });
    let data = small.await.map_err(|error| error.to_string())??;
    let object = MsnObject::new(email.as_str(), ObjectKind::Emoticon, "TFR2D.tmp", &data);
    let digest = picture::digest(&object);
    if let Some(media) = picture::kept(shared, &digest) {
        return Ok(Arc::new(Face { object, media }));
    }
    let mut part = shared.media.begin(data.len() as u64).await.map_err(failed)?;
    part.write(data.into()).await.map_err(failed)?;
    let media = part.finish().await.map_err(failed)?;
    picture::keep(shared, &digest, &media).await.map_err(failed)?;
    Ok(Arc::new(Face { object, media }))
}

/// A PNG that an MSN client shows, or why there can be none. Nothing is decoded before its size is known to be bearable.
pub(super) fn shrink(path: &Path) -> Result<Vec<u8>, String> {
    let picture = decode(path)?;
    let mut last = Err("the picture cannot be made small enough".to_owned());
    for side in SIDES {
        last = png(&picture.resize_to_fill(side, side, FilterType::CatmullRom));
        if last.as_ref().is_ok_and(|data| data.len() <= MAX_BYTES) {
            break;
        }
    }
    last
}

fn decode(path: &Path) -> Result<DynamicImage, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MAX_FILE {
        return Err(format!("a picture of {length} bytes is too large"));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    let mut reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let decoded = reader.as_mut().map_err(|error| error.to_string()).map(|reader| reader.limits(limits));
    decoded?;
    reader.map_err(|error| error.to_string())?.decode().map_err(|error| error.to_string())
}

fn png(picture: &DynamicImage) -> Result<Vec<u8>, String> {
    let mut data = Cursor::new(Vec::new());
    picture.write_to(&mut data, ImageFormat::Png).map_err(|error| error.to_string())?;
    Ok(data.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(data: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), data).unwrap();
        file
    }

    /// The head of a PNG that claims this size, and nothing behind it.
    fn claims(side: u32) -> Vec<u8> {
        let mut head = [&b"IHDR"[..], &side.to_be_bytes(), &side.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
        // The checksum of a chunk (PNG, annex D): every bit of every byte.
        let crc = !head.iter().fold(u32::MAX, |crc, byte| {
            (0..8)
                .fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
        });
        head.extend(crc.to_be_bytes());
        [&b"\x89PNG\r\n\x1a\n\0\0\0\x0D"[..], &head, b"\0\0\x10\0IDAT"].concat()
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

    #[test]
    fn what_claims_to_be_huge_or_is_no_picture_is_refused() {
        let memory = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        let before = memory();
        let refused = shrink(file(&claims(50_000)).path()).unwrap_err();
        assert!(refused.to_lowercase().contains("limit") || refused.contains("large"), "{refused}");
        // A size that is allowed, and more memory than is: 9000 x 9000 x 4.
        assert!(shrink(file(&claims(9_000)).path()).is_err());
        assert!(memory() - before < 64 * 1024, "it grew by {} kB", memory() - before);
        assert!(shrink(file(b"no picture at all").path()).is_err());
        assert!(shrink(Path::new("/nonexistent")).is_err());
    }
}
