//! `msn` and `service`: the MSN server that is used, and the one in this program.
//!
//! Knows keys and defaults. Refuses to know the protocol, whose dialects and client names are texts here.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// How MSN is reached and what it is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MsnSection {
    /// `host:port` of a notification or dispatch server, or `embedded`.
    pub server: String,
    /// The address of the Passport nexus; not needed for `embedded`.
    #[serde(default)]
    pub nexus: String,
    /// Where security tokens are asked for, by a path that ends in `RST.srf` or `RST2.srf` (§18.2 of the protocol); empty for
    /// `/RST.srf` where the nexus is.
    #[serde(default)]
    pub token_service: String,
    /// Whether passwords may travel unencrypted to another machine.
    #[serde(default)]
    pub allow_insecure_login: bool,
    /// `MSNP8` to `MSNP12`, best first; at least one.
    #[serde(default = "default_dialects")]
    pub dialects: Vec<String>,
    /// Name, version and locale of the client that the server is told: one word each.
    #[serde(default = "default_client")]
    pub client: String,
    #[serde(default = "default_client_version")]
    pub client_version: String,
    #[serde(default = "default_locale")]
    pub locale: String,
    /// Product id and key for challenges, both or neither; the published ones where they are empty.
    #[serde(default)]
    pub product_id: String,
    #[serde(default)]
    pub product_key: String,
    /// `auto`, `direct`, or `http` for the gateway alone.
    #[serde(default = "default_transport")]
    pub transport: String,
    /// The address of the HTTP gateway, or empty.
    #[serde(default)]
    pub gateway: String,
    /// `host:port` of a SOCKS5 proxy for everything that goes to MSN, or empty.
    #[serde(default)]
    pub proxy: String,
    /// Who we are there; empty for nobody. The password, or a file that holds it.
    #[serde(default)]
    pub proxy_user: String,
    #[serde(default)]
    pub proxy_password: String,
    #[serde(default)]
    pub proxy_password_file: String,
    /// Logins that sign in a second, 1 to 10,000, after a start or an outage.
    #[serde(default = "default_sign_ins")]
    pub sign_ins_per_second: u32,
    /// What becomes of messages for contacts who are offline: `hold`, `oim` or `fail`.
    #[serde(default = "default_offline")]
    pub offline: String,
    /// How words of people without a login look to contacts; one line with `{name}` and `{text}`.
    #[serde(default = "default_relay")]
    pub relay: String,
    #[serde(default)]
    pub hold: HoldSection,
    #[serde(default)]
    pub oim: OimSection,
}

fn default_dialects() -> Vec<String> {
    vec!["MSNP11".into()]
}

fn default_client() -> String {
    "MSNMSGR".into()
}

fn default_client_version() -> String {
    "7.0.0813".into()
}

fn default_locale() -> String {
    "0x0409".into()
}

fn default_transport() -> String {
    "auto".into()
}

fn default_sign_ins() -> u32 {
    5
}

fn default_relay() -> String {
    "<{name}> {text}".into()
}

fn default_offline() -> String {
    "hold".into()
}

/// How much waits for one conversation, and how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HoldSection {
    /// Messages that wait, 1 to 10,000; one more is refused.
    pub max_messages: usize,
    /// How long one waits, 1 to 365; then it is given up.
    pub days: u64,
}

impl Default for HoldSection {
    fn default() -> Self {
        Self { max_messages: 200, days: 7 }
    }
}

/// Where offline messages are fetched and left; empty for nowhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OimSection {
    /// Addresses, `http` or `https`: of fetching (§27.2 of the protocol), and of leaving (§27.3).
    pub rsi: String,
    pub store: String,
}

/// The embedded service, for `msn.server: embedded`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceSection {
    /// Where each of its servers listens.
    pub notification: SocketAddr,
    pub switchboard: SocketAddr,
    /// Nexus, login pages, offline messages and gateway.
    pub http: SocketAddr,
    /// The file of accounts, one a line: account, password, display name.
    pub accounts: String,
    /// The name or address, without a port, under which clients reach it; empty for where it listens.
    pub public_host: String,
}

impl Default for ServiceSection {
    fn default() -> Self {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            notification: local(1863),
            switchboard: local(1864),
            http: local(8081),
            accounts: String::new(),
            public_host: String::new(),
        }
    }
}
