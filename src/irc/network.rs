//! One network: the bot, the puppets, and who speaks through whom.
//!
//! Knows relays, people and the order in which words must leave. Refuses to know lines and replies: sessions do. A puppet
//! that cannot come is spoken for by the bot.

mod arrivals;
mod happenings;
mod listen;
mod person;
mod plumbing;
mod presence;
mod speaking;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) use listen::time_of_day;

use super::asked::AskedChannels;
use super::caller::Caller;
use super::casemap::Casemap;
use super::ident::Idents;
use super::nick::NickTemplate;
use super::nicks::Nicks;
use super::outbound::{self, Voice};
use super::pace::Tempo;
use super::recent::RecentLines;
use super::relays::Relays;
use super::session::{self, ConnectionStatus, Heard, Line, Persona, SayFailure, SessionHandle};
use super::spoken::Spoken;
use super::whispers::Whispers;
use super::{NameHash, NetworkConfig, PersonConfig, RelayConfig, RelayKinds, mask, nick, pace};
use crate::bridge::BridgeHandle;
use crate::bridge::body::Body;
use crate::bridge::ids::UserId;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::frontend::Cost;
use arrivals::Arrivals;
use listen::Listener;
use person::Person;

/// Lines heard and not yet taken by the core; full, the bot's connection waits.
const HEARD: usize = 256;
/// How long a message waits for its puppet to arrive before the bot says it.
const PUPPET_TIMEOUT: Duration = Duration::from_secs(20);

/// How puppets behave.
#[derive(Debug, Clone, Copy)]
pub(super) struct PuppetPolicy {
    pub(super) max_puppets: usize,
    pub(super) quit_when_offline: bool,
    /// Lines of one message, where the rest has an address; 0 for all.
    pub(super) paste_lines: usize,
}

/// What is kept of one network over restarts: what puppets are called, and how much was said.
pub(super) struct Memory {
    pub(super) nicks: Arc<Nicks>,
    pub(super) hash: NameHash,
    pub(super) spoken: Arc<Spoken>,
    pub(super) whispers: Arc<Whispers>,
}

/// What of the configuration is about one network.
#[derive(Clone)]
pub(super) struct Own {
    /// What the configuration calls the network.
    pub(super) network: String,
    /// What is told besides words.
    pub(super) kinds: RelayKinds,
    /// Whether the core knows the logins of the relays.
    pub(super) introduced: watch::Receiver<bool>,
    /// Those of all networks.
    pub(super) relays: Arc<Relays>,
    pub(super) people: Vec<PersonConfig>,
}

/// What a network is started with.
pub(super) struct Start {
    pub(super) settings: NetworkConfig,
    pub(super) own: Own,
    pub(super) puppet_policy: PuppetPolicy,
    pub(super) memory: Memory,
    pub(super) asked: Arc<AskedChannels>,
    /// Where the network may ask whose a connection is.
    pub(super) idents: Option<Arc<Idents>>,
}

impl Own {
    /// The channels of this network that are ends of conversations now.
    fn relays(&self) -> Vec<Arc<RelayConfig>> {
        let all = self.relays.all();
        all.iter().filter(|relay| relay.network == self.network).cloned().collect()
    }

    /// What opens channels.
    fn keys(&self) -> BTreeMap<String, SecretString> {
        let relays = self.relays();
        let keys = relays.iter().filter_map(|relay| Some((relay.channel.clone(), relay.key.clone()?)));
        keys.collect()
    }

    /// What opens this channel.
    fn key(&self, channel: &str) -> Option<SecretString> {
        self.relays.at(&self.network, channel).iter().find_map(|relay| relay.key.clone())
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
    memory: Memory,
    asked: Arc<AskedChannels>,
    idents: Option<Arc<Idents>>,
    bridge: BridgeHandle,
    tasks: TaskTracker,
    cancel: CancellationToken,
    bot: SessionHandle,
    people: Arc<Mutex<People>>,
    tempo: Tempo,
    recent: RecentLines,
    /// What connections hear goes here, while the bot lives.
    ears: mpsc::WeakSender<Heard>,
    /// Somebody is to come or to leave.
    expected: Notify,
}

/// Who the bot is.
fn bots_persona(config: &NetworkConfig, own: &Own, idents: Option<Arc<Idents>>) -> Persona {
    let mut channels: Vec<String> = own.relays().iter().map(|relay| relay.channel.clone()).collect();
    channels.sort();
    channels.dedup();
    Persona {
        nicks: nick::bots(&config.nick, nick::DEFAULT_LENGTH),
        real_name: "MSN bridge".into(),
        channels,
        keys: own.keys(),
        sasl: config.sasl.clone(),
        person: None,
        watched: own.people.iter().filter_map(|p| mask::nick(&p.mask)).map(str::to_owned).collect(),
        caller: Caller::new(true, idents),
    }
}

/// The puppets, and what owners were told about them.
#[derive(Default)]
struct People {
    puppets: HashMap<String, Puppet>,
    arrivals: Arrivals,
    told: HashSet<String>,
}

/// A connection of its own, and the channels that it is for.
struct Puppet {
    session: SessionHandle,
    channels: Vec<String>,
}

/// How a puppet stands to a channel in which somebody is to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PuppetState {
    There,
    /// Its connection was started just now.
    New,
    /// It is to enter that channel too.
    Elsewhere,
}

