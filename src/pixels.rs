//! Pictures made smaller: decoded within bounds, because a small file can claim to be any size.
//!
//! Knows pixels and the formats of pictures. Refuses to know whose they are and where they go. Few are decoded at once,
//! off the threads that talk to networks.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};
use tokio::sync::Semaphore;

/// Bytes of a file that is looked at.
const MAX_FILE: u64 = 20 << 20;
/// Pixels of a side, and bytes in memory, of a picture that is decoded.
const MAX_SIDE: u32 = 10_000;
const MAX_MEMORY: u64 = 128 << 20;
/// How long a picture waits for its turn; nothing waits for ever for what others sent.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);
/// Pictures that are worked on at once: each may need that much.
static WORKING: Semaphore = Semaphore::const_new(2);

/// Works on a picture that somebody waits for: not for ever. What is wrong is for people.
///
/// # Errors
/// What `work` gives, or that too many pictures are being worked on; for people.
pub async fn work_soon<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let worked = tokio::time::timeout(TURN_TIMEOUT, self::work(work)).await;
    worked.unwrap_or_else(|_| Err("too many pictures are being worked on".to_owned()))
}

/// Works on a picture when its turn comes; what is wrong is for people.
///
/// # Errors
/// What `work` gives; for people.
pub async fn work<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let permit = WORKING.acquire().await.map_err(|error| error.to_string())?;
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    done.await.map_err(|error| error.to_string())?
}

/// The pixels of a picture. Nothing is decoded before its size is known to be bearable.
///
/// # Errors
/// It is larger than the bounds in bytes, pixels or memory, or no picture of a known kind.
pub fn decode(path: &Path) -> Result<DynamicImage, String> {
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

/// A PNG of it.
///
/// # Errors
/// The picture cannot be written as one.
pub fn png(picture: &DynamicImage) -> Result<Vec<u8>, String> {
    encode(picture, ImageFormat::Png)
}

fn encode(picture: &DynamicImage, format: ImageFormat) -> Result<Vec<u8>, String> {
    let mut data = Cursor::new(Vec::new());
    picture.write_to(&mut data, format).map_err(|error| error.to_string())?;
    Ok(data.into_inner())
}

/// Pixels of a picture, by its head alone.
pub async fn dimensions(path: PathBuf) -> Option<(u32, u32)> {
    let read = move || ImageReader::open(path)?.with_guessed_format().map(ImageReader::into_dimensions);
    tokio::task::spawn_blocking(read).await.ok()?.ok()?.ok()
}

/// A smaller picture of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    pub data: Vec<u8>,
    pub mime: &'static str,
    pub width: u32,
    pub height: u32,
}

/// One that fits in so many pixels, a JPEG where nothing shines through.
///
/// # Errors
/// The same as of [`decode`].
pub fn thumbnail(path: &Path, width: u32, height: u32) -> Result<Thumbnail, String> {
    let small = decode(path)?.resize(width, height, FilterType::Triangle);
    let (data, mime) = match small.color().has_alpha() {
        true => (png(&small)?, "image/png"),
        false => (encode(&DynamicImage::from(small.to_rgb8()), ImageFormat::Jpeg)?, "image/jpeg"),
    };
    Ok(Thumbnail { data, mime, width: small.width(), height: small.height() })
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
    fn what_claims_to_be_huge_or_is_no_picture_is_refused() {
        let memory = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
        };
        let before = memory();
        let refused = decode(file(&claims(50_000)).path()).unwrap_err();
        assert!(refused.to_lowercase().contains("limit") || refused.contains("large"), "{refused}");
        // A size that is allowed, and more memory than is: 9000 x 9000 x 4.
        assert!(thumbnail(file(&claims(9_000)).path(), 96, 96).is_err());
        assert!(memory() - before < 64 * 1024, "it grew by {} kB", memory() - before);
        assert!(decode(file(b"no picture at all").path()).is_err());
        assert!(decode(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn a_thumbnail_fits_and_keeps_its_shape_and_what_shines_through() {
        let solid =
            DynamicImage::ImageRgb8(image::RgbImage::from_pixel(1600, 800, image::Rgb([200, 20, 40])));
        let clear =
            DynamicImage::ImageRgba8(image::RgbaImage::from_pixel(300, 900, image::Rgba([1, 2, 3, 0])));
        for (picture, mime, size) in [(solid, "image/jpeg", (800, 400)), (clear, "image/png", (200, 600))] {
            let small = thumbnail(file(&png(&picture).unwrap()).path(), 800, 600).unwrap();
            assert_eq!((small.mime, (small.width, small.height)), (mime, size));
            let read = image::load_from_memory(&small.data).unwrap();
            assert_eq!((read.width(), read.height()), size);
        }
    }
}
