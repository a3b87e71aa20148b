//! Messages of bot and ghosts, encrypted for who is in the room.
//!
//! Knows which device speaks, and when it has to hear of others' devices. Refuses to encrypt anything twice: said again it
//! must be the same. Source: section 10.12 of the client-server API.

use std::sync::Arc;
use std::time::Duration;

use matrix_sdk_crypto::{CollectStrategy, EncryptionSettings};
use ruma::UserId;
use ruma::serde::Raw;
use serde_json::Value;
use tokio::time::Instant;

use super::arrivals::Arrivals;
use super::changes::DeviceChanges;
use super::device::Device;
use super::error::CryptoError;
use super::ghosts::GhostDevices;
use super::rooms::{EncryptedRooms, RoomRules};
use super::slot::BotSlot;
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::matrix::homeserver::{Homeserver, MatrixError, Sent};
use crate::matrix::keys::{ECHO_KEY, ID_KEY, IDS_KEY, SEQUENCE_KEY};

/// What stays readable for us and says nothing of what was said: the event is found again by it.
const CLEAR_KEYS: [&str; 4] = [ID_KEY, IDS_KEY, ECHO_KEY, SEQUENCE_KEY];

/// Encrypts messages.
pub(super) struct MessageSealer {
    pub(super) homeserver: Homeserver,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) rooms: Arc<EncryptedRooms>,
    pub(super) slot: Arc<BotSlot>,
    pub(super) ghosts: Arc<GhostDevices>,
    pub(super) changes: Arc<DeviceChanges>,
    pub(super) arrivals: Arrivals,
    /// Whether nothing is said in rooms that are not encrypted.
    pub(super) is_required: bool,
}

/// Whether events of this kind are encrypted where the room is: what others have to read without keys is not.
fn is_encryptable(kind: &str) -> bool {
    !matches!(kind, "m.reaction" | "com.beeper.message_send_status")
}

impl MessageSealer {
    /// The device of one of ours, told of everything that is news for it.
    async fn device(&self, speaker: &UserId) -> Result<Arc<Device>, CryptoError> {
        let bot = self.slot.get()?;
        let device = match speaker == self.homeserver.bot() {
            true => bot,
            false => self.ghosts.of(speaker, self.changes.count()).await?,
        };
        device.hear_of(&self.changes).await?;
        Ok(device)
    }

    async fn seal(
        &self,
        message: &Sent<'_>,
        rules: RoomRules,
        content: &Value,
    ) -> Result<Value, CryptoError> {
        let people = self.rooms.readers(message.room, message.speaker).await?.all.clone();
        let device = self.device(message.speaker).await?;
        let settings = EncryptionSettings {
            rotation_period: rules.rotation_period,
            rotation_period_msgs: rules.rotation_messages,
            history_visibility: rules.visibility,
            sharing_strategy: CollectStrategy::AllDevices,
            ..Default::default()
        };
        let raw = Raw::new(content).map_err(|error| CryptoError::Keys(error.to_string()))?.cast_unchecked();
        let (room, message) = (message.room.to_owned(), (message.kind.to_owned(), raw));
        let sealed = device.encrypt(room, settings, people, message).await?;
        let mut sealed: Value = serde_json::from_str(sealed.json().get())
            .map_err(|error| CryptoError::Keys(error.to_string()))?;
        for key in CLEAR_KEYS {
            if let Some(value) = content.get(key) {
                sealed[key] = value.clone();
            }
        }
        Ok(sealed)
    }

    /// How a message is encrypted. Where all have to be, a room that is not becomes so first.
    async fn rules(&self, message: &Sent<'_>) -> Result<Option<RoomRules>, CryptoError> {
        let rules = self.rooms.rules(message.room, message.speaker).await?;
        if rules.is_some() || !self.is_required {
            return Ok(rules);
        }
        self.rooms.encrypt(message.room).await?;
        match self.rooms.rules(message.room, message.speaker).await? {
            Some(rules) => Ok(Some(rules)),
            None => Err(CryptoError::Keys("the room does not become encrypted".into())),
        }
    }

    /// The same with another device, where the homeserver has lost a ghost's. The bot's is made anew by who listens.
    async fn seal_with_any_device(
        &self,
        message: &Sent<'_>,
        rules: RoomRules,
        content: &Value,
    ) -> Result<Value, CryptoError> {
        match self.seal(message, rules.clone(), content).await {
            Err(CryptoError::Homeserver(error)) if error.is("M_UNKNOWN_DEVICE") => {
                if message.speaker == self.homeserver.bot() {
                    return Err(MatrixError::Unavailable { reason: error.to_string(), after: None }.into());
                }
                self.ghosts.forget(message.speaker).await?;
                self.seal(message, rules, content).await
            }
            sealed => sealed,
        }
    }

    /// What is sent in the place of a message; `None` where it is sent as it is.
    ///
    /// # Errors
    /// It cannot be encrypted now, and must not be sent otherwise.
    pub(super) async fn seal_once(
        &self,
        message: &Sent<'_>,
        transaction: &str,
        content: &Value,
    ) -> Result<Option<Value>, CryptoError> {
        if !is_encryptable(message.kind) {
            return Ok(None);
        }
        let Some(rules) = self.rules(message).await? else { return Ok(None) };
        let key = transaction.as_bytes();
        if let Some(sealed) = self.storage.read(Table::Ciphertexts, key)? {
            return serde_json::from_slice(&sealed)
                .map(Some)
                .map_err(|error| CryptoError::Store(error.to_string()));
        }
        let begun = Instant::now();
        let sealed = self.seal_with_any_device(message, rules, content).await?;
        let took = begun.elapsed();
        // Said again after a crash it must be the same: another text at the same place is a replay to whoever reads it.
        let mut batch = Batch::default();
        batch.put(Table::Ciphertexts, key, sealed.to_string());
        self.storage.commit(batch, Urgency::Now).await?;
        self.introduce(message, took).await?;
        Ok(Some(sealed))
    }

    /// Waits until people who have just come know who speaks. The bot is known: who uses a bridge has spoken with it.
    async fn introduce(&self, message: &Sent<'_>, took: Duration) -> Result<(), CryptoError> {
        if message.speaker != self.homeserver.bot() {
            let readers = self.rooms.readers(message.room, message.speaker).await?;
            self.arrivals.settled(message.room, &readers, took).await;
        }
        Ok(())
    }

    /// What was sent need not be kept.
    pub(super) async fn sent(&self, transaction: &str) {
        let mut batch = Batch::default();
        batch.remove(Table::Ciphertexts, transaction.as_bytes());
        if let Err(error) = self.storage.commit(batch, Urgency::Soon).await {
            tracing::warn!(%error, "a message that was sent is still kept");
        }
    }
}
