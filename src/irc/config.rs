//! What the IRC side must be told.
//!
//! Knows the settings after they were checked. Refuses to read a file: the configuration does.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use encoding_rs::Encoding;
use secrecy::{ExposeSecret, SecretString};

use super::address::Prefix;
use super::connection::Tls;
use super::nick::NickTemplate;

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
    /// Most lines of one message where what is longer has an address; 0 for all of it.
    pub paste_lines: usize,
    /// What is told besides words.
    pub relay: RelayKinds,
    /// Where networks are told whose a connection is.
    pub ident: Option<SocketAddr>,
}

/// What can happen in a channel besides words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happening {
    Topic,
    /// Bans too.
    Mode,
    Kick,
    Nick,
    Join,
    Part,
}

/// Which of that is told on the other sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelayKinds {
    pub topics: bool,
    pub modes: bool,
    pub kicks: bool,
    pub nicks: bool,
    pub joins: bool,
    pub parts: bool,
}

impl Default for RelayKinds {
    fn default() -> Self {
        Self { topics: true, modes: true, kicks: true, nicks: false, joins: false, parts: false }
    }
}

impl RelayKinds {
    /// Whether this is told.
    pub(super) fn has(self, kind: Happening) -> bool {
        match kind {
            Happening::Topic => self.topics,
            Happening::Mode => self.modes,
            Happening::Kick => self.kicks,
            Happening::Nick => self.nicks,
            Happening::Join => self.joins,
            Happening::Part => self.parts,
        }
    }
}

/// One IRC network.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// What the configuration calls it.
    pub name: String,
    /// Its servers, the preferred one first; at least one.
    pub servers: Vec<Server>,
    /// `None` for plain text.
    pub tls: Option<Tls>,
    /// The bot's nick.
    pub nick: String,
    pub password: Option<SecretString>,
    /// The bot's account.
    pub sasl: Option<SaslConfig>,
    pub puppet_sasl: PuppetSasl,
    pub nickserv: Option<NickServ>,
    /// Lines that the bot sends before it joins.
    pub on_connect: Vec<String>,
    /// What is no UTF-8 is read in.
    pub charset: &'static Encoding,
    /// What the network adds to a client's penalty for each line; it stops listening when the penalty is 10 s.
    pub line_penalty: Duration,
    /// Between the connections of two puppets.
    pub puppet_gap: Duration,
    /// How puppets' nicks are made.
    pub nick_template: NickTemplate,
    /// Where the address of each puppet is.
    pub puppet_addresses: Option<Prefix>,
    /// Proves to the network that it may be told a puppet's address.
    pub webirc: Option<SecretString>,
}

/// One server of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// How an account is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    /// By the certificate that is shown.
    External,
    ScramSha256,
}

impl Mechanism {
    /// All of them, by their names.
    pub const ALL: [Self; 3] = [Self::Plain, Self::External, Self::ScramSha256];

    /// The name on the wire and in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::External => "EXTERNAL",
            Self::ScramSha256 => "SCRAM-SHA-256",
        }
    }
}

/// An account with the network's services.
#[derive(Debug, Clone)]
pub struct SaslConfig {
    pub mechanism: Mechanism,
    pub user: String,
    /// None for a certificate.
    pub password: Option<SecretString>,
}

/// Accounts of contacts with the network's services.
#[derive(Debug, Clone, Default)]
pub struct PuppetSasl {
    /// For contacts that are not named; `{local}` in the user is the part of the address before the `@`.
    pub template: Option<SaslConfig>,
    /// By the contact's account.
    pub accounts: BTreeMap<String, SaslConfig>,
}

impl PuppetSasl {
    /// The account of a contact, if they have one.
    pub(super) fn of(&self, account: &str) -> Option<SaslConfig> {
        let local = account.split('@').next().unwrap_or(account);
        self.accounts.get(account).cloned().or_else(|| {
            let template = self.template.clone()?;
            Some(SaslConfig { user: template.user.replace("{local}", local), ..template })
        })
    }
}

/// A service that is told the bot's password.
#[derive(Debug, Clone)]
pub struct NickServ {
    /// Its nick, as in `NickServ` or `NickServ@services.example`.
    pub name: String,
    /// The account, where it is not the nick.
    pub account: String,
    pub password: SecretString,
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
    /// What opens the channel.
    pub key: Option<SecretString>,
    pub portal: PortalKey,
    /// The conversation of the login with each of the contacts alone.
    pub direct: BTreeMap<String, PortalKey>,
    /// Accounts of the contacts who speak in it, as the configuration names them.
    pub members: Vec<String>,
    /// Who made it so by a command; `None` for the configuration.
    pub plumbed_by: Option<UserId>,
}

impl RelayConfig {
    /// Whether this is its channel.
    pub(super) fn is_at(&self, channel: &str) -> bool {
        self.channel.eq_ignore_ascii_case(channel)
    }

    /// Whether both name one channel of one conversation, with one key and the same people.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let key = |relay: &Self| relay.key.as_ref().map(|key| key.expose_secret().to_owned());
        (&self.network, &self.portal, &self.members) == (&other.network, &other.portal, &other.members)
            && self.is_at(&other.channel)
            && key(self) == key(other)
    }
}
