//! Groups of contacts as spaces: one for each login, and in it one for each group, holding the rooms of those who are in
//! it. Rooms of contacts without a group, and of group conversations, stand in the login's own.
//!
//! Knows what was made and filed already. Refuses to know how the network keeps groups. A space comes into being with the
//! first room that belongs into it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ruma::api::client::room::create_room;
use ruma::api::client::state::send_state_event;
use ruma::events::StateEventType;
use ruma::serde::Raw;
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::intent::send_as;
use super::{MatrixError, MatrixFrontend};
use crate::bridge::event::ContactGroup;
use crate::bridge::ids::{ConversationId, LoginId, PortalKey};
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::storage::{Batch, Table, Urgency};

/// After a failure nothing is filed for so long: spaces are never urgent.
const PAUSE: Duration = Duration::from_secs(30);
/// Most rooms of one login that are filed.
const MAX_ROOMS: usize = 5000;

/// A space as it was left.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Space {
    room: OwnedRoomId,
    name: String,
    owner: OwnedUserId,
    children: BTreeSet<OwnedRoomId>,
}

/// What the spaces are to show; the latest of each login.
#[derive(Default)]
pub(super) struct Filing {
    groups: Mutex<HashMap<LoginId, (Vec<ContactGroup>, bool)>>,
    changed: Notify,
}

impl Filing {
    fn groups(&self) -> MutexGuard<'_, HashMap<LoginId, (Vec<ContactGroup>, bool)>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, login: LoginId, groups: Vec<ContactGroup>) {
        self.groups().insert(login, (groups, true));
        self.changed.notify_one();
    }

    /// A room of this login has come to be.
    pub(super) fn again(&self, login: &LoginId) {
        if let Some((_, due)) = self.groups().get_mut(login) {
            *due = true;
            self.changed.notify_one();
        }
    }

    fn take(&self) -> Option<(LoginId, Vec<ContactGroup>)> {
        let mut all = self.groups();
        let (login, (groups, due)) = all.iter_mut().find(|(_, (_, due))| *due)?;
        *due = false;
        Some((login.clone(), groups.clone()))
    }
}

/// Names the space of a group; the login's own has no id.
fn key(login: &LoginId, group: &str) -> PortalKey {
    PortalKey::new(login.clone(), ConversationId::new(format!("space:{group}")))
}

fn row(login: &LoginId, group: &str) -> Vec<u8> {
    [b"s", login.as_str().as_bytes(), b"\0", group.as_bytes()].concat()
}

impl MatrixFrontend {
    /// Notes the groups of a login; [`run`] files its rooms.
    pub(super) fn show_groups(&self, login: LoginId, groups: Vec<ContactGroup>) {
        if self.config.spaces {
            self.organizing.put(login, groups);
        }
    }

    async fn file(&self, login: &LoginId, groups: Vec<ContactGroup>) -> Result<(), DeliveryError> {
        let Some(owner) = self.owner_of(&key(login, ""))? else { return Ok(()) };
        let rooms = self.rooms_of_login(login)?;
        let mut filed = HashSet::new();
        let mut top = BTreeSet::new();
        for group in &groups {
            let here = rooms.iter().filter(|(conversation, _)| group.conversations.contains(conversation));
            let children: BTreeSet<OwnedRoomId> = here.map(|(_, room)| room.clone()).collect();
            filed.extend(children.iter().cloned());
            top.extend(self.show_space(login, &group.id, &group.name, &owner, children).await?);
        }
        top.extend(rooms.into_iter().map(|(_, room)| room).filter(|room| !filed.contains(room)));
        self.show_space(login, "", &format!("MSN ({login})"), &owner, top).await?;
        self.drop_others(login, &groups).await
    }

