//! Names that are news: shown everywhere they stand, at once.

use super::Router;
use crate::bridge::BridgeError;
use crate::bridge::event::Ghost;
use crate::bridge::ids::{LoginId, PortalKey};
use crate::bridge::port::frontend::Signal;
use crate::bridge::port::storage::Table;
use crate::bridge::record;

/// Most conversations of one login whose titles are looked at for one name.
const MAX_TITLES: usize = 2000;

impl Router {
    /// From now on the names of those in this conversation are kept.
    pub(super) fn meet(&self, key: &PortalKey) -> Result<(), BridgeError> {
        if key.management_user().is_some() {
            return Ok(());
        }
        for id in self.setup.network.audience(key).people {
            self.around.names.meet(&key.receiver, &Ghost { id, name: String::new() })?;
        }
        Ok(())
    }

    /// Somebody is called so now: frontends show it, on the person and on the conversations named by them.
    pub(super) fn named(&mut self, login: &LoginId, ghost: &Ghost) -> Result<(), BridgeError> {
        if !self.around.names.learn(login, ghost)? {
            return Ok(());
        }
        tracing::debug!(%login, ghost = %ghost.id, "a new name");
        let mut concerned = vec![login.clone()];
        if !self.setup.ghost_per_login {
            concerned.extend(self.presences.logins_of(&ghost.id).into_iter().filter(|other| other != login));
        }
        let mut titles = Vec::new();
        for login in &concerned {
            titles.extend(self.titles(login, ghost)?);
        }
        let signal = Signal::Named { login: login.clone(), ghost: ghost.clone(), titles };
        super::signals::send(&self.signals, &signal);
        Ok(())
    }

    /// The conversations of a login that somebody is in, as they are called now.
    fn titles(&self, login: &LoginId, ghost: &Ghost) -> Result<Vec<(PortalKey, String)>, BridgeError> {
        let prefix = [login.as_str().as_bytes(), b"\0"].concat();
        let rows = self.setup.storage.scan(Table::Portals, &prefix, None, MAX_TITLES)?;
        let mut titles = Vec::new();
        for (_, value) in rows {
            let record::PortalRecord { key, .. } = record::decode("portal", &value)?;
            let is_there = self.setup.network.audience(&key).people.contains(&ghost.id);
            if let (Some(title), true) = (self.around.title(&key).0, is_there) {
                titles.push((key, title));
            }
        }
        Ok(titles)
    }
}
