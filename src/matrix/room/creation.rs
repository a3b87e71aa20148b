//! A new room, whole before its owner sees it: the bot makes it, with its state and its ghosts, and asks the owner in last.
//!
//! Knows what is asked of the homeserver in which version. Refuses to know what the state says. Source: creation of rooms in
//! the client-server API.

use std::sync::Arc;

use ruma::api::client::room::create_room;
use ruma::events::StateEventType;
use ruma::serde::Raw;
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde_json::{Value, json};

use super::alias::RoomAliases;
use super::face::StatePart;
use super::version::{RoomVersions, creators_have_levels};
use crate::bridge::ids::PortalKey;
use crate::matrix::homeserver::{EventSender, Homeserver, MatrixError, send_as};

/// Makes rooms.
pub(crate) struct RoomCreator {
    homeserver: Homeserver,
    sender: Arc<EventSender>,
    aliases: Arc<RoomAliases>,
    versions: RoomVersions,
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
    pub(crate) fn new(homeserver: Homeserver, sender: Arc<EventSender>, aliases: Arc<RoomAliases>) -> Self {
        let versions = RoomVersions::new(homeserver.clone());
        Self { homeserver, sender, aliases, versions }
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
        let state = new.state.iter().filter_map(|part| Raw::new(&part.to_json()).ok());
        request.initial_state = state.map(Raw::cast_unchecked).collect();
        Ok(send_as!(self.homeserver, self.homeserver.bot(), request)?.room_id)
    }

    /// Asks the owner into a room; being there or asked already is as good.
    ///
    /// # Errors
    /// The homeserver is not available, or refuses for another reason.
    pub(crate) async fn invite(
        &self,
        room: &RoomId,
        owner: &UserId,
        is_direct: bool,
    ) -> Result<(), MatrixError> {
        let mut content = json!({"membership": "invite"});
        if is_direct {
            content["is_direct"] = json!(true);
        }
        match self.sender.put_state(room, StateEventType::RoomMember, owner.as_str(), &content).await {
            Err(MatrixError::Refused { status: 403, .. }) => Ok(()),
            answer => answer,
        }
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
