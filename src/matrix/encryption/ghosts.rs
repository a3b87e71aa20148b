//! The devices of ghosts: made when one first speaks in an encrypted room, loaded when it speaks again.
//!
//! Knows that a ghost's device only sends, and that it is in memory once: two would use the same keys twice. Refuses to keep
//! all in memory: a device that was silent is loaded anew, which takes a read of one row.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use matrix_sdk_crypto::OlmMachine;
use ruma::{OwnedUserId, UserId};
use tokio::time::Instant;

use super::device::Device;
use super::error::CryptoError;
use super::image::ImageStore;
use super::publish;
use super::queries::KeyQueries;
use super::record::{DeviceRecord, keys_row};
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::matrix::cache::Cache;
use crate::matrix::homeserver::Homeserver;
use crate::matrix::lock::KeyedLocks;

/// Devices in memory. One that is evicted is loaded in milliseconds.
const MAX_LOADED: usize = 400;
/// How long a device stays in memory after it spoke.
const SILENCE: Duration = Duration::from_secs(3600);
/// What people see of a ghost's device.
const DEVICE_NAME: &str = "MSN contact";

/// A device in memory, and when it was used last.
#[derive(Clone)]
struct Loaded {
    device: Arc<Device>,
    used: Instant,
}

/// Devices of ghosts.
pub(super) struct GhostDevices {
    homeserver: Homeserver,
    storage: Arc<dyn Storage>,
    queries: Arc<KeyQueries>,
    loaded: Cache<OwnedUserId, Loaded>,
    /// Those that are in memory yet, also where they were evicted: somebody may be using one.
    alive: Mutex<HashMap<OwnedUserId, Weak<Device>>>,
    locks: KeyedLocks,
}

impl GhostDevices {
    pub(super) fn new(homeserver: Homeserver, storage: Arc<dyn Storage>, queries: Arc<KeyQueries>) -> Self {
        let (loaded, alive, locks) = (Cache::new(MAX_LOADED), Mutex::default(), KeyedLocks::default());
        Self { homeserver, storage, queries, loaded, alive, locks }
    }

    /// A ghost's device, which the homeserver has when this returns. One that is loaded asks for all others' devices anew:
    /// `changes` of those are no news to it.
    ///
    /// # Errors
    /// The homeserver refuses or is not available, or the keys cannot be read or kept.
    pub(super) async fn of(&self, ghost: &UserId, changes: u64) -> Result<Arc<Device>, CryptoError> {
        let _turn = self.locks.lock(ghost).await;
        let device = match self.in_memory(ghost) {
            Some(device) => device,
            None => Arc::new(self.open(ghost, changes).await?),
        };
        self.remember(ghost, &device);
        Ok(device)
    }

    fn in_memory(&self, ghost: &UserId) -> Option<Arc<Device>> {
        let evicted = || self.alive().get(ghost)?.upgrade();
        self.loaded.get(ghost).map(|loaded| loaded.device).or_else(evicted)
    }

