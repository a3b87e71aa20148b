//! What every part of the router shares: the portals, the logins, the signals, and the sides they lead to.
//!
//! Knows each part and lends it to the others. Refuses to decide: the parts do.

use std::sync::Arc;

use super::early::EarlyNotices;
use super::finished::{Finished, ReplyTo};
use super::handle::Setup;
use super::logins::LoginRegistry;
use super::portals::PortalTable;
use super::profiles::OwnerProfiles;
use super::rooms::ContactRooms;
use super::setback::Setback;
use super::signals::SignalHub;
use crate::bridge::BridgeError;
use crate::bridge::event::Ghost;
use crate::bridge::ghost_names::GhostNames;
use crate::bridge::ids::{Leg, LoginId, PortalKey, UserId};
use crate::bridge::overview::LoginReports;
use crate::bridge::port::frontend::{Frontend, Signal};
use crate::bridge::port::storage::{Batch, Table, Urgency};
use crate::bridge::receipt::InboxReceipt;
use crate::bridge::record::{self, PortalRecord};
use crate::bridge::sides::Sides;
use crate::bridge::trace::TraceLog;
use crate::bridge::writer::Writer;

/// Most conversations of one login whose titles are looked at for one name.
const MAX_TITLES: usize = 2000;

/// The parts of the router.
pub(super) struct RouterContext {
    pub(super) setup: Setup,
    pub(super) sides: Sides,
    pub(super) names: GhostNames,
    pub(super) traces: TraceLog,
    pub(super) portals: PortalTable,
    pub(super) logins: LoginRegistry,
    pub(super) reports: LoginReports,
    pub(super) early: EarlyNotices,
    pub(super) signals: SignalHub,
    pub(super) profiles: OwnerProfiles,
    pub(super) rooms: ContactRooms,
    pub(super) writer: Writer<Finished>,
}

impl RouterContext {
    /// What the network is called.
    pub(super) fn network_name(&self) -> &'static str {
        self.sides.network.name
    }

    pub(super) fn frontend(&self, leg: Leg) -> Option<Arc<dyn Frontend>> {
        self.setup.frontends.iter().find(|frontend| frontend.leg() == leg).cloned()
    }

    /// Answers a command.
    pub(super) fn reply(&mut self, to: &ReplyTo, text: &str, with: Batch) -> Result<(), Setback> {
        self.portals.say(&to.portal, to.leg, text, to.reference.clone(), with)
    }

    /// Tells a user something where they and the bridge are among themselves.
    pub(super) fn tell(&mut self, user: &UserId, text: &str) -> Result<(), Setback> {
        self.portals.tell(user, text, Batch::default())
    }

    /// Whether what `user` is told now will be taken.
    pub(super) fn ask_room_to_tell(&self, user: &UserId) -> Result<(), Setback> {
        self.portals.ask_room(&PortalKey::management(user))
    }

    /// An item came to nothing that has to be on disk.
    pub(super) fn settle(&self, receipt: InboxReceipt) {
        let batch = receipt.into_batch();
        if !batch.0.is_empty() {
            drop(self.setup.storage.commit(batch, Urgency::Soon));
        }
    }

    /// Signs a login in at once: somebody waits for it.
    pub(super) fn connect(&mut self, id: &LoginId) {
        if let Some(credentials) = self.logins.awaited(id) {
            self.setup.network.connect(id.clone(), credentials);
        }
    }

    /// One session for each login whose owner has not left it signed out.
    pub(super) fn connect_all(&self) {
        for login in self.logins.to_connect() {
            self.setup.network.connect(login.id.clone(), login.credentials());
        }
    }

    /// The network may take again what it held, in these conversations.
    pub(super) fn release_network(&self, which: impl Fn(&PortalKey) -> bool) {
        for leg in Leg::NETWORK {
            self.portals.release(leg, &which);
        }
    }

    /// Somebody is called so now: frontends show it, on the person and on the conversations named by them.
    pub(super) fn named(&self, login: &LoginId, ghost: &Ghost) -> Result<(), BridgeError> {
        if !self.names.learn(login, ghost)? {
            return Ok(());
        }
        tracing::debug!(%login, ghost = %ghost.id, "a new name");
        let mut concerned = vec![login.clone()];
        if !self.setup.ghost_per_login {
            concerned.extend(self.signals.logins_of(&ghost.id).into_iter().filter(|other| other != login));
        }
        let mut titles = Vec::new();
        for login in &concerned {
            titles.extend(self.titles(login, ghost)?);
        }
        self.signals.show(&Signal::Named { login: login.clone(), ghost: ghost.clone(), titles });
        Ok(())
    }

    /// The conversations of a login that somebody is in, as they are called now.
    fn titles(&self, login: &LoginId, ghost: &Ghost) -> Result<Vec<(PortalKey, String)>, BridgeError> {
        let prefix = [login.as_str().as_bytes(), b"\0"].concat();
        let rows = self.setup.storage.scan(Table::Portals, &prefix, None, MAX_TITLES)?;
        let mut titles = Vec::new();
        for (_, value) in rows {
            let PortalRecord { key, .. } = record::decode("portal", &value)?;
            let is_there = self.setup.network.audience(&key).people.contains(&ghost.id);
            if let (Some(title), true) = (self.portals.title(&key), is_there) {
                titles.push((key, title));
            }
        }
        Ok(titles)
    }
}
