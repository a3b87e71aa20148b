//! What the server says to one connection, and what others ask of it. Nothing here waits.
//!
//! Knows numerics, capabilities and echoes. Refuses to know conversations: the network's side does.

use irc::proto::message::Tag;
use irc::proto::{CapSubCommand, Command, Message, Prefix, Response};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::channels::Shutting;
use super::ctcp;
use super::flow::Flow;
use super::handle::{Heard, Line, Said, SaidTags, SayFailure, SessionCommand, Speech};
use super::{End, Session, happening};
use crate::irc::casemap::Casemap;
use crate::irc::nick::DEFAULT_LENGTH;
use crate::irc::policy::{self, Again};
use crate::measure;

/// Nicks that are watched, and that nobody has now.
const MONOFFLINE: u16 = 731;

/// The capability by which a server confirms lines.
const ECHO_MESSAGE: &str = "echo-message";

impl Session {
    /// Acts on one line of the server; `Some` where it ends the connection.
    pub(super) fn received(&mut self, flow: &mut Flow, message: Message) -> Option<End> {
        flow.alive();
        if self.is_bot() {
            happening::note(flow, &message);
        }
        let label = flow.batches.label(&message);
        let (message, answered) = flow.batches.take(message);
        if let Some(label) = answered {
            flow.outbox.acknowledged(&label);
        }
        self.acted(flow, message?, label.as_deref())
    }

    /// The same of a whole message; the label is of the line of ours that it answers.
    fn acted(&mut self, flow: &mut Flow, message: Message, label: Option<&str>) -> Option<End> {
        let casemap = flow.channels.casemap;
        let is_us = |nick: &str| casemap.same(nick, &flow.nick);
        let from_us = message.source_nickname().is_some_and(is_us);
        match message.command {
            Command::PING(token, _) => flow.writer.send(&Command::PONG(token, None)),
            Command::PONG(first, second) => {
                let (word, now) = (second.as_ref().unwrap_or(&first), Instant::now());
                if let Some(took) = flow.latency.answered(word, now) {
                    measure::took(measure::IRC_ROUND_TRIP, ("network", &self.config.name), took);
                }
                flow.outbox.answered(word, now);
            }
            Command::CAP(_, CapSubCommand::DEL, first, second) => {
                let gone = second.or(first).unwrap_or_default();
                flow.outbox.abilities.echoes &= !gone.split_whitespace().any(|name| name == ECHO_MESSAGE);
            }
            Command::Response(Response::RPL_ISUPPORT, arguments) => Self::learn(flow, &arguments),
            Command::Response(Response::RPL_USERHOST, arguments) => learn_away(flow, &arguments),
            Command::Response(Response::RPL_ENDOFMOTD | Response::ERR_NOMOTD, _) => self.greeted(flow),
            Command::Response(Response::RPL_ENDOFNAMES, arguments) => {
                let channel = flow.channels.known_as(arguments.get(1).map_or("", String::as_str));
                flow.channels.joined(&channel, Instant::now());
                self.check_in(flow);
            }
            Command::Response(response, arguments) => self.numeric(flow, response as u16, &arguments, label),
            Command::Raw(word, arguments) => self.other(flow, &word, &arguments, label),
            Command::NICK(new) if from_us => self.renamed(flow, new),
            Command::NICK(_) | Command::QUIT(_) => {
                if let Some(Prefix::Nickname(nick, ..)) = message.prefix {
                    self.regain(flow, &nick);
                }
            }
            Command::ERROR(reason) => return Some(End::Lost { reason, sent_away: true }),
            Command::INVITE(who, channel) if is_us(&who) && !flow.channels.is_in(&channel) => {
                flow.join(&channel)
            }
            Command::KICK(channel, who, reason) if is_us(&who) => {
                let by = message.prefix.map(|by| by.to_string()).unwrap_or_default();
                let by = by.split('!').next().unwrap_or_default().to_owned();
                self.put_out(flow, &channel, &format!("kicked by {by}: {}", reason.unwrap_or_default()));
            }
            Command::PART(channel, reason)
                if from_us && flow.channels.wants(&flow.channels.known_as(&channel)) =>
            {
                self.put_out(flow, &channel, &format!("parted: {}", reason.unwrap_or_default()));
            }
            Command::AWAY(text) => {
                if let Some(Prefix::Nickname(nick, ..)) = message.prefix {
                    self.saw_away(flow, nick, text.is_some());
                }
            }
            Command::PRIVMSG(target, text) | Command::NOTICE(target, text) if from_us => match label {
                Some(label) => flow.outbox.labeled(label),
                None => flow.outbox.echoed(&flow.channels.known_as(&target), &text),
            },
            Command::NOTICE(_, text) if matches!(message.prefix, None | Some(Prefix::ServerName(_))) => {
                self.noticed(flow, &text);
            }
            Command::PRIVMSG(target, text) => {
                self.hear(flow, message.prefix, target, text, SaidTags::of(message.tags), false);
            }
            Command::NOTICE(target, text) => {
                self.hear(flow, message.prefix, target, text, SaidTags::of(message.tags), true);
            }
            _ => {}
        }
        None
    }

