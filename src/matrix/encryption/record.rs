//! Which device each of ours has, and the seeds of its signatures.
//!
//! Knows the rows of the table of identities: `d` the device of a user, `s` the seeds; and the row `k` of its keys, in the
//! table of devices. Refuses to know what is in keys. Both tables are two, so that lost keys, or an export that is read
//! elsewhere, cost a new device and not a new identity.

use matrix_sdk_crypto::CrossSigningKeyExport;
use ruma::{OwnedDeviceId, OwnedUserId, UserId};
use serde::{Deserialize, Serialize};

use super::error::CryptoError;
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};

/// Characters of the name of a device, which is random: a name that is used again would bring keys that do not fit.
const DEVICE_NAME: usize = 10;

/// Devices that are read at a time.
const PAGE: usize = 256;

/// The device of one of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeviceRecord {
    pub(super) device: OwnedDeviceId,
    /// Whether the homeserver has the device, with keys that are signed.
    pub(super) is_published: bool,
    /// Whether people have yet to be told that the device is another than before.
    #[serde(default)]
    pub(super) is_news: bool,
}

fn row(kind: u8, user: &UserId) -> Vec<u8> {
    [&[kind], user.as_str().as_bytes()].concat()
}

/// The row of a device's keys.
pub(super) fn keys_row(user: &UserId, device: &DeviceRecord) -> Vec<u8> {
    [&row(b'k', user)[..], b" ", device.device.as_bytes()].concat()
}

impl DeviceRecord {
    /// A device that nobody has yet.
    pub(super) fn new() -> Self {
        let name = (0..DEVICE_NAME).map(|_| char::from(b'A' + rand::random_range(0..26_u8)));
        let device = name.collect::<String>();
        Self { device: format!("MSN{device}").into(), is_published: false, is_news: false }
    }

    /// Whether the keys of a device of a ghost are in the store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn has_keys(&self, storage: &dyn Storage, user: &UserId) -> Result<bool, CryptoError> {
        Ok(storage.read(Table::Devices, &keys_row(user, self))?.is_some())
    }

    /// Everybody of ours who has a device, after this row of theirs, and their rows.
    ///
    /// # Errors
    /// The store cannot be read, or a row is damaged.
    pub(super) fn page(
        storage: &dyn Storage,
        after: Option<&[u8]>,
    ) -> Result<Vec<(Vec<u8>, OwnedUserId, Self)>, CryptoError> {
        let damaged = |error: String| CryptoError::Store(error);
        let rows = storage.scan(Table::Identities, b"d", after, PAGE)?;
        let read = rows.into_iter().map(|(row, value)| {
            let user = String::from_utf8_lossy(&row[1..]).into_owned();
            let user = UserId::parse(user).map_err(|error| damaged(error.to_string()))?;
            let record = serde_json::from_slice(&value).map_err(|error| damaged(error.to_string()))?;
            Ok((row, user, record))
        });
        read.collect()
    }

    /// # Errors
    /// The store cannot be read, or the row is damaged.
    pub(super) fn load(storage: &dyn Storage, user: &UserId) -> Result<Option<Self>, CryptoError> {
        let Some(value) = storage.read(Table::Identities, &row(b'd', user))? else { return Ok(None) };
        serde_json::from_slice(&value).map(Some).map_err(|error| CryptoError::Store(error.to_string()))
    }

    /// # Errors
    /// The disk does not take it.
    pub(super) async fn store(&self, storage: &dyn Storage, user: &UserId) -> Result<(), CryptoError> {
        let mut batch = Batch::default();
        let value = serde_json::to_vec(self).map_err(|error| CryptoError::Store(error.to_string()))?;
        batch.put(Table::Identities, row(b'd', user), value);
        Ok(storage.commit(batch, Urgency::Now).await?)
    }
}

/// The seeds of a user's signatures; secret, so their table is sealed.
#[derive(Serialize, Deserialize)]
struct Seeds {
    master: Option<String>,
    self_signing: Option<String>,
    user_signing: Option<String>,
}

