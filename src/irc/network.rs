//! One network: the bot, the puppets, and who speaks through whom.
//!
//! Knows relays, people and the order in which words must leave. Refuses to know lines and replies: sessions do. A puppet
//! that cannot come is spoken for by the bot.

mod listen;
mod person;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::casemap::Casemap;
use super::nicks::Nicks;
use super::outbound::{self, Voice};
use super::session::{self, ConnectionStatus, Line, Persona, SayFailure, SessionHandle};
use super::spoken::{Progress, Spoken};
use super::{NameHash, NetworkConfig, PersonConfig, RelayConfig, mask, nick, pace};
use crate::bridge::BridgeHandle;
use crate::bridge::body::Body;
use crate::bridge::event::{Author, Ghost, RemoteEvent, RemoteKind};
use crate::bridge::ids::{LoginId, UserId};
use crate::bridge::port::delivery::{Content, Delivery, DeliveryError, Display, Link};
use crate::bridge::port::frontend::Cost;
use crate::bridge::sentence::sentence;
use person::{Person, name_of};

/// Lines heard and not yet taken by the core; full, the bot's connection waits.
const HEARD: usize = 256;
/// How long a message waits for its puppet to arrive before the bot says it.
const PUPPET_TIMEOUT: Duration = Duration::from_secs(20);

/// How puppets behave.
#[derive(Debug, Clone, Copy)]
pub(super) struct PuppetPolicy {
    pub(super) max_puppets: usize,
    pub(super) quit_when_offline: bool,
}

/// What puppets are called on one network.
#[derive(Clone)]
pub(super) struct Naming {
    pub(super) nicks: Arc<Nicks>,
    pub(super) hash: NameHash,
}

/// What of the configuration is about one network.
#[derive(Debug, Clone)]
pub(super) struct Own {
    /// What the configuration calls the network.
    pub(super) network: String,
    /// Whether the core knows the logins of the relays.
    pub(super) introduced: watch::Receiver<bool>,
    pub(super) relays: Vec<RelayConfig>,
    pub(super) people: Vec<PersonConfig>,
}

impl Own {
    /// What opens channels.
    fn keys(&self) -> BTreeMap<String, SecretString> {
        let keys = self.relays.iter().filter_map(|relay| Some((relay.channel.clone(), relay.key.clone()?)));
        keys.collect()
    }

    /// The user that somebody is.
    fn user(&self, source: &str) -> Option<UserId> {
        self.people.iter().find(|person| mask::fits(&person.mask, source)).map(|person| person.user.clone())
    }
}

/// One IRC network: its bot, its puppets, and the words on their way.
pub(super) struct Network {
    config: NetworkConfig,
    own: Own,
    puppet_policy: PuppetPolicy,
    naming: Naming,
    bridge: BridgeHandle,
    tasks: TaskTracker,
    cancel: CancellationToken,
    bot: SessionHandle,
    people: Arc<Mutex<People>>,
    spoken: Arc<Spoken>,
}

/// The puppets, and what owners were told about them.
#[derive(Default)]
struct People {
    puppets: HashMap<String, Puppet>,
    told: HashSet<String>,
}

/// A connection of its own, and the channels that it is for.
struct Puppet {
    session: SessionHandle,
    channels: Vec<String>,
}

impl Network {
    /// Starts the bot's session, and the task that hears what is said in the channels. Puppets come with their first
    /// words.
    pub(super) fn start(
        config: NetworkConfig,
        own: Own,
        puppet_policy: PuppetPolicy,
        naming: Naming,
        bridge: BridgeHandle,
        spoken: Arc<Spoken>,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let (events_tx, heard) = mpsc::channel(HEARD);
        let mut channels: Vec<String> = own.relays.iter().map(|relay| relay.channel.clone()).collect();
        channels.sort();
        channels.dedup();
        let persona = Persona {
            nicks: nick::bots(&config.nick, nick::DEFAULT_LENGTH),
            real_name: "MSN bridge".into(),
            channels,
            keys: own.keys(),
            sasl: config.sasl.clone(),
            watched: own.people.iter().filter_map(|p| mask::nick(&p.mask)).map(str::to_owned).collect(),
        };
        let bot = session::start(config.clone(), persona, Some(events_tx), cancel.clone(), &tasks);
        let people = Arc::new(Mutex::new(People::default()));
        tasks.spawn(listen::listen(
            heard,
            own.clone(),
            people.clone(),
            naming.nicks.clone(),
            bot.clone(),
            bridge.clone(),
        ));
        Self { config, own, puppet_policy, naming, bridge, tasks, cancel, bot, people, spoken }
    }

