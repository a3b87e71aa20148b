//! From an open connection to the network's welcome: capabilities, SASL, a nick.
//!
//! Knows the order (CAP LS 302, PASS, NICK, USER, AUTHENTICATE, CAP END) and each way to be refused. Refuses to know sockets
//! and clocks: a message goes in, commands come out. Source: IRCv3 capability-negotiation and sasl-3.1, RFC 2812 3.1.

mod sasl;
mod scram;

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv6Addr;

use irc::proto::{CapSubCommand, Command, Message, Response};
use secrecy::{ExposeSecret, SecretString};

use super::caller::Caller;
use super::config::{NetworkConfig, SaslConfig};
use sasl::Sasl;

/// What is asked for where it is offered: each of them is used.
const WANTED: [&str; 8] = [
    "echo-message",
    "server-time",
    "away-notify",
    "message-tags",
    "setname",
    "batch",
    "labeled-response",
    MULTILINE,
];
/// Several lines as one message.
pub(super) const MULTILINE: &str = "draft/multiline";
/// What we are called by those who are told of an address.
const GATEWAY: &str = "msnbridge";
/// Capabilities that a server may list.
const MAX_OFFERED: usize = 256;

/// Whom we register as.
pub(super) struct Identity {
    /// Nicks, best first.
    pub(super) nicks: Vec<String>,
    pub(super) real_name: String,
    /// The server's password.
    pub(super) password: Option<SecretString>,
    pub(super) sasl: Option<SaslConfig>,
    /// What stands before the `@`, if the server asks nobody else.
    pub(super) user: String,
    pub(super) gateway: Option<Gateway>,
}

/// Whoever passes somebody on says from where (WEBIRC).
pub(super) struct Gateway {
    password: SecretString,
    address: Ipv6Addr,
}

impl Gateway {
    /// For whoever has an address of their own, where the network is told.
    pub(super) fn of(config: &NetworkConfig, caller: &Caller) -> Option<Self> {
        Some(Self { password: config.webirc.clone()?, address: caller.address? })
    }

    /// The name of the host is its address: nobody is asked for another one.
    fn command(&self) -> Command {
        let address = self.address.to_string();
        // A word that begins with a colon is the last one.
        let address = if address.starts_with(':') { format!("0{address}") } else { address };
        let password = self.password.expose_secret().to_owned();
        Command::Raw("WEBIRC".into(), vec![password, GATEWAY.into(), address.clone(), address])
    }
}

/// The network has let us in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Welcome {
    pub(super) nick: String,
    pub(super) capabilities: BTreeSet<String>,
    /// Whether the network knows our account.
    pub(super) has_account: bool,
    /// Lines and bytes of one message of several lines, where the server takes those.
    pub(super) multiline: Option<(usize, usize)>,
}

/// The network does not let us in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    /// The same attempt would fail again for ever: somebody must change something first.
    pub(super) is_final: bool,
}

/// What follows from a message.
#[derive(Debug)]
pub(super) enum Step {
    Send(Vec<Command>),
    Welcomed(Welcome),
    Refused(Refusal),
}

/// A registration under way.
pub(super) struct Registration {
    identity: Identity,
    /// Which of the nicks is asked for.
    nick: usize,
    offered: HashMap<String, String>,
    welcome: Welcome,
    sasl: Option<Sasl>,
    /// What the server says it takes, from 908 or the capability's value.
    mechanisms: String,
}

fn refused(reason: impl Into<String>, is_final: bool) -> Step {
    Step::Refused(Refusal { reason: reason.into(), is_final })
}

fn cap(sub: CapSubCommand, names: Option<String>) -> Command {
    Command::CAP(None, sub, None, names)
}

impl Registration {
    /// What is sent first. `nonce` is fresh for each attempt, printable and without a comma.
    pub(super) fn begin(identity: Identity, nonce: &str) -> (Self, Vec<Command>) {
        let sasl = identity.sasl.as_ref().map(|config| Sasl::new(config, nonce));
        let mut commands: Vec<Command> =
            identity.gateway.as_ref().map(Gateway::command).into_iter().collect();
        commands.push(cap(CapSubCommand::LS, Some("302".into())));
        let password = identity.password.as_ref().map(|password| password.expose_secret().to_owned());
        commands.extend(password.map(Command::PASS));
        let nick = identity.nicks.first().cloned().unwrap_or_default();
        commands.push(Command::NICK(nick));
        commands.push(Command::USER(identity.user.clone(), "0".into(), identity.real_name.clone()));
        let (offered, welcome) = (HashMap::new(), Welcome::default());
        (Self { identity, nick: 0, offered, welcome, sasl, mechanisms: String::new() }, commands)
    }

    /// Acts on a message of the server.
    pub(super) fn handle(&mut self, message: Message) -> Step {
        match message.command {
            Command::PING(token, _) => Step::Send(vec![Command::PONG(token, None)]),
            Command::CAP(_, sub, first, second) => self.capability(sub, first, second),
            Command::AUTHENTICATE(data) => self.challenge(&data),
            Command::ERROR(reason) => refused(reason, false),
            Command::Response(Response::RPL_WELCOME, arguments) => self.welcomed(arguments),
            Command::Response(response, arguments) => self.numeric(response as u16, &arguments),
            Command::Raw(word, arguments) => match word.parse() {
                Ok(number) => self.numeric(number, &arguments),
                Err(_) => Step::Send(Vec::new()),
            },
            _ => Step::Send(Vec::new()),
        }
    }

