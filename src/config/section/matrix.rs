//! `homeserver`, `appservice`, `matrix` and `ghost`: the Matrix side.
//!
//! Knows keys and defaults. Refuses to know which of them the registration repeats.

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

fn default_prefix() -> String {
    "msn_".into()
}

/// What is shown on Matrix besides messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MatrixSection {
    /// Confirms each delivered message with an event; failures are told in any case.
    pub status_events: bool,
    /// Shows contacts' presence, repeated within a budget since homeservers forget it within a minute.
    pub presence: bool,
    /// Files rooms in a space for each account, and in it one for each group of contacts.
    pub spaces: bool,
}

impl Default for MatrixSection {
    fn default() -> Self {
        Self { status_events: true, presence: true, spaces: true }
    }
}

/// The Matrix users of contacts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GhostSection {
    /// One user for each login that has the contact, in place of one for all. Not to be changed later: other names.
    pub per_login: bool,
}
