//! What ephemeral events say: who types, who is there, who does anything.
//!
//! Knows their forms, and keeps nothing of them. Refuses to know whose users they name. Source: the typing, receipts and
//! presence modules of the client-server API, and their events in transactions (MSC2409).

use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use serde_json::Value;

use crate::bridge::event::Availability;

/// Characters of a status text that are passed on.
const MAX_STATUS: usize = 129;

/// The people who type in a room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Typing {
    pub(crate) room: OwnedRoomId,
    pub(crate) users: Vec<String>,
}

/// What a person's own clients say of their presence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PersonPresence {
    pub(crate) user: OwnedUserId,
    pub(crate) availability: Availability,
    pub(crate) text: String,
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Who types where, if that is what an event says.
pub(crate) fn typing(event: &Value) -> Option<Typing> {
    if event["type"] != "m.typing" {
        return None;
    }
    let room = RoomId::parse(event["room_id"].as_str()?).ok()?;
    Some(Typing { room, users: texts(&event["content"]["user_ids"]).map(str::to_owned).collect() })
}

/// Somebody's presence, if that is what an event says.
pub(crate) fn presence(event: &Value) -> Option<PersonPresence> {
    if event["type"] != "m.presence" {
        return None;
    }
    let user = UserId::parse(event["sender"].as_str()?).ok()?;
    let content = &event["content"];
    let availability = match content["presence"].as_str()? {
        "online" => Availability::Online,
        "unavailable" => Availability::Away,
        _ => Availability::Offline,
    };
    let text = content["status_msg"].as_str().unwrap_or_default().chars().take(MAX_STATUS).collect();
    Some(PersonPresence { user, availability, text })
}

/// People who type, read or come online, as an event says.
pub(crate) fn active_users(event: &Value) -> Vec<OwnedUserId> {
    let content = &event["content"];
    let users: Vec<&str> = match event["type"].as_str() {
        Some("m.typing") => texts(&content["user_ids"]).collect(),
        Some("m.receipt") => {
            let receipts = content.as_object().into_iter().flat_map(|events| events.values());
            let readers = receipts.filter_map(Value::as_object).flat_map(|kinds| kinds.values());
            readers.filter_map(Value::as_object).flat_map(|u| u.keys()).map(String::as_str).collect()
        }
        Some("m.presence") if content["presence"] == "online" => {
            event["sender"].as_str().into_iter().collect()
        }
        _ => Vec::new(),
    };
    users.into_iter().filter_map(|user| UserId::parse(user).ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn people_who_type_read_or_come_online_are_active() {
        let typing =
            json!({"type": "m.typing", "room_id": "!a:x", "content": {"user_ids": ["@ann:x", 7, "no"]}});
        let receipt = json!({
            "type": "m.receipt", "room_id": "!a:x",
            "content": {"$1": {"m.read": {"@ann:x": {"ts": 1}}, "m.read.private": {"@bob:x": {}}}},
        });
        let presence =
            |state: &str| json!({"type": "m.presence", "sender": "@ann:x", "content": {"presence": state}});
        let names = |event: &Value| active_users(event).into_iter().map(String::from).collect::<Vec<_>>();
        assert_eq!(names(&typing), ["@ann:x"]);
        assert_eq!(names(&receipt), ["@ann:x", "@bob:x"]);
        assert_eq!(names(&presence("online")), ["@ann:x"]);
        for event in
            [presence("unavailable"), json!({}), json!({"type": "m.receipt", "content": [1]}), json!([])]
        {
            assert_eq!(names(&event), [] as [String; 0], "{event}");
        }
    }

    #[test]
    fn typing_and_presence_are_read_from_their_own_events_alone() {
        let event = json!({"type": "m.typing", "room_id": "!a:x", "content": {"user_ids": ["@ann:x"]}});
        let room = RoomId::parse("!a:x").unwrap();
        assert_eq!(typing(&event), Some(Typing { room, users: vec!["@ann:x".into()] }));
        assert_eq!(presence(&event), None);
        let content = json!({"presence": "unavailable", "status_msg": "é".repeat(200)});
        let event = json!({"type": "m.presence", "sender": "@ann:x", "content": content});
        let read = presence(&event).unwrap();
        assert_eq!((read.user.as_str(), read.availability), ("@ann:x", Availability::Away));
        assert_eq!(read.text.chars().count(), MAX_STATUS);
        assert_eq!(typing(&event), None);
    }
}
