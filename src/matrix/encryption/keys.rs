//! Messages of encrypted rooms, read by the bot and said by bot and ghosts.
//!
//! Knows which device speaks, and when it has to hear of others' devices. Refuses to know what is said. Source: section
//! 10.12 of the client-server API, in the matrix-sdk-crypto crate.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use matrix_sdk_common::deserialized_responses::{VerificationLevel, VerificationState, WithheldCode};
use matrix_sdk_crypto::types::events::room::encrypted::EncryptedEvent;
use matrix_sdk_crypto::{CollectStrategy, EncryptionSettings, MegolmError};
use ruma::serde::Raw;
use ruma::{RoomId, UserId};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::bot::BotDevice;
use super::changes::DeviceChanges;
use super::device::{DECRYPTION, Device};
use super::error::CryptoError;
use super::ghosts::GhostDevices;
use super::rooms::{EncryptedRooms, RoomRules};
use super::waiting::WaitingEvents;
use super::{Decrypted, sync};
use crate::bridge::inbox::Inbox;
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::matrix::config::{EncryptionPolicy, MatrixConfig};
use crate::matrix::homeserver::{Homeserver, MatrixError, MessageEncryption, Sent};
use crate::matrix::keys::{ECHO_KEY, ID_KEY, SEQUENCE_KEY};
use crate::matrix::profile::GhostIds;
use crate::retry::Retry;

/// Pauses between looks at the homeserver that failed.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// What stays readable for us and says nothing of what was said: the event is found again by it.
const CLEAR_KEYS: [&str; 3] = [ID_KEY, ECHO_KEY, SEQUENCE_KEY];

/// Why the bot has no device.
enum Bot {
    Starting,
    On(Arc<Device>),
    Off(String),
}

/// Everything about encrypted rooms.
pub(crate) struct Encryption {
    homeserver: Homeserver,
    storage: Arc<dyn Storage>,
    rooms: EncryptedRooms,
    opener: Option<BotDevice>,
    bot: Mutex<Bot>,
    ghosts: GhostDevices,
    changes: DeviceChanges,
    waiting: WaitingEvents,
    /// Whether nothing is said in rooms that are not encrypted.
    is_required: bool,
}

impl Encryption {
    /// Without keys, encrypted rooms are not used.
    pub(crate) fn new(
        config: &MatrixConfig,
        homeserver: Homeserver,
        storage: Arc<dyn Storage>,
        ids: Arc<GhostIds>,
    ) -> Self {
        let EncryptionPolicy { keys: file, is_required, .. } = config.encryption.clone();
        let bot = match &file {
            Some(_) => Bot::Starting,
            None => Bot::Off("encryption.allow is false in the configuration".into()),
        };
        let opener =
            file.map(|file| BotDevice { homeserver: homeserver.clone(), storage: storage.clone(), file });
        Self {
            rooms: EncryptedRooms::new(homeserver.clone(), ids),
            opener,
            bot: Mutex::new(bot),
            ghosts: GhostDevices::new(homeserver.clone(), storage.clone()),
            changes: DeviceChanges::default(),
            waiting: WaitingEvents::new(storage.clone()),
            is_required,
            homeserver,
            storage,
        }
    }

    fn set(&self, bot: Bot) {
        // Nothing that holds the lock panics.
        *self.bot.lock().unwrap_or_else(PoisonError::into_inner) = bot;
    }

    /// The bot's device.
    fn bot(&self) -> Result<Arc<Device>, CryptoError> {
        match &*self.bot.lock().unwrap_or_else(PoisonError::into_inner) {
            Bot::On(device) => Ok(device.clone()),
            Bot::Off(reason) => Err(CryptoError::Off(reason.clone())),
            Bot::Starting => Err(MatrixError::Unavailable {
                reason: "the bot's device for encrypted rooms is not ready yet".into(),
                after: None,
            }
            .into()),
        }
    }

    /// Whether encrypted rooms can be used, as far as is known.
    pub(crate) fn is_off(&self) -> bool {
        matches!(self.bot(), Err(CryptoError::Off(_)))
    }

    /// Keeps the bot's device up to date until stopped, and has what waited for keys read again.
    pub(crate) async fn run(&self, inbox: Arc<Inbox>, cancel: CancellationToken) {
        let Some(opener) = &self.opener else { return };
        cancel.run_until_cancelled(self.keep_up(opener, &inbox)).await;
    }

