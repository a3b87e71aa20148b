//! Which room belongs to which portal, and which rooms each ghost is in.
//!
//! Knows what is written down, in the tables of rooms and members. Refuses to ask the homeserver: what is written down may be
//! out of date, and is repaired by those who find out. Keys: `p` portal to room, `r` room to portal, `o` whom a room was made
//! for, `t` the title given last.

use std::sync::Arc;

use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};

use crate::bridge::BridgeError;
use crate::bridge::ids::{ConversationId, LoginId, PortalKey};
use crate::bridge::login::Login;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::bridge::record::PortalRecord;
use crate::matrix::cache::Cache;
use crate::matrix::homeserver::storage_failed;
use crate::matrix::profile::Audience;

/// Management rooms that are known while the store cannot be read. The owner of one that is evicted is not told then.
const MAX_MANAGEMENT: usize = 10_000;
/// Most rooms of one ghost that are looked at.
const MAX_GHOST_ROOMS: usize = 100;
/// Most rooms of one login that are given.
const MAX_LOGIN_ROOMS: usize = 5000;

fn portal_row(portal: &PortalKey) -> Vec<u8> {
    [b"p", &portal.to_key()[..]].concat()
}

fn room_row(room: &RoomId) -> Vec<u8> {
    [b"r", room.as_bytes()].concat()
}

fn owner_row(portal: &PortalKey) -> Vec<u8> {
    [b"o", &portal.to_key()[..]].concat()
}

fn title_row(portal: &PortalKey) -> Vec<u8> {
    [b"t", &portal.to_key()[..]].concat()
}

/// The row of a membership, or what all rows of a ghost start with.
fn member_row(user: &UserId, room: Option<&RoomId>) -> Vec<u8> {
    [user.as_bytes(), b"\0", room.map(RoomId::as_bytes).unwrap_or_default()].concat()
}

/// What is written down about rooms.
pub(crate) struct RoomRegistry {
    storage: Arc<dyn Storage>,
    /// The rooms that people share with the bridge alone.
    management: Cache<OwnedUserId, OwnedRoomId>,
}

