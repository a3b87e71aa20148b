//! What rooms say of themselves, kept up to date: put once, and again when it is otherwise.
//!
//! Knows what was put last, in a row for each portal. Refuses to ask what stands in a room: what its people changed there
//! stays until there is news. Rows of the table of rooms: `v` what was put, `q` whose owner left.

use std::collections::BTreeMap;
use std::sync::Arc;

use ruma::events::StateEventType;
use ruma::{OwnedUserId, RoomId, UserId};
use serde::{Deserialize, Serialize};

use super::face::{AVATAR, CANONICAL_ALIAS, Face, StatePart, parts};
use crate::bridge::ids::PortalKey;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::matrix::homeserver::{EventSender, Homeserver, MatrixError, storage_failed};
use crate::matrix::profile::{BotProfile, GhostProfiles};

/// What a portal's room shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Shown {
    pub(crate) title: Option<String>,
    pub(crate) is_group: bool,
    /// The ghost that a conversation with one person is with.
    pub(crate) person: Option<OwnedUserId>,
    /// Each part of the state that was put, by its kind, and the digest of its content.
    pub(crate) put: BTreeMap<String, String>,
}

impl Shown {
    /// Takes over what is known now; what is not known stays.
    pub(crate) fn learn(&mut self, facts: &Self) {
        self.is_group = facts.is_group;
        self.title = facts.title.clone().or_else(|| self.title.take());
        self.person = if facts.is_group { None } else { facts.person.clone().or_else(|| self.person.take()) };
    }
}

fn row(portal: &PortalKey) -> Vec<u8> {
    [b"v", &portal.to_key()[..]].concat()
}

/// A room that a person made has no alias of ours, and to say so in it would be one more line to read.
fn is_told_at_creation(portal: &PortalKey, part: &StatePart) -> bool {
    portal.management_user().is_some() && part.kind == CANONICAL_ALIAS
}

fn left_row(portal: &PortalKey) -> Vec<u8> {
    [b"q", &portal.to_key()[..]].concat()
}

/// Keeps rooms saying what they are.
pub(crate) struct RoomStates {
    pub(crate) homeserver: Homeserver,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) sender: Arc<EventSender>,
    pub(crate) bot: Arc<BotProfile>,
    pub(crate) profiles: Arc<GhostProfiles>,
    /// Bytes of the largest file that is carried.
    pub(crate) max_file: u64,
}

impl RoomStates {
    /// What a portal's room shows; `None` for one that was made before that was written down.
    ///
    /// # Errors
    /// Transient: the store cannot be read.
    pub(crate) fn shown(&self, portal: &PortalKey) -> Result<Option<Shown>, DeliveryError> {
        let row = self.storage.read(Table::Rooms, &row(portal)).map_err(storage_failed)?;
        Ok(row.and_then(|row| serde_json::from_slice(&row).ok()))
    }

    /// The state that a room is to have.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub(crate) async fn wanted(
        &self,
        portal: &PortalKey,
        shown: &Shown,
    ) -> Result<Vec<StatePart>, MatrixError> {
        let network_picture = self.bot.picture().await;
        let picture = match &shown.person {
            Some(person) => self.profiles.avatar(person).await?,
            None => None,
        };
        Ok(parts(&Face {
            portal,
            bot: self.homeserver.bot(),
            title: shown.title.as_deref(),
            picture: picture.as_deref(),
            is_group: shown.is_group,
            network_picture: network_picture.as_deref(),
            max_file: self.max_file,
        }))
    }

    /// A room was made with this state.
    ///
    /// # Errors
    /// Transient: the store failed.
    pub(crate) async fn made(
        &self,
        portal: &PortalKey,
        mut shown: Shown,
        state: &[StatePart],
    ) -> Result<(), DeliveryError> {
        shown.put = state.iter().map(|part| (part.kind.to_owned(), part.digest())).collect();
        let mut batch = Batch::default();
        batch.remove(Table::Rooms, left_row(portal));
        self.write(portal, &shown, batch).await
    }

    /// Has a room say what is so now, as far as that is news.
    ///
    /// # Errors
    /// Transient: the homeserver is not available, or the store failed.
    pub(crate) async fn publish(
        &self,
        portal: &PortalKey,
        room: &RoomId,
        change: impl FnOnce(&mut Shown),
    ) -> Result<(), DeliveryError> {
        let before = self.shown(portal)?;
        let mut shown = before.clone().unwrap_or_default();
        change(&mut shown);
        let mut is_bare = true;
        for part in self.wanted(portal, &shown).await? {
            is_bare &= part.kind != AVATAR;
            let digest = part.digest();
            if shown.put.get(part.kind) == Some(&digest) || is_told_at_creation(portal, &part) {
                continue;
            }
            self.put(room, &part).await?;
            shown.put.insert(part.kind.to_owned(), digest);
        }
        if is_bare && shown.put.remove(AVATAR).is_some() {
            self.put(room, &StatePart::without(AVATAR)).await?;
        }
        match before.as_ref() == Some(&shown) {
            true => Ok(()),
            false => self.write(portal, &shown, Batch::default()).await,
        }
    }

    async fn put(&self, room: &RoomId, part: &StatePart) -> Result<(), MatrixError> {
        let kind = StateEventType::from(part.kind);
        match self.sender.put_state(room, kind, &part.key, &part.content).await {
            // Without the right to say it the room is as good.
            Err(error @ MatrixError::Refused { .. }) => {
                tracing::info!(%error, %room, kind = part.kind, "a room could not be told what it is");
                Ok(())
            }
            answer => answer,
        }
    }

    async fn write(&self, portal: &PortalKey, shown: &Shown, mut batch: Batch) -> Result<(), DeliveryError> {
        batch.put(Table::Rooms, row(portal), serde_json::to_vec(shown).map_err(storage_failed)?);
        self.storage.commit(batch, Urgency::Soon).await.map_err(storage_failed)
    }

    /// Another room is the portal's now, of which nothing is known: everything is put there.
    ///
    /// # Errors
    /// Transient: the store failed.
    pub(crate) async fn moved(&self, portal: &PortalKey) -> Result<(), DeliveryError> {
        let Some(mut shown) = self.shown(portal)? else { return Ok(()) };
        shown.put.clear();
        self.write(portal, &shown, Batch::default()).await
    }

    /// A portal has no room any more. `left_by` wants none: only what is said makes another.
    ///
    /// # Errors
    /// Transient: the store failed.
    pub(crate) async fn forget(
        &self,
        portal: &PortalKey,
        left_by: Option<&UserId>,
    ) -> Result<(), DeliveryError> {
        let mut batch = Batch::default();
        batch.remove(Table::Rooms, row(portal));
        if let Some(user) = left_by {
            batch.put(Table::Rooms, left_row(portal), user.as_str());
        }
        self.storage.commit(batch, Urgency::Now).await.map_err(storage_failed)
    }

    /// Whether a user left a portal's room, and nothing was said there since.
    ///
    /// # Errors
    /// Transient: the store cannot be read.
    pub(crate) fn is_left_by(&self, portal: &PortalKey, user: &UserId) -> Result<bool, DeliveryError> {
        let row = self.storage.read(Table::Rooms, &left_row(portal)).map_err(storage_failed)?;
        Ok(row.as_deref() == Some(user.as_bytes()))
    }
}
