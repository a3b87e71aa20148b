//! A simulated frontend: it remembers what arrived, and does with it what its script says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::faults::{Act, Script, Steps};
use super::side::{Arrivals, Shown, act};
use super::{IRC_TRAITS, MATRIX, MATRIX_TRAITS};
use crate::bridge::body::{Attachment, Body, RichText};
use crate::bridge::event::{Author, LocalCommand, LocalEvent, LocalMessage};
use crate::bridge::ids::{ConversationId, Leg, LoginId, PortalKey, UserId};
use crate::bridge::port::delivery::{Delivery, DeliveryError, Display};
use crate::bridge::port::frontend::{Cost, Frontend, FrontendTraits, Outcome, Signal};
use crate::bridge::port::media::{File, MediaId};

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

/// A room that was to show what is so: of which conversation, under which title, and whether it was made for that.
pub(crate) type SimRoom = (PortalKey, Option<String>, bool);

/// A simulated frontend.
pub(crate) struct SimFrontend {
    leg: Leg,
    /// Whether it can be asked if something is there already.
    looks: bool,
    pub(crate) script: Script,
    /// What reading an item of its inbox comes to.
    pub(crate) reading: Script,
    /// What bringing a file from there comes to.
    pub(crate) fetching: Script,
    fetched: Mutex<Vec<String>>,
    /// What items of the inbox are, where they are more than something said.
    pub(crate) special: Mutex<HashMap<String, LocalEvent>>,
    /// How long one line takes to be shown.
    pub(crate) pace: Mutex<Duration>,
    /// Whether signals are shown at all: otherwise showing one never ends.
    pub(crate) shows: watch::Sender<bool>,
    /// Whether contacts have rooms there before something is said.
    pub(crate) lists: Mutex<bool>,
    /// What making a room or bringing it up to date comes to.
    pub(crate) making: Script,
    rooms: watch::Sender<Vec<SimRoom>>,
    /// Whether what somebody wants removed can be.
    pub(crate) removes: Mutex<bool>,
    steps: Arc<Steps>,
    arrivals: Arrivals,
    reports: watch::Sender<Vec<(String, Outcome)>>,
    signals: watch::Sender<Vec<Signal>>,
    away: watch::Sender<bool>,
    redacted: Mutex<Vec<String>>,
    /// Rooms that were given up or taken over, in words.
    given_up: Mutex<Vec<String>>,
    /// Logins of which nothing was taken for granted any more.
    doubted: Mutex<Vec<LoginId>>,
    /// What taking a room over comes to.
    pub(crate) adopting: Script,
}

impl SimFrontend {
    pub(crate) fn new(leg: Leg, looks: bool, steps: Arc<Steps>) -> Self {
        Self {
            leg,
            looks,
            script: Script::default(),
            reading: Script::default(),
            fetching: Script::default(),
            fetched: Mutex::default(),
            special: Mutex::default(),
            pace: Mutex::default(),
            shows: watch::Sender::new(true),
            lists: Mutex::default(),
            making: Script::default(),
            rooms: watch::Sender::new(Vec::new()),
            removes: Mutex::new(true),
            steps,
            arrivals: Arrivals::new(),
            reports: watch::Sender::new(Vec::new()),
            signals: watch::Sender::new(Vec::new()),
            away: watch::Sender::new(false),
            redacted: Mutex::default(),
            given_up: Mutex::default(),
            doubted: Mutex::default(),
            adopting: Script::default(),
        }
    }

    pub(crate) fn arrived(&self) -> watch::Receiver<Vec<Shown>> {
        self.arrivals.watch()
    }

    /// What senders were told of what they said, by its reference.
    pub(crate) fn reports(&self) -> watch::Receiver<Vec<(String, Outcome)>> {
        self.reports.subscribe()
    }

    pub(crate) fn signals(&self) -> watch::Receiver<Vec<Signal>> {
        self.signals.subscribe()
    }

    /// Rooms that were to show what is so, each time.
    pub(crate) fn rooms(&self) -> watch::Receiver<Vec<SimRoom>> {
        self.rooms.subscribe()
    }

    /// Nothing can be shown there, or something can again. What is said meanwhile may be passed over.
    pub(crate) fn goes_away(&self, away: bool) {
        self.is_away_now(away);
        let down = Act::Refuse(DeliveryError::LegDown { reason: "it is away".into() });
        self.script.usually(if away { down } else { Act::Take });
    }

    /// What is said meanwhile may be passed over.
    pub(crate) fn is_away_now(&self, away: bool) {
        self.away.send_replace(away);
    }

    /// Files that were brought from there, by their own names, each time.
    pub(crate) fn fetched(&self) -> Vec<String> {
        self.fetched.lock().unwrap().clone()
    }

    /// Rooms that were given up or taken over, in words.
    pub(crate) fn given_up(&self) -> Vec<String> {
        self.given_up.lock().unwrap().clone()
    }

    /// Logins of which nothing was taken for granted any more.
    pub(crate) fn doubted(&self) -> Vec<LoginId> {
        self.doubted.lock().unwrap().clone()
    }

    pub(crate) fn redacted(&self) -> Vec<String> {
        self.redacted.lock().unwrap().clone()
    }
}

impl Frontend for SimFrontend {
    fn leg(&self) -> Leg {
        self.leg
    }

    fn traits(&self) -> FrontendTraits {
        if self.leg == MATRIX { MATRIX_TRAITS } else { IRC_TRAITS }
    }

