//! From the bot's connection to the core: words, commands and who is away.
//!
//! Knows the channels that are ends of conversations, and the people whom the configuration names. Refuses to wait for
//! anything but the core.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::happenings::Happenings;
use super::person::account_of;
use super::{Network, Own, People};
use crate::bridge::BridgeHandle;
use crate::bridge::event::{
    Author, Availability, LocalCommand, LocalEvent, LocalMessage, RemoteEvent, RemoteKind,
};
use crate::bridge::ids::{PortalKey, UserId};
use crate::irc::caller::USER;
use crate::irc::config::Happening;
use crate::irc::refusals::{NUDGE_GAP, Refusals, Seldom, TYPING_GAP};
use crate::irc::session::{ConnectionStatus, Heard, Line, Said, SaidTags, SessionHandle};
use crate::irc::{PersonConfig, RelayConfig, inbound, mask};

/// Brings what the bot hears to the core, for every conversation that the channel is an end of. Puppets and the bot do
/// not hear each other. Waits for the core and for nothing else: the core waits for nothing that only comes from here.
pub(super) struct Listener {
    network: Arc<Network>,
    refusals: Refusals,
    nudges: Seldom,
    typists: Seldom,
    happenings: Happenings,
}

impl Listener {
    pub(super) fn new(network: &Arc<Network>) -> Self {
        let happenings = Happenings::new(network.own.kinds);
        let (nudges, typists) = (Seldom::new(NUDGE_GAP), Seldom::new(TYPING_GAP));
        Self { network: network.clone(), refusals: Refusals::default(), nudges, typists, happenings }
    }

    /// Until nothing can be heard any more.
    pub(super) async fn run(mut self, mut heard: mpsc::Receiver<Heard>) {
        loop {
            let events = tokio::select! {
                heard = heard.recv() => match heard {
                    Some(heard) => self.hear(heard).await,
                    None => return,
                },
                () = sleep_until(self.happenings.next_at()) => {
                    let due = self.happenings.due(Instant::now());
                    let own = &self.network.own;
                    Ok(due.iter().flat_map(|(channel, text)| happened(own, channel, text)).collect())
                }
            };
            let Ok(events) = events else { return };
            if bring(events, &self.network.bridge).await.is_err() {
                return;
            }
        }
    }

    /// What the core is to hear; an error when it has stopped.
    async fn hear(&mut self, heard: Heard) -> Result<Vec<LocalEvent>, ()> {
        let network = &self.network;
        match heard {
            Heard::Trouble { channel, text } => {
                tell(&network.own, channel.as_deref(), &text, &network.bridge).await?;
                Ok(Vec::new())
            }
            Heard::Types { source, .. } if self.is_ours(&source) => Ok(Vec::new()),
            Heard::Types { channel, nick, source } => Ok(self.types(&channel, nick, &source)),
            Heard::Away { nick, away } => Ok(presence(&network.own, &nick, away).into_iter().collect()),
            Heard::Happened { source, .. } if self.is_ours(&source) => Ok(Vec::new()),
            Heard::Happened { channel, source, kind, text } => {
                if matches!(kind, Happening::Nick | Happening::Part) {
                    let nick = source.split('!').next().unwrap_or_default();
                    network.memory.whispers.ended(&network.own.network, nick);
                }
                self.happenings.note(&channel, kind, text, Instant::now());
                Ok(Vec::new())
            }
            Heard::Said(mut said) => {
                let answered = self.quote(&said);
                if self.is_ours(&said.source) {
                    return Ok(Vec::new());
                }
                if said.puppet.is_some() {
                    return Ok(self.alone(said));
                }
                if let Some(quotation) = answered.filter(|_| inbound::command(&said).is_none()) {
                    said.text = format!("> {quotation}\n{}", said.text);
                }
                Ok(self.said(said).await)
            }
        }
    }

    /// Remembers a line of a channel; gives the beginning of the one that it answers.
    fn quote(&self, said: &Said) -> Option<String> {
        if let (Some(id), false) = (&said.tags.id, said.is_private()) {
            self.network.recent.note(&said.target, &said.text, id);
        }
        self.network.recent.quotation(&said.target, said.tags.answers.as_deref()?)
    }

