//! A new room, whole before its owner sees it: the bot makes it, with its state and its ghosts, and asks the owner in last.
//!
//! Knows what is asked of the homeserver in which version. Refuses to know what the state says. Source: creation of rooms in
//! the client-server API.

use std::sync::Arc;

use ruma::api::client::room::create_room;
use ruma::api::client::state::send_state_event;
use ruma::events::StateEventType;
use ruma::serde::Raw;
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde_json::{Value, json};

use super::alias::RoomAliases;
use super::face::StatePart;
use super::version::{RoomVersions, creators_have_levels};
use crate::bridge::ids::PortalKey;
use crate::matrix::config::MatrixConfig;
use crate::matrix::encryption::ALGORITHM;
use crate::matrix::homeserver::{Homeserver, MatrixError, send_as, tell_as};

/// Makes rooms.
pub(crate) struct RoomCreator {
    homeserver: Homeserver,
    aliases: Arc<RoomAliases>,
    versions: RoomVersions,
    /// Whether what is said in new rooms is encrypted.
    is_encrypted: bool,
}

/// What a new room is to be.
pub(crate) struct NewRoom<'a> {
    pub(crate) portal: &'a PortalKey,
    pub(crate) owner: &'a UserId,
    pub(crate) name: Option<&'a str>,
    /// Asked in at once.
    pub(crate) ghosts: &'a [OwnedUserId],
    pub(crate) state: Vec<StatePart>,
}

/// Levels in a room: its owner may do what the bot may.
fn levels(bot: &UserId, owner: &UserId, creators_have_levels: bool) -> Value {
    let mut users = json!({owner.as_str(): 100});
    if creators_have_levels {
        users[bot.as_str()] = json!(100);
    }
    json!({
        "users": users,
        "events": {
            "m.room.name": 50, "m.room.avatar": 50, "m.room.power_levels": 100, "m.room.server_acl": 100,
            "m.room.history_visibility": 100, "m.room.encryption": 100, "m.room.tombstone": 100,
        },
    })
}

impl RoomCreator {
    pub(crate) fn new(config: &MatrixConfig, homeserver: Homeserver, aliases: Arc<RoomAliases>) -> Self {
        let is_encrypted = config.encryption.is_default;
        let versions = RoomVersions::new(homeserver.clone());
        Self { homeserver, aliases, versions, is_encrypted }
    }

    /// Makes a room, in which only the bot is.
    ///
    /// # Errors
    /// The homeserver is not available, or refuses: `M_ROOM_IN_USE` where there is one already.
    pub(crate) async fn create(&self, new: NewRoom<'_>) -> Result<OwnedRoomId, MatrixError> {
        let version = match self.versions.default().await {
            Ok(version) => Some(version),
            // A homeserver that does not say is an old one.
            Err(MatrixError::Refused { .. }) => None,
            Err(error) => return Err(error),
        };
        let have_levels = version.as_ref().is_none_or(creators_have_levels);
        let mut request = create_room::v3::Request::new();
        request.preset = Some(create_room::v3::RoomPreset::PrivateChat);
        request.room_version = version;
        request.room_alias_name = Some(self.aliases.of(new.portal)?.alias().to_owned());
        request.invite = new.ghosts.to_vec();
        request.name = new.name.map(str::to_owned);
        let levels = levels(self.homeserver.bot(), new.owner, have_levels);
        request.power_level_content_override = Raw::new(&levels).ok().map(Raw::cast_unchecked);
        let encryption = json!({"type": "m.room.encryption", "content": {"algorithm": ALGORITHM}});
        let parts = new.state.iter().map(StatePart::to_json);
        let parts = parts.chain(self.is_encrypted.then_some(encryption));
        let state = parts.filter_map(|part| Raw::new(&part).ok());
        request.initial_state = state.map(Raw::cast_unchecked).collect();
        Ok(send_as!(self.homeserver, self.homeserver.bot(), request)?.room_id)
    }

    /// Asks the owner into a room; being there or asked already is as good. Clients take a conversation for one with whoever
    /// asks, and show their picture until the room has one: that is the `other`, the only one whom it is with, where they may.
    ///
    /// # Errors
    /// The homeserver is not available, or refuses for another reason.
    pub(crate) async fn invite(
        &self,
        room: &RoomId,
        owner: &UserId,
        other: Option<&UserId>,
    ) -> Result<(), MatrixError> {
        let mut content = json!({"membership": "invite"});
        if other.is_some() {
            content["is_direct"] = json!(true);
        }
        let bot = self.homeserver.bot();
        if let Some(other) = other.filter(|other| *other != bot) {
            match self.invite_as(other, room, owner, &content).await {
                // Who may not ask anybody in, or is not there, leaves that to the bot.
                Err(MatrixError::Refused { status: 403, .. }) => {}
                answer => return answer,
            }
        }
        match self.invite_as(bot, room, owner, &content).await {
            Err(MatrixError::Refused { status: 403, .. }) => Ok(()),
            answer => answer,
        }
    }

    async fn invite_as(
        &self,
        inviter: &UserId,
        room: &RoomId,
        owner: &UserId,
        content: &Value,
    ) -> Result<(), MatrixError> {
        let content = Raw::new(content).map_err(MatrixError::own)?.cast_unchecked();
        let (kind, key) = (StateEventType::RoomMember, owner.to_string());
        let request = send_state_event::v3::Request::new_raw(room.to_owned(), kind, key, content);
        tell_as!(self.homeserver, inviter, request)
    }
}

#[cfg(test)]
mod tests {
    use ruma::user_id;

    use super::*;

    #[test]
    fn the_owner_may_do_what_the_bot_may_in_every_version() {
        let (bot, ann) = (user_id!("@msnbot:x"), user_id!("@ann:x"));
        assert_eq!(levels(bot, ann, true)["users"], json!({"@msnbot:x": 100, "@ann:x": 100}));
        assert_eq!(levels(bot, ann, false)["users"], json!({"@ann:x": 100}));
    }
}
