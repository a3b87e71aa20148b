//! Where the bot and one person are among themselves: found, kept to, and given up when somebody else can read there.
//!
//! Product section 2: a room with a third person never becomes a management room, whoever invites the bot. What others know
//! is asked of the homeserver once and again after each change of who is in the room.

use std::collections::HashMap;
use std::sync::Mutex;

use ruma::api::client::state::get_state_events;
use ruma::{OwnedRoomId, RoomId, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::inbound::Event;
use super::intent::send_as;
use super::{MatrixError, MatrixFrontend};
use crate::bridge::event::LocalEvent;
use crate::bridge::ids::{PortalKey, UserId as BridgeUser};
use crate::bridge::port::delivery::DeliveryError;

/// Rooms of which it is remembered who can read there.
const MAX_KNOWN: usize = 10_000;

/// What stands before a command where others are.
const COMMAND: &str = "!msn";

/// In which rooms nobody but the bot and one person can read, as far as that was asked.
#[derive(Debug, Default)]
pub(super) struct Company(Mutex<Known>);

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

    /// What is known of a room, else the number to give with the answer.
    fn of(&self, room: &RoomId) -> Result<bool, u64> {
        let known = self.known();
        known.is_private.get(room).copied().ok_or(known.changes)
    }

    fn learn(&self, room: &RoomId, is_private: bool, asked: u64) {
        let mut known = self.known();
        if known.changes != asked {
            return;
        }
        if known.is_private.len() >= MAX_KNOWN {
            known.is_private.clear();
        }
        known.is_private.insert(room.to_owned(), is_private);
    }

    fn forget(&self, room: &RoomId) {
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
fn is_private<'a>(
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

impl MatrixFrontend {
    /// Whether nobody but the bot and `user` can read in a room.
    async fn is_private(&self, room: &RoomId, user: &UserId) -> Result<bool, MatrixError> {
        let asked = match self.company.of(room) {
            Ok(known) => return Ok(known),
            Err(asked) => asked,
        };
        let request = get_state_events::v3::Request::new(room.to_owned());
        let state = send_as!(self.homeserver, &self.config.bot, request)?.room_state;
        let is_private = is_private(state.iter().map(|event| event.json()), user, |user| self.is_ours(user));
        self.company.learn(room, is_private, asked);
        Ok(is_private)
    }

    /// The room in which a user can be told something that is for them alone, made if there is none.
    pub(super) async fn ensure_private_room(
        &self,
        portal: &PortalKey,
        user: &UserId,
    ) -> Result<OwnedRoomId, DeliveryError> {
        for _ in 0..2 {
            let room = self.ensure_room(portal, None, false).await?;
            if self.is_private(&room, user).await? {
                return Ok(room);
            }
            self.end_management(portal, &room).await?;
        }
        Err(DeliveryError::transient("there is no room in which nobody else can read"))
    }

    /// Somebody else can read in this room: from now on it is one like any other.
    async fn end_management(&self, portal: &PortalKey, room: &RoomId) -> Result<(), DeliveryError> {
        tracing::info!(%portal, %room, "somebody else can read in a management room, it is one no longer");
        self.forget_room(portal, room).await?;
        let text = "Somebody else can read here, so this is not the place for your MSN account any more: I tell you about \
                    it, and take your commands, in a room where we are alone. Do not write a password here.";
        self.notice(room, text, None).await;
        Ok(())
    }

    /// Who can read in a room has changed.
    pub(super) async fn company_changed(&self, event: &Event) -> Result<LocalEvent, DeliveryError> {
        self.company.forget(&event.room_id);
        let portal = self.portal_of(&event.room_id)?;
        let Some((portal, user)) = portal.and_then(|p| p.management_user().map(|user| (p, user))) else {
            return Ok(LocalEvent::Ignored);
        };
        let is_own =
            event.state_key.as_deref().is_some_and(|key| key == user.as_str() || key == self.config.bot);
        let Ok(id) = UserId::parse(user.as_str()) else { return Ok(LocalEvent::Ignored) };
        if is_own || self.is_there_alone(&event.room_id, &id).await? {
            return Ok(LocalEvent::Ignored);
        }
        self.end_management(&portal, &event.room_id).await?;
        Ok(LocalEvent::Overheard { user, place: event.room_id.to_string(), said: None })
    }

    /// The same as [`MatrixFrontend::is_private`]; a room that the bot is not in any more is nobody's.
    async fn is_there_alone(&self, room: &RoomId, user: &UserId) -> Result<bool, DeliveryError> {
        match self.is_private(room, user).await {
            Err(MatrixError::Refused { .. }) => Ok(false),
            answer => Ok(answer?),
        }
    }

    /// The bot has entered a room that it was invited to.
    pub(super) async fn entered(
        &self,
        event: &Event,
        management: &PortalKey,
    ) -> Result<LocalEvent, DeliveryError> {
        self.company.forget(&event.room_id);
        if self.portal_of(&event.room_id)?.is_none() {
            if !self.is_there_alone(&event.room_id, &event.sender).await? {
                self.notice(&event.room_id, NOT_ALONE, Some(event.event_id.as_str())).await;
                return Ok(LocalEvent::Ignored);
            }
            self.remember_room(management, &event.room_id).await?;
        }
        Ok(self.as_command(event, management.clone(), "help".into()))
    }

    /// A person says something in a room that is theirs and the bot's: that is where they are answered.
    pub(super) async fn among_us(
        &self,
        event: &Event,
        portal: PortalKey,
        words: &str,
    ) -> Result<LocalEvent, DeliveryError> {
        if !self.is_there_alone(&event.room_id, &event.sender).await? {
            self.end_management(&portal, &event.room_id).await?;
            let user = BridgeUser::new(event.sender.as_str());
            let said = Some(event.event_id.to_string());
            return Ok(LocalEvent::Overheard { user, place: event.room_id.to_string(), said });
        }
        if self.room_of(&portal)?.as_deref() != Some(&*event.room_id) {
            self.remember_room(&portal, &event.room_id).await?;
        }
        // An edit repeats its words for those who know no edits, with a mark before them.
        let now = event.edits().and_then(|(_, content)| content.get("body")?.as_str());
        let words = now.unwrap_or(words);
        let words = command(words).unwrap_or(words);
        Ok(self.typed(event, portal, words.trim().to_owned()))
    }

    /// Something is said in a room that belongs to no conversation.
    pub(super) async fn elsewhere(&self, event: &Event, words: &str) -> Result<LocalEvent, DeliveryError> {
        let is_for_us = command(words).is_some() && event.text("msgtype") == Some("m.text");
        if !is_for_us || !self.may_use(&event.sender) {
            return Ok(LocalEvent::Ignored);
        }
        if self.is_there_alone(&event.room_id, &event.sender).await? {
            let management = PortalKey::management(&BridgeUser::new(event.sender.as_str()));
            return self.among_us(event, management, words).await;
        }
        self.notice(&event.room_id, NOT_ALONE, Some(event.event_id.as_str())).await;
        Ok(LocalEvent::Ignored)
    }
}

const NOT_ALONE: &str = "I am the bridge to MSN. What I say is about somebody's own account, so I only talk where nobody \
                         else can read: invite me into a room with nobody but you.";

/// The words behind the prefix of a command.
fn command(words: &str) -> Option<&str> {
    let words = words.trim_start();
    let (prefix, rest) = words.split_at_checked(COMMAND.len())?;
    let is_one = prefix.eq_ignore_ascii_case(COMMAND) && rest.chars().next().is_none_or(char::is_whitespace);
    is_one.then_some(rest)
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

    #[test]
    fn a_prefix_counts_in_any_case_and_behind_any_space() {
        for text in ["!msn help", "!MSN help", "  !Msn  help", "\n!msn\thelp"] {
            assert_eq!(command(text).map(str::trim), Some("help"), "{text:?}");
        }
        assert_eq!(command("!msn"), Some(""));
        for text in ["!msnx", "msn help", "!ms", "", "é!msn", "!mśn x"] {
            assert_eq!(command(text), None, "{text:?}");
        }
    }
}