    /// A server that lets somebody in before it has asked for their account has none to ask for.
    fn welcomed(&mut self, arguments: Vec<String>) -> Step {
        if self.sasl.is_some() && !self.welcome.has_account {
            return refused("the network has no SASL, which irc.networks asks for", false);
        }
        self.welcome.nick = arguments.into_iter().next().unwrap_or_default();
        let capabilities = &self.welcome.capabilities;
        let has_multiline = ["batch", MULTILINE].iter().all(|name| capabilities.contains(*name));
        self.welcome.multiline =
            self.offered.get(MULTILINE).filter(|_| has_multiline).map(|limits| multiline(limits));
        Step::Welcomed(std::mem::take(&mut self.welcome))
    }

    /// Lists come in one line or several; all but the last say so with a star.
    fn capability(&mut self, sub: CapSubCommand, first: Option<String>, second: Option<String>) -> Step {
        let is_last = second.is_none() || first.as_deref() != Some("*");
        let names = second.or(first).unwrap_or_default();
        match sub {
            CapSubCommand::LS => {
                for name in names.split_whitespace().take(MAX_OFFERED.saturating_sub(self.offered.len())) {
                    let (name, value) = name.split_once('=').unwrap_or((name, ""));
                    self.offered.insert(name.to_ascii_lowercase(), value.to_owned());
                }
                if is_last { self.request() } else { Step::Send(Vec::new()) }
            }
            CapSubCommand::ACK => {
                let added = names.split_whitespace().filter(|name| !name.starts_with('-'));
                self.welcome.capabilities.extend(added.map(str::to_ascii_lowercase));
                self.agreed()
            }
            // None of them, then.
            CapSubCommand::NAK => self.agreed(),
            _ => Step::Send(Vec::new()),
        }
    }

    fn request(&mut self) -> Step {
        let mut wanted: Vec<&str> =
            WANTED.into_iter().filter(|name| self.offered.contains_key(*name)).collect();
        if let Some(sasl) = &self.sasl {
            let Some(mechanisms) = self.offered.get("sasl") else {
                return refused("the network does not offer SASL now; its services may be away", false);
            };
            let takes = |name: &str| name.eq_ignore_ascii_case(sasl.mechanism());
            if !mechanisms.is_empty() && !mechanisms.split(',').any(takes) {
                return refused(wrong_mechanism(sasl.mechanism(), mechanisms), true);
            }
            self.mechanisms = mechanisms.clone();
            wanted.push("sasl");
        }
        Step::Send(vec![match wanted.is_empty() {
            true => cap(CapSubCommand::END, None),
            false => cap(CapSubCommand::REQ, Some(wanted.join(" "))),
        }])
    }

    fn agreed(&self) -> Step {
        match &self.sasl {
            Some(sasl) if self.welcome.capabilities.contains("sasl") => {
                Step::Send(vec![Command::AUTHENTICATE(sasl.mechanism().to_owned())])
            }
            Some(_) => refused("the network offers SASL and refuses it", false),
            None => Step::Send(vec![cap(CapSubCommand::END, None)]),
        }
    }

    fn challenge(&mut self, data: &str) -> Step {
        match self.sasl.as_mut().map(|sasl| sasl.answer(data)) {
            None => Step::Send(Vec::new()),
            Some(Ok(pieces)) => Step::Send(pieces.into_iter().map(Command::AUTHENTICATE).collect()),
            Some(Err(reason)) => refused(format!("SASL: {reason}"), true),
        }
    }

    fn numeric(&mut self, number: u16, arguments: &[String]) -> Step {
        let reason = arguments.last().map_or("", String::as_str);
        match number {
            903 | 907 if self.sasl.as_ref().is_some_and(Sasl::is_proven) => {
                self.welcome.has_account = true;
                Step::Send(vec![cap(CapSubCommand::END, None)])
            }
            903 => {
                refused("SASL: the server says yes without having proven that it knows the password", true)
            }
            908 => {
                self.mechanisms = arguments.get(1).cloned().unwrap_or_default();
                Step::Send(Vec::new())
            }
            902 | 904 | 905 => self.not_logged_in(reason),
            906 => refused(format!("SASL was broken off: {reason}"), false),
            431..=433 | 436 | 437 => self.next_nick(reason),
            464 => refused(format!("the server's password is wrong: {reason}"), true),
            463 | 465 | 466 => refused(reason, false),
            _ => Step::Send(Vec::new()),
        }
    }

    /// Final: who tries the wrong password again and again is banned.
    fn not_logged_in(&self, reason: &str) -> Step {
        let Some(sasl) = &self.sasl else { return Step::Send(Vec::new()) };
        let takes = |name: &str| name.eq_ignore_ascii_case(sasl.mechanism());
        if !self.mechanisms.is_empty() && !self.mechanisms.split(',').any(takes) {
            return refused(wrong_mechanism(sasl.mechanism(), &self.mechanisms), true);
        }
        refused(format!("SASL {}: {reason}; correct the account and its password", sasl.mechanism()), true)
    }

    fn next_nick(&mut self, reason: &str) -> Step {
        self.nick += 1;
        match self.identity.nicks.get(self.nick) {
            Some(nick) => Step::Send(vec![Command::NICK(nick.clone())]),
            None => refused(format!("no nick is free: {reason}"), false),
        }
    }
}

/// Lines and bytes of one message, as `max-bytes=4096,max-lines=24`.
fn multiline(limits: &str) -> (usize, usize) {
    let limit = |name: &str, default| {
        let value = limits.split(',').find_map(|limit| limit.strip_prefix(name)?.strip_prefix('='));
        value.and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    (limit("max-lines", 24), limit("max-bytes", 4_096))
}

fn wrong_mechanism(ours: &str, theirs: &str) -> String {
    format!("the network does not take SASL {ours}; it takes {theirs}")
}

#[cfg(test)]
mod tests;
