//! Groups of contacts as spaces: one for each login, and in it one for each group, holding the rooms of those who are in
//! it. Rooms of contacts without a group, and of group conversations, stand in the login's own.
//!
//! Knows what was made and filed already. Refuses to know how the network keeps groups. A space comes into being with the
//! first room that belongs into it.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ruma::api::client::room::create_room;
use ruma::events::StateEventType;
use ruma::serde::Raw;
use ruma::{OwnedRoomId, OwnedServerName, OwnedUserId, RoomId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::alias::RoomAliases;
use super::member::RoomMembers;
use super::registry::RoomRegistry;
use super::space_queue::SpaceQueue;
use crate::bridge::event::ContactGroup;
use crate::bridge::ids::{ConversationId, LoginId, PortalKey};
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::matrix::homeserver::{EventSender, Homeserver, MatrixError, send_as, storage_failed};
use crate::matrix::profile::{BotProfile, DoublePuppets};

/// After a failure nothing is filed for so long: spaces are never urgent.
const RETRY_DELAY: Duration = Duration::from_secs(30);
/// Most spaces of one login.
const MAX_SPACES: usize = 5000;

/// A space as it was left.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Space {
    room: OwnedRoomId,
    name: String,
    owner: OwnedUserId,
    children: BTreeSet<OwnedRoomId>,
}

/// Names the space of a group; the login's own has no id.
fn key(login: &LoginId, group: &str) -> PortalKey {
    PortalKey::new(login.clone(), ConversationId::new(format!("space:{group}")))
}

fn row(login: &LoginId, group: &str) -> Vec<u8> {
    [b"s", login.as_str().as_bytes(), b"\0", group.as_bytes()].concat()
}

/// Files rooms in spaces, as contacts are in groups.
pub(crate) struct SpaceOrganizer {
    pub(crate) is_wanted: bool,
    pub(crate) server_name: OwnedServerName,
    pub(crate) homeserver: Homeserver,
    pub(crate) sender: Arc<EventSender>,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) registry: Arc<RoomRegistry>,
    pub(crate) members: Arc<RoomMembers>,
    pub(crate) aliases: Arc<RoomAliases>,
    pub(crate) puppets: Arc<DoublePuppets>,
    pub(crate) bot: Arc<BotProfile>,
    pub(crate) queue: Arc<SpaceQueue>,
}

impl SpaceOrganizer {
    /// Notes the groups of a login; [`SpaceOrganizer::run`] files its rooms.
    pub(crate) fn show_groups(&self, login: LoginId, groups: Vec<ContactGroup>) {
        if self.is_wanted {
            self.queue.put(login, groups);
        }
    }

