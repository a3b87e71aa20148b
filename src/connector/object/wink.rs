//! The picture of a wink: a wink is a cabinet with an animation that nothing plays any more, and a picture of it.
//!
//! Knows how to find that picture within bounds. Refuses to unpack anything else.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Files and blocks of a cabinet that is looked into: a block is 32 kB at most, however little it takes packed.
const MAX_FILES: usize = 32;
const MAX_BLOCKS: u32 = 256;
/// Pictures that are looked at, in the order in which they are packed.
const MAX_PICTURES: usize = 2;
/// Bytes of the picture.
const MAX_PICTURE: u64 = 1 << 20;

/// The picture, and the ending that names with it have. The library gives up on some broken cabinets with a panic: that
/// is an error like any other here.
///
/// # Errors
/// The file is no cabinet, or a damaged one.
pub(in crate::connector) fn picture(path: &Path) -> std::io::Result<Option<(Vec<u8>, &'static str)>> {
    let looked = std::panic::catch_unwind(|| find(path));
    looked.unwrap_or_else(|_| Err(std::io::Error::other("the cabinet is broken")))
}

fn find(path: &Path) -> std::io::Result<Option<(Vec<u8>, &'static str)>> {
    let mut cabinet = cab::Cabinet::new(File::open(path)?)?;
    let blocks: u32 = cabinet.folder_entries().map(|folder| u32::from(folder.num_data_blocks())).sum();
    let names: Vec<String> = cabinet
        .folder_entries()
        .flat_map(cab::FolderEntry::file_entries)
        .filter(|file| u64::from(file.uncompressed_size()) <= MAX_PICTURE)
        .map(|file| file.name().to_owned())
        .take(MAX_FILES)
        .collect();
    if blocks > MAX_BLOCKS {
        return Err(std::io::Error::other("the cabinet is too large"));
    }
    let looks_like_one =
        |name: &&String| mime_guess::from_path(name).first().is_some_and(|kind| kind.type_() == "image");
    // Each is unpacked from the beginning.
    for name in names.iter().filter(looks_like_one).take(MAX_PICTURES) {
        let mut data = Vec::new();
        cabinet.read_file(name)?.take(MAX_PICTURE).read_to_end(&mut data)?;
        let kind = infer::get(&data).filter(|kind| kind.matcher_type() == infer::MatcherType::Image);
        if let Some(kind) = kind {
            return Ok(Some((data, kind.extension())));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data: &[u8]) -> std::io::Result<Option<(Vec<u8>, &'static str)>> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), data).unwrap();
        picture(file.path())
    }

    /// Made by gcab of a description, an animation and a picture of 64 x 43, as Messenger's winks are.
    const WINK: &[u8] = include_bytes!("../../../tests/support/wink.cab");

    #[test]
    fn the_picture_is_found_among_the_rest() {
        let (data, ending) = of(WINK).unwrap().expect("a picture");
        assert_eq!(ending, "png");
        let picture = image::load_from_memory(&data).unwrap();
        assert_eq!((picture.width(), picture.height()), (64, 43));
    }

    #[test]
    fn what_is_cut_or_no_cabinet_gives_none() {
        for length in (0..WINK.len()).step_by(7) {
            assert!(!matches!(of(&WINK[..length]), Ok(Some(_))), "{length}");
        }
        let mut wrong = WINK.to_vec();
        for at in 0..WINK.len() {
            wrong[at] ^= 0xFF;
            let _ = of(&wrong); // whatever it gives, it comes to an end
            wrong[at] ^= 0xFF;
        }
    }
}
