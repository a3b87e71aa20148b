//! The bot's device: opened, made when there is none, and made anew when its keys or the homeserver's are lost.
//!
//! Knows that a device whose keys are lost is never used again, and that the seeds outlive it. Refuses to know rooms.
//! Source: measured on Synapse, which takes no second set of keys for a device, and no second upload of signing keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use matrix_sdk_crypto::OlmMachine;
use matrix_sdk_crypto::types::requests::AnyIncomingResponse;
use matrix_sdk_sqlite::{SqliteCryptoStore, SqliteStoreConfig};
use ruma::DeviceId;
use ruma::api::client::account::whoami;
use ruma::api::client::device::delete_device;
use ruma::api::client::keys::get_keys;

use super::device::Device;
use super::error::CryptoError;
use super::record::{DeviceRecord, load_seeds, store_seeds};
use crate::bridge::port::storage::Storage;
use crate::matrix::config::KeyFile;
use crate::matrix::homeserver::{Actor, Homeserver, MatrixError, send_as};

/// What people see of the bot's device.
const DEVICE_NAME: &str = "MSN bridge";

/// Connections to the file of keys: one writes, and little is read.
const CONNECTIONS: usize = 2;

/// Opens and makes the bot's device.
pub(super) struct BotDevice {
    pub(super) homeserver: Homeserver,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) file: KeyFile,
}

fn sqlite(error: impl std::fmt::Display) -> CryptoError {
    CryptoError::Store(error.to_string())
}

impl BotDevice {
    fn directory(&self, device: &DeviceId) -> PathBuf {
        self.file.directory.join(device.as_str())
    }

    /// The device, which the homeserver has when this returns.
    ///
    /// # Errors
    /// The homeserver refuses or is not available, or the keys cannot be read or kept.
    pub(super) async fn open(&self) -> Result<Device, CryptoError> {
        let record = DeviceRecord::load(&*self.storage, self.homeserver.bot())?;
        let Some(record) = record else { return self.renew(None).await };
        if !self.directory(&record.device).exists() {
            tracing::warn!(device = %record.device, "the keys of the bot's device are gone: it gets another device");
            return self.renew(Some(&record)).await;
        }
        let device = self.machine(&record).await?;
        if !record.is_published {
            return self.publish(device, record).await;
        }
        match self.is_known(&record).await {
            Ok(true) => Ok(device),
            Err(error) if error.is("M_UNKNOWN_DEVICE") => {
                tracing::warn!(device = %record.device, "the homeserver lost the bot's device: it gets another");
                self.renew(Some(&record)).await
            }
            Ok(false) => Err(CryptoError::Off(
                "the homeserver does not let the bridge act as a device (device_id of MSC3202)".into(),
            )),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the homeserver takes us for the device.
    async fn is_known(&self, record: &DeviceRecord) -> Result<bool, MatrixError> {
        let actor = Actor { user: self.homeserver.bot(), device: Some(&record.device) };
        let answer = send_as!(self.homeserver, actor, whoami::v3::Request::new())?;
        Ok(answer.device_id.as_ref() == Some(&record.device))
    }

    async fn machine(&self, record: &DeviceRecord) -> Result<Device, CryptoError> {
        let directory = self.directory(&record.device);
        make_private(&directory).map_err(sqlite)?;
        let config = SqliteStoreConfig::with_low_memory_config(&directory)
            .pool_max_size(CONNECTIONS)
            .key(Some(&self.file.key));
        let store = SqliteCryptoStore::open_with_config(&config).await.map_err(sqlite)?;
        let machine = OlmMachine::with_store(self.homeserver.bot(), &record.device, store, None).await?;
        Ok(Device::new(machine, self.homeserver.clone(), true, 0))
    }

    /// Another device in the place of one that cannot be used any more; with the same signatures, as far as their seeds
    /// are there.
    ///
    /// # Errors
    /// As for [`BotDevice::open`].
    pub(super) async fn renew(&self, old: Option<&DeviceRecord>) -> Result<Device, CryptoError> {
        let bot = self.homeserver.bot();
        if let Some(old) = old {
            // Gone already, perhaps.
            match send_as!(self.homeserver, bot, delete_device::v3::Request::new(old.device.clone())) {
                Ok(_) | Err(MatrixError::Refused { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let _ = std::fs::remove_dir_all(self.directory(&old.device)); // what is left of it opens nothing
        }
        let record = DeviceRecord::new();
        record.store(&*self.storage, bot).await?;
        let device = self.machine(&record).await?;
        self.publish(device, record).await
    }

    async fn publish(&self, device: Device, mut record: DeviceRecord) -> Result<Device, CryptoError> {
        let bot = self.homeserver.bot();
        match load_seeds(&*self.storage, bot)? {
            Some(seeds) => {
                device.create(DEVICE_NAME).await?;
                // Without what is published of the own user nothing is imported.
                let (id, query) = device.machine.query_keys_for_users([bot]);
                let mut request = get_keys::v3::Request::new();
                request.device_keys = query.device_keys;
                let answer = send_as!(self.homeserver, bot, request)?;
                device.machine.mark_request_as_sent(&id, AnyIncomingResponse::KeysQuery(&answer)).await?;
                let imported = device.machine.import_cross_signing_keys(seeds).await;
                imported.map_err(|error| CryptoError::Keys(error.to_string()))?;
                device.sign_with_imported().await?;
            }
            None => {
                device.publish(DEVICE_NAME).await?;
                if let Some(seeds) = device.machine.export_cross_signing_keys().await? {
                    store_seeds(&*self.storage, bot, &seeds).await?;
                }
            }
        }
        if !self.is_known(&record).await? {
            let reason = "the homeserver does not let the bridge act as a device (device_id of MSC3202)";
            return Err(CryptoError::Off(reason.into()));
        }
        record.is_published = true;
        record.store(&*self.storage, bot).await?;
        tracing::info!(device = %record.device, "the bot has a device for encrypted rooms");
        Ok(device)
    }
}

/// Only the bridge's own user may look into a directory of keys.
fn make_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}
