//! The context of a file's invitation: its name, size and preview (§9.9).
//!
//! Knows the three versions of the record. Refuses to know where a file comes from: a name is only a name here.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

/// What others write is read whether or not it is padded to the end.
pub(super) const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Bytes of the record that everybody understands (version 2).
const LENGTH: usize = 574;
/// Where the name begins, and how many bytes it has.
const NAME: std::ops::Range<usize> = 20..540;
/// Most characters of a name that is shown.
const MAX_NAME: usize = 200;

/// Why a file's context cannot be read: the offer is declined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ContextError {
    #[error("the context of a file is not base64")]
    NotBase64,
    #[error("the context of a file has {0} bytes, 540 at least are needed")]
    Short(usize),
}

/// A file that is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContext {
    /// As it was written: never a path. See [`safe_name`].
    pub name: String,
    pub size: u64,
    /// A small picture of it, PNG.
    pub preview: Option<Bytes>,
}

impl FileContext {
    /// Reads the record of §9.9: base64 with or without padding, of any version, with or without a preview.
    ///
    /// # Errors
    /// It is not base64, or shorter than the 540 bytes that every version has.
    pub fn decode(context: &str) -> Result<Self, ContextError> {
        let compact: String = context.chars().filter(|c| !c.is_ascii_whitespace() && *c != '\0').collect();
        let record = Bytes::from(LENIENT.decode(compact).map_err(|_| ContextError::NotBase64)?);
        if record.len() < NAME.end {
            return Err(ContextError::Short(record.len()));
        }
        let mut head = record.slice(..NAME.start);
        let (length, _version) = (head.get_u32_le(), head.get_u32_le());
        let (size, kind) = (head.get_u64_le(), head.get_u32_le());
        let units = record[NAME].chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
        let name: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        // Some write the length of everything there: then the preview begins where the common version ends.
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let begins = if (NAME.end..record.len()).contains(&length) { length } else { LENGTH };
        let preview = record.get(begins..).filter(|preview| kind == 0 && !preview.is_empty());
        Ok(Self { name: String::from_utf16_lossy(&name), size, preview: preview.map(Bytes::copy_from_slice) })
    }

    /// Version 2, with and without a preview: every client reads it.
    pub fn encode(&self) -> String {
        let mut record = BytesMut::with_capacity(LENGTH);
        record.put_u32_le(LENGTH as u32);
        record.put_u32_le(2);
        record.put_u64_le(self.size);
        record.put_u32_le(u32::from(self.preview.is_none()));
        // 259 units and a NUL; no half of a pair is left at the end.
        let room = (NAME.len() - 2) / 2;
        let mut units = 0;
        let fits = |c: &char| {
            units += c.len_utf16();
            units <= room
        };
        let name: String = self.name.chars().take_while(fits).collect();
        name.encode_utf16().for_each(|unit| record.put_u16_le(unit));
        record.resize(LENGTH - 4, 0);
        record.put_u32_le(u32::MAX);
        record.extend_from_slice(self.preview.as_deref().unwrap_or_default());
        LENIENT.encode(record)
    }
}

/// A name that is harmless wherever it is shown or stored: no path, no control or direction characters, no name that a
/// system keeps for itself.
pub fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_safe = |c: &char| {
        let turns = matches!(*c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
        !c.is_control() && !turns && !matches!(*c, '<' | '>' | ':' | '"' | '|' | '?' | '*' | '\u{FEFF}')
    };
    let kept: String = last.chars().filter(is_safe).collect();
    let kept = kept.trim_matches([' ', '.']);
    let shortened = shorten(kept);
    let stem = shortened.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let reserved =
        matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT");
    match (shortened.is_empty(), reserved) {
        (true, _) => "file".to_owned(),
        (false, true) => format!("_{shortened}"),
        (false, false) => shortened,
    }
}

/// The beginning of a name that is too long, and what it is called by.
fn shorten(name: &str) -> String {
    if name.chars().count() <= MAX_NAME {
        return name.to_owned();
    }
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let extension: String = extension.chars().take(16).collect();
    let stem: String = name.chars().take(MAX_NAME - 17).collect();
    if extension.is_empty() { stem } else { format!("{}.{extension}", stem.trim_end_matches('.')) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(length: u32, version: u32, size: u64, kind: u32, rest: &[u8]) -> String {
        let mut record = BytesMut::new();
        record.put_u32_le(length);
        record.put_u32_le(version);
        record.put_u64_le(size);
        record.put_u32_le(kind);
        "ü.txt".encode_utf16().for_each(|unit| record.put_u16_le(unit));
        record.resize(540, 0);
        record.extend_from_slice(rest);
        LENIENT.encode(record)
    }

    #[test]
    fn conf_094_every_version_is_read_and_names_are_harmless() {
        let big = 5 << 32;
        let zeros = [0; 98];
        for (length, version, rest) in [(540, 0, 0), (574, 2, 34), (638, 3, 98)] {
            let context = FileContext::decode(&record(length, version, big, 1, &zeros[..rest])).unwrap();
            let read = (context.name.as_str(), context.size, context.preview);
            assert_eq!(read, ("ü.txt", big, None), "version {version}");
            let tail = [&zeros[..rest], b"PNG"].concat();
            let context = FileContext::decode(&record(length, version, 9, 0, &tail)).unwrap();
            assert_eq!(context.preview.as_deref(), Some(&b"PNG"[..]), "version {version}");
        }
        // A length that includes the preview does not lead outside.
        let wrong = record(577, 2, 9, 0, &[&zeros[..34], b"PNG"].concat());
        assert_eq!(FileContext::decode(&wrong).unwrap().preview.as_deref(), Some(&b"PNG"[..]));
        let own = FileContext { name: "a.txt".into(), size: 11, preview: None };
        assert!(own.encode().starts_with("PgIAAAIAAAALAAAAAAAAAAEAAABhAC4AdAB4AHQA"));
        assert_eq!(own.encode().len(), 768);
        assert_eq!(FileContext::decode(&own.encode()), Ok(own));
        // The rule broken: cut short, and no base64 at all.
        assert_eq!(FileContext::decode("PgIAAAIA"), Err(ContextError::Short(6)));
        assert_eq!(FileContext::decode("%"), Err(ContextError::NotBase64));
        for (given, safe) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\x.exe", "x.exe"),
            ("CON", "_CON"),
            ("com1.txt", "_com1.txt"),
            ("a\u{202E}gpj.exe", "agpj.exe"),
            ("..", "file"),
            ("", "file"),
            ("a\r\nb\0c", "abc"),
        ] {
            assert_eq!(safe_name(given), safe, "{given:?}");
        }
        let long = safe_name(&format!("{}.jpeg", "x".repeat(260)));
        assert!(long.chars().count() <= MAX_NAME && long.ends_with(".jpeg"), "{long}");
    }

    #[test]
    fn a_name_that_is_too_long_is_cut_between_characters() {
        let context = FileContext { name: "😀".repeat(200), size: 1, preview: None };
        let read = FileContext::decode(&context.encode()).unwrap();
        assert_eq!(read.name, "😀".repeat(129));
    }
}
