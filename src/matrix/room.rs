//! Portal and management rooms: found, made, adopted, rebuilt.
//!
//! A room is made under an alias that follows from its portal. A room made just before a crash is therefore found again
//! when making it a second time is refused, and adopted.

use ruma::api::client::alias::{delete_alias, get_alias};
use ruma::api::client::membership::{invite_user, join_room_by_id};
use ruma::api::client::room::create_room;
use ruma::events::AnyInitialStateEvent;
use ruma::serde::Raw;
use ruma::{OwnedRoomAliasId, OwnedRoomId, OwnedUserId, RoomAliasId, RoomId, UserId};
use serde_json::json;

use super::intent::send_as;
use super::name::title_row;
use super::{MatrixError, MatrixFrontend};
use crate::bridge::ids::PortalKey;
use crate::bridge::login::Login;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::port::storage::{Batch, Table, Urgency};

fn portal_row(portal: &PortalKey) -> Vec<u8> {
    [b"p", &portal.to_key()[..]].concat()
}

fn room_row(room: &RoomId) -> Vec<u8> {
    [b"r", room.as_bytes()].concat()
}

fn owner_row(portal: &PortalKey) -> Vec<u8> {
    [b"o", &portal.to_key()[..]].concat()
}

fn storage_failed(error: impl std::fmt::Display) -> DeliveryError {
    DeliveryError::transient(error.to_string())
}

impl MatrixFrontend {
    /// The room of a portal, if one is known.
    pub(super) fn room_of(&self, portal: &PortalKey) -> Result<Option<OwnedRoomId>, DeliveryError> {
        let row = self.storage.read(Table::Rooms, &portal_row(portal)).map_err(storage_failed)?;
        let text = row.and_then(|row| String::from_utf8(row).ok());
        let room = text.and_then(|text| RoomId::parse(text).ok());
        if let (Some(user), Some(room)) = (portal.management_user(), &room) {
            self.note_management(user.as_str(), room);
        }
        Ok(room)
    }

    /// The portal whose room this is.
    pub(super) fn portal_of(&self, room: &RoomId) -> Result<Option<PortalKey>, DeliveryError> {
        let row = self.storage.read(Table::Rooms, &room_row(room)).map_err(storage_failed)?;
        Ok(row.and_then(|row| serde_json::from_slice(&row).ok()))
    }

    /// Whom a portal's room was made for.
    pub(super) fn made_for(&self, portal: &PortalKey) -> Result<Option<OwnedUserId>, DeliveryError> {
        let row = self.storage.read(Table::Rooms, &owner_row(portal)).map_err(storage_failed)?;
        Ok(row.and_then(|row| String::from_utf8(row).ok()).and_then(|text| UserId::parse(text).ok()))
    }

    pub(super) async fn remember_room(&self, portal: &PortalKey, room: &RoomId) -> Result<(), DeliveryError> {
        let mut batch = Batch::default();
        // In an old management room commands are still read: then it is the one in use again.
        let replaced = self.room_of(portal)?.filter(|_| portal.management_user().is_none());
        if let Some(old) = replaced {
            batch.remove(Table::Rooms, room_row(&old));
        }
        batch.put(Table::Rooms, portal_row(portal), room.as_str());
        let portal_json = serde_json::to_vec(portal).map_err(storage_failed)?;
        batch.put(Table::Rooms, room_row(room), portal_json);
        self.storage.commit(batch, Urgency::Now).await.map_err(storage_failed)?;
        self.organizing.again(&portal.receiver);
        Ok(())
    }