impl RoomRegistry {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, management: Cache::new(MAX_MANAGEMENT) }
    }

    fn read(&self, row: &[u8]) -> Result<Option<Vec<u8>>, DeliveryError> {
        self.storage.read(Table::Rooms, row).map_err(storage_failed)
    }

    /// The room of a portal, if one is known.
    ///
    /// # Errors
    /// Transient: the store cannot be read.
    pub(crate) fn room_of(&self, portal: &PortalKey) -> Result<Option<OwnedRoomId>, DeliveryError> {
        let text = self.read(&portal_row(portal))?.and_then(|row| String::from_utf8(row).ok());
        let room = text.and_then(|text| RoomId::parse(text).ok());
        let user = portal.management_user().and_then(|user| UserId::parse(user.as_str()).ok());
        if let (Some(user), Some(room)) = (user, &room) {
            self.management.insert(user, room.clone());
        }
        Ok(room)
    }

    /// The portal whose room this is.
    ///
    /// # Errors
    /// Transient: the store cannot be read.
    pub(crate) fn portal_of(&self, room: &RoomId) -> Result<Option<PortalKey>, DeliveryError> {
        Ok(self.read(&room_row(room))?.and_then(|row| serde_json::from_slice(&row).ok()))
    }

    /// The Matrix user for whom a portal exists.
    ///
    /// # Errors
    /// Transient: the store cannot be read.
    pub(crate) fn owner_of(&self, portal: &PortalKey) -> Result<Option<OwnedUserId>, DeliveryError> {
        let user = match portal.management_user() {
            Some(user) => Some(user),
            None => {
                let row = self.storage.read(Table::Logins, portal.receiver.as_str().as_bytes());
                let login =
                    row.map_err(storage_failed)?.and_then(|row| serde_json::from_slice::<Login>(&row).ok());
                login.map(|login| login.owner)
            }
        };
        Ok(user.and_then(|user| UserId::parse(user.as_str()).ok()))
    }

    /// The user for whom a portal's room was made.
    ///
    /// # Errors
    /// Transient: the store cannot be read.
    pub(crate) fn made_for(&self, portal: &PortalKey) -> Result<Option<OwnedUserId>, DeliveryError> {
        let row = self.read(&owner_row(portal))?;
        Ok(row.and_then(|row| String::from_utf8(row).ok()).and_then(|text| UserId::parse(text).ok()))
    }

    /// Whether other members of a portal's room are heard on the network.
    ///
    /// # Errors
    /// Transient: the store cannot be read.
    pub(crate) fn relays(&self, portal: &PortalKey) -> Result<bool, DeliveryError> {
        let record = PortalRecord::load(&*self.storage, portal).map_err(storage_failed)?;
        Ok(record.is_some_and(|record| record.relays))
    }

    /// Writes down that a room is a portal's.
    ///
    /// # Errors
    /// Transient: the store failed.
    pub(crate) async fn remember(&self, portal: &PortalKey, room: &RoomId) -> Result<(), DeliveryError> {
        let mut batch = Batch::default();
        // In an old management room commands are still read: then it is the one in use again.
        let replaced = self.room_of(portal)?.filter(|_| portal.management_user().is_none());
        if let Some(old) = replaced {
            batch.remove(Table::Rooms, room_row(&old));
        }
        batch.put(Table::Rooms, portal_row(portal), room.as_str());
        let portal_json = serde_json::to_vec(portal).map_err(storage_failed)?;
        batch.put(Table::Rooms, room_row(room), portal_json);
        self.storage.commit(batch, Urgency::Now).await.map_err(storage_failed)
    }

    /// Writes down for whom a portal's room was made, and under which title.
    ///
    /// # Errors
    /// Transient: the store failed.
    pub(crate) async fn remember_made(
        &self,
        portal: &PortalKey,
        owner: &UserId,
        title: Option<&str>,
    ) -> Result<(), DeliveryError> {
        let mut batch = Batch::default();
        batch.put(Table::Rooms, owner_row(portal), owner.as_str());
        if let Some(title) = title {
            batch.put(Table::Rooms, title_row(portal), title);
        }
        self.storage.commit(batch, Urgency::Now).await.map_err(storage_failed)
    }

    /// Whether a room is the one that its portal uses now, or the portal uses none.
    ///
    /// # Errors
    /// Transient: the store cannot be read.
    pub(crate) fn is_in_use(&self, portal: &PortalKey, room: &RoomId) -> Result<bool, DeliveryError> {
        Ok(self.room_of(portal)?.is_none_or(|used| used == *room))
    }

    /// Forgets a room, and its portal's use of it where that `is_in_use`.
    ///
    /// # Errors
    /// Transient: the store failed.
    pub(crate) async fn forget(
        &self,
        portal: &PortalKey,
        room: &RoomId,
        is_in_use: bool,
    ) -> Result<(), DeliveryError> {
        let mut batch = Batch::default();
        batch.remove(Table::Rooms, room_row(room));
        // An older management room is given up alone: the one in use stays.
        if is_in_use {
            batch.remove(Table::Rooms, portal_row(portal));
            batch.remove(Table::Rooms, owner_row(portal));
            batch.remove(Table::Rooms, title_row(portal));
        }
        self.storage.commit(batch, Urgency::Now).await.map_err(storage_failed)
    }

    /// Whether this is the title that a portal's room was given last.
    ///
    /// # Errors
    /// Transient: the store cannot be read.
    pub(crate) fn has_title(&self, portal: &PortalKey, title: &str) -> Result<bool, DeliveryError> {
        Ok(self.read(&title_row(portal))?.as_deref() == Some(title.as_bytes()))
    }

    /// A portal's room was named. After a crash that forgets this, the room is named again.
    pub(crate) fn remember_title(&self, portal: &PortalKey, title: &str) {
        let mut batch = Batch::default();
        batch.put(Table::Rooms, title_row(portal), title);
        drop(self.storage.commit(batch, Urgency::Soon));
    }

    /// A portal's room may be named otherwise by now: it is named with the next occasion.
    pub(crate) fn forget_title(&self, portal: &PortalKey) {
        let mut batch = Batch::default();
        batch.remove(Table::Rooms, title_row(portal));
        drop(self.storage.commit(batch, Urgency::Soon));
    }

    /// Rooms of conversations that a login has.
    ///
    /// # Errors
    /// Transient: the store cannot be read.
    pub(crate) fn rooms_of_login(
        &self,
        login: &LoginId,
    ) -> Result<Vec<(ConversationId, OwnedRoomId)>, DeliveryError> {
        let prefix = [b"p", login.as_str().as_bytes(), b"\0"].concat();
        let rows = self.storage.scan(Table::Rooms, &prefix, None, MAX_LOGIN_ROOMS).map_err(storage_failed)?;
        let read = |(key, room): &(Vec<u8>, Vec<u8>)| {
            let conversation = std::str::from_utf8(key.get(prefix.len()..)?).ok()?.trim_end_matches('\0');
            let room = RoomId::parse(std::str::from_utf8(room).ok()?).ok()?;
            Some((ConversationId::new(conversation), room))
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    /// The rooms that a ghost is in, as far as we brought it there.
    pub(crate) fn rooms_of(&self, ghost: &UserId) -> Vec<OwnedRoomId> {
        let prefix = member_row(ghost, None);
        let rows = self.storage.scan(Table::Members, &prefix, None, MAX_GHOST_ROOMS).unwrap_or_default();
        let rooms = rows.iter().filter_map(|(key, _)| std::str::from_utf8(&key[prefix.len()..]).ok());
        rooms.filter_map(|room| RoomId::parse(room).ok()).collect()
    }

    /// A ghost is in a room. After a crash that forgets this, the next message writes it again.
    pub(crate) fn add_member(&self, room: &RoomId, ghost: &UserId) {
        let mut batch = Batch::default();
        batch.put(Table::Members, member_row(ghost, Some(room)), []);
        drop(self.storage.commit(batch, Urgency::Soon));
    }

    /// A ghost is no longer in a room.
    pub(crate) fn remove_member(&self, room: &RoomId, ghost: &UserId) {
        let mut batch = Batch::default();
        batch.remove(Table::Members, member_row(ghost, Some(room)));
        drop(self.storage.commit(batch, Urgency::Soon));
    }

    /// Looks up where owners of logins are told things, for the time when the store cannot be read.
    ///
    /// # Errors
    /// The store's own.
    pub(crate) fn look_up_management(&self) -> Result<(), BridgeError> {
        for login in Login::load_all(&*self.storage)? {
            let _ = self.room_of(&PortalKey::management(&login.owner)); // read a moment ago
        }
        Ok(())
    }

    /// The management rooms that were looked up since the start.
    pub(crate) fn management_rooms(&self) -> Vec<OwnedRoomId> {
        self.management.values()
    }
}

/// Owners look at the ghosts in their rooms.
impl Audience for RoomRegistry {
    fn any(&self, ghost: &UserId, is_active: &dyn Fn(&UserId) -> bool) -> bool {
        self.rooms_of(ghost).iter().any(|room| {
            let Some(portal) = self.portal_of(room).ok().flatten() else { return false };
            // An owner who has just signed out still looks at what their contacts showed last.
            let owner =
                self.owner_of(&portal).ok().flatten().or_else(|| self.made_for(&portal).ok().flatten());
            owner.is_some_and(|owner| is_active(&owner))
        })
    }
}

#[cfg(test)]
mod tests {
    use ruma::{room_id, user_id};

    use super::*;
    use crate::bridge::ids::UserId as BridgeUser;
    use crate::bridge::testkit::SimStorage;

    fn registry() -> RoomRegistry {
        RoomRegistry::new(Arc::new(SimStorage::default()))
    }

    fn with_bob() -> PortalKey {
        PortalKey::new(LoginId::new("alice@example.com"), ConversationId::new("bob@example.com"))
    }

    #[tokio::test]
    async fn a_portal_and_its_room_are_found_by_each_other_and_a_replaced_room_is_nobodys() {
        let (rooms, bob) = (registry(), with_bob());
        let (first, second) = (room_id!("!a:x"), room_id!("!b:x"));
        assert_eq!(rooms.room_of(&bob), Ok(None));
        rooms.remember(&bob, first).await.unwrap();
        assert_eq!(rooms.portal_of(first), Ok(Some(bob.clone())));
        rooms.remember(&bob, second).await.unwrap();
        assert_eq!(rooms.room_of(&bob).unwrap().as_deref(), Some(second));
        assert_eq!(rooms.portal_of(first), Ok(None));
        assert_eq!(rooms.portal_of(second), Ok(Some(bob)));
    }

    #[tokio::test]
    async fn commands_are_read_in_an_older_management_room_until_that_one_is_given_up() {
        let (rooms, ann) = (registry(), BridgeUser::new("@ann:x"));
        let (portal, older, used) = (PortalKey::management(&ann), room_id!("!a:x"), room_id!("!b:x"));
        rooms.remember(&portal, older).await.unwrap();
        rooms.remember(&portal, used).await.unwrap();
        assert_eq!(rooms.portal_of(older), Ok(Some(portal.clone())));
        assert_eq!(rooms.is_in_use(&portal, older), Ok(false));
        rooms.forget(&portal, older, false).await.unwrap();
        assert_eq!(rooms.portal_of(older), Ok(None));
        assert_eq!(rooms.room_of(&portal).unwrap().as_deref(), Some(used));
        assert_eq!(rooms.management_rooms(), [used]);
        assert_eq!(rooms.owner_of(&portal).unwrap().as_deref(), Some(user_id!("@ann:x")));
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_room_that_was_in_use_and_is_forgotten() {
        let storage = Arc::new(SimStorage::default());
        let (rooms, bob, room) = (RoomRegistry::new(storage.clone()), with_bob(), room_id!("!a:x"));
        rooms.remember(&bob, room).await.unwrap();
        rooms.remember_made(&bob, user_id!("@ann:x"), Some("Bob")).await.unwrap();
        assert_eq!(rooms.has_title(&bob, "Bob"), Ok(true));
        assert_eq!(rooms.made_for(&bob).unwrap().as_deref(), Some(user_id!("@ann:x")));
        assert_eq!(rooms.is_in_use(&bob, room), Ok(true));
        rooms.forget(&bob, room, true).await.unwrap();
        assert_eq!(storage.scan(Table::Rooms, &[], None, 10).unwrap(), []);
    }

    #[tokio::test]
    async fn the_rooms_of_a_login_are_those_of_its_conversations_alone() {
        let (rooms, bob) = (registry(), with_bob());
        let other = PortalKey::new(LoginId::new("alice@example.com.au"), ConversationId::new("eve"));
        rooms.remember(&bob, room_id!("!a:x")).await.unwrap();
        rooms.remember(&other, room_id!("!b:x")).await.unwrap();
        let found = rooms.rooms_of_login(&bob.receiver).unwrap();
        assert_eq!(found, [(ConversationId::new("bob@example.com"), room_id!("!a:x").to_owned())]);
    }

    #[tokio::test]
    async fn an_owner_looks_at_ghosts_that_share_a_room_with_them() {
        let (rooms, bob, ghost) = (registry(), with_bob(), user_id!("@msn_bob:x"));
        rooms.remember(&bob, room_id!("!a:x")).await.unwrap();
        rooms.remember_made(&bob, user_id!("@ann:x"), None).await.unwrap();
        let ann_looks = |user: &UserId| user == user_id!("@ann:x");
        assert!(!rooms.any(ghost, &ann_looks), "the ghost is in no room");
        rooms.add_member(room_id!("!a:x"), ghost);
        assert!(rooms.any(ghost, &ann_looks));
        assert!(!rooms.any(ghost, &|_| false), "nobody did anything lately");
        rooms.remove_member(room_id!("!a:x"), ghost);
        assert!(!rooms.any(ghost, &ann_looks));
    }
}
