//! What the server says of a channel besides words, as parts of a sentence for people; and who is in it.
//!
//! Knows the commands that change a channel. Refuses to know which of that anybody wants to hear.

use irc::proto::{ChannelMode, Command, Message, Mode, Prefix, Response};

use super::batches::tag;
use super::flow::Flow;
use super::handle::Heard;
use crate::irc::config::Happening;
use crate::irc::outbound::one_line;

/// The longest topic or reason that is repeated, in bytes.
const MAX_WORDS: usize = 200;

/// Words behind something that was done, in brackets.
fn because(reason: Option<&String>) -> String {
    match reason.map(|reason| one_line(reason, MAX_WORDS)).filter(|reason| !reason.trim().is_empty()) {
        Some(reason) => format!(" ({reason})"),
        None => String::new(),
    }
}

/// Notes what a message changes in our channels.
pub(super) fn note(flow: &mut Flow, message: &Message) {
    if let Command::Response(Response::RPL_NAMREPLY, arguments) = &message.command {
        return names(flow, arguments);
    }
    if let Command::Raw(word, arguments) = &message.command
        && word.eq_ignore_ascii_case("TAGMSG")
    {
        return typing(flow, message, arguments);
    }
    if let Command::ChannelMODE(channel, modes) = &message.command {
        operators(flow, channel, modes);
    }
    let Some(Prefix::Nickname(nick, user, host)) = &message.prefix else { return };
    let Some((kind, channels, text)) = change(flow, nick, &message.command) else { return };
    if flow.channels.casemap.same(nick, &flow.nick) {
        return;
    }
    for channel in channels.into_iter().filter(|channel| flow.channels.wants(channel)) {
        let (source, text) = (format!("{nick}!{user}@{host}"), format!("{} {text}", one_line(nick, 64)));
        flow.heard.push_back(Heard::Happened { channel, source, kind, text });
    }
}

/// What somebody did, in which channels, in words behind their name.
fn change(flow: &mut Flow, nick: &str, command: &Command) -> Option<(Happening, Vec<String>, String)> {
    let who = flow.channels.casemap.fold(nick);
    Some(match command {
        Command::TOPIC(channel, topic) => {
            let topic = topic.as_ref().map(|topic| one_line(topic, MAX_WORDS)).unwrap_or_default();
            let text =
                if topic.is_empty() { "cleared the topic".into() } else { format!("set the topic: {topic}") };
            (Happening::Topic, vec![flow.channels.known_as(channel)], text)
        }
        Command::ChannelMODE(channel, modes) => {
            let modes: Vec<String> = modes.iter().map(ToString::to_string).collect();
            let text = format!("set {}", one_line(&modes.join(" "), MAX_WORDS));
            (Happening::Mode, vec![flow.channels.known_as(channel)], text)
        }
        Command::KICK(channel, whom, reason) => {
            let channel = flow.channels.known_as(channel);
            let casemap = flow.channels.casemap;
            flow.members.left(&casemap.fold(whom), &channel);
            flow.members.demoted(&casemap.fold(whom), &casemap.fold(&channel));
            let text = format!("kicked {}{}", one_line(whom, 64), because(reason.as_ref()));
            (Happening::Kick, vec![channel], text)
        }
        Command::JOIN(channel, ..) => {
            let channel = flow.channels.known_as(channel);
            flow.members.joined(who, &channel);
            (Happening::Join, vec![channel], "joined".into())
        }
        Command::PART(channel, reason) => {
            let channel = flow.channels.known_as(channel);
            flow.members.left(&who, &channel);
            flow.members.demoted(&who, &flow.channels.casemap.fold(&channel));
            (Happening::Part, vec![channel], format!("left{}", because(reason.as_ref())))
        }
        Command::QUIT(reason) => {
            let channels = flow.members.quit(&who).into_iter().collect();
            (Happening::Part, channels, format!("quit{}", because(reason.as_ref())))
        }
        Command::NICK(new) => {
            let new_nick = flow.channels.casemap.fold(new);
            let channels = flow.members.renamed(&who, new_nick).into_iter().collect();
            (Happening::Nick, channels, format!("is now {}", one_line(new, 64)))
        }
        _ => return None,
    })
}

/// Somebody who writes something is shown to, where they do it in a channel of ours (the client tag typing).
fn typing(flow: &mut Flow, message: &Message, arguments: &[String]) {
    let names = ["+typing", "+draft/typing"];
    let is_active = names.iter().any(|name| tag(message, name) == Some("active"));
    let (Some(Prefix::Nickname(nick, user, host)), Some(target)) = (&message.prefix, arguments.first())
    else {
        return;
    };
    let channel = flow.channels.known_as(target);
    if is_active && flow.channels.wants(&channel) && !flow.channels.casemap.same(nick, &flow.nick) {
        let (nick, source) = (nick.clone(), format!("{nick}!{user}@{host}"));
        flow.heard.push_back(Heard::Types { channel, nick, source });
    }
}

/// Who becomes an operator of a channel, or is none any more.
fn operators(flow: &mut Flow, channel: &str, modes: &[Mode<ChannelMode>]) {
    let channel = flow.channels.casemap.fold(&flow.channels.known_as(channel));
    let is_rank =
        |mode: &ChannelMode| matches!(mode, ChannelMode::Oper | ChannelMode::Admin | ChannelMode::Founder);
    for mode in modes {
        match mode {
            Mode::Plus(rank, Some(nick)) if is_rank(rank) => {
                flow.members.promoted(flow.channels.casemap.fold(nick), &channel);
            }
            Mode::Minus(rank, Some(nick)) if is_rank(rank) => {
                flow.members.demoted(&flow.channels.casemap.fold(nick), &channel);
            }
            _ => {}
        }
    }
}

/// Those who are in a channel when we come.
fn names(flow: &mut Flow, arguments: &[String]) {
    let (Some(channel), Some(names)) = (arguments.get(2), arguments.get(3)) else { return };
    let channel = flow.channels.known_as(channel);
    for name in names.split_whitespace() {
        let nick =
            name.trim_start_matches(|c: char| "~&@%+!".contains(c)).split('!').next().unwrap_or_default();
        let nick = flow.channels.casemap.fold(nick);
        let ranks = name.split(|c| !"~&@%+!".contains(c)).next().unwrap_or_default();
        if ranks.contains(['~', '&', '@']) {
            flow.members.promoted(nick.clone(), &flow.channels.casemap.fold(&channel));
        }
        flow.members.joined(nick, &channel);
    }
}
