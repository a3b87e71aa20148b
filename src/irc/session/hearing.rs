//! What the server says to one connection, and what others ask of it. Nothing here waits.
//!
//! Knows numerics, capabilities and echoes. Refuses to know conversations: the network's side does.

use irc::client::prelude::{Command, Message, Prefix, Response};
use irc::proto::CapSubCommand;
use tokio::time::Instant;

use super::flow::{Echo, Flow};
use super::handle::{Heard, Line, Said, SayFailure, SessionCommand, Speech};
use super::{DEFAULT_LENGTH, End, Session};

/// The capability by which a server confirms lines.
const ECHO_MESSAGE: &str = "echo-message";

impl Session {
    /// A connection that ends before it was ever welcome was refused.
    pub(super) fn failed(&self, flow: &Flow, reason: &str) -> End {
        let reason = reason.to_owned();
        if flow.nick.is_empty() && self.events_tx.is_none() {
            End::Refused(reason)
        } else {
            End::Lost(reason)
        }
    }

    /// Acts on one line of the server; `Some` where it ends the connection.
    pub(super) fn received(&mut self, flow: &mut Flow, message: Message) -> Option<End> {
        let from_us = message.source_nickname().is_some_and(|nick| nick == flow.nick);
        match message.command {
            Command::Response(Response::RPL_WELCOME, arguments) => {
                flow.nick = arguments.into_iter().next().unwrap_or_default();
                flow.send_now(Command::CAP(None, CapSubCommand::LS, None, Some("302".into())));
            }
            Command::CAP(_, sub, first, second) => self.capability(flow, sub, first, second),
            Command::Response(Response::RPL_ISUPPORT, arguments) => self.learn(&arguments),
            Command::Response(Response::RPL_USERHOST, arguments) => learn_away(flow, &arguments),
            Command::Response(Response::RPL_ENDOFNAMES, arguments) => {
                flow.joined(arguments.get(1).map_or("", String::as_str));
                self.check_in(flow);
            }
            Command::Response(response, arguments) => return self.numeric(flow, response as u16, &arguments),
            Command::Raw(word, arguments) => {
                // Numbers that the library does not know.
                return word.parse().ok().and_then(|number| self.numeric(flow, number, &arguments));
            }
            Command::NICK(new) if from_us => {
                flow.nick = new;
                self.stand(flow.status());
            }
            Command::PONG(first, second) => {
                flow.outbox.answered(second.as_ref().unwrap_or(&first), Instant::now());
            }
            Command::ERROR(reason) => return Some(self.failed(flow, &reason)),
            Command::KICK(channel, who, reason) if who == flow.nick => {
                flow.shut(&channel, &format!("kicked: {}", reason.unwrap_or_default()));
                self.stand(flow.status());
            }
            Command::PART(channel, reason) if from_us => {
                flow.shut(&channel, &format!("parted: {}", reason.unwrap_or_default()));
                self.stand(flow.status());
            }
            Command::PRIVMSG(target, text) | Command::NOTICE(target, text) if from_us => {
                flow.outbox.echoed(&target, &text);
            }
            Command::PRIVMSG(channel, text) => self.hear(flow, message.prefix, channel, text),
            _ => {}
        }
        None
    }

    /// Asks for echoes where they are offered.
    fn capability(&self, flow: &mut Flow, sub: CapSubCommand, first: Option<String>, second: Option<String>) {
        let names = second.or(first).unwrap_or_default();
        // 3.2 servers put values behind names.
        let names_it = names.split_whitespace().any(|name| name.split('=').next() == Some(ECHO_MESSAGE));
        match sub {
            CapSubCommand::LS if names_it && flow.echo == Echo::Unknown => {
                flow.echo = Echo::Requested;
                flow.send_now(Command::CAP(None, CapSubCommand::REQ, None, Some(ECHO_MESSAGE.into())));
            }
            CapSubCommand::ACK | CapSubCommand::NAK if names_it => {
                flow.echo = Echo::Answered;
                flow.outbox.echoes = sub == CapSubCommand::ACK;
                tracing::debug!(echoes = flow.outbox.echoes, "the server has answered");
                self.check_in(flow);
            }
            CapSubCommand::DEL if names_it => flow.outbox.echoes = false,
            _ => {}
        }
    }

