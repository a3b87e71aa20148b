//! Files under an address: an HTTP server for people who are shown a link, on IRC or in a group conversation.
//!
//! Knows what an address looks like and who may have what is behind it. Refuses to know which files are shared: that is
//! [`bridge::link`](crate::bridge::link). An address is `<url>/<link>/<end>/<signature>/<name>`; the signature is a keyed
//! hash of link and end, and the name only looks nice. Serving parts and conditions is tower-http's.

mod serve;

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

pub use serve::{GREETING, router, serve};

use crate::bridge::link::Shared;

/// Bytes of a signature: nobody guesses 128 bits.
const SIGNATURE: usize = 16;
/// Characters of a name in an address.
const MAX_NAME: usize = 40;

/// Where links are below the address of the pages for people, if they have none of their own.
pub const BELOW_WEB: &str = "/files";

/// Checked settings.
#[derive(Debug, Clone)]
pub struct LinksConfig {
    /// Under which this server is reached from outside, without a slash at its end.
    pub url: String,
    /// Where it is served; `None` where that is done together with the pages for people.
    pub listen: Option<SocketAddr>,
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
    /// `url` is what addresses begin with; `hash` is a keyed one.
    pub fn new(url: &str, hash: Hash) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), hash }
    }

    /// The signature of a link until a time, so that nobody makes one.
    fn signature(&self, link: &str, expires: u64) -> String {
        let hash = (self.hash)(&format!("link\0{link}\0{expires}"));
        URL_SAFE_NO_PAD.encode(&hash[..SIGNATURE])
    }

    /// The whole address: link, expiry, signature, and the file's name for people.
    pub fn address(&self, shared: &Shared) -> String {
        let Shared { id, expires, name, .. } = shared;
        format!("{}/{id}/{expires}/{}/{}", self.url, self.signature(id, *expires), plain(name))
    }

    /// Whether we have made an address with these in it.
    fn has_signed(&self, link: &str, expires: &str, signature: &str) -> bool {
        let expected = expires.parse().map(|expires| self.signature(link, expires)).unwrap_or_default();
        !expected.is_empty() && bool::from(expected.as_bytes().ct_eq(signature.as_bytes()))
    }
}

/// A name as every client shows it in an address; its ending stays.
fn plain(name: &str) -> String {
    let harmless = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: Vec<char> = name.chars().map(harmless).collect();
    let end = &name[name.len().saturating_sub(MAX_NAME)..];
    // Clients take a name of dots alone for a direction.
    if end.iter().all(|c| *c == '.') { "file".to_owned() } else { end.iter().collect() }
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
    fn only_what_was_signed_is_known_again() {
        let signature = signer().signature("0123abcd", 1234);
        assert!(signer().has_signed("0123abcd", "1234", &signature));
        assert!(!signer().has_signed("0123abcd", "1235", &signature), "not longer than was said");
        assert!(!signer().has_signed("0123abce", "1234", &signature));
        assert!(!signer().has_signed("0123abcd", "soon", &signature));
        assert!(!signer().has_signed("0123abcd", "soon", ""));
        assert!(!signer().has_signed("0123abcd", "1234", &signature[1..]));
    }

    #[test]
    fn names_in_addresses_are_plain_and_keep_their_endings() {
        assert_eq!(plain("größe 1.png"), "gr__e_1.png");
        assert!(plain(&format!("{}.png", "x".repeat(200))).ends_with("x.png"));
        assert_eq!(plain(&"x".repeat(200)).len(), MAX_NAME);
        assert_eq!([plain(""), plain(".."), plain(":)")], ["file", "file", "__"]);
    }
}
