//! The same user in an encrypted room, with a device of this run's own. It shares the crypto library with the bridge, and
//! none of its code.

use anyhow::Context;
use matrix_sdk::Client;
use matrix_sdk_crypto::types::events::room::encrypted::EncryptedEvent;
use matrix_sdk_crypto::types::requests::{AnyIncomingResponse, AnyOutgoingRequest, ToDeviceRequest};
use matrix_sdk_crypto::{
    DecryptionSettings, EncryptionSettings, EncryptionSyncChanges, OlmMachine, TrustRequirement,
};
use ruma::api::client::keys::get_keys;
use ruma::api::client::membership::{joined_members, joined_rooms};
use ruma::api::client::message::send_message_event;
use ruma::api::client::state::send_state_event;
use ruma::api::client::sync::sync_events;
use ruma::api::client::to_device::send_event_to_device;
use ruma::events::StateEventType;
use ruma::serde::Raw;
use ruma::{OwnedRoomId, OwnedUserId, RoomId, TransactionId, UserId};
use serde_json::{Value, json};

const SETTINGS: DecryptionSettings =
    DecryptionSettings { sender_device_trust_requirement: TrustRequirement::Untrusted };

pub(crate) struct Sealed {
    client: Client,
    keys: OlmMachine,
    since: Option<String>,
    /// Encrypted events that were not read yet.
    unread: Vec<(OwnedRoomId, Raw<EncryptedEvent>)>,
    read: Vec<Value>,
}

impl Sealed {
    pub(crate) async fn log_in(base: &str, user: &str, password: &str) -> anyhow::Result<Self> {
        let client = Client::builder().homeserver_url(base).build().await?;
        client.matrix_auth().login_username(user, password).send().await?;
        let user = client.user_id().context("no user")?.to_owned();
        let keys = OlmMachine::new(&user, client.device_id().context("no device")?).await;
        let mut sealed = Self { client, keys, since: None, unread: Vec::new(), read: Vec::new() };
        sealed.sync().await?;
        Ok(sealed)
    }

    async fn post(&self, sent: &ToDeviceRequest) -> anyhow::Result<()> {
        let (kind, id) = (sent.event_type.clone(), sent.txn_id.clone());
        let request = send_event_to_device::v3::Request::new_raw(kind, id, sent.messages.clone());
        let answer = self.client.send(request).await?;
        self.keys.mark_request_as_sent(&sent.txn_id, AnyIncomingResponse::ToDevice(&answer)).await?;
        Ok(())
    }

    /// Sends what the keys want sent.
    async fn pump(&self) -> anyhow::Result<()> {
        for request in self.keys.outgoing_requests().await? {
            let id = request.request_id();
            match request.request() {
                AnyOutgoingRequest::KeysUpload(upload) => {
                    let answer = self.client.send(upload.clone()).await?;
                    self.keys.mark_request_as_sent(id, AnyIncomingResponse::KeysUpload(&answer)).await?;
                }
                AnyOutgoingRequest::KeysQuery(query) => {
                    let mut request = get_keys::v3::Request::new();
                    request.device_keys.clone_from(&query.device_keys);
                    let answer = self.client.send(request).await?;
                    self.keys.mark_request_as_sent(id, AnyIncomingResponse::KeysQuery(&answer)).await?;
                }
                AnyOutgoingRequest::KeysClaim(claim) => {
                    let answer = self.client.send(claim.clone()).await?;
                    self.keys.mark_request_as_sent(id, AnyIncomingResponse::KeysClaim(&answer)).await?;
                }
                AnyOutgoingRequest::ToDeviceRequest(sent) => self.post(sent).await?,
                // Nobody is verified in a conversation this short.
                AnyOutgoingRequest::SignatureUpload(_) | AnyOutgoingRequest::RoomMessage(_) => {}
            }
        }
        Ok(())
    }

