//! The channels that are ends of conversations: those of the configuration, and those that somebody plumbed.
//!
//! Knows which channel belongs to which conversation now, and keeps in the store what a command has changed. Refuses to know
//! who may change that, and connections.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::RelayConfig;
use crate::bridge::event::Timestamp;
use crate::bridge::ids::{PortalKey, UserId};
use crate::bridge::port::storage::{Batch, Storage, StorageError, Table, Urgency};

/// Channels that are read of the store.
const MAX_PLUMBED: usize = 10_000;

/// All of them as they are at one moment.
pub(super) type Snapshot = Arc<Vec<Arc<RelayConfig>>>;

/// A channel as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct Plumbed {
    network: String,
    channel: String,
    portal: PortalKey,
    direct: Vec<(String, PortalKey)>,
    members: Vec<String>,
    pub(super) by: UserId,
    /// When its operators were asked, while they have not confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) asked_at: Option<Timestamp>,
}

impl Plumbed {
    /// An end of a conversation, by a user.
    pub(super) fn of(relay: &RelayConfig, by: &UserId) -> Self {
        Self {
            network: relay.network.clone(),
            channel: relay.channel.clone(),
            portal: relay.portal.clone(),
            direct: relay.direct.clone().into_iter().collect(),
            members: relay.members.clone(),
            by: by.clone(),
            asked_at: None,
        }
    }

    /// The same, and its operators have not confirmed.
    pub(super) fn asked(relay: &RelayConfig, by: &UserId, at: Timestamp) -> Self {
        Self { asked_at: Some(at), ..Self::of(relay, by) }
    }

    pub(super) fn into_relay(self) -> RelayConfig {
        let Self { network, channel, portal, direct, members, by, asked_at: _ } = self;
        let direct: BTreeMap<_, _> = direct.into_iter().collect();
        RelayConfig { network, channel, key: None, portal, direct, members, plumbed_by: Some(by) }
    }
}

/// The channels of all networks.
pub(super) struct Relays {
    current: Mutex<Snapshot>,
    storage: Arc<dyn Storage>,
}

/// A conversation has one channel.
fn row(portal: &PortalKey) -> Vec<u8> {
    portal.to_key()
}

fn read(storage: &dyn Storage) -> Result<Vec<RelayConfig>, StorageError> {
    let rows = storage.scan(Table::Channels, &[], None, MAX_PLUMBED)?;
    let read = |(_, value): (Vec<u8>, Vec<u8>)| serde_json::from_slice::<Plumbed>(&value).ok();
    let plumbed = rows.into_iter().filter_map(read).filter(|plumbed| plumbed.asked_at.is_none());
    Ok(plumbed.map(Plumbed::into_relay).collect())
}

/// Those of the configuration, and what was plumbed for other conversations.
fn together(configured: Vec<RelayConfig>, stored: Vec<RelayConfig>) -> Snapshot {
    let mut all: Vec<Arc<RelayConfig>> = configured.into_iter().map(Arc::new).collect();
    for relay in stored {
        if !all.iter().any(|known| known.portal == relay.portal) {
            all.push(Arc::new(relay));
        }
    }
    Arc::new(all)
}

/// What another configuration has changed.
pub(super) struct Changes {
    pub(super) gone: Vec<Arc<RelayConfig>>,
    pub(super) new: Vec<Arc<RelayConfig>>,
}

impl Relays {
    /// Those of the configuration go before what was stored.
    pub(super) fn load(configured: Vec<RelayConfig>, storage: Arc<dyn Storage>) -> Self {
        let stored = read(&*storage).unwrap_or_else(|error| {
            tracing::error!(%error, "the channels that were plumbed cannot be read");
            Vec::new()
        });
        Self { current: Mutex::new(together(configured, stored)), storage }
    }

    fn current(&self) -> MutexGuard<'_, Snapshot> {
        // Nothing that holds the lock panics.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them, as they are now.
    pub(super) fn all(&self) -> Snapshot {
        self.current().clone()
    }

    /// The channel of a conversation.
    pub(super) fn of(&self, portal: &PortalKey) -> Option<Arc<RelayConfig>> {
        self.all().iter().find(|relay| relay.portal == *portal).cloned()
    }

    /// The conversations of a channel.
    pub(super) fn at(&self, network: &str, channel: &str) -> Vec<Arc<RelayConfig>> {
        let all = self.all();
        let here = all.iter().filter(|relay| relay.network == network && relay.is_at(channel));
        here.cloned().collect()
    }

