//! `store` and `files`: what is kept on the disk, and files on their way.
//!
//! Knows keys, defaults and units. Refuses to open anything.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the bridge remembers. Paths are relative to the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    /// The store, and files on their way.
    pub directory: PathBuf,
    /// The key that seals it, 64 hexadecimal digits; made with the store, which cannot be read without it.
    pub key_file: PathBuf,
    /// Hours between exports beside the store; 0 for none.
    pub export_hours: u32,
}

impl Default for StoreSection {
    fn default() -> Self {
        Self { directory: "store".into(), key_file: "store.key".into(), export_hours: 24 }
    }
}

/// Files on their way, in either direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilesSection {
    /// Bytes of one file; larger ones are declined. The homeserver's own limit counts too.
    pub max_bytes: u64,
    /// Bytes that all files on their way, and kept pictures, may take on the disk; at least `max_bytes`.
    pub max_total_bytes: u64,
    /// Bytes above which a file from a contact waits until its owner says yes; 0 asks about each.
    pub ask_above: u64,
    /// The program that makes voice clips playable; empty for none.
    pub ffmpeg: String,
    #[serde(default)]
    pub links: LinksSection,
    #[serde(default)]
    pub direct: DirectSection,
}

impl Default for FilesSection {
    fn default() -> Self {
        Self {
            max_bytes: 100 << 20,
            max_total_bytes: 2 << 30,
            ask_above: 100 << 20,
            ffmpeg: "ffmpeg".into(),
            links: LinksSection::default(),
            direct: DirectSection::default(),
        }
    }
}

/// Files under an address, for people on IRC and in groups, who cannot be given them otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinksSection {
    /// How links begin, 100 characters at most so that they fit in a line of IRC; empty for links below `web.url`, or for
    /// none where that is empty too.
    pub url: String,
    /// Where they are served, if they have an address of their own.
    pub listen: SocketAddr,
    /// How long a link works, 1 to 8,760.
    pub hours: u32,
    /// Bytes that all files behind links may take; then the oldest go before their time.
    pub max_bytes: u64,
}

impl Default for LinksSection {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 29398));
        Self { url: String::new(), listen, hours: 72, max_bytes: 1 << 30 }
    }
}

/// Connections straight to contacts, beside the MSN server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DirectSection {
    /// Whether contacts are connected to where they listen; they see this machine's address then.
    pub dial: bool,
    /// Networks that may be dialled besides public addresses, as in `192.168.0.0/16`.
    pub allow: Vec<String>,
    /// IP addresses under which contacts reach this machine; without one it does not listen.
    pub announce: Vec<String>,
    /// Where it listens, only while a contact is expected: one port, or `first-last`.
    pub ports: String,
}

impl Default for DirectSection {
    fn default() -> Self {
        Self { dial: true, allow: Vec::new(), announce: Vec::new(), ports: "6891-6900".into() }
    }
}