    /// The server's welcome is over: the bot says who it is, and asks for its channels.
    fn greeted(&self, flow: &mut Flow) {
        if !flow.greeted() {
            return;
        }
        if self.is_bot() {
            let nickserv = self.config.nickserv.as_ref().filter(|_| !flow.has_account);
            if let Some(nickserv) = nickserv {
                let account = format!("{} {}", nickserv.account, nickserv.password.expose_secret());
                let identify = format!("IDENTIFY {}", account.trim_start());
                flow.writer.send(&Command::PRIVMSG(nickserv.name.clone(), identify));
            }
            self.config.on_connect.iter().for_each(|line| flow.writer.send_line(line));
        }
        self.want_nick(flow);
        flow.join_all();
        self.check_in(flow);
    }

    /// We were in a channel and are not any more. The bot comes back after a while; a puppet waits until it is invited.
    fn put_out(&mut self, flow: &mut Flow, channel: &str, reason: &str) {
        let channel = flow.channels.known_as(channel);
        let is_bot = self.is_bot();
        let shutting = if is_bot { Shutting::Until(Again::Later) } else { Shutting::Invited };
        if flow.shut(&channel, reason, shutting) {
            self.tell_trouble(
                Some(channel.clone()),
                format!("The bot is out of {channel}: {reason}. It tries again."),
            );
        }
        self.stand(flow.status());
    }

    /// Takes what a network states about itself: lengths, how names are compared, parts of channels.
    fn learn(flow: &mut Flow, arguments: &[String]) {
        for argument in arguments {
            match argument.split_once('=') {
                Some(("NICKLEN" | "MAXNICKLEN", length)) => {
                    if let Ok(length) = length.parse::<usize>() {
                        flow.nick_length = length.clamp(DEFAULT_LENGTH, 64);
                    }
                }
                Some(("MONITOR", _)) => flow.monitors = true,
                Some(("CASEMAPPING", name)) => flow.channels.casemap = Casemap::named(name),
                Some(("STATUSMSG", statuses)) => flow.channels.statuses = statuses.to_owned(),
                None => flow.monitors |= argument == "MONITOR",
                _ => {}
            }
        }
    }

    /// Words that the library does not know: numbers, and the answer that there is nothing to say.
    fn other(&mut self, flow: &mut Flow, word: &str, arguments: &[String], label: Option<&str>) {
        match (word.parse(), label) {
            (Ok(number), _) => self.numeric(flow, number, arguments, label),
            (Err(_), Some(label)) if word.eq_ignore_ascii_case("ACK") => flow.outbox.acknowledged(label),
            (Err(_), _) => {}
        }
    }