    fn people(&self) -> std::sync::MutexGuard<'_, People> {
        // Nothing that holds the lock panics.
        self.people.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Says an entry in a channel, from the line on that was not confirmed yet.
    ///
    /// # Errors
    /// The lines did not all leave, with what the channel or the connection said. A later attempt begins behind the
    /// last line that was confirmed.
    pub(super) async fn deliver(
        &self,
        relay: &RelayConfig,
        delivery: Delivery,
        display: &Display,
    ) -> Result<(), DeliveryError> {
        // A puppet comes with its first words and stays.
        if matches!(&delivery.content, Content::Joined { .. } | Content::Left { .. }) {
            return Ok(());
        }
        let mut progress = self.spoken.of(&delivery);
        if display.missed > 0 && !progress.announced {
            let text = format!("({} messages were missed while IRC was not reachable)", display.missed);
            self.bot.say(vec![Line::Notice { target: relay.channel.clone(), text }]).await?;
            progress.announced = true;
            self.spoken.note(&delivery.portal, &progress);
        }
        let links = &display.links;
        let mut outcome = match self.speaker(relay, &delivery.author).await {
            Some((puppet, nick)) => {
                let voice = Voice { nick: &nick, prefix: None };
                self.speak(&puppet, &voice, relay, &delivery, links, &mut progress).await
            }
            None => self.speak_for(relay, &delivery, links, &mut progress).await,
        };
        if matches!(&outcome, Err(SayFailure::Refused(_))) && name_of(&delivery.author).is_some() {
            // What a puppet may not say, in a moderated channel say, the bot may be allowed to.
            outcome = match self.speak_for(relay, &delivery, links, &mut progress).await {
                Err(SayFailure::Lost(_)) => outcome,
                said => said,
            };
        }
        let is_noted = progress.announced || progress.at != outbound::Position::default();
        if is_noted && !matches!(outcome, Err(SayFailure::Lost(_))) {
            self.spoken.forget(&delivery.portal);
        }
        Ok(outcome?)
    }

    /// The bot says the rest, with the name of whom it speaks for.
    async fn speak_for(
        &self,
        relay: &RelayConfig,
        delivery: &Delivery,
        links: &[Link],
        progress: &mut Progress,
    ) -> Result<(), SayFailure> {
        let nick = self.bot_nick().await.map_err(SayFailure::Lost)?;
        let voice = Voice { nick: &nick, prefix: name_of(&delivery.author) };
        self.speak(&self.bot, &voice, relay, delivery, links, progress).await
    }

    /// Says the rest of a body, and notes each line that was confirmed.
    async fn speak(
        &self,
        session: &SessionHandle,
        voice: &Voice<'_>,
        relay: &RelayConfig,
        delivery: &Delivery,
        links: &[Link],
        progress: &mut Progress,
    ) -> Result<(), SayFailure> {
        let Content::Said { body } = &delivery.content else { return Ok(()) };
        let pieces = outbound::pieces(body, &relay.channel, voice, links, progress.at);
        let (lines, ends): (Vec<Line>, Vec<_>) = pieces.into_iter().map(|p| (p.line, p.end)).unzip();
        let said = session.say_and_count(lines, |confirmed| {
            // The last of it ends the delivery, which says more.
            if let Some(end) =
                confirmed.checked_sub(1).and_then(|last| ends.get(last)).filter(|_| confirmed < ends.len())
            {
                progress.at = *end;
                self.spoken.note(&delivery.portal, progress);
            }
        });
        said.await
    }

