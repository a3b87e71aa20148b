//! The bridge without keys: it knows which rooms are encrypted, and neither reads nor speaks there.
//!
//! Knows what it has to say of that. Refuses to send anything in plain text where a room wants it encrypted.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use ruma::{RoomId, UserId};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::error::CryptoError;
use super::rooms::EncryptedRooms;
use super::{Decrypted, Tell};
use crate::bridge::inbox::Inbox;
use crate::bridge::port::storage::Storage;
use crate::matrix::config::MatrixConfig;
use crate::matrix::homeserver::{Homeserver, MatrixError, MessageEncryption, Sent};
use crate::matrix::profile::GhostIds;

const ABSENT: &str = "this msnbridge was built without encryption";

/// Everything about encrypted rooms that can be known without keys.
pub(crate) struct Encryption {
    rooms: EncryptedRooms,
}

impl Encryption {
    pub(crate) fn new(
        _config: &MatrixConfig,
        homeserver: Homeserver,
        _storage: Arc<dyn Storage>,
        ids: Arc<GhostIds>,
    ) -> Self {
        Self { rooms: EncryptedRooms::new(homeserver, ids) }
    }

    pub(crate) fn is_off(&self) -> bool {
        true
    }

    #[expect(clippy::unused_async, reason = "with keys this takes time")]
    pub(crate) async fn run(&self, _inbox: Arc<Inbox>, _tell: Tell, _cancel: CancellationToken) {}

    pub(crate) fn people_changed(&self, room: &RoomId, _joined: Option<&UserId>) {
        self.rooms.people_changed(room);
    }

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

    /// Opens nothing.
    #[expect(clippy::unused_async, reason = "with keys this takes time")]
    pub(crate) async fn peek(&self, _raw: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// Reads nothing.
    ///
    /// # Errors
    /// [`CryptoError::Off`], always.
    #[expect(clippy::unused_async, reason = "with keys this takes time")]
    pub(crate) async fn decrypt(&self, _raw: &[u8]) -> Result<Decrypted, CryptoError> {
        Err(CryptoError::Off(ABSENT.into()))
    }
}

impl MessageEncryption for Encryption {
    fn encrypt<'a>(
        &'a self,
        message: &'a Sent<'a>,
        _transaction: &'a str,
        _content: &'a Value,
    ) -> BoxFuture<'a, Result<Option<Value>, MatrixError>> {
        Box::pin(async move {
            match self.is_encrypted(message.room, message.speaker).await? {
                true => Err(CryptoError::Off(ABSENT.into()).into()),
                false => Ok(None),
            }
        })
    }

    fn sent<'a>(&'a self, _transaction: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}