impl Network {
    /// Starts the bot's session, and the task that hears what is said in the channels. Puppets come with their first
    /// words.
    pub(super) fn start(
        start: Start,
        bridge: BridgeHandle,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) -> Arc<Self> {
        let Start { settings: config, own, puppet_policy, memory, asked, idents } = start;
        let (events_tx, heard) = mpsc::channel(HEARD);
        // What is heard ends with the connections.
        let ears = events_tx.downgrade();
        let persona = bots_persona(&config, &own, idents.clone());
        let tempo = Tempo::new(config.line_penalty);
        let bot = session::start(config.clone(), tempo.clone(), persona, events_tx, cancel.clone(), &tasks);
        let (people, expected) = (Arc::new(Mutex::new(People::default())), Notify::new());
        let network = Self {
            config,
            own,
            puppet_policy,
            memory,
            asked,
            idents,
            bridge,
            tasks,
            cancel,
            bot,
            people,
            tempo,
            recent: RecentLines::default(),
            ears,
            expected,
        };
        let network = Arc::new(network);
        network.tasks.spawn(Listener::new(&network).run(heard));
        network.tasks.spawn(network.clone().attend());
        network
    }

    fn people(&self) -> std::sync::MutexGuard<'_, People> {
        // Nothing that holds the lock panics.
        self.people.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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

    /// The lines of a body in the channel, whoever says it.
    fn lines(&self, channel: &str, body: &Body) -> Vec<Line> {
        outbound::lines(body, channel, &Voice { nick: &self.config.nick, prefix: None }, &[])
    }

    /// What saying something in the channel takes.
    pub(super) fn cost(&self, channel: &str, body: &Body) -> Cost {
        let mut lines = self.lines(channel, body);
        if self.shortens(channel, body) {
            lines.truncate(self.puppet_policy.paste_lines + 1);
        }
        let cost = |line: &Line| pace::cost(self.tempo.per_line(), line.text().len());
        Cost { lines: lines.len() as u64, time: lines.iter().map(cost).sum() }
    }

    /// Whether a body is more lines than one message may be, where the whole has an address.
    pub(super) fn shortens(&self, channel: &str, body: &Body) -> bool {
        let most = self.puppet_policy.paste_lines;
        most > 0 && self.lines(channel, body).len() > most + 1
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

    /// Whether somebody here is a user.
    pub(super) fn has_people(&self) -> bool {
        !self.own.people.is_empty()
    }

    /// The puppet of a person, started if there is room for one more.
    fn puppet(&self, relay: &RelayConfig, person: &Person) -> Option<(SessionHandle, PuppetState)> {
        let mut people = self.people();
        if let Some(puppet) = people.puppets.get(&person.key) {
            let is_there = puppet.channels.contains(&relay.channel);
            let standing = if is_there { PuppetState::There } else { PuppetState::Elsewhere };
            return Some((puppet.session.clone(), standing));
        }
        if people.puppets.len() >= self.puppet_policy.max_puppets {
            return None;
        }
        let events_tx = self.ears.upgrade()?;
        let relays = self.own.relays();
        let own = relays.iter().filter(|other| person.speaks_in(other, relay));
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
            person: Some(person.key.clone()),
            watched: Vec::new(),
            caller: self.caller(person),
        };
        let session = session::start(
            self.config.clone(),
            self.tempo.clone(),
            persona,
            events_tx,
            self.cancel.clone(),
            &self.tasks,
        );
        people.puppets.insert(person.key.clone(), Puppet { session: session.clone(), channels });
        Some((session, PuppetState::New))
    }

    /// Where a person's connection comes from, and who that is: nothing of it says more than that it is the same person.
    fn caller(&self, person: &Person) -> Caller {
        let letters = (self.memory.hash)(&person.key);
        let address = self.config.puppet_addresses.map(|prefix| prefix.address(&letters));
        let caller = Caller::new(false, self.idents.clone());
        match self.idents {
            Some(_) => Caller { user: format!("m{}", &letters[..letters.len().min(8)]), address, ..caller },
            None => Caller { address, ..caller },
        }
    }

    /// The nicks of a person: the one that they have had, and others for when that is taken.
    fn nicks(&self, person: &Person) -> Vec<String> {
        let (length, casemap) = match &*self.bot.status.borrow() {
            ConnectionStatus::Joined { nick_length, casemap, .. } => (*nick_length, *casemap),
            _ => (nick::DEFAULT_LENGTH, Casemap::default()),
        };
        let account = person.account.as_deref().unwrap_or(&person.wanted);
        let hash = (self.memory.hash)(account);
        let template = &self.config.nick_template;
        let mut candidates = template.candidates(&template.base(&person.wanted, account, &hash), length);
        // However many namesakes there are, everybody has a nick.
        candidates.extend(template.candidates(&NickTemplate::without_name(&hash), length));
        self.memory.nicks.of(&person.key, candidates, casemap)
    }
}
