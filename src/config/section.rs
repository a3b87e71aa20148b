//! The sections of the file as they are written, with their defaults: what each key means, in which unit, and its limits.
//!
//! Knows names and defaults. Refuses to judge a value: [`super::checked`] does. Source: `bridge.example.yaml`.

mod files;
mod irc;
mod matrix;
mod msn;
mod web;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::ConfigError;

pub use files::{DirectSection, FilesSection, LinksSection, StoreSection};
pub use irc::{
    IrcNetworkSection, IrcNickServSection, IrcPersonSection, IrcPuppetAccountSection, IrcPuppetSaslSection,
    IrcRelayKindsSection, IrcRelaySection, IrcSaslSection, IrcSection,
};
pub use matrix::{
    AppserviceSection, EncryptionSection, GhostSection, HomeserverSection, MatrixSection, PuppetSection,
};
pub use msn::{HoldSection, MsnSection, OimSection, ServiceSection};
pub use web::WebSection;

/// A login that is made at the start, for people who do not want to talk to the bot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginSection {
    /// An MSN account, `name@host`.
    pub account: String,
    /// The Matrix user whose login it is.
    pub owner: String,
    /// The password, or a file that holds it.
    #[serde(default)]
    pub password: String,
    #[serde(default)]
    pub password_file: String,
}

/// Figures for whoever watches the bridge.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsSection {
    /// Where `/metrics` and `/health` are served; empty for nowhere.
    pub listen: String,
}

impl MetricsSection {
    /// Where to serve, if anywhere.
    ///
    /// # Errors
    /// A text that is no address and port.
    pub fn check(&self) -> Result<Option<SocketAddr>, ConfigError> {
        if self.listen.is_empty() {
            return Ok(None);
        }
        let allowed = "an address and a port, as in 127.0.0.1:9399";
        self.listen.parse().map(Some).map_err(|_| ConfigError::value("metrics.listen", &self.listen, allowed))
    }
}

/// What is logged; message bodies and secrets never are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// A filter as `RUST_LOG` has it, which takes precedence.
    pub filter: String,
    /// One JSON object a line.
    pub json: bool,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { filter: "info".into(), json: false }
    }
}
