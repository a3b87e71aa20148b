//! Rooms of portals: made, adopted, named, given up and made anew.
//!
//! Knows what a room of ours looks like when it is made. Refuses to take for granted that it is still there: something that
//! is refused has it looked at. Source: creation of rooms in the client-server API, `m.bridge` of MSC2346.

use std::sync::Arc;

use ruma::api::client::room::create_room;
use ruma::events::{AnyInitialStateEvent, StateEventType};
use ruma::serde::Raw;
use ruma::{OwnedRoomId, RoomId, UserId};
use serde_json::json;

use super::alias::RoomAliases;
use super::member::RoomMembers;
use super::registry::RoomRegistry;
use super::space_queue::SpaceQueue;
use crate::bridge::ids::PortalKey;
use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::homeserver::{EventSender, Homeserver, MatrixError, send_as};
use crate::matrix::profile::GhostProfiles;

/// Makes rooms for portals.
pub(crate) struct PortalRooms {
    pub(crate) homeserver: Homeserver,
    pub(crate) sender: Arc<EventSender>,
    pub(crate) registry: Arc<RoomRegistry>,
    pub(crate) members: Arc<RoomMembers>,
    pub(crate) aliases: Arc<RoomAliases>,
    pub(crate) profiles: Arc<GhostProfiles>,
    /// Told of rooms that have come to be.
    pub(crate) spaces: Arc<SpaceQueue>,
}

impl PortalRooms {
    /// The portal's room, made if there is none.
    ///
    /// # Errors
    /// Permanent where nobody holds the portal's login and there is no room, or the homeserver refuses to make one;
    /// transient otherwise.
    pub(crate) async fn ensure(
        &self,
        portal: &PortalKey,
        title: Option<&str>,
        is_group: bool,
    ) -> Result<OwnedRoomId, DeliveryError> {
        let known = self.registry.room_of(portal)?;
        let owner = match (self.registry.owner_of(portal)?, &known) {
            (Some(owner), _) => owner,
            // After a logout the room is still the place to say that nobody is signed in.
            (None, Some(room)) => return Ok(room.clone()),
            (None, None) => {
                return Err(DeliveryError::permanent("nobody holds this conversation's login any more"));
            }
        };
        if let Some(room) = known {
            if self.registry.made_for(portal)?.is_none_or(|made_for| made_for == owner) {
                return Ok(room);
            }
            // The login is somebody else's now, and what they are told is not for those who are in that room.
            tracing::info!(%portal, %room, "the login has another owner, making another room");
            self.forget(portal, &room).await?;
        }
        let room = match self.create(portal, &owner, title, is_group).await {
            Ok(room) => room,
            Err(error) if error.is("M_ROOM_IN_USE") => self.aliases.adopt(portal, &owner).await?,
            Err(error) => return Err(error.into()),
        };
        self.registry.remember(portal, &room).await?;
        self.spaces.again(&portal.receiver);
        self.registry.remember_made(portal, &owner, title).await?;
        tracing::info!(%portal, %room, "portal room ready");
        Ok(room)
    }

    async fn create(
        &self,
        portal: &PortalKey,
        owner: &UserId,
        title: Option<&str>,
        is_group: bool,
    ) -> Result<OwnedRoomId, MatrixError> {
        let mut request = create_room::v3::Request::new();
        request.preset = Some(create_room::v3::RoomPreset::TrustedPrivateChat);
        request.room_alias_name = Some(self.aliases.of(portal)?.alias().to_owned());
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
        Ok(send_as!(self.homeserver, self.homeserver.bot(), request)?.room_id)
    }

    /// The event that tells clients what is bridged here.
    fn initial_state(&self, portal: &PortalKey) -> Vec<Raw<AnyInitialStateEvent>> {
        if portal.management_user().is_some() {
            return Vec::new();
        }
        let bridge = json!({
            "type": "m.bridge",
            "state_key": format!("msnbridge://{}/{}", portal.receiver, portal.conversation),
            "content": {
                "bridgebot": self.homeserver.bot(),
                "protocol": {"id": "msn", "displayname": "MSN Messenger"},
                "channel": {"id": portal.conversation.as_str()},
            },
        });
        Raw::new(&bridge).ok().map(Raw::cast_unchecked).into_iter().collect()
    }

    /// Names a portal's room, unless it was named so last: what its people call it themselves stays until then.
    ///
    /// # Errors
    /// Transient: the homeserver is not available, or the store cannot be read.
    pub(crate) async fn ensure_title(
        &self,
        portal: &PortalKey,
        room: &RoomId,
        title: &str,
    ) -> Result<(), DeliveryError> {
        if self.registry.has_title(portal, title)? {
            return Ok(());
        }
        match self.sender.put_state(room, StateEventType::RoomName, "", &json!({"name": title})).await {
            Ok(()) => {}
            // Without the right to name it the room is as good.
            Err(error @ MatrixError::Refused { .. }) => {
                tracing::info!(%error, %portal, "a room could not be named");
            }
            Err(error) => return Err(error.into()),
        }
        self.registry.remember_title(portal, title);
        Ok(())
    }

    /// Something was refused: what was taken for granted is asked again, and a room that is gone is made anew.
    ///
    /// # Errors
    /// The homeserver is not available, or the store failed.
    pub(crate) async fn repair(&self, portal: &PortalKey) -> Result<(), DeliveryError> {
        let Some(room) = self.registry.room_of(portal)? else { return Ok(()) };
        self.members.forget_room(&room);
        self.profiles.forget_all();
        if !self.members.is_alive(&room).await? {
            tracing::warn!(%portal, %room, "the room is gone, making another");
            self.forget(portal, &room).await?;
        }
        Ok(())
    }

    /// Forgets a room that is gone, so that the next delivery makes another.
    ///
    /// # Errors
    /// The homeserver is not available, or the store failed.
    pub(crate) async fn forget(&self, portal: &PortalKey, room: &RoomId) -> Result<(), DeliveryError> {
        let is_in_use = self.registry.is_in_use(portal, room)?;
        if is_in_use {
            self.aliases.free(portal).await?;
        }
        self.registry.forget(portal, room, is_in_use).await?;
        self.members.forget_room(room);
        // A homeserver that started anew knows no ghosts either.
        self.profiles.forget_all();
        Ok(())
    }
}