    /// Whether nothing can be said in the channel now.
    pub(super) fn is_away(&self, channel: &str) -> bool {
        let status = self.bot.status.borrow();
        if channel.is_empty() {
            !matches!(&*status, ConnectionStatus::Joined { .. })
        } else {
            !status.is_in(channel)
        }
    }

    /// What saying something in the channel takes, whoever says it.
    pub(super) fn cost(&self, channel: &str, body: &Body) -> Cost {
        let voice = Voice { nick: &self.config.nick, prefix: None };
        let lines = outbound::lines(body, channel, &voice, &[]);
        let cost = |line: &Line| pace::cost(self.config.line_penalty, line.text().len());
        Cost { lines: lines.len() as u64, time: lines.iter().map(cost).sum() }
    }

    /// Whether a user is somebody here.
    pub(super) fn knows(&self, user: &UserId) -> bool {
        self.own.people.iter().any(|person| person.user == *user)
    }

    /// Says something to a user alone: to the one it answers, else to those whose nick is known.
    ///
    /// # Errors
    /// The bot is not connected. A user who is not on IRC is no error.
    pub(super) async fn tell(&self, user: &UserId, body: &Body) -> Result<(), DeliveryError> {
        let nick = self.bot_nick().await.map_err(DeliveryError::transient)?;
        let own = self.own.people.iter().filter(|person| person.user == *user);
        for target in own.filter_map(|person| mask::nick(&person.mask)) {
            let lines = outbound::lines(body, target, &Voice { nick: &nick, prefix: None }, &[]);
            match self.bot.say(lines).await {
                // They are not on IRC now; they are told on Matrix too.
                Ok(()) | Err(SayFailure::Refused(_)) => {}
                Err(lost) => return Err(lost.into()),
            }
        }
        Ok(())
    }

    /// The bot's nick now; why there is none while it is not in.
    async fn bot_nick(&self) -> Result<String, String> {
        match self.bot.settled(PUPPET_TIMEOUT).await {
            ConnectionStatus::Joined { nick, .. } => Ok(nick),
            ConnectionStatus::Connecting => Err("connecting to IRC".into()),
            ConnectionStatus::Down { reason } | ConnectionStatus::Refused { reason } => {
                Err(format!("IRC is not reachable: {reason}"))
            }
        }
    }

    /// The puppet who says it, in the channel; `None` for the bot.
    async fn speaker(&self, relay: &RelayConfig, author: &Author) -> Option<(SessionHandle, String)> {
        let person = Person::of(author, relay)?;
        // What is a legal nick is known when the bot is in.
        if !matches!(self.bot.settled(PUPPET_TIMEOUT).await, ConnectionStatus::Joined { .. }) {
            return None;
        }
        let (puppet, is_new) = self.puppet(relay, &person)?;
        let status =
            if is_new { puppet.settled(PUPPET_TIMEOUT).await } else { puppet.status.borrow().clone() };
        let status = match status {
            ConnectionStatus::Connecting => puppet.settled(PUPPET_TIMEOUT).await,
            status => status,
        };
        match status {
            ConnectionStatus::Joined { .. } if !status.is_in(&relay.channel) => {
                self.tell_shut_out(relay, &person).await;
                None
            }
            ConnectionStatus::Joined { nick, .. } => Some((puppet, nick)),
            ConnectionStatus::Refused { reason } => {
                self.tell_refused(relay, &person, &reason).await;
                None
            }
            ConnectionStatus::Connecting | ConnectionStatus::Down { .. } => None,
        }
    }