/// The seeds of a user's signatures, as they were kept last.
///
/// # Errors
/// The store cannot be read, or the row is damaged.
pub(super) fn load_seeds(
    storage: &dyn Storage,
    user: &UserId,
) -> Result<Option<CrossSigningKeyExport>, CryptoError> {
    let Some(value) = storage.read(Table::Identities, &row(b's', user))? else { return Ok(None) };
    let seeds: Seeds =
        serde_json::from_slice(&value).map_err(|error| CryptoError::Store(error.to_string()))?;
    Ok(Some(CrossSigningKeyExport {
        master_key: seeds.master,
        self_signing_key: seeds.self_signing,
        user_signing_key: seeds.user_signing,
    }))
}

/// Keeps the seeds.
///
/// # Errors
/// The disk does not take them.
pub(super) async fn store_seeds(
    storage: &dyn Storage,
    user: &UserId,
    seeds: &CrossSigningKeyExport,
) -> Result<(), CryptoError> {
    let seeds = Seeds {
        master: seeds.master_key.clone(),
        self_signing: seeds.self_signing_key.clone(),
        user_signing: seeds.user_signing_key.clone(),
    };
    let mut batch = Batch::default();
    let value = serde_json::to_vec(&seeds).map_err(|error| CryptoError::Store(error.to_string()))?;
    batch.put(Table::Identities, row(b's', user), value);
    Ok(storage.commit(batch, Urgency::Now).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::testkit::SimStorage;

    fn bob() -> &'static UserId {
        <&UserId>::try_from("@msn_bob:x").unwrap()
    }

    #[tokio::test]
    async fn a_device_is_the_same_after_a_restart_and_no_two_are_called_alike() {
        let storage = SimStorage::default();
        assert_eq!(DeviceRecord::load(&storage, bob()).unwrap(), None);
        let (first, second) = (DeviceRecord::new(), DeviceRecord::new());
        assert_ne!(first.device, second.device);
        let old = br#"{"device": "MSNA", "is_published": true}"#;
        let old: DeviceRecord = serde_json::from_slice(old).unwrap();
        assert!(old.is_published && !old.is_news, "what was kept without it is no news");
        first.store(&storage, bob()).await.unwrap();
        let published = DeviceRecord { is_published: true, ..first.clone() };
        published.store(&storage, bob()).await.unwrap();
        assert_eq!(DeviceRecord::load(&storage, bob()).unwrap(), Some(published));
        let other = <&UserId>::try_from("@msn_bo:x").unwrap();
        assert_eq!(
            DeviceRecord::load(&storage, other).unwrap(),
            None,
            "a name that begins alike is another's"
        );
    }

    #[tokio::test]
    async fn seeds_stay_when_the_device_and_its_keys_are_lost() {
        let storage = SimStorage::default();
        let text = |text: &str| Some(text.to_owned());
        let seeds = CrossSigningKeyExport {
            master_key: text("m"),
            self_signing_key: text("s"),
            user_signing_key: text("u"),
        };
        store_seeds(&storage, bob(), &seeds).await.unwrap();
        let device = DeviceRecord::new();
        device.store(&storage, bob()).await.unwrap();
        let mut lost = Batch::default();
        lost.remove(Table::Identities, row(b'd', bob()));
        lost.remove(Table::Devices, keys_row(bob(), &device));
        storage.commit(lost, Urgency::Now).await.unwrap();
        let kept = load_seeds(&storage, bob()).unwrap().unwrap();
        let kept = [&kept.master_key, &kept.self_signing_key, &kept.user_signing_key];
        assert_eq!(kept, [&text("m"), &text("s"), &text("u")]);
    }

    #[tokio::test]
    async fn a_damaged_row_is_an_error_and_no_new_device() {
        let storage = SimStorage::default();
        let mut damaged = Batch::default();
        damaged.put(Table::Identities, row(b'd', bob()), "{");
        damaged.put(Table::Identities, row(b's', bob()), "{");
        storage.commit(damaged, Urgency::Now).await.unwrap();
        assert!(DeviceRecord::load(&storage, bob()).is_err());
        assert!(load_seeds(&storage, bob()).is_err());
    }
}
