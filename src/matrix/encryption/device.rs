//! A device of one of ours: its keys published, the keys of others fetched, and what is said encrypted for them.
//!
//! Knows that a device is cross-signed before anybody sees it, and that only the bot's is sent keys. Refuses to know which
//! room wants encryption, and who is in it. Source: sections 10.12 and 10.14 of the client-server API.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ruma::api::client::device::update_device;
use ruma::api::client::keys::{upload_keys, upload_signing_keys};
use ruma::events::AnyMessageLikeEventContent;
use ruma::serde::Raw;
use ruma::{OneTimeKeyAlgorithm, OwnedRoomId, OwnedUserId, RoomId, TransactionId, UInt, UserId};

use futures_util::future::BoxFuture;
use matrix_sdk_crypto::types::events::room::encrypted::RoomEncryptedEventContent;
use matrix_sdk_crypto::types::requests::{AnyIncomingResponse, AnyOutgoingRequest, OutgoingRequest};
use matrix_sdk_crypto::{
    CrossSigningBootstrapRequests, CrossSigningKeyExport, DecryptionSettings, EncryptionSettings,
    EncryptionSyncChanges, OlmMachine, SecretImportError, TrustRequirement,
};
use ruma::api::client::keys::get_keys;
use ruma::api::client::sync::sync_events::DeviceLists;
use ruma::api::client::to_device::send_event_to_device;
use tokio::sync::Mutex;

use super::changes::DeviceChanges;
use super::error::CryptoError;
use super::queries::KeyQueries;
use crate::matrix::homeserver::{Actor, Homeserver, send_as};

/// Rounds of requests that follow from each other, at most: each may ask for another.
const MAX_ROUNDS: usize = 8;
/// One-time keys that a device which is sent nothing is told it has on the homeserver.
const ENOUGH_KEYS: u32 = 50;

/// The people whom nobody signed may write too.
pub(super) const DECRYPTION: DecryptionSettings =
    DecryptionSettings { sender_device_trust_requirement: TrustRequirement::Untrusted };

/// A device of the bot or of a ghost.
pub(super) struct Device {
    pub(super) machine: OlmMachine,
    homeserver: Homeserver,
    queries: Arc<KeyQueries>,
    /// Whether others send keys to it.
    receives: bool,
    /// What is shared and what is encrypted belong together: one message at a time.
    turn: Mutex<()>,
    /// The last change of people's devices that it heard of.
    heard: AtomicU64,
}

impl Device {
    /// `heard` is how many changes of people's devices there were already.
    pub(super) fn new(
        machine: OlmMachine,
        homeserver: Homeserver,
        queries: Arc<KeyQueries>,
        receives: bool,
        heard: u64,
    ) -> Self {
        let (turn, heard) = (Mutex::default(), AtomicU64::new(heard));
        Self { machine, homeserver, queries, receives, turn, heard }
    }

    /// Marks the people whose devices changed since it was asked last.
    ///
    /// # Errors
    /// The keys cannot be read or kept.
    pub(super) async fn hear_of(&self, changes: &DeviceChanges) -> Result<(), CryptoError> {
        let tracked: Vec<OwnedUserId> = self.machine.tracked_users().await?.into_iter().collect();
        let (news, count) = changes.since(self.heard.load(Ordering::Acquire), &tracked);
        if !news.is_empty() {
            self.tell_changed(news).await?;
        }
        self.heard.store(count, Ordering::Release);
        Ok(())
    }

    /// What others' devices became while this one was not in memory, nobody told it. Its own are what they were: nobody else
    /// changes them.
    ///
    /// # Errors
    /// The keys cannot be read or kept.
    pub(super) async fn doubt_others(&self) -> Result<(), CryptoError> {
        let tracked = self.machine.tracked_users().await?.into_iter();
        let others: Vec<OwnedUserId> = tracked.filter(|user| user != self.machine.user_id()).collect();
        match others.is_empty() {
            true => Ok(()),
            false => self.tell_changed(others).await,
        }
    }

    async fn tell_changed(&self, people: Vec<OwnedUserId>) -> Result<(), CryptoError> {
        let mut lists = DeviceLists::new();
        lists.changed = people;
        // None named would read as none on the homeserver.
        let counts = [(OneTimeKeyAlgorithm::SignedCurve25519, UInt::from(ENOUGH_KEYS))].into();
        let changes = EncryptionSyncChanges {
            to_device_events: Vec::new(),
            changed_devices: &lists,
            one_time_keys_counts: &counts,
            unused_fallback_keys: None,
            next_batch_token: None,
        };
        self.machine.receive_sync_changes(changes, &DECRYPTION).await?;
        Ok(())
    }

