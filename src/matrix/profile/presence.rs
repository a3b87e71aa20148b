//! Presence of ghosts on the homeserver.
//!
//! Knows that presence is only said of ghosts that share a room with somebody who was active in the last quarter of an hour,
//! and not at all where the homeserver takes none. Refuses to know when: the board does. Source: the presence module of the
//! client-server API.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ruma::UserId;
use ruma::api::client::presence::set_presence;
use ruma::presence::PresenceState;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ghost::GhostProfiles;
use super::ghost_id::GhostIds;
use super::presence_board::{PresenceBoard, Said, Shown};
use super::presence_record::PresenceRecords;
use super::status_field::StatusFields;
use crate::bridge::event::{Availability, GhostPresence};
use crate::bridge::ids::LoginId;
use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::homeserver::{Homeserver, MatrixError, tell_as};

/// Pause after the homeserver did not know the request: what stands before it may be wrong for a moment.
const MISSING: Duration = Duration::from_secs(15 * 60);

/// Who may be looking at a ghost.
pub(crate) trait Audience: Send + Sync {
    /// Whether any of those who may be looking at `ghost` is active.
    fn any(&self, ghost: &UserId, is_active: &dyn Fn(&UserId) -> bool) -> bool;
}

/// What is shown with.
pub(crate) struct Showing {
    /// What the settings say of presence, and of status fields.
    pub(crate) is_wanted: bool,
    pub(crate) fields: StatusFields,
    pub(crate) records: PresenceRecords,
}

/// Shows what contacts show.
pub(crate) struct PresencePublisher {
    homeserver: Homeserver,
    ids: Arc<GhostIds>,
    profiles: Arc<GhostProfiles>,
    audience: Arc<dyn Audience>,
    board: PresenceBoard,
    records: PresenceRecords,
    fields: StatusFields,
    /// No presence is shown: it is not wanted, or the homeserver takes none.
    is_off: AtomicBool,
    /// The homeserver did not know the request: none is shown before this.
    off_until: Mutex<Option<Instant>>,
}

impl PresencePublisher {
    pub(crate) fn new(
        showing: Showing,
        homeserver: Homeserver,
        ids: Arc<GhostIds>,
        profiles: Arc<GhostProfiles>,
        audience: Arc<dyn Audience>,
    ) -> Self {
        let Showing { is_wanted, fields, records } = showing;
        let (board, is_off) = (PresenceBoard::default(), AtomicBool::new(!is_wanted));
        let off_until = Mutex::default();
        Self { homeserver, ids, profiles, audience, board, records, fields, is_off, off_until }
    }

    fn off_until(&self) -> MutexGuard<'_, Option<Instant>> {
        // Nothing that holds the lock panics.
        self.off_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether presence is shown now.
    fn is_on(&self) -> bool {
        let waits = self.off_until().is_some_and(|until| Instant::now() < until);
        !waits && !self.is_off.load(Ordering::Relaxed)
    }

    /// Notes what a contact shows now; [`PresencePublisher::run`] says it. `logins` are those whose contact it is.
    pub(crate) fn show(&self, logins: &[LoginId], presence: GhostPresence) {
        let is_off = self.is_off.load(Ordering::Relaxed);
        if is_off && !self.fields.is_on() {
            return;
        }
        let Some(receiver) = logins.last() else { return };
        let Ok(user) = self.ids.user(receiver, &presence.ghost.id) else { return };
        let state = match presence.availability {
            Availability::Online => PresenceState::Online,
            Availability::Away => PresenceState::Unavailable,
            Availability::Offline => PresenceState::Offline,
        };
        let GhostPresence { ghost, text, .. } = presence;
        let is_known = is_off || self.records.is_known(&user, &state, &text);
        let is_known = is_known && (!self.fields.is_on() || self.records.field(&user) == text);
        let shown = Shown { receiver: receiver.clone(), ghost, state, text, changed: true };
        match is_known {
            true => self.board.keep(user, shown),
            false => self.board.put(user, shown),
        }
    }

    /// Somebody did something, so they may be looking.
    pub(crate) fn seen(&self, user: &UserId) {
        if !self.ids.is_ours(user) {
            self.board.seen(user);
        }
    }

    /// What is said again is said under this name.
    pub(crate) fn rename(&self, ghost: &UserId, name: &str) {
        self.board.rename(ghost, name);
    }

    /// Has what a ghost shows said again at once: somebody who has not seen it may be looking now.
    pub(crate) fn show_again(&self, ghost: &UserId) {
        self.board.again(ghost);
    }

    /// Says what changed at once, and again and again what is still so, until stopped.
    pub(crate) async fn run(&self, cancel: CancellationToken) {
        self.board.run(|user| async move { self.say(&user).await }, cancel).await;
    }

    /// Whether somebody may be looking. What is no news is only for people who were seen: a bridge that has just started
    /// repeats nothing.
    fn is_looked_at(&self, user: &UserId, is_news: bool) -> bool {
        let is_active = |person: &UserId| match is_news {
            true => self.board.is_active(person),
            false => self.board.was_seen(person),
        };
        self.audience.any(user, &is_active)
    }

    /// Says what one ghost shows.
    async fn say(&self, user: &UserId) -> Said {
        if !self.is_on() && !self.fields.is_on() {
            return Said::Nothing;
        }
        let Some(shown) = self.board.take(user) else { return Said::Nothing };
        if !self.is_looked_at(user, shown.changed) {
            return Said::Nothing;
        }
        match self.try_to_say(user, &shown).await {
            Ok(0) => Said::Nothing,
            Ok(requests) => Said::Asked(requests),
            Err(DeliveryError::Permanent { reason }) => {
                tracing::debug!(%reason, "presence was not shown");
                Said::Asked(1)
            }
            Err(error) => {
                tracing::debug!(%error, "presence was not shown, trying again");
                self.board.put_back(user, shown);
                Said::Failed
            }
        }
    }

    /// Gives how many requests that took.
    async fn try_to_say(&self, user: &UserId, shown: &Shown) -> Result<u32, DeliveryError> {
        self.profiles.ensure(&shown.receiver, &shown.ghost).await?;
        let mut requests = 0;
        if self.is_on() {
            self.say_presence(user, shown).await?;
            requests += 1;
        }
        if self.fields.is_on() && self.records.field(user) != shown.text {
            self.fields.set(user, &shown.text).await?;
            self.records.field_set(user, &shown.text);
            requests += 2;
        }
        Ok(requests)
    }

    async fn say_presence(&self, user: &UserId, shown: &Shown) -> Result<(), MatrixError> {
        let mut request = set_presence::v3::Request::new(user.to_owned(), shown.state.clone());
        request.status_msg = (!shown.text.is_empty()).then(|| shown.text.clone());
        match tell_as!(self.homeserver, user, request) {
            Ok(()) => self.records.said(user, &shown.state, &shown.text),
            Err(error @ MatrixError::Refused { .. }) => {
                tracing::warn!(%error, "the homeserver takes no presence, showing none from now on");
                self.is_off.store(true, Ordering::Relaxed);
            }
            Err(error @ MatrixError::Missing { .. }) => {
                tracing::warn!(%error, "the homeserver does not know presence, showing none for a while");
                *self.off_until() = Some(Instant::now() + MISSING);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
