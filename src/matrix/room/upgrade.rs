//! Rooms that are upgraded: another room takes the place of one, and the portal goes there.
//!
//! Knows whose word counts for that, and that both rooms must name each other. Refuses to follow anybody else, or to a room
//! that is something already. The invitation may come before the tombstone or behind it. Source: room upgrades of the
//! client-server API.

use std::sync::Arc;

use ruma::api::client::membership::join_room_by_id;
use ruma::api::client::state::{get_state_event_for_key, get_state_events};
use ruma::events::StateEventType;
use ruma::{OwnedRoomId, RoomId, UserId};
use serde::Deserialize;
use serde_json::Value;

use super::levels::RoomLevels;
use super::portal::PortalRooms;
use super::registry::RoomRegistry;
use crate::bridge::ids::PortalKey;
use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::homeserver::{EventSender, Homeserver, MatrixError, send_as};

/// What is said in a room in which the bot has no rights.
const POWERLESS: &str = "I have no rights in this room, so I cannot keep its name and picture up to date. Give me the power \
                         level 100 if you want that.";

/// A tombstone, and who set it.
#[derive(Debug, Deserialize)]
pub(crate) struct Tombstone {
    pub(crate) sender: String,
    pub(crate) state_key: Option<String>,
    #[serde(default)]
    pub(crate) content: Value,
}

/// The room that takes the place of `old`, if the tombstone is one to be followed.
///
/// # Errors
/// Why it is not, for the log.
pub(crate) fn successor(
    old: &RoomId,
    tombstone: &Tombstone,
    owner: &UserId,
    bot: &UserId,
) -> Result<OwnedRoomId, &'static str> {
    if tombstone.state_key.as_deref() != Some("") {
        return Err("it is no state of the room");
    }
    if tombstone.sender != owner.as_str() && tombstone.sender != bot.as_str() {
        return Err("it is neither the owner's nor the bridge's");
    }
    let named = tombstone.content.get("replacement_room").and_then(Value::as_str);
    let room = named.and_then(|room| RoomId::parse(room).ok()).ok_or("it names no room")?;
    if room == *old {
        return Err("it names the room itself");
    }
    Ok(room)
}

/// The room that a room with this `m.room.create` takes the place of.
pub(crate) fn predecessor(create: &Value) -> Option<OwnedRoomId> {
    RoomId::parse(create.get("predecessor")?.get("room_id")?.as_str()?).ok()
}

/// Follows upgrades.
pub(crate) struct RoomUpgrades {
    pub(crate) homeserver: Homeserver,
    pub(crate) sender: Arc<EventSender>,
    pub(crate) registry: Arc<RoomRegistry>,
    pub(crate) rooms: Arc<PortalRooms>,
    pub(crate) levels: Arc<RoomLevels>,
}

impl RoomUpgrades {
    /// A tombstone was set in a room.
    ///
    /// # Errors
    /// Transient: the homeserver or the store cannot be asked.
    pub(crate) async fn tombstone(&self, old: &RoomId, tombstone: &Tombstone) -> Result<(), DeliveryError> {
        let Some(portal) = self.registry.portal_of(old)? else { return Ok(()) };
        let Some(owner) = self.registry.owner_of(&portal)? else { return Ok(()) };
        match successor(old, tombstone, &owner, self.homeserver.bot()) {
            Ok(new) => self.follow(&portal, old, &new).await,
            Err(reason) => {
                tracing::info!(%portal, room = %old, reason, "a tombstone is not followed");
                Ok(())
            }
        }
    }

