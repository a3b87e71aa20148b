//! MSN objects: what a picture, an emoticon or a wink is called before anybody has fetched it (§9.8).
//!
//! Knows the attributes and both digests. Refuses to know the data.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use quick_xml::escape::escape;
use sha1::{Digest, Sha1};
use thiserror::Error;

use crate::msn::markup::attributes;

/// Longest object that is read, in bytes; real ones have about 250.
const MAX_LENGTH: usize = 4096;
/// Bytes of the largest object that is taken without its owner having said how large it is.
pub const MAX_UNSIZED_OBJECT: u64 = 256 << 10;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ObjectError {
    #[error("an MSN object of {0} bytes is too long")]
    Long(usize),
    #[error("not an MSN object")]
    NotAnObject,
    #[error("an MSN object without a valid {0}")]
    Missing(&'static str),
}

/// What kind of thing an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    Emoticon,
    DisplayPicture,
    Background,
    DynamicPicture,
    Wink,
    VoiceClip,
    Other(u32),
}

impl ObjectKind {
    const NAMED: [(Self, u32); 6] = [
        (Self::Emoticon, 2),
        (Self::DisplayPicture, 3),
        (Self::Background, 5),
        (Self::DynamicPicture, 7),
        (Self::Wink, 8),
        (Self::VoiceClip, 11),
    ];

    fn from_number(number: u32) -> Self {
        let named = Self::NAMED.into_iter().find(|(_, known)| *known == number);
        named.map_or(Self::Other(number), |(kind, _)| kind)
    }

    /// The number that stands in the attribute `Type` (§9.8).
    pub fn number(self) -> u32 {
        match self {
            Self::Other(number) => number,
            named => Self::NAMED.into_iter().find(|(kind, _)| *kind == named).map_or(0, |(_, n)| n),
        }
    }
}

/// An object as its owner describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MsnObject {
    /// Whose it is; some leave it out.
    pub creator: String,
    /// Bytes of the data; 0 where its owner does not say.
    pub size: u64,
    pub kind: ObjectKind,
    /// A file name, or `0`.
    pub location: String,
    /// Base64 of a title in UTF-16, as it stands there.
    pub friendly: String,
    /// SHA-1 of the data: what the object is known by.
    pub digest: [u8; 20],
    /// The digest of the other attributes, where there is one. Some real ones are wrong: it is never a reason to refuse.
    pub own_digest: Option<[u8; 20]>,
    /// As its owner wrote it: some give it only to those who ask in the same words.
    written: String,
}

impl MsnObject {
    /// Describes data.
    pub fn new(creator: &str, kind: ObjectKind, location: &str, data: &[u8]) -> Self {
        let mut object = Self {
            creator: creator.to_owned(),
            size: data.len() as u64,
            kind,
            location: location.to_owned(),
            friendly: "AAA=".to_owned(),
            digest: Sha1::digest(data).into(),
            own_digest: None,
            written: String::new(),
        };
        object.own_digest = Some(object.compute());
        object.written = object.compose();
        object
    }

    /// The digest over the attributes as they are written.
    fn compute(&self) -> [u8; 20] {
        let Self { creator, size, location, friendly, .. } = self;
        let (kind, digest) = (self.kind.number(), STANDARD.encode(self.digest));
        Sha1::digest(format!(
            "Creator{creator}Size{size}Type{kind}Location{location}Friendly{friendly}SHA1D{digest}"
        ))
        .into()
    }

    /// Whether its own digest fits.
    pub fn is_consistent(&self) -> bool {
        self.own_digest.is_none_or(|own| own == self.compute())
    }

    /// Whether this is the data it describes.
    pub fn describes(&self, data: &[u8]) -> bool {
        (self.size == 0 || data.len() as u64 == self.size) && Sha1::digest(data)[..] == self.digest
    }

    /// Reads the element as generously as old clients: attributes in any order, unknown ones ignored, raw signs in
    /// values, a NUL behind it.
    ///
    /// # Errors
    /// It is too long, no such element, or has no kind or no digest: then it cannot be asked for.
    pub fn parse(text: &str) -> Result<Self, ObjectError> {
        if text.len() > MAX_LENGTH {
            return Err(ObjectError::Long(text.len()));
        }
        let text = text.trim_end_matches('\0');
        let head = text.trim_start().strip_prefix("<msnobj").ok_or(ObjectError::NotAnObject)?;
        if !head.starts_with(|c: char| c.is_whitespace() || matches!(c, '/' | '>')) {
            return Err(ObjectError::NotAnObject);
        }
        let found = attributes(head);
        // Where one stands there twice, the first that can be read counts.
        let all = |name: &'static str| {
            found.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.trim())
        };
        let digest = |name| all(name).find_map(read_digest);
        let kind = all("type").find_map(|kind| kind.parse().ok()).ok_or(ObjectError::Missing("Type"))?;
        Ok(Self {
            creator: all("creator").next().unwrap_or_default().into(),
            size: all("size").find_map(|size| size.parse().ok()).unwrap_or(0),
            kind: ObjectKind::from_number(kind),
            location: all("location").next().unwrap_or("0").into(),
            friendly: all("friendly").next().unwrap_or("AAA=").into(),
            digest: digest("sha1d").ok_or(ObjectError::Missing("SHA1D"))?,
            own_digest: digest("sha1c"),
            written: text.to_owned(),
        })
    }

    /// The element, as it was read or as official clients write it.
    pub fn as_xml(&self) -> &str {
        &self.written
    }

    fn compose(&self) -> String {
        let (creator, location, friendly) =
            (escape(&self.creator), escape(&self.location), escape(&self.friendly));
        let (size, kind, digest) = (self.size, self.kind.number(), STANDARD.encode(self.digest));
        let own = self.own_digest.map(|own| format!(" SHA1C=\"{}\"", STANDARD.encode(own)));
        format!(
            "<msnobj Creator=\"{creator}\" Size=\"{size}\" Type=\"{kind}\" Location=\"{location}\" \
             Friendly=\"{friendly}\" SHA1D=\"{digest}\"{}/>",
            own.unwrap_or_default()
        )
    }
}

