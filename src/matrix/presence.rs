//! Presence of ghosts. The homeserver forgets it after some seconds, so it is said again for as long as it holds: within
//! a budget, and only for ghosts that share a room with somebody who was active in the last quarter of an hour.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ruma::api::client::presence::set_presence;
use ruma::presence::PresenceState;
use ruma::{OwnedUserId, UserId};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::intent::send_as;
use super::{MatrixError, MatrixFrontend};
use crate::bridge::event::{Availability, Ghost, GhostPresence, LocalEvent};
use crate::bridge::ids::{LoginId, UserId as BridgeUser};
use crate::bridge::port::delivery::DeliveryError;
use crate::retry::Retry;

/// An online user who is not heard of goes offline after half a minute.
const REFRESH: Duration = Duration::from_secs(25);
/// Time between two requests: at most twenty a second.
const BUDGET: Duration = Duration::from_millis(50);
/// Nobody looks at presence who did nothing for so long.
const ACTIVE: Duration = Duration::from_secs(15 * 60);

/// Pauses after the homeserver did not take one.
const RETRY_DELAYS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(10)];

/// What became of one ghost's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// There was nothing to ask the homeserver.
    Nothing,
    Asked,
    /// It waits again.
    Failed,
}

/// Characters of a status text that are passed on.
const MAX_STATUS: usize = 129;

/// What a ghost shows.
#[derive(Debug, Clone)]
struct Shown {
    receiver: LoginId,
    ghost: Ghost,
    state: PresenceState,
    text: String,
    /// Waits among what changed.
    changed: bool,
}

#[derive(Default)]
struct Entries {
    shown: HashMap<OwnedUserId, Shown>,
    /// Changed and not yet said, oldest first.
    changed: VecDeque<OwnedUserId>,
    /// When people were last seen to do something.
    active: HashMap<OwnedUserId, Instant>,
}

/// What was shown last, who may be looking, and whether the homeserver wants to hear of it at all.
pub(super) struct Board {
    entries: Mutex<Entries>,
    changed: Notify,
    refused: AtomicBool,
    since: Instant,
}

impl Default for Board {
    fn default() -> Self {
        let (entries, changed, refused) = Default::default();
        Self { entries, changed, refused, since: Instant::now() }
    }
}

impl Board {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody did something.
    pub(super) fn seen(&self, user: &UserId) {
        let mut entries = self.entries();
        if entries.active.len() > 10_000 {
            entries.active.retain(|_, at| at.elapsed() < ACTIVE);
        }
        entries.active.insert(user.to_owned(), Instant::now());
    }

    /// Nobody has been seen yet by a bridge that has just started: everybody may be looking.
    fn is_active(&self, user: &UserId) -> bool {
        self.since.elapsed() < ACTIVE
            || self.entries().active.get(user).is_some_and(|at| at.elapsed() < ACTIVE)
    }

    /// What is to be said of a ghost now; that somebody is offline is said once.
    fn take(&self, user: &UserId) -> Option<Shown> {
        let mut entries = self.entries();
        let shown = entries.shown.get_mut(user)?;
        shown.changed = false;
        match shown.state {
            PresenceState::Offline => entries.shown.remove(user),
            _ => Some(shown.clone()),
        }
    }

    /// What could not be said waits again, unless something newer does. That somebody is offline is said once, so nothing
    /// else would ever say it.
    fn put_back(&self, user: &UserId, shown: Shown) {
        let mut entries = self.entries();
        let newer = entries.shown.get(user).is_some_and(|now| now.changed);
        if !newer {
            entries.shown.insert(user.to_owned(), Shown { changed: true, ..shown });
            entries.changed.push_back(user.to_owned());
        }
    }

    fn put(&self, user: OwnedUserId, shown: Shown) {
        let mut entries = self.entries();
        let waits = entries.shown.insert(user.clone(), shown).is_some_and(|old| old.changed);
        if !waits {
            entries.changed.push_back(user);
        }
        drop(entries);
        self.changed.notify_one();
    }

    /// What is said again is said under this name.
    pub(super) fn rename(&self, user: &UserId, name: &str) {
        if let Some(shown) = self.entries().shown.get_mut(user) {
            name.clone_into(&mut shown.ghost.name);
        }
    }

    /// Has what a ghost shows said again at once: somebody who has not seen it may be looking now.
    pub(super) fn again(&self, user: &UserId) {
        let mut entries = self.entries();
        let Some(shown) = entries.shown.get_mut(user).filter(|shown| !shown.changed) else { return };
        shown.changed = true;
        entries.changed.push_back(user.to_owned());
        drop(entries);
        self.changed.notify_one();
    }
}

impl MatrixFrontend {
    /// Notes what a contact shows now; [`run`] says it.
    pub(super) fn show_presence(&self, logins: &[LoginId], presence: GhostPresence) {
        if !self.config.presence || self.presence.refused.load(Ordering::Relaxed) {
            return;
        }
        let Some(receiver) = logins.last() else { return };
        let Ok(user) = self.ghost(receiver, &presence.ghost.id) else { return };
        let state = match presence.availability {
            Availability::Online => PresenceState::Online,
            Availability::Away => PresenceState::Unavailable,
            Availability::Offline => PresenceState::Offline,
        };
        let GhostPresence { ghost, text, .. } = presence;
        self.presence.put(user, Shown { receiver: receiver.clone(), ghost, state, text, changed: true });
    }

    /// Whether somebody may be looking at a ghost.
    fn is_watched(&self, user: &UserId) -> bool {
        self.rooms_of(user).iter().any(|room| {
            let Some(portal) = self.portal_of(room).ok().flatten() else { return false };
            // Whoever has just signed out still looks at what their contacts showed last.
            let owner =
                self.owner_of(&portal).ok().flatten().or_else(|| self.made_for(&portal).ok().flatten());
            owner.is_some_and(|owner| self.presence.is_active(&owner))
        })
    }