    async fn follow(&self, portal: &PortalKey, old: &RoomId, new: &RoomId) -> Result<(), DeliveryError> {
        if self.registry.portal_of(new)?.is_some() {
            tracing::info!(%portal, room = %new, "the room that a tombstone names is something already");
            return Ok(());
        }
        let join = join_room_by_id::v3::Request::new(new.to_owned());
        match send_as!(self.homeserver, self.homeserver.bot(), join) {
            Ok(_) => {}
            Err(error @ MatrixError::Refused { .. }) => {
                tracing::info!(%portal, room = %new, %error, "the next room waits for an invitation");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        if self.predecessor_of(new).await?.as_deref() != Some(old) {
            tracing::info!(%portal, room = %new, "the room that a tombstone names does not name this one");
            return Ok(());
        }
        self.take_over(portal, old, new).await
    }

    async fn take_over(&self, portal: &PortalKey, old: &RoomId, new: &RoomId) -> Result<(), DeliveryError> {
        if self.rooms.move_to(portal, old, new).await? && self.levels.bot_is_powerless(new).await? {
            self.sender.notice(new, POWERLESS, None).await;
        }
        Ok(())
    }

    /// Whether a room into which the bot came is there to take the place of a portal's. If it does by now, the portal goes
    /// there; else the tombstone is still to come.
    ///
    /// # Errors
    /// Transient: the homeserver or the store cannot be asked.
    pub(crate) async fn entered(&self, new: &RoomId) -> Result<bool, DeliveryError> {
        let Some(old) = self.predecessor_of(new).await? else { return Ok(false) };
        let Some(portal) = self.registry.portal_of(&old)? else { return Ok(false) };
        let Some(owner) = self.registry.owner_of(&portal)? else { return Ok(false) };
        let Some(tombstone) = self.tombstone_of(&old).await? else { return Ok(true) };
        let named = successor(&old, &tombstone, &owner, self.homeserver.bot());
        if named.as_deref() == Ok(new) {
            self.take_over(&portal, &old, new).await?;
        }
        Ok(true)
    }

    /// Whether a room with this `m.room.create` would take the place of a room that is a portal's.
    ///
    /// # Errors
    /// Transient: the store cannot be read.
    pub(crate) fn succeeds_ours(&self, create: &Value) -> Result<bool, DeliveryError> {
        let Some(old) = predecessor(create) else { return Ok(false) };
        Ok(self.registry.portal_of(&old)?.is_some())
    }

    async fn predecessor_of(&self, room: &RoomId) -> Result<Option<OwnedRoomId>, MatrixError> {
        let kind = StateEventType::RoomCreate;
        let request = get_state_event_for_key::v3::Request::new(room.to_owned(), kind, String::new());
        match send_as!(self.homeserver, self.homeserver.bot(), request) {
            Ok(answer) => {
                let create = serde_json::from_str::<Value>(answer.event_or_content.get()).ok();
                Ok(create.as_ref().and_then(predecessor))
            }
            Err(MatrixError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The tombstone that stands in a room now. Who set it is only in the whole state, on some homeservers.
    async fn tombstone_of(&self, room: &RoomId) -> Result<Option<Tombstone>, MatrixError> {
        let request = get_state_events::v3::Request::new(room.to_owned());
        let state = match send_as!(self.homeserver, self.homeserver.bot(), request) {
            Ok(answer) => answer.room_state,
            Err(MatrixError::Refused { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let is_it = |event: &&ruma::serde::Raw<_>| {
            event.get_field::<String>("type").ok().flatten().as_deref() == Some("m.room.tombstone")
        };
        Ok(state.iter().find(is_it).and_then(|event| serde_json::from_str(event.json().get()).ok()))
    }
}

#[cfg(test)]
mod tests {
    use ruma::{room_id, user_id};
    use serde_json::json;

    use super::*;

    fn judge(tombstone: Value) -> Result<OwnedRoomId, &'static str> {
        let tombstone: Tombstone = serde_json::from_value(tombstone).unwrap();
        successor(room_id!("!old:x"), &tombstone, user_id!("@ann:x"), user_id!("@msnbot:x"))
    }

    #[test]
    fn the_owners_word_and_the_bridges_count_and_nobody_elses() {
        let by = |sender: &str| {
            judge(json!({"sender": sender, "state_key": "", "content": {"replacement_room": "!new:x"}}))
        };
        assert_eq!(by("@ann:x").unwrap(), "!new:x");
        assert_eq!(by("@msnbot:x").unwrap(), "!new:x");
        assert!(by("@eve:x").is_err());
        assert!(by("@msn_bob:x").is_err());
    }

    #[test]
    fn a_tombstone_that_names_itself_or_nothing_is_none() {
        for content in [
            json!({"replacement_room": "!old:x"}),
            json!({"replacement_room": "no room"}),
            json!({"replacement_room": 7}),
            json!({"body": "moved"}),
            json!([]),
        ] {
            let judged = judge(json!({"sender": "@ann:x", "state_key": "", "content": content}));
            assert!(judged.is_err(), "{content}");
        }
        let replacement = json!({"replacement_room": "!new:x"});
        for key in [json!("x"), Value::Null] {
            let judged = judge(json!({"sender": "@ann:x", "state_key": key, "content": replacement}));
            assert!(judged.is_err(), "{key}");
        }
    }

    #[test]
    fn the_room_before_is_named_with_and_without_its_last_event() {
        let named = json!({"predecessor": {"room_id": "!old:x", "event_id": "$1"}});
        assert_eq!(predecessor(&named).unwrap(), "!old:x");
        assert_eq!(predecessor(&json!({"predecessor": {"room_id": "!old"}})).unwrap(), "!old");
        for none in [json!({}), json!({"predecessor": 7}), json!({"predecessor": {"room_id": 7}})] {
            assert_eq!(predecessor(&none), None);
        }
    }
}
