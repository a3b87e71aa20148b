//! In which rooms nobody but the bot and one person can read.
//!
//! Knows what a room's state says about that, and what was asked lately. Refuses to ask: an answer that was under way when
//! somebody came is worth nothing. Source: section 2 of the product's description.

use std::collections::HashMap;
use std::sync::Mutex;

use ruma::{OwnedRoomId, RoomId, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Rooms of which it is remembered who can read there. Where that is too many, all are evicted: one request more for each
/// that is still used.
const MAX_KNOWN: usize = 10_000;

/// In which rooms nobody but the bot and one person can read, as far as that was asked.
#[derive(Debug, Default)]
pub(crate) struct Company(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    is_private: HashMap<OwnedRoomId, bool>,
    /// Rises when something becomes unknown: an answer that was under way then is worth nothing.
    changes: u64,
}

impl Company {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // Nothing that holds the lock panics.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether a room is private, as far as that is known.
    ///
    /// # Errors
    /// It is not: the number to give with the answer.
    pub(crate) fn of(&self, room: &RoomId) -> Result<bool, u64> {
        let known = self.known();
        known.is_private.get(room).copied().ok_or(known.changes)
    }

    pub(crate) fn learn(&self, room: &RoomId, is_private: bool, asked: u64) {
        let mut known = self.known();
        if known.changes != asked {
            return;
        }
        if known.is_private.len() >= MAX_KNOWN {
            known.is_private.clear();
        }
        known.is_private.insert(room.to_owned(), is_private);
    }

    pub(crate) fn forget(&self, room: &RoomId) {
        let mut known = self.known();
        known.is_private.remove(room);
        known.changes += 1;
    }
}

/// The parts of a room's state that say who can read there.
#[derive(Deserialize)]
struct State {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    state_key: String,
    #[serde(default)]
    content: Content,
}

#[derive(Default, Deserialize)]
struct Content {
    #[serde(default)]
    membership: String,
    #[serde(default)]
    join_rule: String,
    #[serde(default)]
    history_visibility: String,
}

/// Whether `user` is the only one who can read in a room of this state, besides those that are ours. Somebody who is
/// invited can; so can anybody where everybody may come in. What cannot be read counts as somebody else.
pub(crate) fn is_private<'a>(
    mut state: impl Iterator<Item = &'a RawValue>,
    user: &UserId,
    is_ours: impl Fn(&UserId) -> bool,
) -> bool {
    state.all(|event| {
        let Ok(State { kind, state_key, content }) = serde_json::from_str(event.get()) else { return false };
        match kind.as_str() {
            "m.room.member" => {
                let is_there = matches!(content.membership.as_str(), "join" | "invite" | "knock");
                !is_there
                    || state_key == user.as_str()
                    || <&UserId>::try_from(state_key.as_str()).is_ok_and(&is_ours)
            }
            "m.room.join_rules" => matches!(content.join_rule.as_str(), "invite" | "knock" | "private"),
            "m.room.history_visibility" => content.history_visibility != "world_readable",
            _ => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(state: &[&str]) -> bool {
        let state: Vec<Box<RawValue>> =
            state.iter().map(|text| RawValue::from_string((*text).to_owned()).unwrap()).collect();
        let ann = <&UserId>::try_from("@ann:x").unwrap();
        is_private(state.iter().map(|event| &**event), ann, |user| user.as_str().starts_with("@msn"))
    }

    fn member(user: &str, membership: &str) -> String {
        format!(
            r#"{{"type":"m.room.member","state_key":"{user}","content":{{"membership":"{membership}"}}}}"#
        )
    }

    #[test]
    fn fault_35_only_where_two_are_alone_is_private() {
        let (bot, ann) = (member("@msnbot:x", "join"), member("@ann:x", "join"));
        let two =
            [bot.as_str(), ann.as_str(), r#"{"type":"m.room.name","state_key":"","content":{"name":"x"}}"#];
        assert!(alone(&two));
        for others in ["leave", "ban"] {
            assert!(alone(&[&two[..], &[&member("@eve:x", others)]].concat()), "{others}");
        }
        assert!(alone(&[&two[..], &[&member("@msn_bob:x", "invite")]].concat()), "a ghost is ours");
        for others in ["join", "invite", "knock"] {
            assert!(!alone(&[&two[..], &[&member("@eve:x", others)]].concat()), "{others}");
        }
        for open in [
            r#"{"type":"m.room.join_rules","state_key":"","content":{"join_rule":"public"}}"#,
            r#"{"type":"m.room.join_rules","state_key":"","content":{"join_rule":"restricted"}}"#,
            r#"{"type":"m.room.history_visibility","state_key":"","content":{"history_visibility":"world_readable"}}"#,
            r#"{"type":7}"#,
        ] {
            assert!(!alone(&[&two[..], &[open]].concat()), "{open}");
        }
        let closed = r#"{"type":"m.room.join_rules","state_key":"","content":{"join_rule":"invite"}}"#;
        assert!(alone(&[&two[..], &[closed]].concat()));
    }

    #[test]
    fn fault_35_an_answer_that_was_under_way_when_somebody_came_is_worth_nothing() {
        let company = Company::default();
        let room = <&RoomId>::try_from("!a:x").unwrap();
        let asked = company.of(room).unwrap_err();
        company.forget(room);
        company.learn(room, true, asked);
        let asked = company.of(room).unwrap_err();
        company.learn(room, true, asked);
        assert_eq!(company.of(room), Ok(true));
        company.forget(room);
        assert!(company.of(room).is_err());
    }
}