    /// Whether a puppet of ours said it, one that is only coming or that has just died included.
    fn is_ours(&self, source: &str) -> bool {
        let (nick, rest) = source.split_once('!').unwrap_or((source, ""));
        let user = rest.split('@').next().unwrap_or_default();
        if is_our_user(user) && self.network.memory.nicks.may_be_ours(nick) {
            return true;
        }
        self.network.people().puppets.values().any(|puppet| {
            matches!(&*puppet.session.status.borrow(), ConnectionStatus::Joined { nick: own, casemap, .. } if casemap.same(own, nick))
        })
    }

    /// Somebody writes something, which the other sides see for a while.
    fn types(&mut self, channel: &str, nick: String, source: &str) -> Vec<LocalEvent> {
        if self.typists.is_too_many(source, Instant::now()) {
            return Vec::new();
        }
        let relays = self.network.own.relays.at(&self.network.own.network, channel);
        let typing = |relay: Arc<RelayConfig>| LocalEvent::Typing {
            portal: relay.portal.clone(),
            author: Author::Relayed { name: nick.clone() },
        };
        relays.into_iter().map(typing).collect()
    }

    /// Something said to a puppet alone.
    fn alone(&mut self, said: Said) -> Vec<LocalEvent> {
        let network = &self.network;
        if let Some(event) = whispered(&network.own, &said) {
            if let LocalEvent::Whispered { conversations, said, .. } = &event {
                let nick = said.reference.split(' ').next().unwrap_or_default();
                let whispers = &network.memory.whispers;
                conversations.iter().for_each(|key| whispers.note(key, &network.own.network, nick));
            }
            return vec![event];
        }
        if self.refusals.is_due(&said.source, Instant::now()) {
            introduce(&network.people, said.puppet.as_deref().unwrap_or_default(), said.nick);
        }
        Vec::new()
    }

    /// Something said in a channel, or to the bot alone.
    async fn said(&mut self, said: Said) -> Vec<LocalEvent> {
        let network = &self.network;
        if inbound::is_nudge(&said) && self.nudges.is_too_many(&said.source, Instant::now()) {
            return Vec::new();
        }
        let Some(text) = inbound::command(&said) else { return messages(&network.own, &said) };
        if let Some(confirms) = verdict(&text).filter(|_| network.is_asked(&said.target)) {
            if said.is_operator {
                network.decided(&said.target, confirms).await;
            }
            return Vec::new();
        }
        match network.own.user(&said.source) {
            Some(user) if is_nudging(&text) && self.nudges.is_too_many(&said.source, Instant::now()) => {
                tracing::debug!(%user, "a nudge too many");
                Vec::new()
            }
            Some(user) => command(&network.own, &said, text, user).into_iter().collect(),
            None if said.is_private() => {
                if self.refusals.is_due(&said.source, Instant::now()) {
                    decline(&network.bot, said.nick);
                }
                Vec::new()
            }
            None => messages(&network.own, &said),
        }
    }
}

/// What an operator says to a question of ours.
fn verdict(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "confirm" => Some(true),
        "refuse" => Some(false),
        _ => None,
    }
}

