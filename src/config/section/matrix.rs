//! `homeserver`, `appservice`, `matrix` and `ghost`: the Matrix side.
//!
//! Knows keys and defaults. Refuses to know which of them the registration repeats.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The homeserver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HomeserverSection {
    /// Where the client API is reached: `http` or `https`.
    pub url: String,
    /// Its name, as in `@user:example.org`.
    pub server_name: String,
    /// Where the states of logins are posted; empty for nowhere.
    #[serde(default)]
    pub status_endpoint: String,
}

/// The bridge as the homeserver sees it. Several bridges on one homeserver differ in `id`, `bot` and `ghost_prefix`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppserviceSection {
    /// Where the bridge listens for the homeserver; the registration's `url` leads here.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// The id in the registration.
    #[serde(default = "default_id")]
    pub id: String,
    /// The local part of the bot's user.
    #[serde(default = "default_bot")]
    pub bot: String,
    /// What the bot is called; empty for what it is called already.
    #[serde(default = "default_bot_name")]
    pub bot_name: String,
    /// The bot's picture: «default», nothing, an `mxc://` address, or a file.
    #[serde(default = "default_bot_avatar")]
    pub bot_avatar: String,
    /// How the user names of contacts begin: `a` to `z`, digits, dot, underscore, hyphen.
    #[serde(default = "default_prefix")]
    pub ghost_prefix: String,
    /// The registration's two tokens, or a file that holds each.
    #[serde(default)]
    pub as_token: String,
    #[serde(default)]
    pub as_token_file: String,
    #[serde(default)]
    pub hs_token: String,
    #[serde(default)]
    pub hs_token_file: String,
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

fn default_bot_name() -> String {
    "MSN bridge".into()
}

fn default_bot_avatar() -> String {
    "default".into()
}

fn default_prefix() -> String {
    "msn_".into()
}

impl AppserviceSection {
    /// Whether the bot's picture is a file.
    pub(in crate::config) fn has_picture_file(&self) -> bool {
        let picture = &self.bot_avatar;
        !picture.is_empty() && *picture != default_bot_avatar() && !picture.starts_with("mxc://")
    }
}

/// What is shown on Matrix besides messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MatrixSection {
    /// Confirms each delivered message with an event; failures are told in any case.
    pub status_events: bool,
    /// Shows with read receipts of ghosts what the network has confirmed.
    pub receipts: bool,
    /// Shows contacts' presence, repeated within a budget since homeservers forget it within a minute.
    pub presence: bool,
    /// Gives ghosts their contact's personal message as a field of their profile, where the homeserver takes such fields.
    pub status_field: bool,
    /// Files rooms in a space for each account, and in it one for each group of contacts.
    pub spaces: bool,
    /// Which contacts have a room before something is said: `auto`, `all` or `spoken`.
    pub rooms: String,
    /// With which token the bridge acts as its users, by user or by server.
    pub double_puppet: BTreeMap<String, PuppetSection>,
}

/// A token that acts as somebody, or a file that holds it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PuppetSection {
    pub token: String,
    pub token_file: String,
}

impl Default for MatrixSection {
    fn default() -> Self {
        Self {
            status_events: true,
            receipts: true,
            presence: true,
            status_field: true,
            spaces: true,
            rooms: "auto".into(),
            double_puppet: BTreeMap::new(),
        }
    }
}

/// End-to-bridge encryption.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EncryptionSection {
    /// Reads and speaks in encrypted rooms.
    pub allow: bool,
    /// Makes new rooms encrypted.
    pub default: bool,
    /// Says and reads nothing in rooms that are not.
    pub require: bool,
}

impl Default for EncryptionSection {
    fn default() -> Self {
        Self { allow: true, default: false, require: false }
    }
}

/// The Matrix users of contacts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GhostSection {
    /// One user for each login that has the contact, in place of one for all. Not to be changed later: other names.
    pub per_login: bool,
}