    pub(super) fn actor(&self) -> Actor<'_> {
        Actor { user: self.machine.user_id(), device: Some(self.machine.device_id()) }
    }

    /// Makes the device on the homeserver, with its keys and those that sign it. Repeated, the same comes of it.
    ///
    /// # Errors
    /// The homeserver refuses or is not available, or the keys cannot be kept.
    pub(super) async fn publish(&self, name: &str) -> Result<(), CryptoError> {
        self.create(name).await?;
        // Before the first upload of keys: then those are signed in that upload, and nobody sees an unsigned device.
        let requests = self.machine.bootstrap_cross_signing(false).await?;
        if let Some(request) = &requests.upload_keys_req {
            self.carry(request).await?;
        }
        self.publish_identity(requests).await
    }

    /// Makes the device on the homeserver, without keys.
    ///
    /// # Errors
    /// The homeserver refuses or is not available.
    pub(super) async fn create(&self, name: &str) -> Result<(), CryptoError> {
        let mut device = update_device::v3::Request::new(self.machine.device_id().to_owned());
        device.display_name = Some(name.to_owned());
        // In the name of the user alone: the device is not there yet.
        send_as!(self.homeserver, self.machine.user_id(), device)?;
        Ok(())
    }

    /// Takes the seeds of the user's signatures over from an earlier device. False where they fit nothing that is published.
    ///
    /// # Errors
    /// The homeserver refuses or is not available, or the keys cannot be kept.
    pub(super) async fn import(&self, seeds: CrossSigningKeyExport) -> Result<bool, CryptoError> {
        // Without what is published of the own user nothing is imported.
        let (id, query) = self.machine.query_keys_for_users([self.machine.user_id()]);
        let mut request = get_keys::v3::Request::new();
        request.device_keys = query.device_keys;
        // In the name of the user alone: the device is not known yet by its keys.
        let answer = send_as!(self.homeserver, self.machine.user_id(), request)?;
        self.machine.mark_request_as_sent(&id, AnyIncomingResponse::KeysQuery(&answer)).await?;
        match self.machine.import_cross_signing_keys(seeds).await {
            Ok(status) => Ok(status.is_complete()),
            Err(SecretImportError::Store(error)) => Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, user = %self.machine.user_id(), "the seeds of signatures are of no use");
                Ok(false)
            }
        }
    }

    /// Signs a device whose signing keys were published with an earlier device: those are not sent again.
    ///
    /// # Errors
    /// The homeserver refuses or is not available, or the keys cannot be kept.
    pub(super) async fn sign_with_imported(&self) -> Result<(), CryptoError> {
        let requests = self.machine.bootstrap_cross_signing(false).await?;
        if let Some(request) = &requests.upload_keys_req {
            self.carry(request).await?;
        }
        let answer = send_as!(self.homeserver, self.actor(), requests.upload_signatures_req)?;
        match answer.failures.is_empty() {
            true => Ok(()),
            false => Err(CryptoError::Keys("the homeserver does not take the signature of a device".into())),
        }
    }

    async fn publish_identity(&self, requests: CrossSigningBootstrapRequests) -> Result<(), CryptoError> {
        let keys = requests.upload_signing_keys_req;
        let mut request = upload_signing_keys::v3::Request::new();
        request.master_key = keys.master_key.as_ref().map(|key| key.to_raw());
        request.self_signing_key = keys.self_signing_key.as_ref().map(|key| key.to_raw());
        request.user_signing_key = keys.user_signing_key.as_ref().map(|key| key.to_raw());
        let answer = send_as!(self.homeserver, self.actor(), request)?;
        let id = TransactionId::new();
        self.machine.mark_request_as_sent(&id, AnyIncomingResponse::SigningKeysUpload(&answer)).await?;
        Ok(())
    }

    /// Sends everything that the keys want sent.
    ///
    /// # Errors
    /// The homeserver refuses or is not available, or the keys cannot be kept.
    pub(super) async fn pump(&self) -> Result<(), CryptoError> {
        for _ in 0..MAX_ROUNDS {
            let requests = self.machine.outgoing_requests().await?;
            if requests.is_empty() {
                break;
            }
            for request in &requests {
                self.carry(request).await?;
            }
        }
        Ok(())
    }

    /// One request of the keys' own, and its answer back to them.
    async fn carry(&self, request: &OutgoingRequest) -> Result<(), CryptoError> {
        let (id, machine) = (request.request_id(), &self.machine);
        match request.request() {
            AnyOutgoingRequest::KeysUpload(keys) => {
                let answer = self.upload(keys).await?;
                machine.mark_request_as_sent(id, AnyIncomingResponse::KeysUpload(&answer)).await?;
            }
            AnyOutgoingRequest::KeysQuery(query) => {
                let mut request = get_keys::v3::Request::new();
                request.device_keys.clone_from(&query.device_keys);
                let answer = self.queries.ask(self.actor(), &request).await?;
                machine.mark_request_as_sent(id, AnyIncomingResponse::KeysQuery(&answer)).await?;
            }
            AnyOutgoingRequest::KeysClaim(claim) => {
                let answer = send_as!(self.homeserver, self.actor(), claim.clone())?;
                machine.mark_request_as_sent(id, AnyIncomingResponse::KeysClaim(&answer)).await?;
            }
            AnyOutgoingRequest::ToDeviceRequest(sent) => {
                let request = send_event_to_device::v3::Request::new_raw(
                    sent.event_type.clone(),
                    sent.txn_id.clone(),
                    sent.messages.clone(),
                );
                let answer = send_as!(self.homeserver, self.actor(), request)?;
                machine.mark_request_as_sent(id, AnyIncomingResponse::ToDevice(&answer)).await?;
            }
            AnyOutgoingRequest::SignatureUpload(signatures) => {
                let answer = send_as!(self.homeserver, self.actor(), signatures.clone())?;
                for user in answer.failures.keys() {
                    tracing::warn!(%user, "the homeserver does not take a signature of a device");
                }
                machine.mark_request_as_sent(id, AnyIncomingResponse::SignatureUpload(&answer)).await?;
            }
            // Part of a verification that somebody began: the bridge has nobody who could compare anything.
            AnyOutgoingRequest::RoomMessage(_) => {}
        }
        Ok(())
    }

    /// A device that is sent nothing publishes who it is, and no keys to open a session with it.
    async fn upload(
        &self,
        keys: &upload_keys::v3::Request,
    ) -> Result<upload_keys::v3::Response, CryptoError> {
        if self.receives {
            return Ok(send_as!(self.homeserver, self.actor(), keys.clone())?);
        }
        let mut answer = upload_keys::v3::Response::new(Default::default());
        if keys.device_keys.is_some() {
            let mut request = upload_keys::v3::Request::new();
            request.device_keys.clone_from(&keys.device_keys);
            answer = send_as!(self.homeserver, self.actor(), request)?;
        }
        let enough = UInt::from(ENOUGH_KEYS);
        answer.one_time_key_counts.insert(OneTimeKeyAlgorithm::SignedCurve25519, enough);
        Ok(answer)
    }

    /// Encrypts content for the devices of these people, and gives them the keys first that they lack.
    ///
    /// # Errors
    /// The homeserver refuses or is not available, or the keys cannot be kept.
    /// Boxed, with all it works on its own: what the keys are asked borrows in ways that no other future can hold.
    pub(super) fn encrypt(
        self: Arc<Self>,
        room: OwnedRoomId,
        settings: EncryptionSettings,
        people: Arc<Vec<OwnedUserId>>,
        message: (String, Raw<AnyMessageLikeEventContent>),
    ) -> BoxFuture<'static, Result<Raw<RoomEncryptedEventContent>, CryptoError>> {
        Box::pin(async move { self.encrypt_for(&room, settings, &people, message).await })
    }

    async fn encrypt_for(
        &self,
        room: &RoomId,
        settings: EncryptionSettings,
        people: &[OwnedUserId],
        (kind, content): (String, Raw<AnyMessageLikeEventContent>),
    ) -> Result<Raw<RoomEncryptedEventContent>, CryptoError> {
        let _turn = self.turn.lock().await;
        let people: Vec<&UserId> = people.iter().map(|user| &**user).collect();
        self.machine.update_tracked_users(people.clone()).await?;
        self.pump().await?;
        if let Some((id, claim)) = self.machine.get_missing_sessions(people.clone().into_iter()).await? {
            let answer = send_as!(self.homeserver, self.actor(), claim)?;
            self.machine.mark_request_as_sent(&id, AnyIncomingResponse::KeysClaim(&answer)).await?;
        }
        for shared in self.machine.share_room_key(room, people.clone().into_iter(), settings).await? {
            let request = send_event_to_device::v3::Request::new_raw(
                shared.event_type.clone(),
                shared.txn_id.clone(),
                shared.messages.clone(),
            );
            let answer = send_as!(self.homeserver, self.actor(), request)?;
            self.machine.mark_request_as_sent(&shared.txn_id, AnyIncomingResponse::ToDevice(&answer)).await?;
        }
        // The session is there and not expired: it was shared just now, and nobody else has had a turn.
        Ok(self.machine.encrypt_room_event_raw(room, &kind, &content).await?.content)
    }
}
