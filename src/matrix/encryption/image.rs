//! The keys of a ghost's device, as one sealed row of the store.
//!
//! Knows that what is encrypted next must be on disk before it is sent: a position that is used twice is a replay to
//! whoever receives it. Refuses to keep keys of others' messages: a ghost reads nothing. Source: the `CryptoStore` of
//! matrix-sdk-crypto.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use matrix_sdk_common::cross_process_lock::CrossProcessLockGeneration;
use matrix_sdk_crypto::olm::{
    InboundGroupSession, OlmMessageHash, OutboundGroupSession, PickledAccount, PickledCrossSigningIdentity,
    PickledOutboundGroupSession, PickledSession, PrivateCrossSigningIdentity, SenderDataType,
};
use matrix_sdk_crypto::store::types::{
    BackupKeys, Changes, DehydratedDeviceKey, DeviceChanges, IdentityChanges, PendingChanges, RoomKeyCounts,
    RoomKeyWithheldEntry, RoomPendingKeyBundleDetails, RoomSettings, StoredRoomKeyBundleData, TrackedUser,
};
use matrix_sdk_crypto::store::{CryptoStore, MemoryStore};
use matrix_sdk_crypto::vodozemac::Curve25519PublicKey;
use matrix_sdk_crypto::{
    Account, CryptoStoreError, DeviceData, GossipRequest, SecretInfo, Session, UserIdentityData,
};
use ruma::events::secret::request::SecretName;
use ruma::{DeviceId, OwnedDeviceId, OwnedRoomId, OwnedUserId, RoomId, TransactionId, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};

/// What one row holds. Pickles are secret: their table is sealed.
#[derive(Default, Serialize, Deserialize)]
struct Image {
    account: Option<Value>,
    identity: Option<Value>,
    sessions: BTreeMap<String, Value>,
    rooms: BTreeMap<OwnedRoomId, Value>,
    devices: BTreeMap<String, DeviceData>,
    identities: BTreeMap<OwnedUserId, UserIdentityData>,
    tracked: BTreeMap<OwnedUserId, bool>,
}

/// Keys in memory, of which each change is on disk before it counts.
pub(super) struct ImageStore {
    memory: MemoryStore,
    image: Mutex<Image>,
    storage: Arc<dyn Storage>,
    key: Vec<u8>,
}

impl fmt::Debug for ImageStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageStore").finish_non_exhaustive()
    }
}

type Kept<T> = Result<T, CryptoStoreError>;

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> CryptoStoreError {
    CryptoStoreError::Backend(Box::new(error))
}

/// The pickle that an image has.
fn pickle<T: DeserializeOwned>(value: Value) -> Kept<T> {
    Ok(serde_json::from_value(value)?)
}

fn name(device: &DeviceData) -> String {
    format!("{} {}", device.user_id(), device.device_id())
}

impl Image {
    async fn change(&mut self, changes: &Changes) -> Kept<()> {
        for session in &changes.sessions {
            let value = serde_json::to_value(session.pickle().await)?;
            self.sessions.insert(session.session_id().to_owned(), value);
        }
        for session in &changes.outbound_group_sessions {
            let pickled = session.pickle().await;
            self.rooms.insert(pickled.room_id.clone(), serde_json::to_value(pickled)?);
        }
        if let Some(identity) = &changes.private_identity {
            self.identity = Some(serde_json::to_value(identity.pickle().await)?);
        }
        let devices = &changes.devices;
        for device in devices.new.iter().chain(&devices.changed) {
            self.devices.insert(name(device), device.clone());
        }
        for device in &devices.deleted {
            self.devices.remove(&name(device));
        }
        for identity in changes.identities.new.iter().chain(&changes.identities.changed) {
            self.identities.insert(identity.user_id().to_owned(), identity.clone());
        }
        Ok(())
    }