    /// Errors about a channel, or about what we said last.
    fn numeric(&mut self, flow: &mut Flow, number: u16, arguments: &[String], label: Option<&str>) {
        let reason = arguments.last().map_or("", String::as_str);
        let about = arguments.get(1).map_or("", String::as_str);
        if let (301, Some(label)) = (number, label) {
            // Whoever is away has it no less.
            flow.outbox.acknowledged(label);
        }
        if number == MONOFFLINE {
            reason.split(',').for_each(|nick| self.regain(flow, nick));
        }
        let keeps_out = flow.channels.wants(about) && !flow.channels.is_in(about);
        if !policy::is_refusal(number) || (policy::is_about_us(number) && !keeps_out) {
            return;
        }
        if let (470, Some(to)) = (number, arguments.get(2)) {
            return self.forwarded(flow, about, to);
        }
        let about = flow.channels.known_as(about);
        let is_out = number == 442;
        if flow.channels.wants(&about) && (is_out || !flow.channels.is_in(&about)) {
            // Whatever the reason: the other channels are none the worse for it.
            let refused = policy::join(number, reason);
            let text = policy::explain(number, reason);
            if flow.shut(&about, &text, Shutting::Until(refused.again)) {
                self.tell_trouble(
                    Some(about.clone()),
                    format!("The bot cannot join {about}: {text}. It tries again."),
                );
            }
            self.stand_in(flow);
            return self.check_in(flow);
        }
        match policy::is_about_pace(reason) || policy::is_too_fast(number) {
            true => self.slow_down(flow, &about, reason),
            false => {
                let reason = policy::explain_unsaid(number, reason);
                if !label.is_some_and(|label| flow.outbox.refused_label(label, &reason)) {
                    flow.outbox.refused(&about, &reason);
                }
            }
        }
    }

    /// The network drops what is said too fast: that is said again, slower.
    fn slow_down(&self, flow: &mut Flow, target: &str, reason: &str) {
        self.tempo.too_fast();
        flow.outbox.lost(target, reason);
    }

    /// Servers speak in notices too.
    fn noticed(&self, flow: &mut Flow, text: &str) {
        if let Some(target) = policy::throttled(text) {
            let target = flow.channels.known_as(target);
            self.slow_down(flow, &target, text);
        } else if policy::is_warning(text) {
            self.tempo.too_fast();
        }
    }

    /// The network sends everybody who asks for one channel to another one.
    fn forwarded(&mut self, flow: &mut Flow, channel: &str, to: &str) {
        if flow.channels.wants(channel) {
            flow.channels.forwarded(channel, to);
            let text = format!("{channel} forwards to {to}: the conversation goes on there.");
            self.tell_trouble(Some(channel.to_owned()), text);
        }
    }

    /// Where we stand, once that is known.
    fn stand_in(&self, flow: &Flow) {
        if flow.is_in() {
            self.stand(flow.status());
        }
    }

    /// In every channel that can be entered: ready to speak.
    pub(super) fn check_in(&self, flow: &mut Flow) {
        if flow.is_in() {
            tracing::info!(nick = flow.nick, shut_out_of = flow.channels.shut_out_of().len(), "joined");
            self.stand(flow.status());
        }
    }

    /// Somebody in a channel went away or came back.
    fn saw_away(&self, flow: &mut Flow, nick: String, away: bool) {
        let casemap = flow.channels.casemap;
        let is_watched = self.persona.watched.iter().any(|watched| casemap.same(watched, &nick));
        if is_watched && flow.away.insert(nick.clone(), away) != Some(away) {
            flow.heard.push_back(Heard::Away { nick, away });
        }
    }