    /// The puppet of a person, started if there is room for one more.
    fn puppet(&self, relay: &RelayConfig, person: &Person) -> Option<(SessionHandle, bool)> {
        let mut people = self.people();
        if let Some(puppet) = people.puppets.get(&person.key) {
            // Somebody who was called into a group later than the puppet was made speaks there through the bot.
            let is_there = puppet.channels.contains(&relay.channel);
            return is_there.then(|| (puppet.session.clone(), false));
        }
        if people.puppets.len() >= self.puppet_policy.max_puppets {
            return None;
        }
        let own = self.own.relays.iter().filter(|other| person.speaks_in(other, relay));
        let mut channels: Vec<String> = own.map(|other| other.channel.clone()).collect();
        channels.push(relay.channel.clone());
        channels.sort();
        channels.dedup();
        let persona = Persona {
            nicks: self.nicks(person),
            real_name: person.name.clone(),
            channels: channels.clone(),
            keys: self.own.keys(),
            sasl: person.account.as_ref().and_then(|account| self.config.puppet_sasl.of(account)),
            watched: Vec::new(),
        };
        let session = session::start(self.config.clone(), persona, None, self.cancel.clone(), &self.tasks);
        people.puppets.insert(person.key.clone(), Puppet { session: session.clone(), channels });
        Some((session, true))
    }

    /// The nicks of a person: the one that they have had, and others for when that is taken.
    fn nicks(&self, person: &Person) -> Vec<String> {
        let (length, casemap) = match &*self.bot.status.borrow() {
            ConnectionStatus::Joined { nick_length, casemap, .. } => (*nick_length, *casemap),
            _ => (nick::DEFAULT_LENGTH, Casemap::default()),
        };
        let account = person.account.as_deref().unwrap_or(&person.wanted);
        let hash = (self.naming.hash)(account);
        let template = &self.config.nick_template;
        let candidates = template.candidates(&template.base(&person.wanted, account, &hash), length);
        self.naming.nicks.of(&person.key, candidates, casemap)
    }

    /// The owner hears once of each contact who has to speak through the bot.
    async fn tell_refused(&self, relay: &RelayConfig, person: &Person, reason: &str) {
        let (name, reason, channel) = (&person.name, sentence(reason), &relay.channel);
        let text = format!(
            "The IRC network refuses a connection for {name}: {reason} They speak in {channel} through the bot."
        );
        self.tell_once(relay, person.key.clone(), text).await;
    }

    /// The same of a contact whom one channel does not want.
    async fn tell_shut_out(&self, relay: &RelayConfig, person: &Person) {
        let (name, channel) = (&person.name, &relay.channel);
        let text = format!(
            "{name} is kept out of {channel}, and speaks there through the bot until somebody invites them."
        );
        self.tell_once(relay, format!("{} {channel}", person.key), text).await;
    }

    async fn tell_once(&self, relay: &RelayConfig, what: String, text: String) {
        if !self.people().told.insert(what) {
            return;
        }
        let event = RemoteEvent { login: relay.portal.receiver.clone(), kind: RemoteKind::Notice { text } };
        let _ = self.bridge.remote(event).await; // the core may be stopping
    }

    /// A contact's presence, for the logins whose contact it is.
    pub(super) fn show(&self, logins: &[LoginId], ghost: &Ghost, offline: bool, away: Option<String>) {
        let person = Person::ghost(ghost);
        match (self.puppet_policy.quit_when_offline, offline) {
            // The connection ends with the last who can reach it; they come back with their next presence or words.
            (true, true) => drop(self.people().puppets.remove(&person.key)),
            (true, false) => self.arrive(logins, &person, away),
            (false, _) => {
                let concerned = self.own.relays.iter().any(|relay| logins.contains(&relay.portal.receiver));
                if let Some(puppet) = self.people().puppets.get(&person.key).filter(|_| concerned) {
                    puppet.session.away(away);
                }
            }
        }
    }

    /// In the channels of their conversations, before they have said anything.
    fn arrive(&self, logins: &[LoginId], person: &Person, away: Option<String>) {
        let own =
            |relay: &&RelayConfig| logins.contains(&relay.portal.receiver) && person.speaks_in(relay, relay);
        let Some(relay) = self.own.relays.iter().find(own) else { return };
        if let Some((puppet, _)) = self.puppet(relay, person) {
            puppet.away(away);
        }
    }
}
