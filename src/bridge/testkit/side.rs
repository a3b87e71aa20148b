//! A network and frontends: they remember what arrived, and do with it what their script says.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::faults::{Act, Script, Steps};
use crate::bridge::body::{Body, RichText};
use crate::bridge::event::{Author, LocalCommand, LocalEvent, LocalMessage};
use crate::bridge::ids::{ConversationId, GhostId, Leg, LoginId, PortalKey, UserId};
use crate::bridge::login::Credentials;
use crate::bridge::port::delivery::{Content, Delivered, Delivery, DeliveryError};
use crate::bridge::port::frontend::{Frontend, Outcome, Signal};
use crate::bridge::port::network::{ContactLine, Network, Request};

/// Something that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) portal: PortalKey,
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) author: Author,
    pub(crate) at: u64,
    pub(crate) missed: u64,
    pub(crate) content: Content,
}

/// What arrived at one side, and where others wait for it.
#[derive(Debug)]
struct Arrivals(watch::Sender<Vec<Shown>>);

impl Arrivals {
    fn new() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }

    fn add(&self, delivery: &Delivery) {
        let shown = Shown {
            portal: delivery.portal.clone(),
            id: delivery.id.as_str().to_owned(),
            text: text_of(&delivery.content),
            author: delivery.author.clone(),
            at: delivery.at,
            missed: delivery.missed,
            content: delivery.content.clone(),
        };
        self.0.send_modify(|all| all.push(shown));
    }

    fn has(&self, delivery: &Delivery) -> bool {
        self.0.borrow().iter().any(|shown| shown.id == delivery.id.as_str())
    }
}

/// The words of what was said, or what it was.
fn text_of(content: &Content) -> String {
    match content {
        Content::Said { body: Body::Text(text) | Body::Emote(text) } => text.text(),
        Content::Said { body: Body::Notice { text, .. } | Body::LiveNotice { text, .. } } => text.clone(),
        Content::Said { body: Body::Question { text, .. } } => text.clone(),
        Content::Said { body: Body::Nudge } => "(nudge)".into(),
        Content::Said { body: Body::File(file) } => format!("({})", file.name),
        Content::Said { body: Body::Attachment(file) } => format!("({})", file.name),
        Content::Joined { ghost } => format!("(+{})", ghost.id),
        Content::Left { ghost } => format!("(-{})", ghost.id),
    }
}

/// Does with a delivery what the script says.
async fn act(
    script: &Script,
    steps: &Arc<Steps>,
    arrivals: &Arrivals,
    delivery: &Delivery,
    looks: bool,
) -> Result<Delivered, DeliveryError> {
    steps.step().await;
    // A side that can be asked is asked before something is said again.
    let arrive = || {
        if !(looks && delivery.unconfirmed && arrivals.has(delivery)) {
            arrivals.add(delivery);
        }
    };
    let result = match script.act() {
        Act::Take => {
            arrive();
            Ok(Delivered::default())
        }
        Act::TakeWith(note) => {
            arrive();
            Ok(Delivered { note: Some(note) })
        }
        Act::Refuse(error) => Err(error),
        Act::TakeAndRefuse(error) => {
            arrive();
            Err(error)
        }
        Act::Hang { arrives } => {
            if arrives {
                arrive();
            }
            std::future::pending().await
        }
        Act::Late(after) => {
            tokio::time::sleep(after).await;
            arrive();
            Ok(Delivered::default())
        }
        Act::Panic => panic!("a mistake in an adapter, as the script says"),
    };
    steps.step().await;
    result
}

/// The simulated network. It cannot be asked whether something arrived.
pub(crate) struct SimNetwork {
    pub(crate) script: Script,
    steps: Arc<Steps>,
    arrivals: Arrivals,
    requests: Mutex<Vec<Request>>,
    connects: watch::Sender<Vec<LoginId>>,
}

impl SimNetwork {
    pub(crate) fn new(steps: Arc<Steps>) -> Self {
        let (arrivals, connects) = (Arrivals::new(), watch::Sender::new(Vec::new()));
        Self { script: Script::default(), steps, arrivals, requests: Mutex::default(), connects }
    }

    pub(crate) fn arrived(&self) -> watch::Receiver<Vec<Shown>> {
        self.arrivals.0.subscribe()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Logins that were asked to connect, each time.
    pub(crate) fn connects(&self) -> Vec<LoginId> {
        self.connects.borrow().clone()
    }
}

impl Network for SimNetwork {
    fn login_id(&self, account: &str) -> Result<LoginId, String> {
        if account.contains('@') { Ok(LoginId::new(account)) } else { Err("that is no address".into()) }
    }

    fn direct_conversation(&self, contact: &str) -> Result<(GhostId, ConversationId), String> {
        Ok((GhostId::new(contact), ConversationId::new(contact)))
    }

    fn connect(&self, login: LoginId, _credentials: Credentials) {
        self.connects.send_modify(|all| all.push(login));
    }

    fn suspend(&self) {}

    fn resume(&self) {}

    fn disconnect<'a>(&'a self, _login: &'a LoginId) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }

    fn deliver(&self, delivery: Delivery) -> BoxFuture<'_, Result<Delivered, DeliveryError>> {
        Box::pin(async move { act(&self.script, &self.steps, &self.arrivals, &delivery, false).await })
    }

