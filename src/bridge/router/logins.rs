//! The logins there are: whose they are, how they stand, and what of them is stored.
//!
//! Knows the rules of a login's life: from a password to an account that got in, signed out, forgotten. Refuses to speak
//! to anybody: the router tells owners and the network.

use std::collections::{HashMap, HashSet};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;

use super::status::{ConnectionStatus, Reached};
use crate::bridge::BridgeError;
use crate::bridge::account::{LoginState, SignInOutcome};
use crate::bridge::event::{ConnectionState, Timestamp};
use crate::bridge::ids::{LoginId, UserId};
use crate::bridge::login::{Credentials, Login};
use crate::bridge::port::storage::{Batch, Storage};
use crate::bridge::sentence::clause;

/// Every login of the store, and the state of its connection in this life.
pub(super) struct LoginRegistry {
    logins: HashMap<LoginId, Login>,
    statuses: HashMap<LoginId, ConnectionStatus>,
    /// Logins that the configuration names.
    configured: HashSet<LoginId>,
    /// Who waits for what becomes of a sign-in that has not begun.
    awaiting: HashMap<LoginId, mpsc::Sender<SignInOutcome>>,
}

impl LoginRegistry {
    pub(super) fn load(storage: &dyn Storage) -> Result<Self, BridgeError> {
        let mut logins = Login::load_all(storage)?;
        // Their owners have not been seen yet.
        logins.iter_mut().filter(|login| login.follows).for_each(|login| login.presence = "away".into());
        let logins = logins.into_iter().map(|login| (login.id.clone(), login)).collect();
        let (statuses, configured, awaiting) = (HashMap::new(), HashSet::new(), HashMap::new());
        Ok(Self { logins, statuses, configured, awaiting })
    }

    pub(super) fn all(&self) -> &HashMap<LoginId, Login> {
        &self.logins
    }

    pub(super) fn get(&self, id: &LoginId) -> Option<&Login> {
        self.logins.get(id)
    }

    pub(super) fn contains(&self, id: &LoginId) -> bool {
        self.logins.contains_key(id)
    }

    pub(super) fn owner(&self, id: &LoginId) -> Option<UserId> {
        self.logins.get(id).map(|login| login.owner.clone())
    }

    /// All owners, each once, in order.
    pub(super) fn owners(&self) -> Vec<UserId> {
        let mut owners: Vec<UserId> = self.logins.values().map(|login| login.owner.clone()).collect();
        owners.sort();
        owners.dedup();
        owners
    }

    /// The logins of one user, to be changed in place.
    pub(super) fn of_owner_mut(&mut self, owner: &UserId) -> impl Iterator<Item = &mut Login> {
        self.logins.values_mut().filter(move |login| login.owner == *owner)
    }

    /// Logins whose owners have not left them signed out.
    pub(super) fn to_connect(&self) -> impl Iterator<Item = &Login> {
        self.logins.values().filter(|login| login.signed_out.is_none())
    }

    /// Changes a login, and gives what stores it.
    pub(super) fn change(&mut self, id: &LoginId, change: impl FnOnce(&mut Login)) -> Batch {
        let mut batch = Batch::default();
        if let Some(login) = self.logins.get_mut(id) {
            change(login);
            login.store(&mut batch);
        }
        batch
    }

    /// Among its owner's logins this one is preferred from now on; gives what stores that.
    pub(super) fn prefer(&mut self, id: &LoginId) -> Batch {
        let mut batch = Batch::default();
        let Some(owner) = self.owner(id) else { return batch };
        for login in self.of_owner_mut(&owner) {
            let is_preferred = login.id == *id;
            if login.preferred != is_preferred {
                login.preferred = is_preferred;
                login.store(&mut batch);
            }
        }
        batch
    }

    /// Whether the configuration names this login.
    pub(super) fn is_configured(&self, id: &LoginId) -> bool {
        self.configured.contains(id)
    }

    /// The account is somebody else's, who has got in with it.
    pub(super) fn is_taken(&self, id: &LoginId, user: &UserId) -> bool {
        self.logins.get(id).is_some_and(|login| login.owner != *user && login.confirmed)
    }

    /// A user has given the password of an account that is not taken.
    pub(super) fn password_given(
        &mut self,
        id: &LoginId,
        account: String,
        user: &UserId,
        password: &SecretString,
    ) {
        match self.logins.get_mut(id) {
            Some(login) if login.owner == *user => {
                login.set_password(password);
                login.signed_out = None;
            }
            // Nobody has it, or somebody who never got in: naming an account is no claim to it.
            _ => {
                let login = Login::new(id.clone(), account, user.clone(), password);
                self.logins.insert(id.clone(), login);
            }
        }
    }

    /// Logins of a user that never got in, but for this one and those of the configuration: a slip of the pen is no second
    /// account, of which every command would have to be told.
    pub(super) fn slips(&self, user: &UserId, made: &LoginId) -> Vec<LoginId> {
        let is_slip = |login: &&Login| {
            let never_in = !login.confirmed && !self.configured.contains(&login.id);
            login.owner == *user && login.id != *made && never_in
        };
        let mut slips: Vec<LoginId> = self.logins.values().filter(is_slip).map(|l| l.id.clone()).collect();
        slips.sort();
        slips
    }

