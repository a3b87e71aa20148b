//! The bot's device: opened, made when there is none, and made anew when its keys or the homeserver's are lost.
//!
//! Knows that a device whose keys are lost is never used again, and that people are told of it once. Refuses to know rooms.
//! Source: measured on Synapse, which takes no second set of keys for a device.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use matrix_sdk_crypto::OlmMachine;
use matrix_sdk_crypto::store::CryptoStore;
use matrix_sdk_sqlite::{OpenStoreError, SqliteCryptoStore, SqliteStoreConfig};
use ruma::DeviceId;
use ruma::api::client::account::whoami;

use super::device::Device;
use super::error::CryptoError;
use super::publish;
use super::queries::KeyQueries;
use super::record::DeviceRecord;
use crate::bridge::port::storage::Storage;
use crate::matrix::config::KeyFile;
use crate::matrix::homeserver::{Actor, Homeserver, MatrixError, send_as};

/// What people see of the bot's device.
const DEVICE_NAME: &str = "MSN bridge";

/// Connections to the file of keys: one writes, and little is read.
const CONNECTIONS: usize = 2;

/// What SQLite says of a file that is none of its own any more.
const DAMAGED: [&str; 2] = ["file is not a database", "database disk image is malformed"];

const NO_MASQUERADING: &str = "the homeserver does not let the bridge act as a device (device_id of MSC3202)";

/// Opens and makes the bot's device.
pub(super) struct BotDevice {
    pub(super) homeserver: Homeserver,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) queries: Arc<KeyQueries>,
    pub(super) file: KeyFile,
}

fn sqlite(error: impl std::fmt::Display) -> CryptoError {
    CryptoError::Store(error.to_string())
}

fn is_damaged(error: &OpenStoreError) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if DAMAGED.iter().any(|words| error.to_string().contains(words)) {
            return true;
        }
        cause = error.source();
    }
    false
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
        let Some(keys) = self.keys(&record).await? else {
            tracing::warn!(device = %record.device, "the keys of the bot's device are gone: it gets another device");
            return self.renew(Some(&record)).await;
        };
        let device = self.machine(&record, keys).await?;
        if !record.is_published {
            return self.publish(device, record).await;
        }
        match self.is_known(&record).await {
            Ok(true) => Ok(device),
            Err(error) if error.is("M_UNKNOWN_DEVICE") => {
                tracing::warn!(device = %record.device, "the homeserver lost the bot's device: it gets another");
                self.renew(Some(&record)).await
            }
            Ok(false) => Err(CryptoError::Off(NO_MASQUERADING.into())),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the homeserver takes us for the device.
    async fn is_known(&self, record: &DeviceRecord) -> Result<bool, MatrixError> {
        let actor = Actor { user: self.homeserver.bot(), device: Some(&record.device) };
        let answer = send_as!(self.homeserver, actor, whoami::v3::Request::new())?;
        Ok(answer.device_id.as_ref() == Some(&record.device))
    }

    /// The keys of a device; `None` where it has had some that are lost.
    async fn keys(&self, record: &DeviceRecord) -> Result<Option<SqliteCryptoStore>, CryptoError> {
        let directory = self.directory(&record.device);
        if record.is_published && !directory.exists() {
            return Ok(None);
        }
        make_private(&directory).map_err(sqlite)?;
        let config = SqliteStoreConfig::with_low_memory_config(&directory)
            .pool_max_size(CONNECTIONS)
            .key(Some(&self.file.key));
        match SqliteCryptoStore::open_with_config(&config).await {
            // One that was made a moment ago in the place of another.
            Ok(keys) if record.is_published && keys.load_account().await.map_err(sqlite)?.is_none() => {
                Ok(None)
            }
            Ok(keys) => Ok(Some(keys)),
            Err(error) if is_damaged(&error) => {
                tracing::error!(%error, "the keys of the bot's device are damaged");
                Ok(None)
            }
            Err(error) => Err(sqlite(error)),
        }
    }

    async fn machine(&self, record: &DeviceRecord, keys: SqliteCryptoStore) -> Result<Device, CryptoError> {
        let machine = OlmMachine::with_store(self.homeserver.bot(), &record.device, keys, None).await?;
        Ok(Device::new(machine, self.homeserver.clone(), self.queries.clone(), true, 0))
    }

    /// Another device in the place of one that cannot be used any more; with the same signatures, as far as their seeds
    /// are there.
    async fn renew(&self, old: Option<&DeviceRecord>) -> Result<Device, CryptoError> {
        let bot = self.homeserver.bot();
        if let Some(old) = old {
            publish::retire(&self.homeserver, bot, &old.device).await?;
            let _ = std::fs::remove_dir_all(self.directory(&old.device)); // what is left of it opens nothing
        }
        let is_news = old.is_some_and(|old| old.is_published || old.is_news);
        let record = DeviceRecord { is_news, ..DeviceRecord::new() };
        record.store(&*self.storage, bot).await?;
        let keys = self.keys(&record).await?;
        let keys = keys.ok_or_else(|| CryptoError::Store("a new file of keys is damaged".into()))?;
        let device = self.machine(&record, keys).await?;
        self.publish(device, record).await
    }

    async fn publish(&self, device: Device, record: DeviceRecord) -> Result<Device, CryptoError> {
        publish::publish(&*self.storage, &device, DEVICE_NAME).await?;
        if !self.is_known(&record).await? {
            return Err(CryptoError::Off(NO_MASQUERADING.into()));
        }
        let record = DeviceRecord { is_published: true, ..record };
        record.store(&*self.storage, self.homeserver.bot()).await?;
        tracing::info!(device = %record.device, "the bot has a device for encrypted rooms");
        Ok(device)
    }

    /// The device that people have yet to hear of, if its keys are others than before.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn news(&self) -> Result<Option<DeviceRecord>, CryptoError> {
        let record = DeviceRecord::load(&*self.storage, self.homeserver.bot())?;
        Ok(record.filter(|record| record.is_news))
    }

    /// People have heard of a device.
    ///
    /// # Errors
    /// The disk does not take that.
    pub(super) async fn told(&self, record: DeviceRecord) -> Result<(), CryptoError> {
        DeviceRecord { is_news: false, ..record }.store(&*self.storage, self.homeserver.bot()).await
    }
}

/// Only the bridge's own user may look into a directory of keys.
fn make_private(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}
