//! How each login stands, and what its owner is told about it.

use std::time::Duration;

use tokio::time::Instant;

use super::Router;
use crate::bridge::BridgeError;
use crate::bridge::event::ConnectionState;
use crate::bridge::ids::{Leg, LoginId, UserId};
use crate::bridge::login::Login;
use crate::bridge::port::storage::{Batch, Urgency};
use crate::bridge::sentence::{clause, sentence};

/// An interruption shorter than this is nobody's business.
const QUIET: Duration = Duration::from_secs(60);

/// What is known of a login's connection.
#[derive(Debug)]
pub(super) struct ConnectionStatus {
    pub(super) state: ConnectionState,
    /// Since when it has not been connected.
    down_since: Option<Instant>,
    told_down: bool,
    /// Somebody asked for this sign-in and waits to hear of it.
    pub(super) tell_connected: bool,
}

impl ConnectionStatus {
    pub(super) fn new() -> Self {
        let state = ConnectionState::Connecting;
        Self { state, down_since: Some(Instant::now()), told_down: false, tell_connected: false }
    }

    /// Whether its owner is to hear now that it waits: after a while, and at once who asked for this sign-in.
    fn has_bad_news(&self) -> bool {
        let waits = matches!(self.state, ConnectionState::Waiting { .. });
        let long = self.down_since.is_some_and(|since| since.elapsed() >= QUIET);
        waits && !self.told_down && (long || self.tell_connected)
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

impl Router {
    pub(super) async fn state_changed(
        &mut self,
        id: &LoginId,
        state: ConnectionState,
    ) -> Result<(), BridgeError> {
        tracing::info!(login = %id, ?state, "connection state");
        let status = self.statuses.entry(id.clone()).or_insert_with(ConnectionStatus::new);
        status.state = state.clone();
        match state {
            ConnectionState::Connected => self.connected(id).await,
            ConnectionState::Connecting => {
                status.down_since.get_or_insert_with(Instant::now);
                Ok(())
            }
            ConnectionState::Waiting { .. } => {
                status.down_since.get_or_insert_with(Instant::now);
                self.check_status(id).await
            }
            ConnectionState::SignedOut { reason } => self.signed_out(id, reason).await,
        }
    }

    async fn connected(&mut self, id: &LoginId) -> Result<(), BridgeError> {
        let Some(status) = self.statuses.get_mut(id) else { return Ok(()) };
        status.down_since = None;
        let again = std::mem::take(&mut status.told_down);
        let asked = std::mem::take(&mut status.tell_connected);
        let Some(login) = self.logins.get_mut(id) else { return Ok(()) };
        let owner = login.owner.clone();
        let news = login.signed_out.take().is_some() || !login.confirmed;
        login.confirmed = true;
        if news {
            self.save_login(id);
        }
        self.show_owner(&owner, Some(id));
        let receiver = id.clone();
        self.release(Leg::Remote, |key| key.receiver == receiver).await?;
        self.release(Leg::Files, |key| key.receiver == receiver).await?;
        let network = self.around.sides.network.name;
        match (asked, again) {
            (true, _) => {
                let text = format!("Signed in to {network} as {id}. Say «contacts» to see who is there.");
                self.tell(&owner, text).await
            }
            (false, true) => self.tell(&owner, format!("{id} is connected to {network} again.")).await,
            (false, false) => Ok(()),
        }
    }

    async fn signed_out(&mut self, id: &LoginId, reason: String) -> Result<(), BridgeError> {
        let Some(login) = self.logins.get_mut(id) else { return Ok(()) };
        let owner = login.owner.clone();
        login.signed_out = Some(reason.clone());
        self.save_login(id);
        tracing::info!(login = %id, "stays signed out until somebody asks");
        let network = self.around.sides.network.name;
        let text = format!(
            "{id} is signed out of {network}: {} Messages to {network} wait. Say «reconnect» to sign in again, or «login {id}» to give the password anew.",
            sentence(&reason)
        );
        self.tell(&owner, text).await
    }

    /// Tells owners of interruptions that have become long.
    pub(super) async fn check_statuses(&mut self) -> Result<(), BridgeError> {
        let ids: Vec<LoginId> =
            self.statuses.iter().filter(|(_, s)| s.has_bad_news()).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.check_status(&id).await?;
        }
        Ok(())
    }

    /// The disk had failed: sessions are made anew, and what was held up goes.
    pub(super) async fn recovered(&mut self) -> Result<(), BridgeError> {
        self.connect_all();
        let legs: Vec<Leg> = self.around.sides.legs().collect();
        for leg in legs {
            self.release(leg, |_| true).await?;
        }
        let mut owners: Vec<UserId> = self.logins.values().map(|login| login.owner.clone()).collect();
        owners.sort();
        owners.dedup();
        let text = format!(
            "The bridge's disk works again: what waited is on its way, and {} is being connected.",
            self.around.sides.network.name
        );
        for owner in owners {
            self.tell(&owner, text.clone()).await?;
        }
        Ok(())
    }

    /// One session for each login whose owner has not left it signed out.
    pub(super) fn connect_all(&self) {
        for login in self.logins.values().filter(|login| login.signed_out.is_none()) {
            self.setup.network.connect(login.id.clone(), login.credentials());
        }
    }

    async fn check_status(&mut self, id: &LoginId) -> Result<(), BridgeError> {
        let Some(status) = self.statuses.get_mut(id).filter(|s| s.has_bad_news()) else { return Ok(()) };
        let ConnectionState::Waiting { reason } = &status.state else { return Ok(()) };
        let text = format!(
            "{id} is not connected to {}: {} It is tried again by itself, and messages wait until then.",
            self.around.sides.network.name,
            sentence(reason)
        );
        status.told_down = true;
        let Some(owner) = self.logins.get(id).map(|login| login.owner.clone()) else { return Ok(()) };
        self.tell(&owner, text).await
    }

    /// Has a login written down, and waits for nothing.
    pub(super) fn save_login(&mut self, id: &LoginId) {
        if let Some(login) = self.logins.get(id) {
            self.saves.save(&*self.setup.storage, login);
        }
    }

    /// The same for what a person has just done: it is on disk before they are told.
    pub(super) async fn store_login(&mut self, id: &LoginId) -> Result<(), BridgeError> {
        let Some(login) = self.logins.get(id) else { return Ok(()) };
        let mut batch = Batch::default();
        login.store(&mut batch);
        Ok(self.setup.storage.commit(batch, Urgency::Now).await?)
    }

    /// A login from the configuration: taken up unless it is known with the same password.
    pub(super) fn configured(&mut self, configured: Login) {
        let id = configured.id.clone();
        self.configured.insert(id.clone());
        let known = self.logins.get_mut(&id);
        let login = match known {
            Some(known) => {
                let password = configured.credentials().password;
                let same = secrecy::ExposeSecret::expose_secret(&known.credentials().password)
                    == secrecy::ExposeSecret::expose_secret(&password);
                if same && known.owner == configured.owner {
                    return;
                }
                known.set_password(&password);
                known.owner = configured.owner;
                known.signed_out = None;
                known.clone()
            }
            None => configured,
        };
        self.logins.insert(id.clone(), login.clone());
        self.save_login(&id);
        self.statuses.entry(id.clone()).or_insert_with(ConnectionStatus::new).tell_connected = true;
        self.setup.network.connect(id, login.credentials());
    }
}