    async fn keep_up(&self, opener: &BotDevice, inbox: &Inbox) {
        let mut retry = Retry::new(PAUSES[0], PAUSES[1]);
        loop {
            let broke = match self.open(opener).await {
                Ok(device) => self.listen(&device, inbox, &mut retry).await,
                Err(error) => error,
            };
            match broke {
                CryptoError::Off(reason) => {
                    tracing::warn!(reason, "encrypted rooms cannot be used");
                    return self.set(Bot::Off(reason));
                }
                error => tracing::warn!(%error, "the keys of encrypted rooms do not come, trying again"),
            }
            retry.pause().await;
        }
    }

    async fn open(&self, opener: &BotDevice) -> Result<Arc<Device>, CryptoError> {
        if self.homeserver.sender().await? == *self.homeserver.bot() {
            let reason =
                "the bot is the sender_localpart of the registration, `msnbridge check` says what to change";
            return Err(CryptoError::Off(reason.into()));
        }
        let device = Arc::new(opener.open().await?);
        self.set(Bot::On(device.clone()));
        Ok(device)
    }

    /// Looks for news until that fails in a way that another device may mend; gives the reason.
    async fn listen(&self, device: &Arc<Device>, inbox: &Inbox, retry: &mut Retry) -> CryptoError {
        let mut waits = false;
        let mut loses_place = false;
        loop {
            let since = match device.machine.store().next_batch_token().await {
                Ok(since) => since.filter(|_| !loses_place),
                Err(error) => return error.into(),
            };
            match self.look(device, waits, since, inbox).await {
                Ok(()) => {
                    (waits, loses_place) = (true, false);
                    retry.reset();
                }
                Err(CryptoError::Homeserver(error)) if error.is("M_UNKNOWN_DEVICE") => return error.into(),
                Err(CryptoError::Homeserver(error @ MatrixError::Refused { .. })) => {
                    // A place that it does not know any more: it was set back to an earlier time, perhaps.
                    tracing::warn!(%error, "the homeserver does not go on where it was, all is asked anew");
                    loses_place = true;
                    retry.pause().await;
                }
                Err(error) => {
                    tracing::info!(%error, "keys and devices could not be asked for, trying again");
                    waits = false;
                    retry.pause().await;
                }
            }
        }
    }

    async fn look(
        &self,
        device: &Device,
        waits: bool,
        since: Option<String>,
        inbox: &Inbox,
    ) -> Result<(), CryptoError> {
        let news = sync::sync(&self.homeserver, device, waits, since).await?;
        news.changed.iter().for_each(|user| self.changes.note(user));
        if !news.keys.is_empty() {
            self.waiting.release(&news.keys, inbox).await?;
            inbox.retry();
        }
        Ok(())
    }

    /// The state of a room changed: who is there, or how it is encrypted. Somebody who came may have other devices than
    /// when they were here last, of which nobody was told meanwhile.
    pub(crate) fn room_changed(&self, room: &RoomId, joined: Option<&UserId>) {
        self.rooms.changed(room);
        joined.into_iter().for_each(|user| self.changes.note(user));
    }

    /// Whether messages of a room are encrypted.
    ///
    /// # Errors
    /// The homeserver is not available, or `member` is not in the room.
    pub(crate) async fn is_encrypted(&self, room: &RoomId, member: &UserId) -> Result<bool, MatrixError> {
        Ok(self.rooms.rules(room, member).await?.is_some())
    }

    /// Reads an event that is encrypted.
    ///
    /// # Errors
    /// [`CryptoError::Off`] where nothing encrypted is read; otherwise it can be tried again.
    pub(crate) async fn decrypt(&self, raw: &[u8]) -> Result<Decrypted, CryptoError> {
        let bot = self.bot()?;
        let Some(read) = Encrypted::parse(raw) else {
            return Ok(Decrypted::Never("it is not encrypted as the bridge knows it".into()));
        };
        let decrypted = bot.machine.decrypt_room_event(&read.event, &read.room, &DECRYPTION).await;
        match decrypted {
            Ok(decrypted) => {
                self.waiting.done(&read.id);
                let state = &decrypted.encryption_info.verification_state;
                if matches!(state, VerificationState::Unverified(VerificationLevel::MismatchedSender)) {
                    return Ok(Decrypted::Never("it was encrypted with the keys of somebody else".into()));
                }
                Ok(Decrypted::Said(decrypted.event.json().get().as_bytes().to_vec()))
            }
            Err(MegolmError::MissingRoomKey(code)) => self.without_key(&read, code, raw).await,
            Err(MegolmError::Decryption(error)) => {
                tracing::info!(%error, event = %read.id, "an event does not fit its key");
                self.without_key(&read, None, raw).await
            }
            Err(MegolmError::Store(error)) => Err(error.into()),
            Err(error) => Ok(Decrypted::Never(error.to_string())),
        }
    }

