//! The IRC side: channels that are one end of a conversation, and puppets who speak there.
//!
//! Knows IRC networks, nicks, lines and their limits. Refuses to know MSN and Matrix: it implements [`Frontend`] and
//! speaks in the core's words. Each connection has a task and a paced queue of its own; a puppet that the network
//! refuses speaks through the bot.

mod address;
mod asked;
mod caller;
mod casemap;
mod config;
mod connection;
mod ident;
mod inbound;
mod mask;
mod mirc;
mod network;
mod nick;
mod nicks;
mod outbound;
mod pace;
mod plumbing;
mod policy;
mod probe;
mod recent;
mod refusals;
mod registration;
mod relays;
mod session;
mod split;
mod spoken;
mod whispers;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use address::Prefix;
pub use config::{
    IrcConfig, Mechanism, NetworkConfig, NickServ, PersonConfig, PuppetSasl, RelayConfig, RelayKinds,
    SaslConfig, Server,
};
pub use connection::{ClientCertificate, Fingerprint, Tls, TlsSettings};
pub use nick::NickTemplate;
pub use probe::{probe, probe_as_contact};

use crate::bridge::BridgeHandle;
use crate::bridge::body::Body;
use crate::bridge::event::{Author, Availability, LocalEvent};
use crate::bridge::ids::{Leg, LoginId, PortalKey, UserId};
use crate::bridge::port::channels::ChannelRequest;
use crate::bridge::port::delivery::{Content, Delivery, DeliveryError, Display};
use crate::bridge::port::frontend::{Cost, Frontend, FrontendTraits, Outcome, Signal};
use crate::bridge::port::storage::Storage;
use asked::AskedChannels;
use ident::Idents;
use network::{Memory, Network, Own, PuppetPolicy, Start};
use nicks::Nicks;
use relays::Relays;
use spoken::Spoken;
use whispers::Whispers;

/// This side in the core.
pub const LEG: Leg = Leg::frontend("irc");

/// Letters for a contact without a usable name: nobody can tell the address from them.
pub type NameHash = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// The IRC frontend.
pub struct IrcFrontend {
    networks: BTreeMap<String, Arc<Network>>,
    relays: Arc<Relays>,
    asked: Arc<AskedChannels>,
    bridge: BridgeHandle,
    whispers: Arc<Whispers>,
    /// Whether the core knows the logins of the relays.
    introduced: watch::Sender<bool>,
}

impl IrcFrontend {
    /// Starts one bot for each network that has a relay.
    pub fn start(
        config: IrcConfig,
        bridge: &BridgeHandle,
        storage: Arc<dyn Storage>,
        name_hash: NameHash,
        tasks: &TaskTracker,
        cancel: &CancellationToken,
    ) -> Self {
        let IrcConfig { networks, relays, people, max_puppets, quit_when_offline, paste_lines, relay, ident } =
            config;
        let idents = ident.map(|listen| {
            let idents = Arc::<Idents>::default();
            tasks.spawn(ident::serve(idents.clone(), listen, cancel.clone()));
            idents
        });
        let puppet_policy = PuppetPolicy { max_puppets, quit_when_offline, paste_lines };
        let spoken = Arc::new(Spoken::new(storage.clone()));
        let whispers = Arc::new(Whispers::default());
        let asked = Arc::new(AskedChannels::load(storage.clone()));
        let relays = Arc::new(Relays::load(relays, storage.clone()));
        let introduced = watch::Sender::new(false);
        let start_one = |(name, settings): (String, NetworkConfig)| {
            let own = Own {
                network: name.clone(),
                kinds: relay,
                introduced: introduced.subscribe(),
                relays: relays.clone(),
                people: people.iter().filter(|person| person.network == name).cloned().collect(),
            };
            let nicks = Arc::new(Nicks::new(&name, storage.clone()));
            let (hash, spoken) = (name_hash.clone(), spoken.clone());
            let memory = Memory { nicks, hash, spoken, whispers: whispers.clone() };
            let (bridge, tasks) = (bridge.clone(), tasks.clone());
            let (asked, idents) = (asked.clone(), idents.clone());
            let start = Start { settings, own, puppet_policy, memory, asked, idents };
            (name, Network::start(start, bridge, tasks, cancel.clone()))
        };
        let networks: BTreeMap<String, Arc<Network>> = networks.into_iter().map(start_one).collect();
        for question in asked.all() {
            match networks.get(&question.relay.network) {
                Some(network) => network.clone().resume(question.relay),
                // Nobody there can answer any more.
                None => asked.forget(&question),
            }
        }
        Self { networks, relays, asked, bridge: bridge.clone(), whispers, introduced }
    }

    /// The network and the channel of a conversation.
    fn relay(&self, portal: &PortalKey) -> Option<(&Network, Arc<RelayConfig>)> {
        let relay = self.relays.of(portal)?;
        Some((self.networks.get(&relay.network)?, relay))
    }

    /// A channel of the one contact of a conversation that has none itself, on a network where somebody is a user.
    fn direct(&self, portal: &PortalKey) -> Option<Arc<RelayConfig>> {
        let all = self.relays.all();
        let has_people = |relay: &&Arc<RelayConfig>| {
            self.networks.get(&relay.network).is_some_and(|network| network.has_people())
        };
        let mut with_people = all.iter().filter(has_people);
        with_people.find(|relay| relay.direct.values().any(|direct| direct == portal)).cloned()
    }
}