    fn alive(&self) -> std::sync::MutexGuard<'_, HashMap<OwnedUserId, Weak<Device>>> {
        // Nothing that holds the lock panics.
        self.alive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, ghost: &UserId, device: &Arc<Device>) {
        self.loaded.insert(ghost.to_owned(), Loaded { device: device.clone(), used: Instant::now() });
        let mut alive = self.alive();
        alive.insert(ghost.to_owned(), Arc::downgrade(device));
        if alive.len() > 2 * MAX_LOADED {
            alive.retain(|_, device| device.strong_count() > 0);
        }
    }

    /// Has devices leave memory that have not spoken for a while.
    pub(super) fn unload_silent(&self) {
        for Loaded { device, used } in self.loaded.values() {
            if used.elapsed() >= SILENCE {
                self.loaded.remove(device.machine.user_id());
            }
        }
        self.alive().retain(|_, device| device.strong_count() > 0);
    }

    async fn open(&self, ghost: &UserId, changes: u64) -> Result<Device, CryptoError> {
        let record = match DeviceRecord::load(&*self.storage, ghost)? {
            Some(record) => match record.is_published && !record.has_keys(&*self.storage, ghost)? {
                true => {
                    publish::retire(&self.homeserver, ghost, &record.device).await?;
                    self.renew(ghost).await?
                }
                false => record,
            },
            None => self.renew(ghost).await?,
        };
        let keys = ImageStore::load(self.storage.clone(), keys_row(ghost, &record)).await?;
        let machine = OlmMachine::with_store(ghost, &record.device, keys, None).await?;
        let device = Device::new(machine, self.homeserver.clone(), self.queries.clone(), false, changes);
        if record.is_published {
            device.doubt_others().await?;
            return Ok(device);
        }
        publish::publish(&*self.storage, &device, DEVICE_NAME).await?;
        DeviceRecord { is_published: true, ..record }.store(&*self.storage, ghost).await?;
        tracing::debug!(%ghost, "a ghost has a device for encrypted rooms");
        Ok(device)
    }

    /// The name of another device.
    async fn renew(&self, ghost: &UserId) -> Result<DeviceRecord, CryptoError> {
        let record = DeviceRecord::new();
        record.store(&*self.storage, ghost).await?;
        Ok(record)
    }

    /// The homeserver does not know a ghost's device any more: it gets another the next time.
    ///
    /// # Errors
    /// The disk does not take that.
    pub(super) async fn forget(&self, ghost: &UserId) -> Result<(), CryptoError> {
        let _turn = self.locks.lock(ghost).await;
        self.loaded.remove(ghost);
        self.alive().remove(ghost);
        let Some(record) = DeviceRecord::load(&*self.storage, ghost)? else { return Ok(()) };
        let mut batch = Batch::default();
        batch.remove(Table::Devices, keys_row(ghost, &record));
        self.storage.commit(batch, Urgency::Now).await?;
        self.renew(ghost).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bridge::testkit::SimStorage;
    use crate::matrix::testkit::{self, FakeHomeserver};

    fn bob() -> &'static UserId {
        <&UserId>::try_from(testkit::BOB).unwrap()
    }

    async fn ghosts(server: &FakeHomeserver, storage: Arc<SimStorage>) -> GhostDevices {
        server.answers("/keys/upload", 200, json!({"one_time_key_counts": {}}));
        let homeserver = Homeserver::new(&testkit::config(&server.url())).await.unwrap();
        let queries = Arc::new(KeyQueries::new(homeserver.clone(), Arc::default()));
        GhostDevices::new(homeserver, storage, queries)
    }

    #[tokio::test]
    async fn a_device_leaves_memory_when_it_was_silent_and_is_there_once_while_somebody_uses_it() {
        let server = FakeHomeserver::start().await;
        let ghosts = ghosts(&server, Arc::default()).await;
        let used = ghosts.of(bob(), 0).await.unwrap();
        tokio::time::pause();
        tokio::time::advance(SILENCE - Duration::from_secs(1)).await;
        ghosts.unload_silent();
        assert!(ghosts.loaded.contains(bob()));
        tokio::time::advance(Duration::from_secs(1)).await;
        ghosts.unload_silent();
        assert!(!ghosts.loaded.contains(bob()));
        assert!(Arc::ptr_eq(&used, &ghosts.of(bob(), 0).await.unwrap()), "two would use the same keys twice");
        tokio::time::advance(SILENCE).await;
        ghosts.unload_silent();
        drop(used);
        assert!(ghosts.in_memory(bob()).is_none());
        let asked = server.asked().len();
        ghosts.of(bob(), 0).await.unwrap();
        assert_eq!(server.asked().len(), asked, "the device is the same");
    }

    #[tokio::test]
    async fn a_device_whose_keys_are_lost_is_removed_and_never_used_again() {
        let server = FakeHomeserver::start().await;
        let storage = Arc::<SimStorage>::default();
        ghosts(&server, storage.clone()).await.of(bob(), 0).await.unwrap();
        let before = DeviceRecord::load(&*storage, bob()).unwrap().unwrap();
        let mut lost = Batch::default();
        lost.remove(Table::Devices, keys_row(bob(), &before));
        storage.commit(lost, Urgency::Now).await.unwrap();
        ghosts(&server, storage.clone()).await.of(bob(), 0).await.unwrap();
        let after = DeviceRecord::load(&*storage, bob()).unwrap().unwrap();
        assert!(after.is_published && after.device != before.device, "{after:?}");
        let removed = format!("DELETE /_matrix/client/v3/devices/{}", before.device);
        assert!(server.asked().contains(&removed), "{:?}", server.asked());
    }
}
