//! What an event of the inbox belongs to, from its bytes and the store alone.

use ruma::{OwnedRoomId, OwnedUserId};
use serde::Deserialize;

use crate::bridge::ids::UserId as BridgeUser;
use crate::matrix::MatrixFrontend;

/// The parts of an event that say whose it is.
#[derive(Deserialize)]
struct Addressed {
    room_id: OwnedRoomId,
    sender: OwnedUserId,
}

/// The room of an event; what is no event has a lane of its own.
pub(in crate::matrix) fn lane(raw: &[u8]) -> String {
    serde_json::from_slice::<Addressed>(raw).map(|event| event.room_id.to_string()).unwrap_or_default()
}

impl MatrixFrontend {
    /// The owner of the room's conversation, else a sender who may use the bot.
    pub(in crate::matrix) fn owner_of_event(&self, raw: &[u8]) -> Option<BridgeUser> {
        let event: Addressed = serde_json::from_slice(raw).ok()?;
        let portal = self.portal_of(&event.room_id).ok().flatten();
        let owner = portal.and_then(|portal| self.owner_of(&portal).ok().flatten());
        let owner = owner.or_else(|| Some(event.sender).filter(|sender| self.may_use(sender)))?;
        Some(BridgeUser::new(owner.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_05_events_of_one_room_keep_their_order_and_wait_for_no_others() {
        let event = |room: &str| {
            format!(r#"{{"type":"m.room.message","room_id":"{room}","sender":"@a:x","event_id":"$1"}}"#)
        };
        assert_eq!(lane(event("!a:x").as_bytes()), "!a:x");
        assert_ne!(lane(event("!a:x").as_bytes()), lane(event("!b:x").as_bytes()));
        for raw in ["", "{}", "[1]", r#"{"room_id":7,"sender":"@a:x"}"#] {
            assert_eq!(lane(raw.as_bytes()), "");
        }
    }
}
