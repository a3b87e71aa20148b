//! Presence of ghosts. The homeserver forgets it after some seconds, so it is said again for as long as it holds, within
//! a budget, and only for ghosts that share a room with somebody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ruma::OwnedUserId;
use ruma::api::client::presence::set_presence;
use ruma::presence::PresenceState;
use tokio_util::sync::CancellationToken;

use super::intent::send_as;
use super::{MatrixError, MatrixFrontend};
use crate::bridge::event::{Availability, GhostPresence};

/// An online user who is not heard of goes offline after half a minute.
const REFRESH: Duration = Duration::from_secs(25);
/// Requests a second.
const BUDGET: u64 = 20;

/// What was shown last, and whether the homeserver wants to hear of it at all.
#[derive(Default)]
pub(super) struct Board {
    shown: Mutex<HashMap<OwnedUserId, (PresenceState, String)>>,
    refused: std::sync::atomic::AtomicBool,
}

impl Board {
    fn shown(&self) -> std::sync::MutexGuard<'_, HashMap<OwnedUserId, (PresenceState, String)>> {
        self.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn is_refused(&self) -> bool {
        self.refused.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl MatrixFrontend {
    pub(super) async fn show_presence(&self, presence: GhostPresence) {
        // A ghost that nobody has a room with is nobody's to look at.
        let Ok(user) = self.ghost(&presence.ghost.id) else { return };
        let has_room = self.known().joined.iter().any(|(_, member)| *member == user);
        if !has_room || !self.config.presence || self.presence.is_refused() {
            return;
        }
        if let Err(error) = self.ensure_ghost(&presence.ghost).await {
            return tracing::debug!(%error, "presence was not shown");
        }
        let state = match presence.availability {
            Availability::Online => PresenceState::Online,
            Availability::Away => PresenceState::Unavailable,
            Availability::Offline => PresenceState::Offline,
        };
        self.presence.shown().insert(user.clone(), (state.clone(), presence.text.clone()));
        self.put_presence(user, state, presence.text).await;
    }

    async fn put_presence(&self, user: OwnedUserId, state: PresenceState, text: String) {
        let mut request = set_presence::v3::Request::new(user.clone(), state);
        request.status_msg = (!text.is_empty()).then_some(text);
        match send_as!(self.homeserver, &user, request) {
            Ok(_) => {}
            Err(error @ MatrixError::Refused { .. }) => {
                tracing::warn!(%error, "the homeserver takes no presence, showing none from now on");
                self.presence.refused.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            Err(error) => tracing::debug!(%error, "presence was not shown"),
        }
    }
}

/// Says again what is still so, until stopped.
pub async fn refresh(frontend: Arc<MatrixFrontend>, cancel: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(REFRESH) => {}
            () = cancel.cancelled() => return,
        }
        if frontend.presence.is_refused() {
            continue;
        }
        let due: Vec<_> = frontend.presence.shown().iter().map(|(u, s)| (u.clone(), s.clone())).collect();
        for (user, (state, text)) in due {
            if state != PresenceState::Offline {
                frontend.put_presence(user, state, text).await;
                tokio::time::sleep(Duration::from_millis(1000 / BUDGET)).await;
            }
        }
    }
}
