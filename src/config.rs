//! The configuration: one file, the environment over it, secrets from files; checked into values that are right.
//!
//! Knows every key, its default and its limits. Refuses to know what the parts do with it. Each part is handed its own
//! section only.

mod checked;
mod error;
mod irc;
mod offline;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use checked::{Checked, CheckedLogin, MsnServer, PermissionTable};
pub use error::ConfigError;
pub use offline::{HoldSection, OimSection};

/// What environment variables start with: `MSNBRIDGE__MSN__SERVER` sets `msn.server`.
const ENVIRONMENT: &str = "MSNBRIDGE";

/// The file as it is written. Every key has a default but the ones that only the administrator can know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub homeserver: HomeserverSection,
    pub appservice: AppserviceSection,
    pub msn: MsnSection,
    #[serde(default)]
    pub matrix: MatrixSection,
    #[serde(default)]
    pub ghost: GhostSection,
    #[serde(default)]
    pub service: ServiceSection,
    #[serde(default)]
    pub store: StoreSection,
    #[serde(default)]
    pub files: FilesSection,
    #[serde(default)]
    pub permissions: BTreeMap<String, String>,
    #[serde(default)]
    pub logins: Vec<LoginSection>,
    #[serde(default)]
    pub irc: IrcSection,
    #[serde(default)]
    pub log: LogSection,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IrcSection {
    pub networks: BTreeMap<String, IrcNetworkSection>,
    pub relays: Vec<IrcRelaySection>,
    pub people: Vec<IrcPersonSection>,
    pub max_puppets: usize,
    pub offline: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IrcNetworkSection {
    pub server: String,
    pub port: u16,
    #[serde(default = "default_true")]
    pub tls: bool,
    #[serde(default = "default_bot")]
    pub nick: String,
    #[serde(default)]
    pub password: String,
    #[serde(default)]
    pub password_file: String,
    #[serde(default = "default_penalty")]
    pub line_penalty_ms: u32,
    #[serde(default = "default_suffix")]
    pub puppet_suffix: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IrcRelaySection {
    pub network: String,
    pub channel: String,
    pub login: String,
    /// With whom: one contact, or in their place several, who are a group.
    #[serde(default)]
    pub contact: String,
    #[serde(default)]
    pub contacts: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IrcPersonSection {
    pub network: String,
    pub mask: String,
    pub user: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeserverSection {
    pub url: String,
    pub server_name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppserviceSection {
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    #[serde(default = "default_id")]
    pub id: String,
    #[serde(default = "default_bot")]
    pub bot: String,
    #[serde(default = "default_prefix")]
    pub ghost_prefix: String,
    #[serde(default)]
    pub as_token: String,
    #[serde(default)]
    pub as_token_file: String,
    #[serde(default)]
    pub hs_token: String,
    #[serde(default)]
    pub hs_token_file: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MsnSection {
    pub server: String,
    #[serde(default)]
    pub nexus: String,
    #[serde(default)]
    pub allow_insecure_login: bool,
    #[serde(default = "default_dialects")]
    pub dialects: Vec<String>,
    #[serde(default = "default_client")]
    pub client: String,
    #[serde(default = "default_client_version")]
    pub client_version: String,
    #[serde(default = "default_locale")]
    pub locale: String,
    #[serde(default)]
    pub product_id: String,
    #[serde(default)]
    pub product_key: String,
    #[serde(default = "default_transport")]
    pub transport: String,
    #[serde(default)]
    pub gateway: String,
    #[serde(default)]
    pub proxy: String,
    #[serde(default)]
    pub proxy_user: String,
    #[serde(default)]
    pub proxy_password: String,
    #[serde(default)]
    pub proxy_password_file: String,
    #[serde(default = "default_sign_ins")]
    pub sign_ins_per_second: u32,
    #[serde(default = "default_offline")]
    pub offline: String,
    #[serde(default)]
    pub hold: HoldSection,
    #[serde(default)]
    pub oim: OimSection,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MatrixSection {
    pub status_events: bool,
    pub presence: bool,
    pub spaces: bool,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GhostSection {
    pub per_login: bool,
}

/// The embedded service, for `msn.server: embedded`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceSection {
    pub notification: SocketAddr,
    pub switchboard: SocketAddr,
    pub http: SocketAddr,
    pub accounts: String,
    pub public_host: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSection {
    pub directory: PathBuf,
    pub key_file: PathBuf,
    pub export_hours: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilesSection {
    pub max_bytes: u64,
    pub max_total_bytes: u64,
    pub ask_above: u64,
    pub ffmpeg: String,
    #[serde(default)]
    pub links: LinksSection,
    #[serde(default)]
    pub direct: DirectSection,
}

/// Files under an address, for people on IRC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinksSection {
    pub url: String,
    pub listen: SocketAddr,
    pub hours: u32,
    pub max_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DirectSection {
    pub dial: bool,
    pub allow: Vec<String>,
    pub announce: Vec<String>,
    pub ports: String,
}

impl Default for LinksSection {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 29398));
        Self { url: String::new(), listen, hours: 72, max_bytes: 1 << 30 }
    }
}

impl Default for DirectSection {
    fn default() -> Self {
        Self { dial: true, allow: Vec::new(), announce: Vec::new(), ports: "6891-6900".into() }
    }
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

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginSection {
    pub account: String,
    pub owner: String,
    #[serde(default)]
    pub password: String,
    #[serde(default)]
    pub password_file: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    pub filter: String,
    pub json: bool,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 29399))
}
fn default_id() -> String {
    "msnbridge".into()
}
fn default_bot() -> String {
    "msnbot".into()
}
fn default_prefix() -> String {
    "msn_".into()
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

fn default_sign_ins() -> u32 {
    5
}

fn default_offline() -> String {
    "hold".into()
}

fn default_transport() -> String {
    "auto".into()
}

fn default_true() -> bool {
    true
}
fn default_penalty() -> u32 {
    2000
}
fn default_suffix() -> String {
    "[m]".into()
}

impl Default for IrcSection {
    fn default() -> Self {
        Self {
            networks: BTreeMap::new(),
            relays: Vec::new(),
            people: Vec::new(),
            max_puppets: 50,
            offline: "away".into(),
        }
    }
}

impl Default for MatrixSection {
    fn default() -> Self {
        Self { status_events: true, presence: true, spaces: true }
    }
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

impl Default for StoreSection {
    fn default() -> Self {
        Self { directory: "store".into(), key_file: "store.key".into(), export_hours: 24 }
    }
}

impl Default for LogSection {
    fn default() -> Self {
        Self { filter: "info".into(), json: false }
    }
}

impl Config {
    /// Reads the file and the environment. Paths in it are relative to where the file is.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        if !file.exists() {
            return Err(ConfigError::Missing { file: file.to_owned() });
        }
        let environment =
            config::Environment::with_prefix(ENVIRONMENT).prefix_separator("__").separator("__");
        let built = config::Config::builder()
            .add_source(config::File::from(file).format(config::FileFormat::Yaml))
            .add_source(environment.try_parsing(true))
            .build();
        let read = built.and_then(config::Config::try_deserialize::<Self>);
        let mut config = read
            .map_err(|error| ConfigError::Unreadable { file: file.to_owned(), reason: error.to_string() })?;
        config.anchor(file.parent().unwrap_or_else(|| Path::new("")));
        Ok(config)
    }

    fn anchor(&mut self, base: &Path) {
        let anchor = |path: &mut PathBuf| *path = base.join(&*path);
        anchor(&mut self.store.directory);
        anchor(&mut self.store.key_file);
        let texts = [
            &mut self.appservice.as_token_file,
            &mut self.appservice.hs_token_file,
            &mut self.service.accounts,
            &mut self.msn.proxy_password_file,
        ];
        let logins = self.logins.iter_mut().map(|login| &mut login.password_file);
        let networks = self.irc.networks.values_mut().map(|network| &mut network.password_file);
        for text in texts.into_iter().chain(logins).chain(networks).filter(|text| !text.is_empty()) {
            *text = base.join(&*text).to_string_lossy().into_owned();
        }
    }
}