    /// The same as changes of a store that has the account already.
    fn as_changes(&self, account: &Account) -> Kept<Changes> {
        let device = account.device_id().to_owned();
        let (device_keys, identity_keys) = (account.device_keys(), Arc::new(account.identity_keys()));
        let sessions = self.sessions.values().cloned().map(|value| {
            let pickle: PickledSession = pickle(value)?;
            Session::from_pickle(device_keys.clone(), pickle).map_err(failed)
        });
        let rooms = self.rooms.values().cloned().map(|value| {
            let pickle: PickledOutboundGroupSession = pickle(value)?;
            Ok(OutboundGroupSession::from_pickle(device.clone(), identity_keys.clone(), pickle)?)
        });
        let identity = self.identity.clone().map(|value| {
            let pickle: PickledCrossSigningIdentity = pickle(value)?;
            PrivateCrossSigningIdentity::from_pickle(pickle).map_err(failed)
        });
        Ok(Changes {
            private_identity: identity.transpose()?,
            sessions: sessions.collect::<Kept<_>>()?,
            outbound_group_sessions: rooms.collect::<Kept<_>>()?,
            devices: DeviceChanges { new: self.devices.values().cloned().collect(), ..Default::default() },
            identities: IdentityChanges {
                new: self.identities.values().cloned().collect(),
                ..Default::default()
            },
            ..Default::default()
        })
    }

    /// The keys in memory that this is an image of.
    async fn memory(&self) -> Kept<MemoryStore> {
        let memory = MemoryStore::new();
        let Some(account) = self.account.clone() else { return Ok(memory) };
        let account = Account::from_pickle(pickle::<PickledAccount>(account)?)?;
        let changes = self.as_changes(&account)?;
        memory.save_pending_changes(PendingChanges { account: Some(account) }).await.map_err(failed)?;
        memory.save_changes(changes).await.map_err(failed)?;
        let tracked: Vec<(&UserId, bool)> =
            self.tracked.iter().map(|(user, dirty)| (&**user, *dirty)).collect();
        memory.save_tracked_users(&tracked).await.map_err(failed)?;
        Ok(memory)
    }
}

impl ImageStore {
    /// The keys in a row of the store; none yet where there is no row.
    ///
    /// # Errors
    /// The store cannot be read, or the row is damaged.
    pub(super) async fn load(storage: Arc<dyn Storage>, key: Vec<u8>) -> Kept<Self> {
        let row = storage.read(Table::Devices, &key).map_err(failed)?;
        let image: Image = row.map_or_else(|| Ok(Image::default()), |row| serde_json::from_slice(&row))?;
        Ok(Self { memory: image.memory().await?, image: Mutex::new(image), storage, key })
    }

    async fn write(&self, image: &Image) -> Kept<()> {
        let mut batch = Batch::default();
        batch.put(Table::Devices, self.key.clone(), serde_json::to_vec(image)?);
        self.storage.commit(batch, Urgency::Now).await.map_err(failed)
    }

    async fn keep(&self, changes: Changes) -> Kept<()> {
        let mut image = self.image.lock().await;
        image.change(&changes).await?;
        self.memory.save_changes(changes).await.map_err(failed)?;
        self.write(&image).await
    }

    async fn keep_account(&self, pending: PendingChanges) -> Kept<()> {
        let mut image = self.image.lock().await;
        if let Some(account) = &pending.account {
            image.account = Some(serde_json::to_value(account.pickle())?);
        }
        self.memory.save_pending_changes(pending).await.map_err(failed)?;
        self.write(&image).await
    }

    async fn keep_tracked(&self, users: &[(&UserId, bool)]) -> Kept<()> {
        let mut image = self.image.lock().await;
        for (user, dirty) in users {
            image.tracked.insert((*user).to_owned(), *dirty);
        }
        self.memory.save_tracked_users(users).await.map_err(failed)?;
        self.write(&image).await
    }
}