    /// The Matrix user for whom a portal exists.
    pub(super) fn owner_of(&self, portal: &PortalKey) -> Result<Option<OwnedUserId>, DeliveryError> {
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

    /// The portal's room, made if there is none.
    pub(super) async fn ensure_room(
        &self,
        portal: &PortalKey,
        title: Option<&str>,
        is_group: bool,
    ) -> Result<OwnedRoomId, DeliveryError> {
        let known = self.room_of(portal)?;
        let owner = match (self.owner_of(portal)?, &known) {
            (Some(owner), _) => owner,
            // After a logout the room is still the place to say that nobody is signed in.
            (None, Some(room)) => return Ok(room.clone()),
            (None, None) => {
                return Err(DeliveryError::permanent("nobody holds this conversation's login any more"));
            }
        };
        if let Some(room) = known {
            if self.made_for(portal)?.is_none_or(|made_for| made_for == owner) {
                return Ok(room);
            }
            // The login is somebody else's now, and what they are told is not for those who are in that room.
            tracing::info!(%portal, %room, "the login has another owner, making another room");
            self.forget_room(portal, &room).await?;
        }
        let room = match self.create_room(portal, &owner, title, is_group).await {
            Ok(room) => room,
            Err(error) if error.is("M_ROOM_IN_USE") => self.adopt_room(portal, &owner).await?,
            Err(error) => return Err(error.into()),
        };
        self.remember_room(portal, &room).await?;
        let mut made_for = Batch::default();
        made_for.put(Table::Rooms, owner_row(portal), owner.as_str());
        if let Some(title) = title {
            made_for.put(Table::Rooms, title_row(portal), title);
        }
        self.storage.commit(made_for, Urgency::Now).await.map_err(storage_failed)?;
        tracing::info!(%portal, %room, "portal room ready");
        Ok(room)
    }

    pub(super) fn alias(&self, portal: &PortalKey) -> Result<OwnedRoomAliasId, MatrixError> {
        let local = format!("{}{}", self.config.ghost_prefix, (self.alias_of)(portal));
        RoomAliasId::parse(format!("#{local}:{}", self.config.server_name)).map_err(|error| {
            MatrixError::Refused { code: "M_BRIDGE".into(), status: 0, message: error.to_string() }
        })
    }

    async fn create_room(
        &self,
        portal: &PortalKey,
        owner: &UserId,
        title: Option<&str>,
        is_group: bool,
    ) -> Result<OwnedRoomId, MatrixError> {
        let mut request = create_room::v3::Request::new();
        request.preset = Some(create_room::v3::RoomPreset::TrustedPrivateChat);
        request.room_alias_name = Some(self.alias(portal)?.alias().to_owned());
        request.invite = vec![owner.to_owned()];
        request.is_direct = !is_group;
        request.name = match portal.management_user() {
            Some(_) => Some("MSN bridge".into()),
            None => title.map(str::to_owned),
        };
        // Users' levels are left to the preset: from room version 12 on a creator must not be among them.
        let levels = json!({
            "events": {"m.room.name": 50, "m.room.avatar": 50, "m.room.encryption": 100, "m.room.tombstone": 100},
        });
        request.power_level_content_override = Raw::new(&levels).ok().map(Raw::cast_unchecked);
        request.initial_state = self.initial_state(portal);
        Ok(send_as!(self.homeserver, &self.config.bot, request)?.room_id)
    }

    fn initial_state(&self, portal: &PortalKey) -> Vec<Raw<AnyInitialStateEvent>> {
        if portal.management_user().is_some() {
            return Vec::new();
        }
        let bridge = json!({
            "type": "m.bridge",
            "state_key": format!("msnbridge://{}/{}", portal.receiver, portal.conversation),
            "content": {
                "bridgebot": self.config.bot,
                "protocol": {"id": "msn", "displayname": "MSN Messenger"},
                "channel": {"id": portal.conversation.as_str()},
            },
        });
        Raw::new(&bridge).ok().map(Raw::cast_unchecked).into_iter().collect()
    }

    /// The room that an earlier run made and did not live to write down.
    pub(super) async fn adopt_room(
        &self,
        portal: &PortalKey,
        owner: &UserId,
    ) -> Result<OwnedRoomId, MatrixError> {
        let alias = self.alias(portal)?;
        let found = send_as!(self.homeserver, &self.config.bot, get_alias::v3::Request::new(alias.clone()))?;
        let room = found.room_id;
        let join = join_room_by_id::v3::Request::new(room.clone());
        if let Err(error) = send_as!(self.homeserver, &self.config.bot, join) {
            if matches!(error, MatrixError::Refused { .. }) {
                // A room that we cannot enter is not ours any more: free its name, and the next attempt makes another.
                let free = delete_alias::v3::Request::new(alias);
                let _ = send_as!(self.homeserver, &self.config.bot, free); // it may not be ours to free
            }
            return Err(MatrixError::Unavailable { reason: error.to_string(), after: None });
        }
        self.invite(&room, owner).await?;
        tracing::info!(%portal, %room, "adopted a room from an earlier run");
        Ok(room)
    }

    /// Invites somebody who may be there already.
    pub(super) async fn invite(&self, room: &RoomId, user: &UserId) -> Result<(), MatrixError> {
        let recipient =
            invite_user::v3::InvitationRecipient::UserId(invite_user::v3::InviteUserId::new(user.to_owned()));
        let request = invite_user::v3::Request::new(room.to_owned(), recipient);
        match send_as!(self.homeserver, &self.config.bot, request) {
            // Being in the room already is refused with the same code as being banned; joining tells them apart.
            Ok(_) | Err(MatrixError::Refused { status: 403, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the bot is still in the room: false for a room that was purged, or on a homeserver that started anew.
    pub(super) async fn room_is_alive(&self, room: &RoomId) -> Result<bool, MatrixError> {
        use ruma::api::client::membership::joined_members;
        let request = joined_members::v3::Request::new(room.to_owned());
        match send_as!(self.homeserver, &self.config.bot, request) {
            Ok(_) => Ok(true),
            Err(MatrixError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// So that another room can have the name.
    pub(super) async fn free_alias(&self, portal: &PortalKey) -> Result<(), MatrixError> {
        let free = delete_alias::v3::Request::new(self.alias(portal)?);
        match send_as!(self.homeserver, &self.config.bot, free) {
            Ok(_) | Err(MatrixError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Forgets a room that is gone, so that the next delivery makes another.
    pub(super) async fn forget_room(&self, portal: &PortalKey, room: &RoomId) -> Result<(), DeliveryError> {
        let mut batch = Batch::default();
        batch.remove(Table::Rooms, room_row(room));
        // An older management room is given up alone: the one in use stays.
        if self.room_of(portal)?.is_none_or(|used| used == *room) {
            self.free_alias(portal).await?;
            batch.remove(Table::Rooms, portal_row(portal));
            batch.remove(Table::Rooms, owner_row(portal));
            batch.remove(Table::Rooms, title_row(portal));
        }
        self.storage.commit(batch, Urgency::Now).await.map_err(storage_failed)?;
        let mut known = self.known();
        known.joined.retain(|(known_room, _)| known_room != room);
        // A homeserver that started anew knows no ghosts either.
        known.registered.clear();
        known.named.clear();
        Ok(())
    }
}
