//! Files under an address: an HTTP server for people who are shown a link, on IRC or in a group conversation.
//!
//! Knows what an address looks like and who may have what is behind it. Refuses to know which files are shared: that is
//! [`bridge::link`](crate::bridge::link). An address is `<url>/<file>/<end>/<signature>/<name>`; the signature is a keyed
//! hash of file and end, and the name only looks nice. Serving parts and conditions is tower-http's.

mod serve;

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

pub use serve::{GREETING, serve};

use crate::bridge::link::SharedFile;
use crate::bridge::media::MediaId;

/// Bytes of a signature: nobody guesses 128 bits.
const SIGNATURE: usize = 16;
/// Characters of a name in an address.
const MAX_NAME: usize = 40;

/// Checked settings.
#[derive(Debug, Clone)]
pub struct LinksConfig {
    /// Under which this server is reached from outside, without a slash at its end.
    pub url: String,
    pub listen: SocketAddr,
    pub keep: Duration,
    /// Bytes of all files that are kept.
    pub budget: u64,
}

/// A keyed hash: nobody without the key makes another one.
pub type Hash = Box<dyn Fn(&str) -> [u8; 32] + Send + Sync>;

/// Makes addresses, and knows its own.
pub struct Signer {
    url: String,
    hash: Hash,
}

impl Signer {
    pub fn new(url: &str, hash: Hash) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), hash }
    }

    fn signature(&self, media: &MediaId, expires: u64) -> String {
        let hash = (self.hash)(&format!("link\0{media}\0{expires}"));
        URL_SAFE_NO_PAD.encode(&hash[..SIGNATURE])
    }

    pub fn address(&self, file: &SharedFile) -> String {
        let signature = self.signature(&file.media, file.expires);
        format!("{}/{}/{}/{signature}/{}", self.url, file.media, file.expires, plain(&file.name))
    }

    /// The file that a path names, where we have signed it.
    fn signed(&self, media: &str, expires: &str, signature: &str) -> Option<MediaId> {
        let media = MediaId::new(media)?;
        let expected = self.signature(&media, expires.parse().ok()?);
        bool::from(expected.as_bytes().ct_eq(signature.as_bytes())).then_some(media)
    }
}

/// A name as every client shows it in an address; its ending stays.
fn plain(name: &str) -> String {
    let harmless = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: Vec<char> = name.chars().map(harmless).collect();
    name[name.len().saturating_sub(MAX_NAME)..].iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        let hash =
            |text: &str| std::array::from_fn(|at| text.bytes().fold(at as u8, |h, b| h.wrapping_mul(31) ^ b));
        Signer::new("https://b.example.org/files/", Box::new(hash))
    }

    #[test]
    fn only_addresses_of_our_own_lead_to_a_file() {
        let media = MediaId::new("0123abcd").unwrap();
        let file = SharedFile { media: media.clone(), name: "größe 1.png".into(), size: 3, expires: 1234 };
        let address = signer().address(&file);
        let path = address.strip_prefix("https://b.example.org/files/").unwrap();
        let [id, expires, signature, name] = path.split('/').collect::<Vec<_>>()[..] else {
            panic!("{path}")
        };
        assert_eq!(name, "gr__e_1.png");
        assert_eq!(signer().signed(id, expires, signature), Some(media));
        assert_eq!(signer().signed(id, "1235", signature), None, "not longer than was said");
        assert_eq!(signer().signed("0123abce", expires, signature), None);
        assert_eq!(signer().signed("../secret", expires, signature), None);
        assert_eq!(signer().signed(id, expires, &signature[1..]), None);
    }

    #[test]
    fn the_ending_of_a_long_name_stays() {
        assert!(plain(&format!("{}.png", "x".repeat(200))).ends_with("x.png"));
        assert_eq!(plain(&"x".repeat(200)).len(), MAX_NAME);
    }
}
