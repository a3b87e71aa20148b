//! `irc`: networks, the channels that are ends of conversations, and people who are Matrix users.
//!
//! Knows keys and defaults. Refuses to know what a network takes for a channel or a nick.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The IRC side; without a network it is not started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IrcSection {
    /// By the name under which relays and people are configured.
    pub networks: BTreeMap<String, IrcNetworkSection>,
    pub relays: Vec<IrcRelaySection>,
    pub people: Vec<IrcPersonSection>,
    /// How nicks of contacts are made: `{name}` or `{local}` in it, and at most five characters besides.
    pub nick: String,
    /// Most lines of one message, where `files.links` gives the whole an address; 0 for all of it, 1,000 at most.
    pub paste_lines: usize,
    pub relay: IrcRelayKindsSection,
    /// Most contacts with a connection of their own, on each network; 0 to 1,000.
    pub max_puppets: usize,
    /// What becomes of the connection of a contact who is offline: `away` or `quit`.
    pub offline: String,
    /// `address:port` on which networks are told whose a connection is (RFC 1413); empty: nowhere.
    pub ident: String,
}

impl Default for IrcSection {
    fn default() -> Self {
        Self {
            networks: BTreeMap::new(),
            relays: Vec::new(),
            people: Vec::new(),
            nick: "{name}[m]".into(),
            paste_lines: 12,
            relay: IrcRelayKindsSection::default(),
            max_puppets: 50,
            offline: "away".into(),
            ident: String::new(),
        }
    }
}

/// What happens in a channel besides words and is told on the other sides, as one line now and then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IrcRelayKindsSection {
    pub topics: bool,
    /// Bans too.
    pub modes: bool,
    pub kicks: bool,
    pub nicks: bool,
    pub joins: bool,
    /// Those who leave the network too.
    pub parts: bool,
}

impl Default for IrcRelayKindsSection {
    fn default() -> Self {
        Self { topics: true, modes: true, kicks: true, nicks: false, joins: false, parts: false }
    }
}

impl IrcSection {
    /// Every file that the section names.
    pub(in crate::config) fn files_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let networks = self.networks.values_mut().flat_map(IrcNetworkSection::files_mut);
        networks.chain(self.relays.iter_mut().map(|relay| &mut relay.key_file))
    }
}

impl IrcNetworkSection {
    fn files_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let Self { ca_file, password_file, sasl, puppet_sasl, nickserv, webirc, .. } = self;
        let own = [ca_file, password_file, &mut nickserv.password_file, &mut puppet_sasl.password_file];
        let sasl = [&mut sasl.password_file, &mut sasl.certificate, &mut sasl.key];
        let puppets = puppet_sasl.accounts.values_mut().map(|account| &mut account.password_file);
        own.into_iter().chain(sasl).chain(puppets).chain([&mut webirc.password_file])
    }
}

/// One network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IrcNetworkSection {
    /// A host name.
    #[serde(default)]
    pub server: String,
    #[serde(default = "default_port")]
    pub port: u16,
    /// More of the network's servers, `host:port`: the next one is tried where one fails.
    #[serde(default)]
    pub servers: Vec<String>,
    /// Off only for networks that have no TLS.
    #[serde(default = "default_true")]
    pub tls: bool,
    /// A PEM file with authorities that are trusted besides the system's.
    #[serde(default)]
    pub ca_file: String,
    /// SHA-256 of the one certificate that is trusted, whoever signed it.
    #[serde(default)]
    pub fingerprint: String,
    /// The name that the certificate must be for, if not the host's.
    #[serde(default)]
    pub tls_name: String,
    /// The bot's nick.
    #[serde(default = "default_nick")]
    pub nick: String,
    /// The server's password, or a file that holds it; mostly none.
    #[serde(default)]
    pub password: String,
    #[serde(default)]
    pub password_file: String,
    /// The bot's account.
    #[serde(default)]
    pub sasl: IrcSaslSection,
    /// The accounts of contacts.
    #[serde(default)]
    pub puppet_sasl: IrcPuppetSaslSection,
    #[serde(default)]
    pub nickserv: IrcNickServSection,
    /// Lines that the bot sends before it joins.
    #[serde(default)]
    pub on_connect: Vec<String>,
    /// What is no UTF-8 is read in this charset.
    #[serde(default = "default_charset")]
    pub charset: String,
    /// Milliseconds that the network charges for a line, 0 to 10,000.
    #[serde(default = "default_penalty")]
    pub line_penalty_ms: u32,
    /// Contacts that connect in a second, 0 to 100; 0 for as many as there are.
    #[serde(default = "default_rate")]
    pub puppets_per_second: u32,
    /// An IPv6 prefix that is routed to this host, from which each contact has an address; empty: none.
    #[serde(default)]
    pub puppet_addresses: String,
    #[serde(default)]
    pub webirc: IrcWebircSection,
    /// As it was before there was `irc.nick`: a suffix behind the address's local part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub puppet_suffix: Option<String>,
}

/// What proves to a network that it may be told contacts' addresses; without a password it is told none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IrcWebircSection {
    /// Or a file that holds it.
    pub password: String,
    pub password_file: String,
}

/// An account with a network's services; without a mechanism there is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IrcSaslSection {
    /// `PLAIN`, `EXTERNAL` or `SCRAM-SHA-256`; empty: not at all.
    pub mechanism: String,
    pub user: String,
    /// The password, or a file that holds it.
    pub password: String,
    pub password_file: String,
    /// PEM files, for `EXTERNAL`.
    pub certificate: String,
    pub key: String,
}

/// The accounts of contacts: a pattern, and those that differ.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IrcPuppetSaslSection {
    /// `PLAIN` or `SCRAM-SHA-256`; empty: not at all.
    pub mechanism: String,
    /// Of contacts that are not named below; `{local}` is the part of the address before the `@`. Empty: only of those.
    pub user: String,
    pub password: String,
    pub password_file: String,
    /// By the contact's MSN account.
    pub accounts: BTreeMap<String, IrcPuppetAccountSection>,
}

/// One contact's account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IrcPuppetAccountSection {
    pub user: String,
    pub password: String,
    pub password_file: String,
}

/// The service that is told the bot's password, on networks without SASL; without a password none is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IrcNickServSection {
    /// Its nick.
    pub name: String,
    /// The account, where it is not the nick.
    pub account: String,
    pub password: String,
    pub password_file: String,
}

impl Default for IrcNickServSection {
    fn default() -> Self {
        let [account, password, password_file] = Default::default();
        Self { name: "NickServ".into(), account, password, password_file }
    }
}

fn default_port() -> u16 {
    6697
}

fn default_charset() -> String {
    "windows-1252".into()
}

fn default_true() -> bool {
    true
}

fn default_nick() -> String {
    "msnbot".into()
}

fn default_rate() -> u32 {
    5
}

fn default_penalty() -> u32 {
    2000
}

/// A channel that is one end of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IrcRelaySection {
    /// One of `irc.networks`.
    pub network: String,
    /// With its prefix, 2 to 50 bytes.
    pub channel: String,
    /// What opens the channel (+k), or a file that holds it; mostly none.
    #[serde(default)]
    pub key: String,
    #[serde(default)]
    pub key_file: String,
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