    /// Says one ghost's presence.
    async fn say_presence(&self, user: &UserId) -> Said {
        let Some(shown) = self.presence.take(user) else { return Said::Nothing };
        if !self.is_watched(user) {
            return Said::Nothing;
        }
        if let Err(error) = self.ensure_ghost(&shown.receiver, &shown.ghost).await {
            tracing::debug!(%error, "presence was not shown");
            if matches!(error, DeliveryError::Permanent { .. }) {
                return Said::Asked;
            }
            self.presence.put_back(user, shown);
            return Said::Failed;
        }
        let mut request = set_presence::v3::Request::new(user.to_owned(), shown.state.clone());
        request.status_msg = (!shown.text.is_empty()).then(|| shown.text.clone());
        match send_as!(self.homeserver, user, request) {
            Ok(_) => {}
            Err(error @ MatrixError::Refused { .. }) => {
                tracing::warn!(%error, "the homeserver takes no presence, showing none from now on");
                self.presence.refused.store(true, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::debug!(%error, "presence was not shown, trying again");
                self.presence.put_back(user, shown);
                return Said::Failed;
            }
        }
        Said::Asked
    }

    /// What an ephemeral event says of somebody's presence.
    pub fn person_presence(&self, event: &Value) -> Option<LocalEvent> {
        if event["type"] != "m.presence" {
            return None;
        }
        let user = UserId::parse(event["sender"].as_str()?).ok().filter(|user| !self.is_ours(user))?;
        let content = &event["content"];
        let availability = match content["presence"].as_str()? {
            "online" => Availability::Online,
            "unavailable" => Availability::Away,
            _ => Availability::Offline,
        };
        let text = content["status_msg"].as_str().unwrap_or_default().chars().take(MAX_STATUS).collect();
        Some(LocalEvent::Presence { user: BridgeUser::new(user.as_str()), availability, text })
    }

    /// People who type, read or come online are looking.
    pub fn note_activity(&self, event: &Value) {
        let content = &event["content"];
        let users: Vec<&str> = match event["type"].as_str() {
            Some("m.typing") => {
                content["user_ids"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
            }
            Some("m.receipt") => {
                let receipts = content.as_object().into_iter().flat_map(|events| events.values());
                let readers = receipts.filter_map(Value::as_object).flat_map(|kinds| kinds.values());
                readers.filter_map(Value::as_object).flat_map(|u| u.keys()).map(String::as_str).collect()
            }
            Some("m.presence") if content["presence"] == "online" => {
                event["sender"].as_str().into_iter().collect()
            }
            _ => Vec::new(),
        };
        let users = users.into_iter().filter_map(|user| UserId::parse(user).ok());
        users.filter(|user| !self.is_ours(user)).for_each(|user| self.presence.seen(&user));
    }
}

/// Says what changed at once, and again and again what is still so, until stopped.
pub async fn run(frontend: Arc<MatrixFrontend>, cancel: CancellationToken) {
    let board = &frontend.presence;
    let mut round: VecDeque<OwnedUserId> = VecDeque::new();
    let mut next_round = Instant::now() + REFRESH;
    let [shortest, longest] = RETRY_DELAYS;
    let mut retry = Retry::new(shortest, longest);
    loop {
        let now = Instant::now();
        if now >= next_round && round.is_empty() {
            next_round = now + REFRESH;
            round = board.entries().shown.keys().cloned().collect();
        }
        let changed = board.entries().changed.pop_front();
        let due = changed.or_else(|| round.pop_front());
        let idle = due.is_none();
        let said = match due {
            Some(user) if !board.refused.load(Ordering::Relaxed) => frontend.say_presence(&user).await,
            _ => Said::Nothing,
        };
        if said == Said::Asked {
            retry.reset();
        }
        let pause = async {
            match said {
                Said::Nothing if idle => tokio::select! {
                    () = board.changed.notified() => {}
                    () = tokio::time::sleep_until(next_round) => {}
                },
                Said::Nothing => tokio::task::yield_now().await,
                Said::Asked => tokio::time::sleep(BUDGET).await,
                Said::Failed => retry.pause().await,
            }
        };
        tokio::select! {
            () = pause => {}
            () = cancel.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use ruma::user_id;

    use super::*;
    use crate::bridge::ids::GhostId;

    fn shown(state: PresenceState) -> Shown {
        let ghost = Ghost { id: GhostId::new("bob@example.com"), name: "Bob".into() };
        let receiver = LoginId::new("alice@example.com");
        Shown { receiver, ghost, state, text: String::new(), changed: true }
    }

    #[test]
    fn what_the_homeserver_did_not_take_waits_again_unless_something_newer_does() {
        let (board, bob) = (Board::default(), user_id!("@msn_bob:test.localhost"));
        board.put(bob.to_owned(), shown(PresenceState::Offline));
        assert_eq!(board.entries().changed.pop_front().as_deref(), Some(bob));
        let taken = board.take(bob).unwrap();
        assert!(board.entries().shown.is_empty(), "that somebody is offline is said once");
        board.put_back(bob, taken.clone());
        assert_eq!(board.entries().changed.pop_front().as_deref(), Some(bob));
        assert_eq!(board.take(bob).unwrap().state, PresenceState::Offline);
        // They came back while it was tried: that is what is said next, and once.
        board.put(bob.to_owned(), shown(PresenceState::Online));
        board.put_back(bob, taken);
        assert_eq!(board.entries().changed.len(), 1);
        assert_eq!(board.take(bob).unwrap().state, PresenceState::Online);
    }
}
