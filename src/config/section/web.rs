//! `web`: what the bridge serves for people's browsers.
//!
//! Knows keys and defaults. Refuses to listen anywhere.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The page on which users sign in, and files behind links where those have no address of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebSection {
    /// The address under which browsers reach it, 90 characters at most; empty for no page.
    pub url: String,
    /// Where it is served.
    pub listen: SocketAddr,
    /// What programs may show in place of a user's token, or a file that holds it; empty for nothing.
    pub shared_secret: String,
    pub shared_secret_file: String,
}

impl Default for WebSection {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 29399));
        let (url, shared_secret) = (String::new(), String::new());
        Self { url, listen, shared_secret, shared_secret_file: String::new() }
    }
}
