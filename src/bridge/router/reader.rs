//! Reads an inbox and brings what it holds to the router. Asking the homeserver what an event means may take long, so
//! nothing said on the network waits for that, and no conversation waits for another's.
//!
//! Each conversation is a lane: its items go in order, one at a time. An item that cannot be read now is tried again until
//! it can, and what follows in its lane waits behind it, on disk. In memory a lane is two keys.

mod lane;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Input;
use crate::bridge::BridgeError;
use crate::bridge::event::LocalEvent;
use crate::bridge::ids::UserId;
use crate::bridge::inbox::Inbox;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::frontend::Frontend;
use crate::bridge::port::storage::Row;
use crate::bridge::receipt::InboxReceipt;
use lane::Lane;

/// Items read at once.
const PAGE: usize = 64;
/// Lanes known at a time; with more, what is new waits until one of them is done.
const MAX_LANES: usize = 1_000;
/// Items being read at a time.
const MAX_WORKING: usize = 32;
/// One attempt may take so long: what takes longer is tried again.
const ATTEMPT: Duration = Duration::from_secs(120);
/// An owner hears of what has waited for so long.
const TELL_AFTER: Duration = Duration::from_secs(60);
/// Pause after the disk could not be read.
const DISK_PAUSE: Duration = Duration::from_secs(1);

/// An attempt at one item, and what came of it.
struct Attempt {
    lane: String,
    key: Vec<u8>,
    owner: Option<UserId>,
    result: Result<LocalEvent, DeliveryError>,
}

/// The core has stopped.
struct Stopped;

/// Reads one inbox, as many lanes at a time as the bounds allow.
pub(super) struct Reader {
    inbox: Arc<Inbox>,
    frontend: Arc<dyn Frontend>,
    /// What the network is called, for people.
    network: &'static str,
    events: mpsc::Sender<Input>,
    /// Everything up to here has a lane or is done with.
    cursor: Option<Vec<u8>>,
    lanes: HashMap<String, Lane>,
    working: JoinSet<Attempt>,
    /// Owners who know that something of theirs waits.
    told: HashSet<UserId>,
    /// There may be something behind the cursor.
    is_behind: bool,
    /// The disk is not read before this.
    pause: Option<Instant>,
}

impl Reader {
    pub(super) fn new(
        inbox: Arc<Inbox>,
        frontend: Arc<dyn Frontend>,
        network: &'static str,
        events: mpsc::Sender<Input>,
    ) -> Self {
        let (lanes, working, told) = (HashMap::new(), JoinSet::new(), HashSet::new());
        Self {
            inbox,
            frontend,
            network,
            events,
            cursor: None,
            lanes,
            working,
            told,
            is_behind: true,
            pause: None,
        }
    }

