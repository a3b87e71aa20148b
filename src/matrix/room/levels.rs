//! Who may do what in a room.
//!
//! Knows the levels of ghosts and of the bot, and puts right what keeps a ghost from speaking where that was not meant.
//! Refuses to undo what somebody set for one ghost alone: that is a mute. Source: `m.room.power_levels` of the
//! client-server API; creators have no level from room version 12 on.

use std::sync::Arc;

use ruma::api::client::state::get_state_event_for_key;
use ruma::events::StateEventType;
use ruma::{RoomId, UserId};
use serde_json::{Value, json};

use crate::matrix::homeserver::{EventSender, Homeserver, MatrixError, send_as};

/// The level that the bot needs to say what a room is.
const NEEDED: i64 = 50;

/// Whether a ghost may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speech {
    May,
    /// Somebody took it from this ghost alone.
    Muted,
    /// The room asks for more than anybody without a level has.
    Needs(i64),
}

fn level_of(levels: &Value, user: &UserId) -> i64 {
    let own = levels["users"].get(user.as_str()).and_then(Value::as_i64);
    own.or_else(|| levels["users_default"].as_i64()).unwrap_or(0)
}

fn speech(levels: &Value, ghost: &UserId) -> Speech {
    let asked = levels["events"].get("m.room.message").and_then(Value::as_i64);
    let asked = asked.or_else(|| levels["events_default"].as_i64()).unwrap_or(0);
    if level_of(levels, ghost) >= asked {
        return Speech::May;
    }
    let default = levels["users_default"].as_i64().unwrap_or(0);
    let own = levels["users"].get(ghost.as_str()).and_then(Value::as_i64);
    match own.is_some_and(|own| own < default || own < 0) {
        true => Speech::Muted,
        false => Speech::Needs(asked),
    }
}

/// Looks at levels, and puts them right.
pub(crate) struct RoomLevels {
    pub(crate) homeserver: Homeserver,
    pub(crate) sender: Arc<EventSender>,
}

impl RoomLevels {
    /// Whether a ghost that is in a room may speak there, perhaps because it is let now.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub(crate) async fn let_speak(&self, room: &RoomId, ghost: &UserId) -> Result<bool, MatrixError> {
        let Some(mut levels) = self.levels(room).await? else { return Ok(true) };
        let needed = match speech(&levels, ghost) {
            Speech::May => return Ok(true),
            Speech::Muted => return Ok(false),
            Speech::Needs(level) => level,
        };
        levels["users"][ghost.as_str()] = json!(needed);
        match self.sender.put_state(room, StateEventType::RoomPowerLevels, "", &levels).await {
            Ok(()) => Ok(true),
            Err(MatrixError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether the bot lacks the level that it needs in a room. One who made the room has none and needs none.
    ///
    /// # Errors
    /// The homeserver is not available.
    pub(crate) async fn bot_is_powerless(&self, room: &RoomId) -> Result<bool, MatrixError> {
        let Some(levels) = self.levels(room).await? else { return Ok(false) };
        Ok(level_of(&levels, self.homeserver.bot()) < NEEDED)
    }

    async fn levels(&self, room: &RoomId) -> Result<Option<Value>, MatrixError> {
        let kind = StateEventType::RoomPowerLevels;
        let request = get_state_event_for_key::v3::Request::new(room.to_owned(), kind, String::new());
        match send_as!(self.homeserver, self.homeserver.bot(), request) {
            Ok(answer) => Ok(serde_json::from_str(answer.event_or_content.get()).ok()),
            Err(MatrixError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use ruma::user_id;

    use super::*;

    #[test]
    fn a_ghost_is_muted_where_its_own_level_says_so_and_needs_one_where_all_do() {
        let (bob, all) = (user_id!("@msn_bob:x"), json!({}));
        for (levels, expected) in [
            (all, Speech::May),
            (json!({"events_default": 50}), Speech::Needs(50)),
            (json!({"events_default": 50, "users_default": 50}), Speech::May),
            (json!({"events": {"m.room.message": 10}}), Speech::Needs(10)),
            (json!({"events": {"m.room.message": 10}, "users": {"@msn_bob:x": 10}}), Speech::May),
            (json!({"users": {"@msn_bob:x": -1}}), Speech::Muted),
            (json!({"users_default": 10, "events_default": 5, "users": {"@msn_bob:x": 0}}), Speech::Muted),
            (json!({"events_default": "50"}), Speech::May),
        ] {
            assert_eq!(speech(&levels, bob), expected, "{levels}");
        }
    }
}