impl IrcFrontend {
    /// What the bridge says to somebody alone, on every network where they are known.
    async fn tell(&self, user: &UserId, delivery: &Delivery) -> Result<(), DeliveryError> {
        let Content::Said { body } = &delivery.content else { return Ok(()) };
        for network in self.networks.values() {
            network.tell(user, body).await?;
        }
        Ok(())
    }
}

impl IrcFrontend {
    /// What a contact says alone to the login's owner, who has written to their puppet; else it is for the other sides.
    async fn answer(&self, relay: &RelayConfig, delivery: &Delivery) -> Result<(), DeliveryError> {
        let (Author::Ghost(_), Content::Said { body }) = (&delivery.author, &delivery.content) else {
            return Ok(());
        };
        let whisper = self.whispers.of(&delivery.portal);
        let asked = whisper.and_then(|whisper| Some((self.networks.get(&whisper.network)?, whisper.nick)));
        match asked {
            Some((network, nick)) => network.answer(relay, &delivery.author, &nick, body).await,
            None => Ok(()),
        }
    }
}

impl Frontend for IrcFrontend {
    fn leg(&self) -> Leg {
        LEG
    }

    fn traits(&self) -> FrontendTraits {
        FrontendTraits {
            name: "IRC",
            carries_files: false,
            shows_titles: false,
            hosts_rooms: false,
            shows_users: false,
            speaks_in_lines: true,
            redaction_note: "",
        }
    }

    fn serves(&self, portal: &PortalKey) -> bool {
        let knows = |user| self.networks.values().any(|network| network.knows(&user));
        let is_relayed = self.relay(portal).is_some();
        if is_relayed {
            // The core asks when it opens the conversation, after it was told of the login.
            self.introduced.send_replace(true);
        }
        is_relayed || self.direct(portal).is_some() || portal.management_user().is_some_and(knows)
    }

    fn deliver(&self, delivery: Delivery, display: Display) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            if let Some(user) = delivery.portal.management_user() {
                return self.tell(&user, &delivery).await;
            }
            if let Some((network, relay)) = self.relay(&delivery.portal) {
                return network.deliver(&relay, delivery, &display).await;
            }
            match self.direct(&delivery.portal) {
                Some(relay) => self.answer(&relay, &delivery).await,
                None => Err(DeliveryError::permanent("this channel is not configured any more")),
            }
        })
    }

    fn is_away(&self, portal: &PortalKey) -> bool {
        match (portal.management_user(), self.relay(portal)) {
            // Any network on which they can be told will do.
            (Some(user), _) => {
                let mut where_known = self.networks.values().filter(|network| network.knows(&user));
                where_known.all(|network| network.is_away(""))
            }
            (None, Some((network, relay))) => network.is_away(&relay.channel),
            (None, None) => false,
        }
    }

    fn cost(&self, portal: &PortalKey, body: &Body) -> Cost {
        self.relay(portal).map(|(network, relay)| network.cost(&relay.channel, body)).unwrap_or_default()
    }

    fn shortens(&self, portal: &PortalKey, body: &Body) -> bool {
        self.relay(portal).is_some_and(|(network, relay)| network.shortens(&relay.channel, body))
    }

    fn report(&self, _portal: &PortalKey, _reference: &str, _outcome: Outcome) -> BoxFuture<'_, ()> {
        // Success is silence on IRC; failures come as notices, which are delivered.
        Box::pin(std::future::ready(()))
    }

    fn show(&self, signal: Signal) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Signal::Typing { portal, author } = &signal
                && let Some((network, relay)) = self.relay(portal)
            {
                network.types(&relay, author);
            }
            if let Signal::Named { ghost, .. } = &signal {
                self.networks.values().for_each(|network| network.renamed(ghost));
            }
            if let Signal::Presence { logins, presence } = signal {
                let away = match presence.availability {
                    Availability::Online => None,
                    Availability::Offline => Some("offline".to_owned()),
                    Availability::Away if presence.text.is_empty() => Some("away".to_owned()),
                    Availability::Away => Some(presence.text.clone()),
                };
                for network in self.networks.values() {
                    let offline = presence.availability == Availability::Offline;
                    network.show(&logins, &presence.ghost, offline, away.clone());
                }
            }
        })
    }

    fn interpret<'a>(&'a self, _raw: &'a [u8]) -> BoxFuture<'a, Result<LocalEvent, DeliveryError>> {
        // IRC has no inbox: nobody there waits for an answer.
        Box::pin(std::future::ready(Ok(LocalEvent::Ignored)))
    }

    fn has_channels(&self) -> bool {
        true
    }

    fn channels(&self, logins: &[LoginId]) -> Vec<String> {
        self.describe(logins)
    }

    fn portals(&self) -> Vec<PortalKey> {
        self.relays.all().iter().map(|relay| relay.portal.clone()).collect()
    }

    fn ask_channel<'a>(&'a self, request: ChannelRequest) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(self.ask(request))
    }

    fn redact<'a>(&'a self, _place: &'a str, _reference: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(false))
    }
}