/// Whether a command is one nudge more.
fn is_nudging(text: &str) -> bool {
    text.eq_ignore_ascii_case("nudge")
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Brings events to the core; an error when it has stopped.
async fn bring(events: Vec<LocalEvent>, bridge: &BridgeHandle) -> Result<(), ()> {
    for event in events {
        bridge.local(event).await.map_err(|_| ())?;
    }
    Ok(())
}

/// What happened in a channel, said by the channel in each of its conversations.
fn happened(own: &Own, channel: &str, text: &str) -> Vec<LocalEvent> {
    let said = Said {
        nick: channel.to_owned(),
        source: channel.to_owned(),
        target: channel.to_owned(),
        text: text.to_owned(),
        is_notice: true,
        puppet: None,
        is_operator: false,
        tags: SaidTags::default(),
    };
    messages(own, &said)
}

/// What somebody of the configuration says to a contact's puppet alone.
fn whispered(own: &Own, said: &Said) -> Option<LocalEvent> {
    let user = own.user(&said.source)?;
    let account = said.puppet.as_deref().and_then(account_of)?;
    let relays = own.relays();
    let direct = relays.iter().filter_map(|relay| relay.direct.get(account));
    let conversations: Vec<PortalKey> = direct.cloned().collect();
    let at = said.tags.at.unwrap_or_else(time_of_day);
    let message = inbound::message(said, conversations.first()?.clone(), rand::random(), at)?;
    let said = LocalMessage { author: Author::Owner { name: said.nick.clone() }, ..message };
    Some(LocalEvent::Whispered { user, conversations, said })
}

/// A puppet says what it is to somebody who writes to it alone.
fn introduce(people: &Mutex<People>, person: &str, nick: String) {
    let people = people.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(puppet) = people.puppets.get(person) {
        let text =
            "I am somebody on another network, shown here by a bridge. I do not see what is written to me \
                    alone: speak to me in the channel."
                .to_owned();
        puppet.session.mention(vec![Line::Notice { target: nick, text }]);
    }
}

/// Owners hear of what is wrong with a channel of theirs, or with the network.
async fn tell(own: &Own, channel: Option<&str>, text: &str, bridge: &BridgeHandle) -> Result<(), ()> {
    let concerned = |relay: &Arc<RelayConfig>| channel.is_none_or(|name| relay.is_at(name));
    let relays = own.relays().into_iter().filter(concerned);
    let logins: BTreeSet<_> = relays.map(|relay| relay.portal.receiver.clone()).collect();
    if logins.is_empty() {
        return Ok(());
    }
    // What is told of a login that the core does not know yet is told to nobody.
    own.introduced.clone().wait_for(|introduced| *introduced).await.map_err(|_| ())?;
    for login in logins {
        let text = format!("IRC network «{}»: {text}", own.network);
        let event = RemoteEvent { login, kind: RemoteKind::Notice { text } };
        bridge.remote(event).await.map_err(|_| ())?;
    }
    Ok(())
}

/// A person from the configuration went away or came back.
fn presence(own: &Own, nick: &str, away: bool) -> Option<LocalEvent> {
    let known =
        |person: &&PersonConfig| mask::nick(&person.mask).is_some_and(|n| n.eq_ignore_ascii_case(nick));
    let user = own.people.iter().find(known)?.user.clone();
    let availability = if away { Availability::Away } else { Availability::Online };
    Some(LocalEvent::Presence { user, availability, text: String::new() })
}

/// What a line is in each conversation whose end the channel is.
fn messages(own: &Own, said: &Said) -> Vec<LocalEvent> {
    let ends = own.relays.at(&own.network, &said.target);
    let message = |relay: &Arc<RelayConfig>| {
        inbound::message(said, relay.portal.clone(), rand::random(), said.tags.at.unwrap_or_else(time_of_day))
    };
    ends.iter().filter_map(message).map(LocalEvent::Message).collect()
}

/// In a channel a command is for the conversation there; to the bot alone it is for the user's own things.
fn command(own: &Own, said: &Said, text: String, user: UserId) -> Option<LocalEvent> {
    let portal = match said.is_private() {
        true => PortalKey::management(&user),
        false => own.relays.at(&own.network, &said.target).first()?.portal.clone(),
    };
    let reference = inbound::reference(said, rand::random());
    // A password is not for IRC, whatever was said before.
    let place = said.target.clone();
    Some(LocalEvent::Command(LocalCommand {
        user,
        text: text.into(),
        leg: crate::irc::LEG,
        portal,
        reference,
        replaces: None,
        about: None,
        place,
        typed: false,
        is_message: true,
    }))
}

/// Whoever waited here for the answer would wait for what the bot's connection has read, and that for us.
fn decline(bot: &SessionHandle, nick: String) {
    let text = "I take commands only from people whom my administrator has named (irc.people).".to_owned();
    bot.mention(vec![Line::Notice { target: nick, text }]);
}

/// Whether our puppets are called so before the `@`: as the bot, or where they are told apart `m` and eight letters. Networks
/// that asked nobody put a mark before it.
fn is_our_user(user: &str) -> bool {
    let user = user.trim_start_matches('~');
    let letters = user.strip_prefix('m').filter(|letters| letters.len() == 8);
    user == USER || letters.is_some_and(|letters| letters.bytes().all(|letter| letter.is_ascii_lowercase()))
}

/// In milliseconds since 1970.
pub(in crate::irc) fn time_of_day() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