    async fn sync(&mut self) -> anyhow::Result<()> {
        let mut request = sync_events::v3::Request::new();
        request.timeout = self.since.as_ref().map(|_| std::time::Duration::from_secs(5));
        request.since = self.since.take();
        let answer = self.client.send(request).await?;
        let changes = EncryptionSyncChanges {
            to_device_events: answer.to_device.events,
            changed_devices: &answer.device_lists,
            one_time_keys_counts: &answer.device_one_time_keys_count,
            unused_fallback_keys: answer.device_unused_fallback_key_types.as_deref(),
            next_batch_token: None,
        };
        self.keys.receive_sync_changes(changes, &SETTINGS).await?;
        self.since = Some(answer.next_batch);
        self.pump().await?;
        for (room, update) in answer.rooms.join {
            for event in update.timeline.events {
                let value: Value = serde_json::from_str(event.json().get())?;
                if value["type"] == "m.room.encrypted" {
                    self.unread.push((room.clone(), event.cast_unchecked()));
                }
            }
        }
        let mut unread = Vec::new();
        for (room, event) in std::mem::take(&mut self.unread) {
            match self.keys.decrypt_room_event(&event, &room, &SETTINGS).await {
                Ok(opened) => self.read.push(serde_json::from_str(opened.event.json().get())?),
                // Its key may come yet.
                Err(_) => unread.push((room, event)),
            }
        }
        self.unread = unread;
        Ok(())
    }

    async fn members(&self, room: &RoomId) -> anyhow::Result<Vec<OwnedUserId>> {
        let answer = self.client.send(joined_members::v3::Request::new(room.to_owned())).await?;
        Ok(answer.joined.into_keys().collect())
    }

    /// The room in which somebody of this name and few others are, encrypted from now on.
    pub(crate) async fn encrypted_room_with(&mut self, name: &str) -> anyhow::Result<OwnedRoomId> {
        loop {
            for room in self.client.send(joined_rooms::v3::Request::new()).await?.joined_rooms {
                let members = self.members(&room).await?;
                if members.len() <= 3 && members.iter().any(|user| user.localpart() == name) {
                    let content = Raw::new(&json!({"algorithm": "m.megolm.v1.aes-sha2"}))?.cast_unchecked();
                    let (kind, key) = (StateEventType::RoomEncryption, String::new());
                    let request = send_state_event::v3::Request::new_raw(room.clone(), kind, key, content);
                    self.client.send(request).await?;
                    return Ok(room);
                }
            }
            self.sync().await?;
        }
    }

    /// Waits for these words, encrypted; gives who said them.
    pub(crate) async fn see(&mut self, words: &str) -> anyhow::Result<String> {
        loop {
            let has =
                |event: &&Value| event["content"]["body"].as_str().is_some_and(|body| body.contains(words));
            if let Some(event) = self.read.iter().find(has) {
                return Ok(event["sender"].as_str().unwrap_or_default().to_owned());
            }
            self.sync().await?;
        }
    }

    pub(crate) async fn say(&mut self, room: &RoomId, words: &str) -> anyhow::Result<()> {
        let members = self.members(room).await?;
        let members: Vec<&UserId> = members.iter().map(|user| &**user).collect();
        self.keys.update_tracked_users(members.clone()).await?;
        self.pump().await?;
        if let Some((id, claim)) = self.keys.get_missing_sessions(members.clone().into_iter()).await? {
            let answer = self.client.send(claim).await?;
            self.keys.mark_request_as_sent(&id, AnyIncomingResponse::KeysClaim(&answer)).await?;
        }
        let settings = EncryptionSettings::default();
        for sent in self.keys.share_room_key(room, members.into_iter(), settings).await? {
            self.post(&sent).await?;
        }
        let content = Raw::new(&json!({"msgtype": "m.text", "body": words}))?.cast_unchecked();
        let sealed = self.keys.encrypt_room_event_raw(room, "m.room.message", &content).await?;
        let (id, kind) = (TransactionId::new(), "m.room.encrypted".into());
        let content = sealed.content.cast_unchecked();
        let request = send_message_event::v3::Request::new_raw(room.to_owned(), id, kind, content);
        self.client.send(request).await?;
        Ok(())
    }
}
