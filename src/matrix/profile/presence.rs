//! Presence of ghosts on the homeserver.
//!
//! Knows that presence is only said of ghosts that share a room with somebody who was active in the last quarter of an hour,
//! and not at all where the homeserver takes none. Refuses to know when: the board does. Source: the presence module of the
//! client-server API.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ruma::UserId;
use ruma::api::client::presence::set_presence;
use ruma::presence::PresenceState;
use tokio_util::sync::CancellationToken;

use super::ghost::GhostProfiles;
use super::ghost_id::GhostIds;
use super::presence_board::{PresenceBoard, Said, Shown};
use crate::bridge::event::{Availability, GhostPresence};
use crate::bridge::ids::LoginId;
use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::homeserver::{Homeserver, MatrixError, send_as};

/// Who may be looking at a ghost.
pub(crate) trait Audience: Send + Sync {
    /// Whether any of those who may be looking at `ghost` is active.
    fn any(&self, ghost: &UserId, is_active: &dyn Fn(&UserId) -> bool) -> bool;
}

/// Shows what contacts show.
pub(crate) struct PresencePublisher {
    homeserver: Homeserver,
    ids: Arc<GhostIds>,
    profiles: Arc<GhostProfiles>,
    audience: Arc<dyn Audience>,
    board: PresenceBoard,
    /// Nothing is shown: it is not wanted, or the homeserver takes none.
    is_off: AtomicBool,
}

impl PresencePublisher {
    /// `is_wanted` is what the settings say.
    pub(crate) fn new(
        is_wanted: bool,
        homeserver: Homeserver,
        ids: Arc<GhostIds>,
        profiles: Arc<GhostProfiles>,
        audience: Arc<dyn Audience>,
    ) -> Self {
        let (board, is_off) = (PresenceBoard::default(), AtomicBool::new(!is_wanted));
        Self { homeserver, ids, profiles, audience, board, is_off }
    }

    /// Notes what a contact shows now; [`PresencePublisher::run`] says it. `logins` are those whose contact it is.
    pub(crate) fn show(&self, logins: &[LoginId], presence: GhostPresence) {
        if self.is_off.load(Ordering::Relaxed) {
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
        self.board.put(user, Shown { receiver: receiver.clone(), ghost, state, text, changed: true });
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

    /// Says one ghost's presence.
    async fn say(&self, user: &UserId) -> Said {
        if self.is_off.load(Ordering::Relaxed) {
            return Said::Nothing;
        }
        let Some(shown) = self.board.take(user) else { return Said::Nothing };
        if !self.audience.any(user, &|person| self.board.is_active(person)) {
            return Said::Nothing;
        }
        if let Err(error) = self.profiles.ensure(&shown.receiver, &shown.ghost).await {
            tracing::debug!(%error, "presence was not shown");
            if matches!(error, DeliveryError::Permanent { .. }) {
                return Said::Asked;
            }
            self.board.put_back(user, shown);
            return Said::Failed;
        }
        let mut request = set_presence::v3::Request::new(user.to_owned(), shown.state.clone());
        request.status_msg = (!shown.text.is_empty()).then(|| shown.text.clone());
        match send_as!(self.homeserver, user, request) {
            Ok(_) => Said::Asked,
            Err(error @ MatrixError::Refused { .. }) => {
                tracing::warn!(%error, "the homeserver takes no presence, showing none from now on");
                self.is_off.store(true, Ordering::Relaxed);
                Said::Asked
            }
            Err(error) => {
                tracing::debug!(%error, "presence was not shown, trying again");
                self.board.put_back(user, shown);
                Said::Failed
            }
        }
    }
}
