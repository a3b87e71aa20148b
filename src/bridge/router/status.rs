//! How a login's connection stands, and whether its owner is to hear of that.
//!
//! Knows the time that an interruption may last in silence. Refuses to speak: the router tells the owner.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::bridge::account::SignInOutcome;
use crate::bridge::event::{ConnectionState, Timestamp};
use crate::bridge::ids::LoginId;
use crate::bridge::sentence::clause;
use crate::measure::{self, Held};

/// An interruption shorter than this is nobody's business.
const QUIET: Duration = Duration::from_secs(60);

/// How a login's connection stands.
#[derive(Debug)]
pub(super) struct ConnectionStatus {
    pub(super) state: ConnectionState,
    /// Counts it, for whoever watches.
    counted: Held,
    /// Since when it has not been connected.
    down_since: Option<Instant>,
    pub(super) told_down: bool,
    /// Somebody asked for this sign-in and waits to hear of it.
    pub(super) tell_connected: bool,
    /// Since when it stands so, for whoever asks.
    pub(super) since: Option<Timestamp>,
    /// Who waits, outside the owner's rooms, for what becomes of this sign-in.
    pub(super) outcome: Option<mpsc::Sender<SignInOutcome>>,
}

/// What an owner hears of a connection that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// They asked for it.
    AsAsked,
    /// They know that it was gone.
    Again,
    /// Nothing: they did not miss it.
    Quietly,
}

/// One login in this state.
fn counted(state: &ConnectionState) -> Held {
    let name = match state {
        ConnectionState::Connecting => "connecting",
        ConnectionState::Connected => "connected",
        ConnectionState::Waiting { .. } => "waiting",
        ConnectionState::SignedOut { .. } => "signed_out",
    };
    Held::new(measure::LOGINS, Some(name))
}

impl ConnectionStatus {
    pub(super) fn new() -> Self {
        let state = ConnectionState::Connecting;
        Self {
            counted: counted(&state),
            state,
            down_since: Some(Instant::now()),
            told_down: false,
            tell_connected: false,
            since: None,
            outcome: None,
        }
    }

    /// The connection stands so now.
    pub(super) fn changed(&mut self, login: &LoginId, state: ConnectionState, at: Timestamp) {
        if self.state != state || self.since.is_none() {
            self.since = Some(at);
            self.counted = counted(&state);
        }
        let login = login.clone();
        let outcome = match state.clone() {
            ConnectionState::Connecting => None,
            ConnectionState::Connected => Some(SignInOutcome::SignedIn { login }),
            ConnectionState::Waiting { reason } => Some(SignInOutcome::Waiting { login, reason }),
            ConnectionState::SignedOut { reason } => Some(SignInOutcome::Refused { reason }),
        };
        self.state = state;
        if let Some(outcome) = outcome
            && let Some(waiting) = self.outcome.take()
        {
            // Whoever waited may have gone: their room hears of it too.
            let _ = waiting.try_send(outcome);
        }
    }

    /// The connection is not there; the time counts from the first of several such states.
    pub(super) fn is_down(&mut self) {
        self.down_since.get_or_insert_with(Instant::now);
    }

    /// The connection is there; gives what its owner hears, once.
    pub(super) fn is_connected(&mut self) -> Reached {
        self.down_since = None;
        let again = std::mem::take(&mut self.told_down);
        match (std::mem::take(&mut self.tell_connected), again) {
            (true, _) => Reached::AsAsked,
            (false, true) => Reached::Again,
            (false, false) => Reached::Quietly,
        }
    }

    /// Why its owner is to hear now that it waits: after a while, and at once who asked for this sign-in.
    pub(super) fn bad_news(&self) -> Option<&str> {
        let ConnectionState::Waiting { reason } = &self.state else { return None };
        let long = self.down_since.is_some_and(|since| since.elapsed() >= QUIET);
        (!self.told_down && (long || self.tell_connected)).then_some(reason)
    }

    /// For `status`.
    pub(super) fn describe(&self) -> String {
        match &self.state {
            ConnectionState::Connecting => "connecting".into(),
            ConnectionState::Connected => "connected".into(),
            ConnectionState::Waiting { reason } => {
                format!("not connected, trying again: {}", clause(reason))
            }
            ConnectionState::SignedOut { reason } => format!("signed out: {}", clause(reason)),
        }
    }
}
