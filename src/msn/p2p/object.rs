//! MSN objects: what a picture, an emoticon or a wink is called before anybody has fetched it (§9.8).
//!
//! Knows the attributes and both digests. Refuses to know the data.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;
use sha1::{Digest, Sha1};
use thiserror::Error;

/// Longest object that is read, in bytes; real ones have about 250.
const MAX_LENGTH: usize = 4096;

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
    pub creator: String,
    /// Bytes of the data.
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
        data.len() as u64 == self.size && Sha1::digest(data)[..] == self.digest
    }

    /// Reads the element; attributes in any order, unknown ones ignored, a NUL behind it too.
    pub fn parse(text: &str) -> Result<Self, ObjectError> {
        if text.len() > MAX_LENGTH {
            return Err(ObjectError::Long(text.len()));
        }
        let text = text.trim_end_matches('\0');
        let mut reader = Reader::from_str(text);
        let element = match reader.read_event() {
            Ok(Event::Empty(element) | Event::Start(element)) if element.name().as_ref() == b"msnobj" => {
                element
            }
            _ => return Err(ObjectError::NotAnObject),
        };
        let mut found: Vec<(Vec<u8>, String)> = Vec::new();
        for attribute in element.attributes().flatten() {
            let value = attribute.unescape_value().map_err(|_| ObjectError::NotAnObject)?;
            found.push((attribute.key.as_ref().to_ascii_lowercase(), value.into_owned()));
        }
        let get = |name: &str| {
            let named = |(key, _): &&(Vec<u8>, String)| key.as_slice() == name.as_bytes();
            found.iter().find(named).map(|(_, value)| value.as_str())
        };
        let digest = |name: &str| {
            let bytes = STANDARD.decode(get(name)?.trim()).ok()?;
            <[u8; 20]>::try_from(bytes).ok()
        };
        let kind = get("type").and_then(|kind| kind.parse().ok()).ok_or(ObjectError::Missing("Type"))?;
        Ok(Self {
            creator: get("creator").filter(|c| !c.is_empty()).ok_or(ObjectError::Missing("Creator"))?.into(),
            size: get("size").and_then(|size| size.parse().ok()).ok_or(ObjectError::Missing("Size"))?,
            kind: ObjectKind::from_number(kind),
            location: get("location").unwrap_or("0").into(),
            friendly: get("friendly").unwrap_or("AAA=").into(),
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