    /// The login is gone, here; what erases its row is written by whoever forgets it.
    pub(super) fn forget(&mut self, id: &LoginId) {
        self.logins.remove(id);
        self.statuses.remove(id);
        self.awaiting.remove(id);
    }

    /// Tells what becomes of the sign-in that begins next, once.
    pub(super) fn tell_outcome(&mut self, id: &LoginId, answer: mpsc::Sender<SignInOutcome>) {
        self.awaiting.insert(id.clone(), answer);
    }

    /// Somebody waits for this sign-in: its credentials.
    pub(super) fn awaited(&mut self, id: &LoginId) -> Option<Credentials> {
        let login = self.logins.get(id)?;
        let status = self.statuses.entry(id.clone()).or_insert_with(ConnectionStatus::new);
        (status.tell_connected, status.outcome) = (true, self.awaiting.remove(id));
        Some(Credentials { at_once: true, ..login.credentials() })
    }

    /// A login from the configuration: taken up unless it is known with the same password. Gives what is to be connected.
    pub(super) fn configure(&mut self, configured: Login) -> Option<&Login> {
        let id = configured.id.clone();
        self.configured.insert(id.clone());
        match self.logins.get_mut(&id) {
            Some(known) => {
                let password = configured.credentials().password;
                let same = known.credentials().password.expose_secret() == password.expose_secret();
                if same && known.owner == configured.owner {
                    return None;
                }
                known.set_password(&password);
                known.owner = configured.owner;
                known.signed_out = None;
            }
            None => drop(self.logins.insert(id.clone(), configured)),
        }
        self.statuses.entry(id.clone()).or_insert_with(ConnectionStatus::new).tell_connected = true;
        self.logins.get(&id)
    }

    /// How a login's connection stands now.
    pub(super) fn set_state(&mut self, id: &LoginId, state: ConnectionState, at: Timestamp) {
        let status = self.statuses.entry(id.clone()).or_insert_with(ConnectionStatus::new);
        if matches!(state, ConnectionState::Connecting | ConnectionState::Waiting { .. }) {
            status.is_down();
        }
        status.changed(id, state, at);
    }

    /// A login has got in: what its owner hears, and whether that is to be stored.
    pub(super) fn connected(&mut self, id: &LoginId) -> Option<(Reached, bool)> {
        let reached = self.statuses.get_mut(id)?.is_connected();
        let login = self.logins.get_mut(id)?;
        let is_news = login.signed_out.take().is_some() || !login.confirmed;
        login.confirmed = true;
        Some((reached, is_news))
    }

    /// Interruptions that have become long: of whom, and why.
    pub(super) fn bad_news(&self) -> Vec<(LoginId, String)> {
        let waiting = self.statuses.iter().filter_map(|(id, s)| Some((id.clone(), s.bad_news()?.to_owned())));
        waiting.collect()
    }

    /// The owner has heard of an interruption.
    pub(super) fn told_down(&mut self, id: &LoginId) {
        self.statuses.get_mut(id).into_iter().for_each(|status| status.told_down = true);
    }

    /// How each login of a user stands, a line each.
    pub(super) fn describe(&self, user: &UserId) -> Vec<String> {
        let own = self.logins.values().filter(|login| login.owner == *user);
        let mut lines: Vec<String> =
            own.map(|login| format!("{}: {}", login.id, self.describe_one(login))).collect();
        lines.sort();
        lines
    }

    /// How each login of a user stands, in the order of their names.
    pub(super) fn states(&self, user: &UserId) -> Vec<LoginState> {
        let own = self.logins.values().filter(|login| login.owner == *user);
        let mut states: Vec<LoginState> = own.map(|login| self.state(login)).collect();
        states.sort_by(|a, b| a.id.cmp(&b.id));
        states
    }

    fn state(&self, login: &Login) -> LoginState {
        let status = self.statuses.get(&login.id);
        let stored = login.signed_out.clone().map(|reason| ConnectionState::SignedOut { reason });
        let state = status.map(|status| status.state.clone()).or(stored);
        LoginState {
            id: login.id.clone(),
            state: state.unwrap_or(ConnectionState::Connecting),
            since: status.and_then(|status| status.since),
            words: self.describe_one(login),
        }
    }

    /// How every login stands and whose it is, a line each.
    pub(super) fn describe_all(&self) -> Vec<String> {
        let line = |login: &Login| format!("{} of {}: {}", login.id, login.owner, self.describe_one(login));
        let mut lines: Vec<String> = self.logins.values().map(line).collect();
        lines.sort();
        lines
    }

    fn describe_one(&self, login: &Login) -> String {
        let status = self.statuses.get(&login.id).map(ConnectionStatus::describe);
        let stored = login.signed_out.as_ref().map(|reason| format!("signed out: {}", clause(reason)));
        status.or(stored).unwrap_or_else(|| "connecting".into())
    }
}
