//! An event as the homeserver sends it.
//!
//! Knows the parts that matter here, and how an edit, an answer and an echo of our own words are told. Refuses to know
//! rooms and people. Source: the event format and the relations of the client-server API.

use ruma::{MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId, OwnedUserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::bridge::port::delivery::DeliveryError;
use crate::matrix::keys::{ECHO_KEY, ID_KEY};

/// A field that is as good as not there where it is of another kind, or deeper than anybody reads.
fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(from: D) -> Result<T, D::Error> {
    let raw = Box::<RawValue>::deserialize(from)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or_default())
}

/// When something that has no time of its own was said, in milliseconds of Unix time.
fn now() -> u64 {
    MilliSecondsSinceUnixEpoch::now().get().into()
}

/// A time, in whichever form a number has; now, where there is none.
fn time<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let number: Value = lenient(from)?;
    let of_float = || number.as_f64().filter(|time| (1.0..=9e15).contains(time)).map(|time| time as u64);
    Ok(number.as_u64().or_else(of_float).unwrap_or_else(now))
}

/// The parts of an event that matter here.
#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) room_id: OwnedRoomId,
    pub(crate) event_id: OwnedEventId,
    pub(crate) sender: OwnedUserId,
    #[serde(default = "now", deserialize_with = "time")]
    pub(crate) origin_server_ts: u64,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) state_key: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) content: Map<String, Value>,
    #[serde(default, deserialize_with = "lenient")]
    pub(crate) redacts: Option<OwnedEventId>,
    #[serde(default, deserialize_with = "lenient")]
    unsigned: Map<String, Value>,
}

/// The parts of an event that say whose it is.
#[derive(Deserialize)]
pub(crate) struct Addressed {
    pub(crate) room_id: OwnedRoomId,
    pub(crate) sender: OwnedUserId,
}

impl Event {
    /// Reads an event.
    ///
    /// # Errors
    /// Permanent: it is none.
    pub(crate) fn parse(raw: &[u8]) -> Result<Self, DeliveryError> {
        serde_json::from_slice(raw)
            .map_err(|error| DeliveryError::permanent(format!("not an event: {error}")))
    }

    /// A text of the content.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.content.get(key).and_then(Value::as_str)
    }

    /// A text of what the event relates to another.
    pub(crate) fn relation(&self, key: &str) -> Option<&str> {
        self.content.get("m.relates_to")?.get(key)?.as_str()
    }

    /// What somebody who is invited is told of a part of the room's state.
    pub(crate) fn invite_state(&self, kind: &str) -> Option<&Value> {
        let state = self.unsigned.get("invite_room_state")?.as_array()?;
        state.iter().find(|part| part.get("type").and_then(Value::as_str) == Some(kind))?.get("content")
    }

    /// Somebody comes into the room, rather than to have another name or picture there.
    pub(crate) fn is_entry(&self) -> bool {
        let before = || self.unsigned.get("prev_content")?.get("membership")?.as_str();
        self.text("membership") == Some("join") && before() != Some("join")
    }

    /// Something that we said in a person's name.
    pub(crate) fn is_echo(&self) -> bool {
        self.text(ID_KEY).is_some() && self.text(ECHO_KEY) == Some(self.room_id.as_str())
    }

    /// The event that this one is an edit of.
    pub(crate) fn edits(&self) -> Option<&str> {
        let is_edit = self.relation("rel_type") == Some("m.replace");
        self.relation("event_id").filter(|_| is_edit)
    }

    /// The last edit of this event by its sender, as the homeserver tells it with the event.
    pub(crate) fn newer(&self) -> Option<Self> {
        let newer = self.unsigned.get("m.relations")?.get("m.replace")?;
        let newer: Self = serde_json::from_value(newer.clone()).ok()?;
        let is_kin = newer.sender == self.sender && newer.kind == self.kind;
        (is_kin && newer.edits().is_some()).then_some(newer)
    }

    /// The event that this one answers.
    pub(crate) fn answers(&self) -> Option<&str> {
        self.content.get("m.relates_to")?.get("m.in_reply_to")?.get("event_id")?.as_str()
    }

    /// The event that a redaction removes. Which of two places counts is the room's version; a sender who fills in both
    /// differently means no good, and removes nothing.
    pub(crate) fn redacted(&self) -> Option<&str> {
        match (self.text("redacts"), self.redacts.as_deref()) {
            (Some(within), Some(above)) if within != above.as_str() => None,
            (within, above) => above.map(|event| event.as_str()).or(within),
        }
    }
}

