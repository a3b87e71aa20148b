//! The nick that a connection would rather have, and what it and its owner are called now.
//!
//! Knows three ways to hear that a nick is free: somebody is seen to give it up, MONITOR says so, or it is asked for once a
//! minute; and services that end whoever has it. Refuses to take a nick that is no candidate of its own. Source: IRCv3
//! MONITOR and setname; `GHOST` and `REGAIN` of Atheme and Anope.

use std::time::Duration;

use irc::proto::Command;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::Session;
use super::flow::Flow;
use super::handle::Renaming;
use crate::irc::outbound::one_line;

/// How often a nick is asked for where the server does not say when it is free.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// How long services may take before the nick is asked for.
const SERVICES: Duration = Duration::from_secs(5);
/// The longest real name, in bytes.
pub(super) const REAL_NAME: usize = 50;
/// Services where the configuration names none.
const NICKSERV: &str = "NickServ";

impl Session {
    /// The best nick, where that is not the one we have.
    fn better_nick(&self, flow: &Flow) -> Option<&String> {
        let casemap = flow.channels.casemap;
        self.persona.nicks.first().filter(|nick| !casemap.same(nick, &flow.nick))
    }

    /// Somebody else has our nick: services are told, where they know us, and the server is asked to say when it is free.
    pub(super) fn want_nick(&self, flow: &mut Flow) {
        let Some(nick) = self.better_nick(flow).cloned() else { return };
        let services = self.config.nickserv.as_ref();
        let password = services.map(|services| &services.password).filter(|_| self.is_bot());
        let own = self.persona.sasl.as_ref().and_then(|account| account.password.as_ref());
        let has_account = flow.has_account || password.is_some();
        if has_account {
            let name = services.map_or(NICKSERV, |services| services.name.as_str());
            let password: Option<&SecretString> = password.or(own);
            for verb in ["REGAIN", "GHOST"] {
                let words =
                    format!("{verb} {nick} {}", password.map_or("", |password| password.expose_secret()));
                flow.control(Command::PRIVMSG(name.to_owned(), words.trim_end().to_owned()));
            }
        }
        if flow.monitors {
            flow.control(Command::MONITOR("+".into(), Some(nick)));
        }
        let pause = if has_account { Some(SERVICES) } else { (!flow.monitors).then_some(ASK_AGAIN) };
        flow.regain_at = pause.map(|pause| Instant::now() + pause);
    }

    /// Asks for the nick that we would rather have.
    pub(super) fn ask_nick(&self, flow: &mut Flow) {
        flow.regain_at = None;
        if let Some(nick) = self.better_nick(flow).cloned() {
            flow.control(Command::NICK(nick));
            flow.regain_at = (!flow.monitors).then(|| Instant::now() + ASK_AGAIN);
        }
    }

    /// Somebody has given up a nick: if we would rather have that one, we take it.
    pub(super) fn regain(&self, flow: &mut Flow, free: &str) {
        let casemap = flow.channels.casemap;
        let better = self.persona.nicks.iter().take_while(|nick| !casemap.same(nick, &flow.nick));
        if let Some(nick) = better.into_iter().find(|nick| casemap.same(nick, free)) {
            flow.control(Command::NICK(nick.clone()));
        }
    }

    /// We are called so now.
    pub(super) fn renamed(&self, flow: &mut Flow, nick: String) {
        flow.nick = nick;
        if flow.monitors && self.better_nick(flow).is_none() {
            flow.control(Command::MONITOR("C".into(), None));
        }
        self.stand(flow.status());
    }

    /// The person is called otherwise now; the nick follows where it is made of the name.
    pub(super) fn rename(&mut self, flow: Option<&mut Flow>, renaming: Renaming) {
        let Renaming { real_name, nicks } = renaming;
        let is_new = one_line(&real_name, REAL_NAME) != one_line(&self.persona.real_name, REAL_NAME);
        (self.persona.real_name, self.persona.nicks) = (real_name, nicks);
        let Some(flow) = flow else { return };
        if is_new && flow.sets_names {
            let name = one_line(&self.persona.real_name, REAL_NAME);
            flow.control(Command::Raw("SETNAME".into(), vec![name]));
        }
        self.ask_nick(flow);
    }
}