    /// Reads until stopped. Each item leaves the inbox together with what it became, so what was not acted on is read
    /// again after a restart.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let inbox = self.inbox.clone();
        loop {
            self.pause = self.pause.filter(|until| *until > Instant::now());
            if self.pause.is_none() {
                self.retry();
                self.read_on();
            }
            let wake = self.wake_at();
            tokio::select! {
                Some(done) = self.working.join_next() => match done {
                    Ok(attempt) => if self.attempted(attempt).await.is_err() { return },
                    Err(error) => tracing::error!(%error, "reading an item broke off"),
                },
                () = inbox.arrived() => self.is_behind = true,
                () = inbox.again() => self.lanes.values_mut().for_each(Lane::release),
                () = sleep_until(wake) => {}
                () = cancel.cancelled() => return,
            }
        }
    }

    /// When something is to be tried again.
    fn wake_at(&self) -> Option<Instant> {
        if self.pause.is_some() {
            return self.pause;
        }
        let has_room = self.working.len() < MAX_WORKING;
        self.lanes.values().filter(|_| has_room).filter_map(Lane::retry_at).min()
    }

    /// Whether another lane may begin.
    fn has_room(&self) -> bool {
        self.lanes.len() < MAX_LANES && self.working.len() < MAX_WORKING
    }

    /// Begins with what is new, as far as there is room.
    fn read_on(&mut self) {
        while self.is_behind && self.has_room() {
            let rows = match self.inbox.read(self.cursor.as_deref(), PAGE) {
                Ok(rows) => rows,
                Err(error) => return self.disk_failed(&error),
            };
            self.is_behind = !rows.is_empty();
            for (key, raw) in rows {
                let name = self.frontend.lane(&raw);
                if let Some(lane) = self.lanes.get_mut(&name) {
                    lane.extend(key.clone());
                } else if self.has_room() {
                    self.lanes.insert(name.clone(), Lane::new(key.clone()));
                    self.start(name, key.clone(), raw);
                } else {
                    return;
                }
                self.cursor = Some(key);
            }
        }
    }

    /// Tries the items again whose time has come.
    fn retry(&mut self) {
        let now = Instant::now();
        let due = |lane: &Lane| lane.retry_at().is_some_and(|at| at <= now);
        let mut due: Vec<String> =
            self.lanes.iter().filter(|(_, lane)| due(lane)).map(|(name, _)| name.clone()).collect();
        due.truncate(MAX_WORKING.saturating_sub(self.working.len()));
        for name in due {
            let Some(lane) = self.lanes.get(&name) else { continue };
            let key = lane.head().to_vec();
            if lane.has_passed() {
                self.advance(&name, &key);
                continue;
            }
            match self.inbox.item(&key) {
                Ok(Some(raw)) => self.start(name, key, raw),
                // Somebody else removed it.
                Ok(None) => self.advance(&name, &key),
                Err(error) => return self.disk_failed(&error),
            }
        }
    }

    fn disk_failed(&mut self, error: &dyn std::error::Error) {
        tracing::error!(%error, "the inbox cannot be read, trying again");
        self.pause = Some(Instant::now() + DISK_PAUSE);
    }

    fn start(&mut self, name: String, key: Vec<u8>, raw: Vec<u8>) {
        if let Some(lane) = self.lanes.get_mut(&name) {
            lane.begin();
        }
        let frontend = self.frontend.clone();
        self.working.spawn(async move {
            let owner = frontend.owner_of_item(&raw);
            let result = interpret(&*frontend, &raw).await;
            Attempt { lane: name, key, owner, result }
        });
    }

    /// An item was read, or has to wait.
    async fn attempted(&mut self, attempt: Attempt) -> Result<(), Stopped> {
        let Attempt { lane, key, owner, result } = attempt;
        let event = match result {
            Ok(event) => event,
            Err(DeliveryError::Permanent { reason }) => {
                tracing::warn!(%lane, %reason, "an item of the inbox cannot be understood");
                let side = self.frontend.traits().name;
                let text = format!(
                    "Something that you did on {side} could not be carried to {}: {reason}.",
                    self.network
                );
                owner.map_or(LocalEvent::Ignored, |user| LocalEvent::Told { user, text })
            }
            Err(DeliveryError::Transient { reason, after }) => {
                return self.hold(&lane, owner, &reason, after).await;
            }
            Err(DeliveryError::LegDown { reason } | DeliveryError::Away { reason }) => {
                return self.hold(&lane, owner, &reason, None).await;
            }
        };
        let receipt = InboxReceipt::new(key.clone());
        self.send(Input::Local { event, receipt }).await?;
        self.advance(&lane, &key);
        Ok(())
    }

    async fn send(&self, input: Input) -> Result<(), Stopped> {
        self.events.send(input).await.map_err(|_| Stopped)
    }

    /// The item at the head of a lane is done with: the next one, or the end of the lane.
    fn advance(&mut self, name: &str, done: &[u8]) {
        match self.following(name, done) {
            Ok(Some((key, raw))) => {
                if let Some(lane) = self.lanes.get_mut(name) {
                    lane.advance(key.clone());
                }
                self.start(name.to_owned(), key, raw);
            }
            Ok(None) => {
                self.lanes.remove(name);
                if self.lanes.values().all(|lane| lane.held_since().is_none()) {
                    self.told.clear();
                }
            }
            Err(error) => {
                self.disk_failed(&error);
                self.lanes.get_mut(name).into_iter().for_each(Lane::pass);
            }
        }
    }

    /// The item behind `after` in a lane.
    fn following(&self, name: &str, after: &[u8]) -> Result<Option<Row>, BridgeError> {
        let Some(lane) = self.lanes.get(name) else { return Ok(None) };
        let mut after = after.to_vec();
        while after.as_slice() < lane.last() {
            let rows = self.inbox.read(Some(&after), PAGE)?;
            let Some((last, _)) = rows.last() else { break };
            after.clone_from(last);
            if let Some(row) = rows.into_iter().find(|(_, raw)| self.frontend.lane(raw) == name) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// The item cannot be read now.
    async fn hold(
        &mut self,
        name: &str,
        owner: Option<UserId>,
        reason: &str,
        after: Option<Duration>,
    ) -> Result<(), Stopped> {
        let Some(lane) = self.lanes.get_mut(name) else { return Ok(()) };
        let delay = lane.hold(after);
        tracing::warn!(lane = name, %reason, ?delay, "an item of the inbox must wait");
        let long = lane.held_since().is_some_and(|since| since.elapsed() >= TELL_AFTER);
        let Some(user) = owner.filter(|owner| long && !self.told.contains(owner)) else { return Ok(()) };
        self.told.insert(user.clone());
        let text = format!(
            "Something that you wrote on {} has been waiting for more than a minute, because the bridge cannot find \
             out all about it: {reason}. It is kept and tried again by itself; what was said behind it in the same \
             conversation waits too, other conversations go on.",
            self.frontend.traits().name
        );
        self.send(Input::Local { event: LocalEvent::Told { user, text }, receipt: InboxReceipt::none() })
            .await
    }
}

/// Asks the frontend what an item means, within [`ATTEMPT`].
async fn interpret(frontend: &dyn Frontend, raw: &[u8]) -> Result<LocalEvent, DeliveryError> {
    // A mistake of ours in reading one item must not stand before all others, at every start again.
    let interpreted = std::panic::AssertUnwindSafe(frontend.interpret(raw)).catch_unwind();
    match tokio::time::timeout(ATTEMPT, interpreted).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(DeliveryError::permanent("an internal error, see the log")),
        Err(_) => Err(DeliveryError::transient("no answer")),
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
