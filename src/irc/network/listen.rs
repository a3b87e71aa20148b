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
use super::{Own, People};
use crate::bridge::BridgeHandle;
use crate::bridge::event::{
    Author, Availability, LocalCommand, LocalEvent, LocalMessage, RemoteEvent, RemoteKind,
};
use crate::bridge::ids::{PortalKey, UserId};
use crate::irc::config::Happening;
use crate::irc::nicks::Nicks;
use crate::irc::refusals::{Nudges, Refusals};
use crate::irc::session::{ConnectionStatus, Heard, Line, Said, SessionHandle};
use crate::irc::whispers::Whispers;
use crate::irc::{PersonConfig, RelayConfig, inbound, mask};

/// Brings what the bot hears to the core, for every conversation that the channel is an end of. Puppets and the bot do
/// not hear each other. Waits for the core and for nothing else: the core waits for nothing that only comes from here.
pub(super) async fn listen(
    mut heard: mpsc::Receiver<Heard>,
    own: Own,
    people: Arc<Mutex<People>>,
    nicks: Arc<Nicks>,
    whispers: Arc<Whispers>,
    bot: SessionHandle,
    bridge: BridgeHandle,
) {
    let mut refusals = Refusals::default();
    let mut nudges = Nudges::default();
    let mut happenings = Happenings::new(own.kinds);
    loop {
        let heard = tokio::select! {
            heard = heard.recv() => heard,
            () = sleep_until(happenings.next_at()) => {
                let due = happenings.due(Instant::now());
                let events = due.iter().flat_map(|(channel, text)| happened(&own, channel, text));
                if bring(events.collect(), &bridge).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let Some(heard) = heard else { return };
        let events = match heard {
            Heard::Trouble { channel, text } => {
                if tell(&own, channel.as_deref(), &text, &bridge).await.is_err() {
                    return;
                }
                Vec::new()
            }
            Heard::Away { nick, away } => presence(&own, &nick, away).into_iter().collect(),
            Heard::Happened { source, .. } if is_ours(&people, &nicks, &source) => Vec::new(),
            Heard::Happened { channel, source, kind, text } => {
                if matches!(kind, Happening::Nick | Happening::Part) {
                    whispers.ended(&own.network, source.split('!').next().unwrap_or_default());
                }
                happenings.note(&channel, kind, text, Instant::now());
                Vec::new()
            }
            Heard::Said(said) if is_ours(&people, &nicks, &said.source) => Vec::new(),
            Heard::Said(said @ Said { puppet: Some(_), .. }) => match whispered(&own, &said) {
                Some(event) => {
                    if let LocalEvent::Whispered { conversations, said, .. } = &event {
                        let nick = said.reference.split(' ').next().unwrap_or_default();
                        conversations.iter().for_each(|key| whispers.note(key, &own.network, nick));
                    }
                    vec![event]
                }
                None => {
                    if refusals.is_due(&said.source, Instant::now()) {
                        introduce(&people, said.puppet.as_deref().unwrap_or_default(), said.nick);
                    }
                    Vec::new()
                }
            },
            Heard::Said(said)
                if inbound::is_nudge(&said) && nudges.is_too_many(&said.source, Instant::now()) =>
            {
                Vec::new()
            }
            Heard::Said(said) => match (inbound::command(&said), own.user(&said.source)) {
                (Some(text), Some(user)) => command(&own, &said, text, user).into_iter().collect(),
                (Some(_), None) if said.is_private() => {
                    if refusals.is_due(&said.source, Instant::now()) {
                        decline(&bot, said.nick);
                    }
                    Vec::new()
                }
                _ => messages(&own, &said),
            },
        };
        if bring(events, &bridge).await.is_err() {
            return;
        }
    }
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
        at: None,
        is_notice: true,
        puppet: None,
    };
    messages(own, &said)
}

/// What somebody of the configuration says to a contact's puppet alone.
fn whispered(own: &Own, said: &Said) -> Option<LocalEvent> {
    let user = own.user(&said.source)?;
    let account = said.puppet.as_deref().and_then(account_of)?;
    let direct = own.relays.iter().filter_map(|relay| relay.direct.get(account));
    let conversations: Vec<PortalKey> = direct.cloned().collect();
    let at = said.at.unwrap_or_else(time_of_day);
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
    let concerned =
        |relay: &&RelayConfig| channel.is_none_or(|name| relay.channel.eq_ignore_ascii_case(name));
    let logins: BTreeSet<_> =
        own.relays.iter().filter(concerned).map(|relay| &relay.portal.receiver).collect();
    // What is told of a login that the core does not know yet is told to nobody.
    own.introduced.clone().wait_for(|introduced| *introduced).await.map_err(|_| ())?;
    for login in logins {
        let text = format!("IRC network «{}»: {text}", own.network);
        let event = RemoteEvent { login: login.clone(), kind: RemoteKind::Notice { text } };
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
    let ends = own.relays.iter().filter(|relay| relay.channel.eq_ignore_ascii_case(&said.target));
    let message = |relay: &RelayConfig| {
        inbound::message(said, relay.portal.clone(), rand::random(), said.at.unwrap_or_else(time_of_day))
    };
    ends.filter_map(message).map(LocalEvent::Message).collect()
}

/// In a channel a command is for the conversation there; to the bot alone it is for the user's own things.
fn command(own: &Own, said: &Said, text: String, user: UserId) -> Option<LocalEvent> {
    let portal = match said.is_private() {
        true => PortalKey::management(&user),
        false => {
            own.relays.iter().find(|relay| relay.channel.eq_ignore_ascii_case(&said.target))?.portal.clone()
        }
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

/// What our puppets are called before the first `@` and behind the `!`, with the mark of networks that asked nobody.
const OUR_USERS: [&str; 2] = ["msnbridge", "~msnbridge"];

/// Whether a puppet of ours said it, one that is only coming or that has just died included.
fn is_ours(people: &Mutex<People>, nicks: &Nicks, source: &str) -> bool {
    let (nick, rest) = source.split_once('!').unwrap_or((source, ""));
    let user = rest.split('@').next().unwrap_or_default();
    if OUR_USERS.contains(&user) && nicks.may_be_ours(nick) {
        return true;
    }
    let people = people.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    people.puppets.values().any(|puppet| {
        matches!(&*puppet.session.status.borrow(), ConnectionStatus::Joined { nick: own, casemap, .. } if casemap.same(own, nick))
    })
}

fn time_of_day() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