    /// What is in an encrypted event, if that can be read now.
    pub(crate) async fn peek(&self, raw: &[u8]) -> Option<Vec<u8>> {
        let (bot, read) = (self.bot().ok()?, Encrypted::parse(raw)?);
        let opened = bot.machine.decrypt_room_event(&read.event, &read.room, &DECRYPTION).await.ok()?;
        Some(opened.event.json().get().as_bytes().to_vec())
    }

    async fn without_key(
        &self,
        read: &Encrypted,
        code: Option<WithheldCode>,
        raw: &[u8],
    ) -> Result<Decrypted, CryptoError> {
        if code.is_none() && !self.waiting.has_waited(&read.id) {
            return Ok(Decrypted::Waits);
        }
        self.waiting.done(&read.id);
        let is_kept = self.waiting.set_aside((&read.room, &read.session, &read.id), raw).await?;
        let reason = match code {
            Some(WithheldCode::Unverified) => {
                "your client gives keys only to devices that you have verified, and does not count the bridge's among them"
            }
            Some(WithheldCode::NoOlm) => "your client could not open a secure session with the bridge",
            Some(_) => "your client gives the bridge no key for it",
            None => "its key has not come: your client may have lost its connection",
        };
        Ok(Decrypted::SetAside { reason, is_kept })
    }

    /// The device of one of ours, told of everything that is news for it.
    async fn device(&self, speaker: &UserId) -> Result<Arc<Device>, CryptoError> {
        let bot = self.bot()?;
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
        let people = self.rooms.people(message.room, message.speaker).await?;
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

    async fn seal_once(
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
        let sealed = match self.seal(message, rules.clone(), content).await {
            Err(CryptoError::Homeserver(error)) if error.is("M_UNKNOWN_DEVICE") => {
                self.ghosts.forget(message.speaker).await?;
                self.seal(message, rules, content).await?
            }
            sealed => sealed?,
        };
        // Said again after a crash it must be the same: another text at the same place is a replay to whoever reads it.
        let mut batch = Batch::default();
        batch.put(Table::Ciphertexts, key, sealed.to_string());
        self.storage.commit(batch, Urgency::Now).await?;
        Ok(Some(sealed))
    }
}

/// Whether events of this kind are encrypted where the room is: what others have to read without keys is not.
fn is_encryptable(kind: &str) -> bool {
    !matches!(kind, "m.reaction" | "com.beeper.message_send_status")
}

impl MessageEncryption for Encryption {
    fn encrypt<'a>(
        &'a self,
        message: &'a Sent<'a>,
        transaction: &'a str,
        content: &'a Value,
    ) -> BoxFuture<'a, Result<Option<Value>, MatrixError>> {
        Box::pin(async move { Ok(self.seal_once(message, transaction, content).await?) })
    }

    fn sent<'a>(&'a self, transaction: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut batch = Batch::default();
            batch.remove(Table::Ciphertexts, transaction.as_bytes());
            if let Err(error) = self.storage.commit(batch, Urgency::Soon).await {
                tracing::warn!(%error, "a message that was sent is still kept");
            }
        })
    }
}

/// The parts of an encrypted event that say which key it wants.
struct Encrypted {
    event: Raw<EncryptedEvent>,
    room: ruma::OwnedRoomId,
    id: ruma::OwnedEventId,
    session: String,
}

impl Encrypted {
    fn parse(raw: &[u8]) -> Option<Self> {
        let text = String::from_utf8(raw.to_vec()).ok()?;
        let value: Value = serde_json::from_str(&text).ok()?;
        let field = |name: &str| value.get(name)?.as_str();
        Some(Self {
            room: RoomId::parse(field("room_id")?).ok()?,
            id: ruma::EventId::parse(field("event_id")?).ok()?,
            session: value.get("content")?.get("session_id")?.as_str()?.to_owned(),
            event: Raw::from_json_string(text).ok()?,
        })
    }
}
