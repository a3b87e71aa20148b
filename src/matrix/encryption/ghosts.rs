//! The devices of ghosts: made when one first speaks in an encrypted room, loaded when it speaks again.
//!
//! Knows that a ghost's device only sends. Refuses to keep all in memory: a device that was silent is loaded anew, which
//! takes a read of one row.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use matrix_sdk_crypto::OlmMachine;
use ruma::{OwnedUserId, UserId};
use tokio::sync::Mutex;

use super::device::Device;
use super::error::CryptoError;
use super::image::ImageStore;
use super::record::{DeviceRecord, keys_row};
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::matrix::cache::Cache;
use crate::matrix::homeserver::Homeserver;

/// Devices in memory. One that is evicted is loaded in milliseconds.
const MAX_LOADED: usize = 400;
/// Locks that all ghosts share: one device is made or loaded once.
const LOCKS: usize = 32;
/// What people see of a ghost's device.
const DEVICE_NAME: &str = "MSN contact";

/// Devices of ghosts.
pub(super) struct GhostDevices {
    homeserver: Homeserver,
    storage: Arc<dyn Storage>,
    loaded: Cache<OwnedUserId, Arc<Device>>,
    locks: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl GhostDevices {
    pub(super) fn new(homeserver: Homeserver, storage: Arc<dyn Storage>) -> Self {
        let locks = (0..LOCKS).map(|_| Mutex::default()).collect();
        Self { homeserver, storage, loaded: Cache::new(MAX_LOADED), locks, hasher: RandomState::new() }
    }

    /// A ghost's device, which the homeserver has when this returns. One that is loaded asks for all others' devices anew:
    /// `changes` of those are no news to it.
    ///
    /// # Errors
    /// The homeserver refuses or is not available, or the keys cannot be read or kept.
    pub(super) async fn of(&self, ghost: &UserId, changes: u64) -> Result<Arc<Device>, CryptoError> {
        let lock = usize::try_from(self.hasher.hash_one(ghost) % LOCKS as u64).unwrap_or_default();
        let _turn = self.locks[lock].lock().await;
        if let Some(device) = self.loaded.get(ghost) {
            return Ok(device);
        }
        let device = Arc::new(self.open(ghost, changes).await?);
        self.loaded.insert(ghost.to_owned(), device.clone());
        Ok(device)
    }

    async fn open(&self, ghost: &UserId, changes: u64) -> Result<Device, CryptoError> {
        let record = match DeviceRecord::load(&*self.storage, ghost)? {
            Some(record) => record,
            None => {
                let record = DeviceRecord::new();
                record.store(&*self.storage, ghost).await?;
                record
            }
        };
        let keys = ImageStore::load(self.storage.clone(), keys_row(ghost, &record)).await?;
        let machine = OlmMachine::with_store(ghost, &record.device, keys, None).await?;
        let device = Device::new(machine, self.homeserver.clone(), false, changes);
        if record.is_published {
            // What others' devices became while this one was not in memory, nobody told it.
            device.machine.mark_all_tracked_users_as_dirty().await?;
            return Ok(device);
        }
        device.publish(DEVICE_NAME).await?;
        DeviceRecord { is_published: true, ..record }.store(&*self.storage, ghost).await?;
        tracing::debug!(%ghost, "a ghost has a device for encrypted rooms");
        Ok(device)
    }

    /// The homeserver does not know a ghost's device any more: it gets another the next time.
    ///
    /// # Errors
    /// The disk does not take that.
    pub(super) async fn forget(&self, ghost: &UserId) -> Result<(), CryptoError> {
        self.loaded.remove(ghost);
        let Some(record) = DeviceRecord::load(&*self.storage, ghost)? else { return Ok(()) };
        let mut batch = Batch::default();
        batch.remove(Table::Devices, keys_row(ghost, &record));
        self.storage.commit(batch, Urgency::Now).await?;
        DeviceRecord::new().store(&*self.storage, ghost).await
    }
}