/// A crypto store that has memory do what it names here.
macro_rules! crypto_store {
    ($(fn $name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl CryptoStore for ImageStore {
            type Error = CryptoStoreError;

            async fn save_changes(&self, changes: Changes) -> Kept<()> {
                self.keep(changes).await
            }

            async fn save_pending_changes(&self, changes: PendingChanges) -> Kept<()> {
                self.keep_account(changes).await
            }

            async fn save_tracked_users(&self, users: &[(&UserId, bool)]) -> Kept<()> {
                self.keep_tracked(users).await
            }

            $(async fn $name(&self $(, $argument: $kind)*) -> Kept<$answer> {
                self.memory.$name($($argument),*).await.map_err(failed)
            })*
        }
    };
}

crypto_store! {
    fn load_account() -> Option<Account>;
    fn load_identity() -> Option<PrivateCrossSigningIdentity>;
    fn save_inbound_group_sessions(sessions: Vec<InboundGroupSession>, version: Option<&str>) -> ();
    fn get_sessions(sender_key: &str) -> Option<Vec<Session>>;
    fn get_inbound_group_session(room: &RoomId, session: &str) -> Option<InboundGroupSession>;
    fn get_withheld_info(room: &RoomId, session: &str) -> Option<RoomKeyWithheldEntry>;
    fn get_withheld_sessions_by_room_id(room: &RoomId) -> Vec<RoomKeyWithheldEntry>;
    fn get_inbound_group_sessions() -> Vec<InboundGroupSession>;
    fn inbound_group_session_counts(version: Option<&str>) -> RoomKeyCounts;
    fn get_inbound_group_sessions_by_room_id(room: &RoomId) -> Vec<InboundGroupSession>;
    fn get_inbound_group_sessions_for_device_batch(
        key: Curve25519PublicKey,
        kind: SenderDataType,
        after: Option<String>,
        limit: usize
    ) -> Vec<InboundGroupSession>;
    fn inbound_group_sessions_for_backup(version: &str, limit: usize) -> Vec<InboundGroupSession>;
    fn mark_inbound_group_sessions_as_backed_up(version: &str, sessions: &[(&RoomId, &str)]) -> ();
    fn reset_backup_state() -> ();
    fn load_backup_keys() -> BackupKeys;
    fn load_dehydrated_device_pickle_key() -> Option<DehydratedDeviceKey>;
    fn delete_dehydrated_device_pickle_key() -> ();
    fn get_outbound_group_session(room: &RoomId) -> Option<OutboundGroupSession>;
    fn load_tracked_users() -> Vec<TrackedUser>;
    fn get_device(user: &UserId, device: &DeviceId) -> Option<DeviceData>;
    fn get_user_devices(user: &UserId) -> HashMap<OwnedDeviceId, DeviceData>;
    fn get_own_device() -> DeviceData;
    fn get_user_identity(user: &UserId) -> Option<UserIdentityData>;
    fn is_message_known(hash: &OlmMessageHash) -> bool;
    fn get_outgoing_secret_requests(request: &TransactionId) -> Option<GossipRequest>;
    fn get_secret_request_by_info(info: &SecretInfo) -> Option<GossipRequest>;
    fn get_unsent_secret_requests() -> Vec<GossipRequest>;
    fn delete_outgoing_secret_requests(request: &TransactionId) -> ();
    fn get_secrets_from_inbox(secret: &SecretName) -> Vec<Zeroizing<String>>;
    fn delete_secrets_from_inbox(secret: &SecretName) -> ();
    fn get_room_settings(room: &RoomId) -> Option<RoomSettings>;
    fn get_received_room_key_bundle_data(room: &RoomId, user: &UserId) -> Option<StoredRoomKeyBundleData>;
    fn get_pending_key_bundle_details_for_room(room: &RoomId) -> Option<RoomPendingKeyBundleDetails>;
    fn get_all_rooms_pending_key_bundles() -> Vec<RoomPendingKeyBundleDetails>;
    fn has_downloaded_all_room_keys(room: &RoomId) -> bool;
    fn get_custom_value(key: &str) -> Option<Vec<u8>>;
    fn set_custom_value(key: &str, value: Vec<u8>) -> ();
    fn remove_custom_value(key: &str) -> ();
    fn try_take_leased_lock(duration: u32, key: &str, holder: &str) -> Option<CrossProcessLockGeneration>;
    fn next_batch_token() -> Option<String>;
    fn close() -> ();
    fn reopen() -> ();
    fn get_size() -> Option<usize>;
}

#[cfg(test)]
mod tests {
    use matrix_sdk_crypto::{EncryptionSettings, OlmMachine};
    use ruma::serde::Raw;
    use serde_json::json;

    use super::*;
    use crate::bridge::testkit::SimStorage;

    fn bob() -> &'static UserId {
        <&UserId>::try_from("@msn_bob:x").unwrap()
    }

    fn room() -> &'static RoomId {
        <&RoomId>::try_from("!a:x").unwrap()
    }

    /// A device with the keys that are in the store.
    async fn device(storage: &Arc<SimStorage>) -> OlmMachine {
        let keys = ImageStore::load(storage.clone(), b"k".to_vec()).await.unwrap();
        OlmMachine::with_store(bob(), "MSNDEVICE".into(), keys, None).await.unwrap()
    }

    /// The session that something was encrypted with, and at which position of it.
    async fn says(device: &OlmMachine, storage: &Arc<SimStorage>) -> (String, u32) {
        device.share_room_key(room(), std::iter::empty(), EncryptionSettings::default()).await.unwrap();
        let content = Raw::new(&json!({"body": "hello"})).unwrap().cast_unchecked();
        device.encrypt_room_event_raw(room(), "m.room.message", &content).await.unwrap();
        let kept = ImageStore::load(storage.clone(), b"k".to_vec()).await.unwrap();
        let session = kept.get_outbound_group_session(room()).await.unwrap().unwrap();
        (session.session_id().to_owned(), session.message_index().await)
    }

    #[tokio::test]
    async fn a_device_is_itself_after_a_restart_and_no_position_is_used_twice() {
        let storage = Arc::new(SimStorage::default());
        let first = device(&storage).await;
        let keys = first.identity_keys();
        let (session, position) = says(&first, &storage).await;
        assert_eq!(position, 1, "what comes next is on disk before anything is sent");
        assert_eq!(says(&first, &storage).await, (session.clone(), 2));
        drop(first);
        let second = device(&storage).await;
        assert_eq!(second.identity_keys(), keys);
        assert_eq!(says(&second, &storage).await, (session, 3));
    }

    #[tokio::test]
    async fn signatures_and_people_who_are_followed_are_kept_too() {
        let storage = Arc::new(SimStorage::default());
        let first = device(&storage).await;
        first.bootstrap_cross_signing(false).await.unwrap();
        let ann = <&UserId>::try_from("@ann:x").unwrap();
        first.update_tracked_users([ann]).await.unwrap();
        let seeds = first.export_cross_signing_keys().await.unwrap().unwrap();
        drop(first);
        let second = device(&storage).await;
        assert!(second.cross_signing_status().await.is_complete());
        assert_eq!(second.export_cross_signing_keys().await.unwrap().unwrap().master_key, seeds.master_key);
        assert!(second.tracked_users().await.unwrap().contains(ann));
    }

    #[tokio::test]
    async fn a_damaged_row_is_an_error_and_no_new_device() {
        let storage = Arc::new(SimStorage::default());
        let mut damaged = Batch::default();
        damaged.put(Table::Devices, b"k", "{\"account\": 7}");
        storage.commit(damaged, Urgency::Now).await.unwrap();
        assert!(ImageStore::load(storage, b"k".to_vec()).await.is_err());
    }
}