/// The room of an event; what is no event has a lane of its own.
pub(crate) fn lane(raw: &[u8]) -> String {
    serde_json::from_slice::<Addressed>(raw).map(|event| event.room_id.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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

    fn event(content: Value) -> Event {
        let mut event =
            json!({"type": "m.room.message", "room_id": "!a:x", "event_id": "$1", "sender": "@ann:x"});
        event["content"] = content;
        Event::parse(event.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn odd_fields_cost_only_themselves() {
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        let with = |fields: &str| {
            let raw = format!(
                r#"{{"type": "m.room.message", "room_id": "!a:x", "event_id": "$1", "sender": "@ann:x", {fields}}}"#
            );
            Event::parse(raw.as_bytes()).unwrap()
        };
        let words = r#""content": {"body": "hi"}"#;
        for odd in ["7", "null", "[]", "{}", "true", "\"x\"", deep.as_str()] {
            for field in ["redacts", "unsigned", "origin_server_ts", "prev_content", "age", "depth"] {
                let read = with(&format!(r#""{field}": {odd}, {words}"#));
                assert_eq!((read.text("body"), read.redacted()), (Some("hi"), None), "{field}: {odd:.20}");
            }
        }
        assert_eq!(with(&format!(r#""state_key": 7, {words}"#)).state_key, None);
        for odd in ["7", "null", "[]", "\"x\"", deep.as_str(), &format!("{{\"body\": {deep}}}")] {
            assert!(with(&format!(r#""content": {odd}"#)).content.is_empty(), "{odd:.20}");
        }
        assert_eq!(
            with(r#""unsigned": {"m.relations": {"m.replace": 7}}"#).newer().map(|event| event.kind),
            None
        );
    }

    #[test]
    fn a_new_name_is_not_an_entry() {
        let is_entry = |membership: &str, before: Value| {
            let event = json!({"type": "m.room.member", "room_id": "!a:x", "event_id": "$1", "sender": "@ann:x", "content": {"membership": membership}, "unsigned": {"prev_content": before}});
            Event::parse(event.to_string().as_bytes()).unwrap().is_entry()
        };
        assert!(is_entry("join", Value::Null) && is_entry("join", json!({"membership": "invite"})));
        assert!(!is_entry("join", json!({"membership": "join"})) && !is_entry("leave", Value::Null));
    }

    #[test]
    fn what_has_no_time_that_can_be_was_said_now() {
        let at = |time: &str| {
            let raw = format!(
                r#"{{"type": "m", "room_id": "!a:x", "event_id": "$1", "sender": "@ann:x", "origin_server_ts": {time}}}"#
            );
            Event::parse(raw.as_bytes()).unwrap().origin_server_ts
        };
        assert_eq!((at("1700000000000"), at("1.7e12")), (1_700_000_000_000, 1_700_000_000_000));
        let before = now();
        for odd in ["-1", "-1e300", "1e300", "\"1\"", "null", "{}"] {
            // Read before the clock is asked again, which may go on meanwhile.
            let said = at(odd);
            assert!((before..=now()).contains(&said), "{odd}");
        }
    }

    #[test]
    fn an_echo_names_the_room_that_it_was_said_in() {
        assert!(event(json!({ID_KEY: "e/0", ECHO_KEY: "!a:x"})).is_echo());
        for content in [json!({ID_KEY: "e/0", ECHO_KEY: "!b:x"}), json!({ECHO_KEY: "!a:x"}), json!({})] {
            assert!(!event(content).is_echo());
        }
    }

    #[test]
    fn a_redaction_with_two_places_that_differ_removes_nothing() {
        let mut redaction = event(json!({"redacts": "$7"}));
        assert_eq!(redaction.redacted(), Some("$7"));
        redaction.redacts = Some("$7".try_into().unwrap());
        assert_eq!(redaction.redacted(), Some("$7"));
        redaction.redacts = Some("$8".try_into().unwrap());
        assert_eq!(redaction.redacted(), None);
        redaction.content.clear();
        assert_eq!(redaction.redacted(), Some("$8"));
    }
}
