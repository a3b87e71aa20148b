//! What the IRC side must be told.
//!
//! Knows the settings after they were checked. Refuses to read a file: the configuration does.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;

use crate::bridge::ids::{PortalKey, UserId};

/// Checked settings of the IRC side.
#[derive(Debug, Clone, Default)]
pub struct IrcConfig {
    pub networks: BTreeMap<String, NetworkConfig>,
    pub relays: Vec<RelayConfig>,
    pub people: Vec<PersonConfig>,
    /// Most puppets on one network; the others speak through the bot.
    pub max_puppets: usize,
    /// Whether puppets of contacts who are offline leave the network; else they are marked as away.
    pub quit_when_offline: bool,
}

/// One IRC network.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    pub server: String,
    pub port: u16,
    pub tls: bool,
    /// The bot's nick.
    pub nick: String,
    pub password: Option<SecretString>,
    /// What the network adds to a client's penalty for each line; it stops listening when the penalty is 10 s.
    pub line_penalty: Duration,
    /// What marks puppets' nicks.
    pub puppet_suffix: String,
}

/// Somebody on IRC who is one of the users: they may give commands, and hear what the bridge tells that user.
#[derive(Debug, Clone)]
pub struct PersonConfig {
    pub network: String,
    /// `nick!user@host` with `*` and `?`.
    pub mask: String,
    pub user: UserId,
}

/// A channel that is one end of a conversation.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    pub network: String,
    pub channel: String,
    pub portal: PortalKey,
    /// Accounts of the contacts who speak in it, as the configuration names them.
    pub members: Vec<String>,
}