    /// Files what changed, until stopped.
    pub(crate) async fn run(&self, cancel: CancellationToken) {
        let organizing = async {
            loop {
                let (login, groups) = self.queue.next().await;
                if let Err(error) = self.file(&login, groups).await {
                    tracing::info!(%login, %error, "rooms were not filed in spaces, trying again");
                    self.queue.again(&login);
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        };
        tokio::select! {
            () = organizing => {}
            () = cancel.cancelled() => {}
        }
    }

    /// Has the spaces of a login show these groups.
    ///
    /// # Errors
    /// The homeserver is not available or refuses, or the store failed.
    pub(super) async fn file(&self, login: &LoginId, groups: Vec<ContactGroup>) -> Result<(), DeliveryError> {
        let Some(owner) = self.registry.owner_of(&key(login, ""))? else { return Ok(()) };
        let rooms = self.registry.rooms_of_login(login)?;
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

    /// Takes nothing for granted of a login's spaces: their owner is asked in again, and everything in them is filed anew.
    ///
    /// # Errors
    /// The homeserver is not available, or the store failed.
    pub(crate) async fn doubt(&self, login: &LoginId) -> Result<(), DeliveryError> {
        let rows = self.storage.scan(Table::Rooms, &row(login, ""), None, MAX_SPACES);
        let prefix = row(login, "").len();
        for (key, _) in rows.map_err(storage_failed)? {
            let group = String::from_utf8_lossy(&key[prefix..]).into_owned();
            let Some(mut space) = self.space(login, &group)? else { continue };
            self.members.forget_room(&space.room);
            match self.members.invite(&space.room, &space.owner).await {
                Ok(()) => self.bring(&space.room, &space.owner).await?,
                // It is gone: the first thing that is filed finds that out.
                Err(MatrixError::Refused { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            (space.name, space.children) = Default::default();
            self.keep_space(login, &group, &space).await?;
        }
        self.queue.again(login);
        Ok(())
    }

    fn space(&self, login: &LoginId, group: &str) -> Result<Option<Space>, DeliveryError> {
        let row = self.storage.read(Table::Rooms, &row(login, group));
        let row = row.map_err(storage_failed)?;
        Ok(row.and_then(|row| serde_json::from_slice(&row).ok()))
    }

    async fn keep_space(&self, login: &LoginId, group: &str, space: &Space) -> Result<(), DeliveryError> {
        let mut batch = Batch::default();
        batch.put(Table::Rooms, row(login, group), serde_json::to_vec(space).unwrap_or_default());
        let kept = self.storage.commit(batch, Urgency::Soon).await;
        kept.map_err(storage_failed)
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
            self.sender.put_state(&space.room, StateEventType::RoomName, "", &json!({"name": name})).await?;
            name.clone_into(&mut space.name);
        }
        for child in children.difference(&space.children.clone()) {
            let via = json!({"via": [self.server_name]});
            self.sender.put_state(&space.room, StateEventType::SpaceChild, child.as_str(), &via).await?;
            space.children.insert(child.clone());
        }
        for child in space.children.clone().difference(&children) {
            self.sender
                .put_state(&space.room, StateEventType::SpaceChild, child.as_str(), &json!({}))
                .await?;
            space.children.remove(child);
        }
        Ok(())
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
        request.room_alias_name = Some(self.aliases.of(&key)?.alias().to_owned());
        request.invite = vec![owner.to_owned()];
        request.name = Some(name.to_owned());
        request.creation_content = Raw::new(&json!({"type": "m.space"})).ok().map(Raw::cast_unchecked);
        // The alias finds a space that a crash made us forget. It is no title.
        let mut state = vec![json!({"type": "m.room.canonical_alias", "state_key": "", "content": {}})];
        let picture = self.bot.picture().await.filter(|_| group.is_empty());
        let avatar = |url| json!({"type": "m.room.avatar", "state_key": "", "content": {"url": url}});
        state.extend(picture.map(avatar));
        let state = state.iter().filter_map(|part| Raw::new(part).ok());
        request.initial_state = state.map(Raw::cast_unchecked).collect();
        // Nobody talks in a space.
        let levels = json!({"events_default": 100});
        request.power_level_content_override = Raw::new(&levels).ok().map(Raw::cast_unchecked);
        let room = match send_as!(self.homeserver, self.homeserver.bot(), request) {
            Ok(made) => made.room_id,
            Err(error) if error.is("M_ROOM_IN_USE") => self.adopt(&key, owner).await?,
            Err(error) => return Err(error.into()),
        };
        self.bring(&room, owner).await?;
        tracing::info!(%login, group, %room, "a space was made");
        let (name, owner) = (name.to_owned(), owner.to_owned());
        Ok(Space { room, name, owner, children: BTreeSet::new() })
    }

    async fn adopt(&self, key: &PortalKey, owner: &UserId) -> Result<OwnedRoomId, MatrixError> {
        let room = self.aliases.adopt(key).await?;
        self.members.invite(&room, owner).await?;
        Ok(room)
    }

    /// Whoever may be acted as need not accept the invitation.
    async fn bring(&self, room: &RoomId, owner: &UserId) -> Result<(), MatrixError> {
        if !self.puppets.may_act_as(owner).await? {
            return Ok(());
        }
        match self.members.ensure_joined(room, owner).await {
            Err(MatrixError::Refused { .. }) => Ok(()),
            answer => answer,
        }
    }

    /// Spaces of groups that are no more.
    async fn drop_others(&self, login: &LoginId, groups: &[ContactGroup]) -> Result<(), DeliveryError> {
        let prefix = row(login, "");
        let rows = self.storage.scan(Table::Rooms, &prefix, None, MAX_SPACES);
        let rows = rows.map_err(storage_failed)?;
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
        self.aliases.free(&key(login, group)).await?;
        let mut batch = Batch::default();
        batch.remove(Table::Rooms, row(login, group));
        let kept = self.storage.commit(batch, Urgency::Soon).await;
        kept.map_err(storage_failed)?;
        if let Some(space) = space {
            self.members.leave(&space.room, self.homeserver.bot()).await?;
        }
        Ok(())
    }
}