    /// From now on the configuration names these. A channel that was plumbed comes back where the configuration does not
    /// name its conversation any more.
    ///
    /// # Errors
    /// The store cannot be read: nothing has changed.
    pub(super) fn configure(&self, configured: Vec<RelayConfig>) -> Result<Changes, StorageError> {
        let mut current = self.current();
        let next = together(configured, read(&*self.storage)?);
        let before = std::mem::replace(&mut *current, next.clone());
        let missing = |from: &Snapshot, of: &Snapshot| -> Vec<Arc<RelayConfig>> {
            let is_missing = |relay: &&Arc<RelayConfig>| !of.iter().any(|other| other.is_same(relay));
            from.iter().filter(is_missing).cloned().collect()
        };
        Ok(Changes { gone: missing(&before, &next), new: missing(&next, &before) })
    }

    /// One more, on disk when this resolves.
    ///
    /// # Errors
    /// The disk does not take it: nothing has changed.
    pub(super) async fn add(&self, relay: RelayConfig, by: &UserId) -> Result<(), StorageError> {
        let plumbed = Plumbed::of(&relay, by);
        let mut batch = Batch::default();
        // Our own types always serialise.
        batch.put(Table::Channels, row(&relay.portal), serde_json::to_vec(&plumbed).unwrap_or_default());
        self.storage.commit(batch, Urgency::Now).await?;
        let mut current = self.current();
        let others = current.iter().filter(|known| known.portal != relay.portal).cloned();
        *current = Arc::new(others.chain([Arc::new(relay.clone())]).collect());
        Ok(())
    }

    /// One less, on disk when this resolves.
    ///
    /// # Errors
    /// The disk does not take it: nothing has changed.
    pub(super) async fn remove(&self, portal: &PortalKey) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        batch.remove(Table::Channels, row(portal));
        self.storage.commit(batch, Urgency::Now).await?;
        let mut current = self.current();
        let others = current.iter().filter(|known| known.portal != *portal || known.plumbed_by.is_none());
        *current = Arc::new(others.cloned().collect());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::ids::{ConversationId, LoginId};
    use crate::bridge::testkit::SimStorage;

    fn relay(contact: &str, channel: &str, by: Option<&str>) -> RelayConfig {
        RelayConfig {
            network: "test".into(),
            channel: channel.into(),
            key: None,
            portal: PortalKey::new(LoginId::new("alice@x"), ConversationId::new(contact)),
            direct: BTreeMap::new(),
            members: vec![contact.to_owned()],
            plumbed_by: by.map(UserId::new),
        }
    }

    #[tokio::test]
    async fn what_was_plumbed_is_there_after_a_restart_and_the_configuration_goes_first() {
        let storage: Arc<dyn Storage> = Arc::new(SimStorage::default());
        let ann = UserId::new("@ann:x");
        let relays = Relays::load(vec![relay("bob@x", "#bob", None)], storage.clone());
        relays.add(relay("carol@x", "#Carol", Some("@ann:x")), &ann).await.unwrap();
        relays.add(relay("dave@x", "#dave", Some("@ann:x")), &ann).await.unwrap();
        relays.remove(&relay("dave@x", "", None).portal).await.unwrap();
        // What the configuration names is not taken away by a command.
        relays.remove(&relay("bob@x", "", None).portal).await.unwrap();
        let channels = |relays: &Relays| -> Vec<String> {
            relays.all().iter().map(|relay| relay.channel.clone()).collect()
        };
        assert_eq!(channels(&relays), ["#bob", "#Carol"]);
        let again = Relays::load(vec![relay("bob@x", "#bob", None)], storage.clone());
        assert_eq!(channels(&again), ["#bob", "#Carol"]);
        assert_eq!(again.at("test", "#CAROL")[0].plumbed_by, Some(ann));
        assert!(again.at("other", "#carol").is_empty());
        // The configuration is read again, with a key, and without Bob.
        let keyed = RelayConfig { key: Some("open".to_owned().into()), ..relay("carol@x", "#carol", None) };
        let names = |relays: &[Arc<RelayConfig>]| -> Vec<String> {
            relays.iter().map(|relay| relay.channel.clone()).collect()
        };
        let changes = again.configure(vec![keyed.clone(), relay("eve@x", "#eve", None)]).unwrap();
        assert_eq!(
            (names(&changes.gone), names(&changes.new)),
            (vec!["#bob".to_owned(), "#Carol".to_owned()], vec!["#carol".to_owned(), "#eve".to_owned()],)
        );
        let changes = again.configure(vec![keyed]).unwrap();
        assert_eq!((names(&changes.gone), changes.new.len()), (vec!["#eve".to_owned()], 0));
        let changes = again.configure(Vec::new()).unwrap();
        assert_eq!(names(&changes.new), ["#Carol"], "what was plumbed is there again");
        // The configuration names that conversation now.
        let again = Relays::load(vec![relay("carol@x", "#elsewhere", None)], storage);
        assert_eq!(channels(&again), ["#elsewhere"]);
    }
}