    fn serves(&self, portal: &PortalKey) -> bool {
        self.leg == MATRIX || portal.management_user().is_none()
    }

    fn deliver(&self, delivery: Delivery, display: Display) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            act(&self.script, &self.steps, &self.arrivals, (&delivery, &display, &[]), self.looks)
                .await
                .map(drop)
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
        Box::pin(async move {
            let _ = self.shows.subscribe().wait_for(|shows| *shows).await; // the sender is here
            self.signals.send_modify(|all| all.push(signal));
        })
    }

    fn cost(&self, _portal: &PortalKey, body: &Body) -> Cost {
        let time = *self.pace.lock().unwrap();
        if matches!(body, Body::Text(_)) { Cost { lines: 1, time } } else { Cost::default() }
    }

    fn fetch<'a>(&'a self, attachment: &'a Attachment) -> BoxFuture<'a, Result<File, DeliveryError>> {
        self.fetched.lock().unwrap().push(attachment.source.clone());
        Box::pin(async {
            match self.fetching.act() {
                Act::Refuse(error) | Act::TakeAndRefuse(error) => return Err(error),
                Act::Hang { .. } => std::future::pending().await,
                Act::Late(after) => tokio::time::sleep(after).await,
                Act::Panic => panic!("a mistake in fetching, as the script says"),
                Act::Take | Act::TakeWith(_) | Act::Offered(_) => {}
            }
            let media = MediaId::new("m1").expect("a name of ours");
            Ok(File { media, name: attachment.name.clone(), size: 1 })
        })
    }

    fn interpret<'a>(&'a self, raw: &'a [u8]) -> BoxFuture<'a, Result<LocalEvent, DeliveryError>> {
        Box::pin(async move {
            self.steps.step().await;
            match self.reading.act() {
                Act::Refuse(error) | Act::TakeAndRefuse(error) => return Err(error),
                Act::Hang { .. } => std::future::pending().await,
                Act::Late(after) => tokio::time::sleep(after).await,
                Act::Panic => panic!("a mistake in reading, as the script says"),
                Act::Take | Act::TakeWith(_) | Act::Offered(_) => {}
            }
            let saying: Saying =
                serde_json::from_slice(raw).map_err(|error| DeliveryError::permanent(error.to_string()))?;
            let special = self.special.lock().unwrap().get(&saying.reference).cloned();
            Ok(special.unwrap_or_else(|| read(saying, self.leg)))
        })
    }

    fn lists_contacts<'a>(
        &'a self,
        _owner: &'a UserId,
        _contacts: usize,
    ) -> BoxFuture<'a, Result<bool, DeliveryError>> {
        let lists = *self.lists.lock().unwrap();
        Box::pin(async move { Ok(lists) })
    }

    fn ensure_room<'a>(
        &'a self,
        portal: &'a PortalKey,
        display: Display,
        makes: bool,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async move {
            match self.making.act() {
                Act::Refuse(error) | Act::TakeAndRefuse(error) => return Err(error),
                Act::Hang { .. } => std::future::pending().await,
                _ => {}
            }
            self.rooms.send_modify(|all| all.push((portal.clone(), display.title, makes)));
            Ok(())
        })
    }

    fn doubt<'a>(&'a self, login: &'a LoginId) -> BoxFuture<'a, Result<(), DeliveryError>> {
        self.doubted.lock().unwrap().push(login.clone());
        Box::pin(async { Ok(()) })
    }

    fn remove_portal<'a>(
        &'a self,
        portal: &'a PortalKey,
        keeps_people: bool,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        self.given_up.lock().unwrap().push(format!("{} keeps people: {keeps_people}", portal.conversation));
        Box::pin(async { Ok(()) })
    }

    fn adopt_room<'a>(
        &'a self,
        portal: &'a PortalKey,
        _display: Display,
        place: &'a str,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async move {
            if let Act::Refuse(error) = self.adopting.act() {
                return Err(error);
            }
            self.given_up.lock().unwrap().push(format!("{place} is for {}", portal.conversation));
            Ok(())
        })
    }

    fn lane(&self, raw: &[u8]) -> String {
        serde_json::from_slice::<Saying>(raw).map(|saying| saying.conversation).unwrap_or_default()
    }

    fn owner_of_item(&self, raw: &[u8]) -> Option<UserId> {
        serde_json::from_slice::<Saying>(raw).ok().map(|saying| UserId::new(saying.user))
    }

    fn redact<'a>(&'a self, _place: &'a str, reference: &'a str) -> BoxFuture<'a, bool> {
        let removes = *self.removes.lock().unwrap();
        if removes {
            self.redacted.lock().unwrap().push(reference.to_owned());
        }
        Box::pin(async move { removes })
    }
}

fn read(saying: Saying, leg: Leg) -> LocalEvent {
    let Saying { reference, user, login, conversation, text, at, is_command } = saying;
    let portal = PortalKey::new(LoginId::new(login), ConversationId::new(conversation));
    if is_command {
        let place = portal.to_string();
        let (user, text) = (UserId::new(user), text.into());
        return LocalEvent::Command(LocalCommand {
            user,
            text,
            leg,
            portal,
            reference,
            place,
            replaces: None,
            about: None,
            typed: true,
            is_message: true,
        });
    }
    let (author, body) = (Author::Owner { name: user }, Body::Text(RichText::plain(text)));
    LocalEvent::Message(LocalMessage { portal, leg, author, reference, body, at })
}
