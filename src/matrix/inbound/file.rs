//! Files of events: as messages, stickers, galleries, and blocks of an event.
//!
//! Knows what each is called, and which words came with it. Refuses to fetch any. Source: `m.file` and its kin of the
//! client-server API, `m.sticker`, MSC1767, MSC4274.

use serde_json::Value;

use super::reading::{Content, FileReading, Reading, list, part, text};
use super::text::rich_text;

/// Characters of a file name.
const MAX_FILE_NAME: usize = 255;
/// Files of one gallery.
const MAX_FILES: usize = 50;
const NO_KEY: &str = "the file is encrypted, and the bridge has no key that opens it";
const BLOCKS: [&str; 2] = ["m.file", "org.matrix.msc1767.file"];

/// Ends of names that people expect, where the first one in the tables is another.
const ENDS: [(&str, &str); 7] = [
    ("audio/mpeg", "mp3"),
    ("audio/ogg", "ogg"),
    ("audio/mp4", "m4a"),
    ("image/jpeg", "jpg"),
    ("image/tiff", "tiff"),
    ("text/plain", "txt"),
    ("video/mpeg", "mpeg"),
];

/// Whether a message of this type is a file.
pub(super) fn is_file(kind: &str) -> bool {
    matches!(kind, "m.file" | "m.image" | "m.audio" | "m.video")
}

/// Whether a message of this type is several files.
pub(super) fn is_gallery(kind: &str) -> bool {
    matches!(kind, "m.gallery" | "dm.filament.gallery" | "org.matrix.msc4274.gallery")
}

/// A message that is a file.
pub(super) fn file(kind: &str, content: &Content) -> Reading {
    read(kind, content).map_or_else(Reading::Refused, |file| Reading::Files(vec![file]))
}

/// A sticker: a picture whose body says what it shows.
pub(super) fn sticker(content: &Content) -> Reading {
    match read("sticker", content) {
        Ok(file) => Reading::Files(vec![FileReading { caption: None, ..file }]),
        Err(reason) => Reading::Refused(reason),
    }
}

/// Several files: words that belong to all go with the first.
pub(super) fn gallery(content: &Content) -> Reading {
    let items = list(content, &["itemtypes"]).iter().filter_map(Value::as_object).take(MAX_FILES);
    let files: Result<Vec<_>, _> =
        items.map(|item| read(text(item, &["itemtype", "msgtype"]).unwrap_or("m.file"), item)).collect();
    let mut files = match files {
        Ok(files) if files.is_empty() => return Reading::refused("there is nothing in the gallery"),
        Ok(files) => files,
        Err(reason) => return Reading::Refused(reason),
    };
    let caption = rich_text(content);
    let names_it = |file: &FileReading| file.name == caption.text();
    if !caption.text().trim().is_empty() && !files.iter().any(names_it) {
        files[0].caption.get_or_insert(caption);
    }
    Reading::Files(files)
}

/// A file that is a block of an event which is no message.
pub(super) fn block(content: &Content) -> Option<Reading> {
    let block = part(content, &BLOCKS)?;
    let source = text(block, &["url"])?.to_owned();
    let name = named(text(block, &["name"]).unwrap_or("file"), text(block, &["mimetype"]));
    let size = block.get("size").and_then(Value::as_u64).unwrap_or(0);
    Some(Reading::Files(vec![FileReading { source, name, size, caption: None }]))
}

/// A file. Where the content has a name of its own for it, the body are words about it.
fn read(kind: &str, content: &Content) -> Result<FileReading, String> {
    let source = match (text(content, &["url"]), content.get("file")) {
        (Some(source), None) => source.to_owned(),
        (_, Some(file)) => sealed(file).ok_or(NO_KEY)?,
        (None, None) => return Err("there is no file in the message".to_owned()),
    };
    let (body, own) = (text(content, &["body"]), text(content, &["filename"]));
    let info = part(content, &["info"]);
    let fallback = kind.trim_start_matches("m.");
    let name = named(own.or(body).unwrap_or(fallback), info.and_then(|info| text(info, &["mimetype"])));
    let name = if name.trim().is_empty() { fallback.to_owned() } else { name };
    let size = info.and_then(|info| info.get("size")).and_then(Value::as_u64).unwrap_or(0);
    let caption = body.filter(|body| own.is_some_and(|own| own != *body)).map(|_| rich_text(content));
    Ok(FileReading { source, name, size, caption })
}

/// The source of an encrypted file: its address together with what opens it.
fn sealed(file: &Value) -> Option<String> {
    let has = |name: &str| file.get(name).is_some_and(|part| !part.is_null());
    let is_whole = ["url", "key", "iv", "hashes"].into_iter().all(has);
    is_whole.then(|| file.to_string())
}

/// A name of a bounded length, that says what kind of file this is.
fn named(name: &str, mime: Option<&str>) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).take(MAX_FILE_NAME).collect();
    let has_end = name.rsplit_once('.').is_some_and(|(begin, end)| {
        !begin.is_empty() && (1..=5).contains(&end.len()) && end.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    match mime.and_then(end_of).filter(|_| !has_end) {
        Some(end) => format!("{}.{end}", name.trim_end()),
        None => name,
    }
}

/// The end of names of files of this kind.
fn end_of(mime: &str) -> Option<&'static str> {
    let mime = mime.split(';').next().unwrap_or_default().trim();
    let expected = ENDS.iter().find(|(kind, _)| kind.eq_ignore_ascii_case(mime)).map(|(_, end)| *end);
    expected.or_else(|| mime_guess::get_mime_extensions_str(mime)?.first().copied())
}