    /// Passes on a line that somebody said: of channels the bot does, of what is said to one alone that one. Programs are
    /// answered.
    fn hear(
        &self,
        flow: &mut Flow,
        by: Option<Prefix>,
        target: String,
        text: String,
        tags: SaidTags,
        is_notice: bool,
    ) {
        let Some(Prefix::Nickname(nick, user, host)) = by else { return };
        let is_to_us = flow.channels.casemap.same(&target, &flow.nick);
        if ctcp::is_request(&text) {
            if let (true, false, Some(answer)) =
                (is_to_us, is_notice, ctcp::answer(&text, &time_for_people()))
            {
                flow.answer(nick, answer);
            }
            return;
        }
        // Services and others who speak in notices to us alone talk to a program.
        if (is_to_us && is_notice) || (!is_to_us && !self.is_bot()) {
            return;
        }
        let source = format!("{nick}!{user}@{host}");
        let (target, puppet) = (flow.channels.known_as(&target), self.persona.person.clone());
        let casemap = flow.channels.casemap;
        let is_operator = flow.members.is_operator(&casemap.fold(&nick), &casemap.fold(&target));
        let said = Said { nick, source, target, text, is_notice, puppet, is_operator, tags };
        flow.has_heard = true;
        flow.heard.push_back(Heard::Said(said));
    }

    /// Acts on what another part asks of the connection.
    pub(super) fn asked(&mut self, flow: &mut Flow, ask: SessionCommand) {
        match ask {
            SessionCommand::Away(text) => {
                self.note_away(text);
                flow.away_line.want(self.away.clone(), Instant::now());
            }
            SessionCommand::Say(speech) => say(flow, speech),
            SessionCommand::Types(channel) => flow.types(&channel),
            SessionCommand::Enter { channel, key, noted } => {
                self.note_channel(&channel, key.clone());
                flow.channels.add(&channel, key, Instant::now());
                self.stand(flow.status());
                let _ = noted.send(()); // whoever asked may have gone
            }
            SessionCommand::Leave(channel) => {
                self.forget_channel(&channel);
                if flow.channels.is_in(&channel) {
                    flow.control(Command::PART(flow.channels.address(&channel), None));
                }
                flow.outbox.lost(&channel, "it is no end of the conversation any more");
                flow.channels.remove(&channel);
            }
            SessionCommand::Renamed(renaming) => self.rename(Some(flow), renaming),
        }
    }

    /// Remembers that a channel is ours and what opens it, on this connection and those to come.
    pub(super) fn note_channel(&mut self, channel: &str, key: Option<SecretString>) {
        self.forget_channel(channel);
        self.persona.channels.push(channel.to_owned());
        self.persona.keys.extend(key.map(|key| (channel.to_owned(), key)));
    }

    /// Remembers that a channel is none of ours.
    pub(super) fn forget_channel(&mut self, channel: &str) {
        self.persona.channels.retain(|known| !known.eq_ignore_ascii_case(channel));
        self.persona.keys.retain(|known, _| !known.eq_ignore_ascii_case(channel));
    }

    /// Remembers what is to be said of an absence, on this connection and those to come.
    pub(super) fn note_away(&mut self, text: Option<String>) {
        self.away = text.map(|text| crate::irc::outbound::one_line(&text, 150));
    }
}

fn time_for_people() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let now =
        i64::try_from(since.as_secs()).ok().and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    now.map(|now| now.format("%a, %d %b %Y %H:%M:%S UTC").to_string()).unwrap_or_default()
}

impl SaidTags {
    /// IRCv3 server-time and message-ids, and the client tag reply under both of its names.
    fn of(tags: Option<Vec<Tag>>) -> Self {
        let tags = tags.unwrap_or_default();
        let value =
            |name: &str| tags.iter().find(|Tag(known, _)| known == name).and_then(|tag| tag.1.clone());
        let time = value("time").and_then(|time| chrono::DateTime::parse_from_rfc3339(&time).ok());
        let at = time.and_then(|time| u64::try_from(time.timestamp_millis()).ok());
        let answers = value("+reply").or_else(|| value("+draft/reply"));
        Self { at, id: value("msgid"), answers }
    }
}

/// Puts lines into the outbox, unless they are for a channel that we are kept out of.
fn say(flow: &mut Flow, speech: Speech) {
    match flow.channels.closed(speech.lines.iter().map(Line::target)) {
        None => flow.outbox.add(speech),
        Some((channel, reason)) => {
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