    /// Rooms of conversations that a login has, and whose they are.
    fn rooms_of_login(&self, login: &LoginId) -> Result<Vec<(ConversationId, OwnedRoomId)>, DeliveryError> {
        let prefix = [b"p", login.as_str().as_bytes(), b"\0"].concat();
        let rows = self.storage.scan(Table::Rooms, &prefix, None, MAX_ROOMS);
        let rows = rows.map_err(|error| DeliveryError::transient(error.to_string()))?;
        let read = |(key, room): &(Vec<u8>, Vec<u8>)| {
            let conversation = std::str::from_utf8(key.get(prefix.len()..)?).ok()?.trim_end_matches('\0');
            let room = RoomId::parse(std::str::from_utf8(room).ok()?).ok()?;
            Some((ConversationId::new(conversation), room))
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    fn space(&self, login: &LoginId, group: &str) -> Result<Option<Space>, DeliveryError> {
        let row = self.storage.read(Table::Rooms, &row(login, group));
        let row = row.map_err(|error| DeliveryError::transient(error.to_string()))?;
        Ok(row.and_then(|row| serde_json::from_slice(&row).ok()))
    }

    async fn keep_space(&self, login: &LoginId, group: &str, space: &Space) -> Result<(), DeliveryError> {
        let mut batch = Batch::default();
        batch.put(Table::Rooms, row(login, group), serde_json::to_vec(space).unwrap_or_default());
        let kept = self.storage.commit(batch, Urgency::Soon).await;
        kept.map_err(|error| DeliveryError::transient(error.to_string()))
    }

    /// Has a space hold exactly these rooms. None is made for none.
    async fn show_space(
        &self,
        login: &LoginId,
        group: &str,
        name: &str,
        owner: &UserId,
        children: BTreeSet<OwnedRoomId>,
    ) -> Result<Option<OwnedRoomId>, DeliveryError> {
        let known = self.space(login, group)?;
        if known.as_ref().is_some_and(|space| space.owner != owner) {
            // The login is somebody else's now.
            self.drop_space(login, group).await?;
        }
        let known = known.filter(|space| space.owner == owner);
        let mut space = match known {
            Some(space) => space,
            None if children.is_empty() => return Ok(None),
            None => self.make_space(login, group, name, owner).await?,
        };
        let shown = self.bring_up_to_date(&mut space, name, children).await;
        if let Err(MatrixError::Refused { .. }) = &shown {
            // Purged, or we were sent out: the next attempt makes another.
            self.drop_space(login, group).await?;
        } else {
            self.keep_space(login, group, &space).await?;
        }
        shown?;
        Ok(Some(space.room))
    }

    async fn bring_up_to_date(
        &self,
        space: &mut Space,
        name: &str,
        children: BTreeSet<OwnedRoomId>,
    ) -> Result<(), MatrixError> {
        if space.name != name {
            self.put_state(&space.room, StateEventType::RoomName, "", &json!({"name": name})).await?;
            name.clone_into(&mut space.name);
        }
        for child in children.difference(&space.children.clone()) {
            let via = json!({"via": [self.config.server_name]});
            self.put_state(&space.room, StateEventType::SpaceChild, child.as_str(), &via).await?;
            space.children.insert(child.clone());
        }
        for child in space.children.clone().difference(&children) {
            self.put_state(&space.room, StateEventType::SpaceChild, child.as_str(), &json!({})).await?;
            space.children.remove(child);
        }
        Ok(())
    }

    async fn put_state(
        &self,
        room: &RoomId,
        kind: StateEventType,
        key: &str,
        content: &Value,
    ) -> Result<(), MatrixError> {
        let refused = |error: serde_json::Error| MatrixError::Refused {
            code: "M_BRIDGE".into(),
            status: 0,
            message: error.to_string(),
        };
        let content = Raw::new(content).map_err(refused)?.cast_unchecked();
        let request = send_state_event::v3::Request::new_raw(room.to_owned(), kind, key.to_owned(), content);
        send_as!(self.homeserver, &self.config.bot, request).map(drop)
    }

    async fn make_space(
        &self,
        login: &LoginId,
        group: &str,
        name: &str,
        owner: &UserId,
    ) -> Result<Space, DeliveryError> {
        let key = key(login, group);
        let mut request = create_room::v3::Request::new();
        request.preset = Some(create_room::v3::RoomPreset::PrivateChat);
        request.room_alias_name = Some(self.alias(&key)?.alias().to_owned());
        request.invite = vec![owner.to_owned()];
        request.name = Some(name.to_owned());
        request.creation_content = Raw::new(&json!({"type": "m.space"})).ok().map(Raw::cast_unchecked);
        // Nobody talks in a space.
        let levels = json!({"events_default": 100});
        request.power_level_content_override = Raw::new(&levels).ok().map(Raw::cast_unchecked);
        let room = match send_as!(self.homeserver, &self.config.bot, request) {
            Ok(made) => made.room_id,
            Err(error) if error.is("M_ROOM_IN_USE") => self.adopt_room(&key, owner).await?,
            Err(error) => return Err(error.into()),
        };
        tracing::info!(%login, group, %room, "a space was made");
        let (name, owner) = (name.to_owned(), owner.to_owned());
        Ok(Space { room, name, owner, children: BTreeSet::new() })
    }

    /// Spaces of groups that are no more.
    async fn drop_others(&self, login: &LoginId, groups: &[ContactGroup]) -> Result<(), DeliveryError> {
        let prefix = row(login, "");
        let rows = self.storage.scan(Table::Rooms, &prefix, None, MAX_ROOMS);
        let rows = rows.map_err(|error| DeliveryError::transient(error.to_string()))?;
        for (key, _) in rows {
            let group = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
            if !group.is_empty() && !groups.iter().any(|known| known.id == group) {
                self.drop_space(login, &group).await?;
            }
        }
        Ok(())
    }

    async fn drop_space(&self, login: &LoginId, group: &str) -> Result<(), DeliveryError> {
        let space = self.space(login, group)?;
        self.free_alias(&key(login, group)).await?;
        let mut batch = Batch::default();
        batch.remove(Table::Rooms, row(login, group));
        let kept = self.storage.commit(batch, Urgency::Soon).await;
        kept.map_err(|error| DeliveryError::transient(error.to_string()))?;
        if let Some(space) = space {
            self.leave(&space.room, &self.config.bot).await?;
        }
        Ok(())
    }
}

/// Files what changed, until stopped.
pub async fn run(frontend: Arc<MatrixFrontend>, cancel: CancellationToken) {
    let organizing = async {
        loop {
            let Some((login, groups)) = frontend.organizing.take() else {
                frontend.organizing.changed.notified().await;
                continue;
            };
            if let Err(error) = frontend.file(&login, groups).await {
                tracing::info!(%login, %error, "rooms were not filed in spaces, trying again");
                frontend.organizing.again(&login);
                tokio::time::sleep(PAUSE).await;
            }
        }
    };
    tokio::select! {
        () = organizing => {}
        () = cancel.cancelled() => {}
    }
}
