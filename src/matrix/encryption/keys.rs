//! Messages of encrypted rooms, read by the bot and said by bot and ghosts.
//!
//! Knows what to say of what cannot be read. Refuses to know what is said. Source: section 10.12 of the client-server API,
//! in the matrix-sdk-crypto crate.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use matrix_sdk_common::deserialized_responses::{VerificationLevel, VerificationState, WithheldCode};
use matrix_sdk_crypto::MegolmError;
use matrix_sdk_crypto::types::events::room::encrypted::EncryptedEvent;
use ruma::serde::Raw;
use ruma::{RoomId, UserId};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::arrivals::Arrivals;
use super::bot::BotDevice;
use super::changes::DeviceChanges;
use super::device::DECRYPTION;
use super::error::CryptoError;
use super::ghosts::GhostDevices;
use super::housekeeping::Housekeeping;
use super::listener::KeyListener;
use super::queries::KeyQueries;
use super::rooms::EncryptedRooms;
use super::sealer::MessageSealer;
use super::slot::{Bot, BotSlot};
use super::waiting::WaitingEvents;
use super::{Decrypted, Tell};
use crate::bridge::inbox::Inbox;
use crate::bridge::port::storage::Storage;
use crate::matrix::config::{EncryptionPolicy, KeyFile, MatrixConfig};
use crate::matrix::homeserver::{Homeserver, MatrixError, MessageEncryption, Sent};
use crate::matrix::profile::GhostIds;

/// What goes on all the time.
struct Tasks {
    listener: KeyListener,
    housekeeping: Housekeeping,
}

/// Everything about encrypted rooms.
pub(crate) struct Encryption {
    rooms: Arc<EncryptedRooms>,
    slot: Arc<BotSlot>,
    changes: Arc<DeviceChanges>,
    waiting: Arc<WaitingEvents>,
    sealer: MessageSealer,
    tasks: Option<Tasks>,
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
        let slot = Arc::new(BotSlot::new(match &file {
            Some(_) => Bot::Starting,
            None => Bot::Off("encryption.allow is false in the configuration".into()),
        }));
        let changes = Arc::<DeviceChanges>::default();
        let queries = Arc::new(KeyQueries::new(homeserver.clone(), changes.clone()));
        let ghosts = Arc::new(GhostDevices::new(homeserver.clone(), storage.clone(), queries.clone()));
        let sealer = MessageSealer {
            homeserver: homeserver.clone(),
            storage: storage.clone(),
            rooms: Arc::new(EncryptedRooms::new(homeserver, ids)),
            slot: slot.clone(),
            ghosts,
            changes: changes.clone(),
            arrivals: Arrivals::new(),
            is_required,
        };
        let (rooms, waiting) = (sealer.rooms.clone(), Arc::new(WaitingEvents::new(storage)));
        let tasks = file.map(|file| Tasks::new(file, queries, &sealer, &waiting));
        Self { rooms, slot, changes, waiting, sealer, tasks }
    }

    /// Whether encrypted rooms can be used, as far as is known.
    pub(crate) fn is_off(&self) -> bool {
        matches!(self.slot.get(), Err(CryptoError::Off(_)))
    }

    /// Keeps the devices up to date until stopped, and has what waited for keys read again. People are told where the keys
    /// were lost.
    pub(crate) async fn run(&self, inbox: Arc<Inbox>, tell: Tell, cancel: CancellationToken) {
        let Some(Tasks { listener, housekeeping }) = &self.tasks else { return };
        let listening = async {
            tokio::select! {
                () = listener.run(&inbox, &tell) => {}
                () = housekeeping.run() => {}
            }
        };
        cancel.run_until_cancelled(listening).await;
    }

    /// Somebody came to a room or left it. Who came may have other devices than when they were here last, of which nobody was
    /// told meanwhile.
    pub(crate) fn people_changed(&self, room: &RoomId, joined: Option<&UserId>) {
        self.rooms.people_changed(room);
        if let Some(user) = joined {
            self.changes.note(user);
            self.sealer.arrivals.note(room);
        }
    }

    /// A room is encrypted, or for whom is another matter than before.
    pub(crate) fn rules_changed(&self, room: &RoomId) {
        self.rooms.rules_changed(room);
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
        let bot = self.slot.get()?;
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
        let (bot, read) = (self.slot.get().ok()?, Encrypted::parse(raw)?);
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
}

impl Tasks {
    fn new(
        file: KeyFile,
        queries: Arc<KeyQueries>,
        sealer: &MessageSealer,
        waiting: &Arc<WaitingEvents>,
    ) -> Self {
        let (homeserver, storage) = (sealer.homeserver.clone(), sealer.storage.clone());
        let opener = BotDevice { homeserver: homeserver.clone(), storage: storage.clone(), queries, file };
        let housekeeping = Housekeeping {
            homeserver: homeserver.clone(),
            storage,
            ghosts: sealer.ghosts.clone(),
            waiting: waiting.clone(),
        };
        let (slot, changes) = (sealer.slot.clone(), sealer.changes.clone());
        let listener = KeyListener { homeserver, opener, slot, changes, waiting: waiting.clone() };
        Self { listener, housekeeping }
    }
}

impl MessageEncryption for Encryption {
    fn encrypt<'a>(
        &'a self,
        message: &'a Sent<'a>,
        transaction: &'a str,
        content: &'a Value,
    ) -> BoxFuture<'a, Result<Option<Value>, MatrixError>> {
        Box::pin(async move { Ok(self.sealer.seal_once(message, transaction, content).await?) })
    }

    fn sent<'a>(&'a self, transaction: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(self.sealer.sent(transaction))
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