    /// Takes what a network states about itself: lengths, penalties, capabilities.
    fn learn(&mut self, arguments: &[String]) {
        let length = arguments.iter().find_map(|argument| argument.strip_prefix("NICKLEN="));
        if let Some(length) = length.and_then(|length| length.parse::<usize>().ok()) {
            self.length = length.clamp(DEFAULT_LENGTH, 30);
        }
    }

    /// Errors about us, or about what we said last.
    fn numeric(&self, flow: &mut Flow, number: u16, arguments: &[String]) -> Option<End> {
        let reason = arguments.last().map_or("", String::as_str);
        let about = arguments.get(1).map_or("", String::as_str);
        match number {
            // No MOTD, nick in use: the library deals with them.
            422 | 431..=433 | 436 | 437 => {}
            463 | 465 | 466 => return Some(End::Refused(reason.to_owned())),
            // A channel that cannot be entered, for whatever reason: the others are none the worse for it.
            400..600 if self.wants(about) && !flow.is_joined(about) => {
                flow.shut(about, reason);
                self.check_in(flow);
            }
            400..600 => flow.outbox.refused(about, reason),
            _ => {}
        }
        None
    }

    /// Whether this persona is to be in a channel.
    fn wants(&self, channel: &str) -> bool {
        self.persona.channels.iter().any(|wanted| wanted.eq_ignore_ascii_case(channel))
    }

    /// In every channel that can be entered: ready to speak.
    fn check_in(&self, flow: &mut Flow) {
        if flow.is_in(&self.persona) {
            tracing::info!(nick = flow.nick, shut_out_of = flow.shut_out_of(), "joined");
            self.stand(flow.status());
            self.say_away(flow);
        }
    }

    /// Passes on a line that somebody said, while there is room.
    fn hear(&self, flow: &mut Flow, prefix: Option<Prefix>, target: String, text: String) {
        let Some(Prefix::Nickname(nick, user, host)) = prefix.filter(|_| self.events_tx.is_some()) else {
            return;
        };
        let source = format!("{nick}!{user}@{host}");
        flow.heard.push_back(Heard::Said(Said { nick, source, target, text }));
    }

    /// Acts on what another part asks of the connection.
    pub(super) fn asked(&mut self, flow: &mut Flow, ask: SessionCommand) {
        match ask {
            SessionCommand::Away(text) => {
                self.away = text;
                self.say_away(flow);
            }
            SessionCommand::Say(speech) => say(flow, speech),
        }
    }

    /// Has the away message sent as it is now.
    fn say_away(&self, flow: &mut Flow) {
        let text = self.away.as_ref().map(|text| crate::irc::outbound::one_line(text, 150));
        flow.control(Command::AWAY(text));
    }
}

/// Puts lines into the outbox, or says that it is full.
fn say(flow: &mut Flow, speech: Speech) {
    match flow.closed(speech.lines.iter().map(Line::target)) {
        None => flow.outbox.add(speech),
        Some((channel, reason)) => {
            // Perhaps it can by now.
            flow.control(Command::JOIN(channel.clone(), None, None));
            speech.end(Err(SayFailure::Lost(format!("{channel} cannot be joined: {reason}"))));
        }
    }
}

/// The answer to our question who is away: `nick=-user@host`, with a plus for those who are there.
fn learn_away(flow: &mut Flow, arguments: &[String]) {
    let tokens = arguments.last().map(String::as_str).unwrap_or_default().split_whitespace();
    for (nick, rest) in tokens.filter_map(|token| token.split_once('=')) {
        let (nick, away) = (nick.trim_end_matches('*').to_owned(), rest.starts_with('-'));
        if flow.away.insert(nick.clone(), away) != Some(away) {
            flow.heard.push_back(Heard::Away { nick, away });
        }
    }
}
