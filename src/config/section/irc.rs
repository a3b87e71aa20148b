//! `irc`: networks, the channels that are ends of conversations, and people who are Matrix users.
//!
//! Knows keys and defaults. Refuses to know what a network takes for a channel or a nick.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The IRC side; without a relay it is not started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IrcSection {
    /// By the name under which relays and people are configured.
    pub networks: BTreeMap<String, IrcNetworkSection>,
    pub relays: Vec<IrcRelaySection>,
    pub people: Vec<IrcPersonSection>,
    /// Most contacts with a connection of their own, on each network; 0 to 1,000.
    pub max_puppets: usize,
    /// What becomes of the connection of a contact who is offline: `away` or `quit`.
    pub offline: String,
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

/// One network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IrcNetworkSection {
    /// A host name.
    pub server: String,
    pub port: u16,
    /// Off only for networks that have no TLS.
    #[serde(default = "default_true")]
    pub tls: bool,
    /// The bot's nick.
    #[serde(default = "default_nick")]
    pub nick: String,
    /// The server's password, or a file that holds it; mostly none.
    #[serde(default)]
    pub password: String,
    #[serde(default)]
    pub password_file: String,
    /// Milliseconds that the network charges for a line, 0 to 10,000.
    #[serde(default = "default_penalty")]
    pub line_penalty_ms: u32,
    /// What marks the nicks of contacts.
    #[serde(default = "default_suffix")]
    pub puppet_suffix: String,
}

fn default_true() -> bool {
    true
}

fn default_nick() -> String {
    "msnbot".into()
}

fn default_penalty() -> u32 {
    2000
}

fn default_suffix() -> String {
    "[m]".into()
}

/// A channel that is one end of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IrcRelaySection {
    /// One of `irc.networks`.
    pub network: String,
    /// With its prefix, 2 to 50 bytes.
    pub channel: String,
    /// Whose conversation it is: an MSN account of the configuration.
    pub login: String,
    /// With whom: one contact, or in their place several, 19 at most, who are a group.
    #[serde(default)]
    pub contact: String,
    #[serde(default)]
    pub contacts: Vec<String>,
}

/// Somebody on IRC who is a Matrix user: what they command, that user commands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IrcPersonSection {
    /// One of `irc.networks`.
    pub network: String,
    /// `nick!user@host` with `*` and `?`; whoever fits it has the user's rights.
    pub mask: String,
    /// A Matrix user.
    pub user: String,
}
