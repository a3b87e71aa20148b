//! The sections of the file as they are written, with their defaults: what each key means, in which unit, and its limits.
//!
//! Knows names and defaults. Refuses to judge a value: [`super::checked`] does. Source: `bridge.example.yaml`.

mod files;
mod irc;
mod matrix;
mod msn;
mod web;

use serde::{Deserialize, Serialize};

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