/// A digest in base64, with or without its padding.
fn read_digest(text: &str) -> Option<[u8; 20]> {
    let bytes = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conf_093_both_published_objects_have_their_digests() {
        let published = MsnObject::parse(
            "<msnobj Creator=\"buddy1@hotmail.com\" Size=\"24539\" Type=\"3\" Location=\"TFR2C.tmp\" \
             Friendly=\"AAA=\" SHA1D=\"trC8SlFx2sWQxZMIBAWSEnXc8oQ=\" SHA1C=\"U32o6bosZzluJq82eAtMpx5dIEI=\"/>",
        )
        .unwrap();
        assert!(published.is_consistent());
        assert_eq!(published.kind, ObjectKind::DisplayPicture);
        let data = b"MSNBRIDGE-TEST-OBJECT";
        let made = MsnObject::new("alice@example.com", ObjectKind::DisplayPicture, "TFR1.tmp", data);
        let xml = made.as_xml();
        assert!(xml.contains("SHA1D=\"GnURoxvnLzeHVktIu82RgPksAII=\""), "{xml}");
        assert!(xml.contains("SHA1C=\"geUcmasbrRcOwDwW8auMcoASMnU=\""), "{xml}");
        assert_eq!(MsnObject::parse(&format!("{xml}\0")).unwrap(), made);
        assert!(made.describes(data));
        // The rule broken: other data, and attributes that were changed, which is no reason to refuse.
        assert!(!made.describes(b"MSNBRIDGE-TEST-OBJECt"));
        let moved = MsnObject::parse(&published.as_xml().replace("TFR2C.tmp", "0")).unwrap();
        assert!(!moved.is_consistent());
        assert_eq!(moved.digest, published.digest);
    }

    #[test]
    fn fault_17_objects_are_read_without_creator_or_size_with_two_digests_and_raw_signs() {
        let digest = "trC8SlFx2sWQxZMIBAWSEnXc8oQ=";
        let other = "GnURoxvnLzeHVktIu82RgPksAII=";
        let whole = format!("Creator=\"bob@e.c\" Size=\"9\" Type=\"3\" Location=\"0\" SHA1D=\"{digest}\"");
        for (attributes, creator, size) in [
            (whole.clone(), "bob@e.c", 9),
            (whole.replace("Creator=\"bob@e.c\" ", ""), "", 9),
            (whole.replace("bob@e.c", ""), "", 9),
            (whole.replace("\"9\"", "\"0\""), "bob@e.c", 0),
            (whole.replace("Size=\"9\" ", ""), "bob@e.c", 0),
            (format!("{whole} SHA1D=\"{other}\""), "bob@e.c", 9),
            (format!("SHA1D=\"nonsense\" {whole}"), "bob@e.c", 9),
            (whole.replace("\"0\"", "\"a&b <c>.tmp\""), "bob@e.c", 9),
            (whole.replace("bob@e.c", "b&o;b@e.c"), "b&o;b@e.c", 9),
            (whole.replace('"', "'"), "bob@e.c", 9),
            (whole.replace(digest, digest.trim_end_matches('=')), "bob@e.c", 9),
        ] {
            let text = format!("<msnobj {attributes}/>");
            let object = MsnObject::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((object.creator.as_str(), object.size), (creator, size), "{text}");
            assert_eq!(STANDARD.encode(object.digest), digest, "{text}");
            assert_eq!(object.as_xml(), text, "asked for in its owner's words");
        }
        let data = b"MSNBRIDGE-TEST-OBJECT";
        let unsized_ = MsnObject::parse(&format!("<msnobj Type=\"3\" SHA1D=\"{other}\"/>")).unwrap();
        assert!(unsized_.describes(data) && !unsized_.describes(b"other"));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "0", "<msnobj/>", "<msnobj Creator=\"a\" Type=\"3\" Size=\"1\"/>", "<other/>", "\0"]
        {
            assert!(MsnObject::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(MsnObject::parse(&"x".repeat(5000)), Err(ObjectError::Long(5000)));
        let shuffled = "<msnobj SHA1D=\"trC8SlFx2sWQxZMIBAWSEnXc8oQ=\" type=\"2\" stamp=\"x\" Size=\"9\" \
                        Creator=\"a&amp;b@e.c\"></msnobj>";
        let object = MsnObject::parse(shuffled).unwrap();
        assert_eq!((object.creator.as_str(), object.kind), ("a&b@e.c", ObjectKind::Emoticon));
    }
}