    fn request<'a>(&'a self, _login: &'a LoginId, request: Request) -> BoxFuture<'a, Result<(), String>> {
        self.requests.lock().unwrap().push(request);
        Box::pin(async { Ok(()) })
    }

    fn contacts<'a>(&'a self, _login: &'a LoginId) -> BoxFuture<'a, Result<Vec<ContactLine>, String>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Something said on a frontend, as its inbox holds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Saying {
    pub(crate) reference: String,
    pub(crate) user: String,
    pub(crate) login: String,
    pub(crate) conversation: String,
    pub(crate) text: String,
    pub(crate) at: u64,
    pub(crate) is_command: bool,
}

/// A simulated frontend.
pub(crate) struct SimFrontend {
    leg: Leg,
    /// Whether it can be asked if something is there already.
    looks: bool,
    pub(crate) script: Script,
    /// What reading an item of its inbox comes to.
    pub(crate) reading: Script,
    steps: Arc<Steps>,
    arrivals: Arrivals,
    reports: watch::Sender<Vec<(String, Outcome)>>,
    signals: watch::Sender<Vec<Signal>>,
    away: watch::Sender<bool>,
    redacted: Mutex<Vec<String>>,
}

impl SimFrontend {
    pub(crate) fn new(leg: Leg, looks: bool, steps: Arc<Steps>) -> Self {
        Self {
            leg,
            looks,
            script: Script::default(),
            reading: Script::default(),
            steps,
            arrivals: Arrivals::new(),
            reports: watch::Sender::new(Vec::new()),
            signals: watch::Sender::new(Vec::new()),
            away: watch::Sender::new(false),
            redacted: Mutex::default(),
        }
    }

    pub(crate) fn arrived(&self) -> watch::Receiver<Vec<Shown>> {
        self.arrivals.0.subscribe()
    }

    /// What senders were told of what they said, by its reference.
    pub(crate) fn reports(&self) -> watch::Receiver<Vec<(String, Outcome)>> {
        self.reports.subscribe()
    }

    pub(crate) fn signals(&self) -> watch::Receiver<Vec<Signal>> {
        self.signals.subscribe()
    }

    /// Nothing can be shown there, or something can again. What is said meanwhile may be passed over.
    pub(crate) fn goes_away(&self, away: bool) {
        self.away.send_replace(away);
        let down = Act::Refuse(DeliveryError::LegDown { reason: "it is away".into() });
        self.script.usually(if away { down } else { Act::Take });
    }

    pub(crate) fn redacted(&self) -> Vec<String> {
        self.redacted.lock().unwrap().clone()
    }
}

impl Frontend for SimFrontend {
    fn leg(&self) -> Leg {
        self.leg
    }

    fn serves(&self, portal: &PortalKey) -> bool {
        self.leg == Leg::Matrix || portal.management_user().is_none()
    }

    fn deliver(&self, delivery: Delivery) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            act(&self.script, &self.steps, &self.arrivals, &delivery, self.looks).await.map(drop)
        })
    }

    fn is_away(&self, _portal: &PortalKey) -> bool {
        *self.away.borrow()
    }

    fn report(&self, _portal: &PortalKey, reference: &str, outcome: Outcome) -> BoxFuture<'_, ()> {
        self.reports.send_modify(|all| all.push((reference.to_owned(), outcome)));
        Box::pin(async {})
    }

    fn show(&self, signal: Signal) -> BoxFuture<'_, ()> {
        self.signals.send_modify(|all| all.push(signal));
        Box::pin(async {})
    }

    fn interpret<'a>(&'a self, raw: &'a [u8]) -> BoxFuture<'a, Result<LocalEvent, DeliveryError>> {
        Box::pin(async move {
            self.steps.step().await;
            match self.reading.act() {
                Act::Refuse(error) | Act::TakeAndRefuse(error) => return Err(error),
                Act::Hang { .. } => std::future::pending().await,
                Act::Late(after) => tokio::time::sleep(after).await,
                Act::Panic => panic!("a mistake in reading, as the script says"),
                Act::Take | Act::TakeWith(_) => {}
            }
            let saying: Saying =
                serde_json::from_slice(raw).map_err(|error| DeliveryError::permanent(error.to_string()))?;
            Ok(read(saying, self.leg))
        })
    }

    fn lane(&self, raw: &[u8]) -> String {
        serde_json::from_slice::<Saying>(raw).map(|saying| saying.conversation).unwrap_or_default()
    }

    fn owner_of_item(&self, raw: &[u8]) -> Option<UserId> {
        serde_json::from_slice::<Saying>(raw).ok().map(|saying| UserId::new(saying.user))
    }

    fn redact<'a>(&'a self, _place: &'a str, reference: &'a str) -> BoxFuture<'a, bool> {
        self.redacted.lock().unwrap().push(reference.to_owned());
        Box::pin(async { true })
    }
}

fn read(saying: Saying, leg: Leg) -> LocalEvent {
    let Saying { reference, user, login, conversation, text, at, is_command } = saying;
    let portal = PortalKey::new(LoginId::new(login), ConversationId::new(conversation));
    if is_command {
        let place = portal.to_string();
        let (user, text) = (UserId::new(user), text.into());
        let command = LocalCommand { user, text, leg, portal, reference, place, replaces: None, typed: true };
        return LocalEvent::Command(command);
    }
    let (author, body) = (Author::Owner { name: user }, Body::Text(RichText::plain(text)));
    LocalEvent::Message(LocalMessage { portal, leg, author, reference, body, at })
}
