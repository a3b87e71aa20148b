//! The IRC section, checked.
//!
//! Knows networks, relays and people, and that channels and nicks are names that a network takes. Refuses to connect.

mod network;

use super::{Config, ConfigError, IrcPersonSection, IrcRelayKindsSection, IrcRelaySection, secret};
use crate::bridge::ids::{LoginId, PortalKey, UserId};
use crate::connector::conversation_of;
use crate::irc::{IrcConfig, NickTemplate, PersonConfig, RelayConfig, RelayKinds};
use crate::msn::ids::Email;

/// Most contacts in a group: a call holds twenty, and one of them is we.
const MAX_GROUP: usize = 19;

impl Config {
    /// The whole section; the error names the first key that is wrong, a relay or a person by its place in the list.
    ///
    /// # Errors
    /// A key of `irc`.
    pub(super) fn check_irc(&self) -> Result<IrcConfig, ConfigError> {
        let section = &self.irc;
        let mut config = IrcConfig { max_puppets: section.max_puppets, ..IrcConfig::default() };
        if section.max_puppets > 1000 {
            return Err(ConfigError::value("irc.max_puppets", section.max_puppets, "0 to 1000"));
        }
        if section.paste_lines > 1000 {
            return Err(ConfigError::value("irc.paste_lines", section.paste_lines, "0 to 1000"));
        }
        config.paste_lines = section.paste_lines;
        let IrcRelayKindsSection { topics, modes, kicks, nicks, joins, parts } = section.relay;
        config.relay = RelayKinds { topics, modes, kicks, nicks, joins, parts };
        config.quit_when_offline = match section.offline.as_str() {
            "away" => false,
            "quit" => true,
            other => return Err(ConfigError::value("irc.offline", other, "away or quit")),
        };
        config.ident = match section.ident.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                ConfigError::value("irc.ident", text, "address:port, as in 0.0.0.0:113, or empty")
            })?),
        };
        let nick = NickTemplate::parse(&section.nick).ok_or_else(|| {
            ConfigError::value(
                "irc.nick",
                &section.nick,
                "{name} or {local} and at most five letters of nicks",
            )
        })?;
        for (name, network) in &section.networks {
            config.networks.insert(name.clone(), network::check(name, network, &nick)?);
        }
        for (at, relay) in section.relays.iter().enumerate() {
            config.relays.push(self.check_relay(at, relay)?);
        }
        for (at, person) in section.people.iter().enumerate() {
            config.people.push(self.check_person(at, person)?);
        }
        Ok(config)
    }

    /// The mask must be whole: a nick alone is anybody's who takes it.
    fn check_person(&self, at: usize, person: &IrcPersonSection) -> Result<PersonConfig, ConfigError> {
        let key = |name: &str| format!("irc.people[{at}].{name}");
        if !self.irc.networks.contains_key(&person.network) {
            return Err(ConfigError::value(&key("network"), &person.network, "one of irc.networks"));
        }
        let whole = person.mask.split_once('!').is_some_and(|(_, rest)| rest.contains('@'));
        if !whole || person.mask.chars().any(char::is_whitespace) {
            return Err(ConfigError::value(
                &key("mask"),
                &person.mask,
                "nick!user@host, as in eve!*@example.org",
            ));
        }
        let user = ruma::UserId::parse(&person.user).map_err(|_| {
            ConfigError::value(&key("user"), &person.user, "a Matrix user, as in @name:server")
        })?;
        let (network, mask) = (person.network.clone(), person.mask.clone());
        Ok(PersonConfig { network, mask, user: UserId::new(user.as_str()) })
    }

    /// Network, channel and accounts; the portal is the one that a Matrix room of the same contacts has.
    fn check_relay(&self, at: usize, relay: &IrcRelaySection) -> Result<RelayConfig, ConfigError> {
        let key = |name: &str| format!("irc.relays[{at}].{name}");
        if !self.irc.networks.contains_key(&relay.network) {
            return Err(ConfigError::value(&key("network"), &relay.network, "one of irc.networks"));
        }
        let is_channel = relay.channel.starts_with(['#', '&', '+', '!'])
            && (2..=50).contains(&relay.channel.len())
            && !relay.channel.contains([' ', ',', '\x07', '\r', '\n', '\0']);
        if !is_channel {
            return Err(ConfigError::value(&key("channel"), &relay.channel, "a channel, as in #friends"));
        }
        let login = Email::parse(&relay.login).ok().filter(Email::is_address);
        let login =
            login.ok_or_else(|| ConfigError::value(&key("login"), &relay.login, "an e-mail address"))?;
        let members = self.relay_members(at)?;
        let portal = PortalKey::new(LoginId::new(login.to_key()), conversation_of(&members));
        let alone = |member: &Email| {
            let conversation = conversation_of(std::slice::from_ref(member));
            (member.to_key(), PortalKey::new(portal.receiver.clone(), conversation))
        };
        let direct = members.iter().map(alone).collect();
        let members = members.iter().map(Email::to_key).collect();
        let channel_key = secret::optional(&key("key"), &relay.key, &relay.key_file)?;
        let (network, channel) = (relay.network.clone(), relay.channel.clone());
        Ok(RelayConfig { network, channel, key: channel_key, portal, direct, members, plumbed_by: None })
    }

    /// Whose words a relay carries: one contact's, or those of a group.
    fn relay_members(&self, at: usize) -> Result<Vec<Email>, ConfigError> {
        let relay = &self.irc.relays[at];
        let key = |name: &str| format!("irc.relays[{at}].{name}");
        let account = |name: &str, value: &String| {
            let email = Email::parse(value).ok().filter(Email::is_address);
            email.ok_or_else(|| ConfigError::value(&key(name), value, "an e-mail address"))
        };
        if relay.contacts.is_empty() {
            return Ok(vec![account("contact", &relay.contact)?]);
        }
        if !relay.contact.is_empty() {
            return Err(ConfigError::value(&key("contact"), &relay.contact, "nothing beside contacts"));
        }
        let members = relay.contacts.iter().map(|contact| account("contacts", contact));
        let mut members: Vec<Email> = members.collect::<Result<_, _>>()?;
        members.sort_by_key(Email::to_key);
        members.dedup_by_key(|member| member.to_key());
        match members.len() {
            1..=MAX_GROUP => Ok(members),
            more => Err(ConfigError::value(&key("contacts"), more, "at most 19 people")),
        }
    }

    /// The groups that relays name, for whoever holds the calls.
    ///
    /// # Errors
    /// A relay without contacts, or with too many.
    pub(super) fn relay_groups(&self) -> Result<Vec<(LoginId, Vec<Email>)>, ConfigError> {
        let mut groups = Vec::new();
        for (at, relay) in self.irc.relays.iter().enumerate() {
            let members = self.relay_members(at)?;
            if let (Ok(login), 2..) = (Email::parse(&relay.login), members.len()) {
                groups.push((LoginId::new(login.to_key()), members));
            }
        }
        Ok(groups)
    }
}
