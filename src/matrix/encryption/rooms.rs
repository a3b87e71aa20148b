//! Which rooms are encrypted, how, and for whom.
//!
//! Knows that a room which was encrypted once stays so, and that only people are given keys: ghosts read nothing. Refuses to
//! guess: where the homeserver cannot be asked, nothing is sent. Source: `m.room.encryption` of the client-server API.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ruma::api::client::membership::get_member_events;
use ruma::api::client::state::get_state_event_for_key;
#[cfg(feature = "encryption")]
use ruma::api::client::state::send_state_event;
use ruma::events::StateEventType;
use ruma::events::room::history_visibility::HistoryVisibility;
use ruma::events::room::member::MembershipState;
#[cfg(feature = "encryption")]
use ruma::serde::Raw;
use ruma::{OwnedRoomId, OwnedUserId, RoomId, UserId};
use tokio::time::Instant;

#[cfg(feature = "encryption")]
use serde_json::json;

use crate::matrix::cache::Cache;
#[cfg(feature = "encryption")]
use crate::matrix::homeserver::tell_as;
use crate::matrix::homeserver::{Answer, Homeserver, MatrixError, ask_as};
use crate::matrix::profile::GhostIds;

/// Rooms that are known. One that is evicted costs two requests before something is said in it.
const MAX_ROOMS: usize = 20_000;

/// How long a session lasts, and how many messages, where the room does not say; as the client-server API has it.
const ROTATION: (Duration, u64) = (Duration::from_secs(7 * 24 * 3600), 100);

/// How messages are encrypted in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoomRules {
    pub(crate) rotation_period: Duration,
    pub(crate) rotation_messages: u64,
    pub(crate) visibility: HistoryVisibility,
}

/// The way in which messages are encrypted, in all clients.
pub(crate) const ALGORITHM: &str = "m.megolm.v1.aes-sha2";

/// The people who are to read a room.
#[cfg_attr(not(feature = "encryption"), allow(dead_code, reason = "without keys nobody is given any"))]
pub(crate) struct Readers {
    pub(crate) all: Arc<Vec<OwnedUserId>>,
    /// Whether one of them was asked in by us and has not come.
    pub(crate) is_one_awaited: bool,
    /// When the last of them came, as far as the homeserver says how long that is ago.
    pub(crate) last_came: Option<Instant>,
}

/// Somebody who is to read a room.
#[cfg_attr(not(feature = "encryption"), allow(dead_code, reason = "without keys nobody is given any"))]
struct Reader {
    user: OwnedUserId,
    is_there: bool,
    came: Option<Instant>,
}

/// What is known of rooms.
pub(crate) struct EncryptedRooms {
    homeserver: Homeserver,
    #[cfg_attr(not(feature = "encryption"), allow(dead_code, reason = "without keys nobody is given any"))]
    ids: Arc<GhostIds>,
    rules: Cache<OwnedRoomId, Option<RoomRules>>,
    readers: Cache<OwnedRoomId, Arc<Readers>>,
    /// Rises with each change that was heard of: an answer that was under way then is not kept.
    changes: AtomicU64,
}

impl EncryptedRooms {
    pub(crate) fn new(homeserver: Homeserver, ids: Arc<GhostIds>) -> Self {
        let (rules, readers) = (Cache::new(MAX_ROOMS), Cache::new(MAX_ROOMS));
        Self { homeserver, ids, rules, readers, changes: AtomicU64::default() }
    }

    /// How messages are encrypted in a room; `None` where they are not.
    ///
    /// # Errors
    /// The homeserver is not available, or `member` is not in the room.
    pub(crate) async fn rules(
        &self,
        room: &RoomId,
        member: &UserId,
    ) -> Result<Option<RoomRules>, MatrixError> {
        if let Some(known) = self.rules.get(room) {
            return Ok(known);
        }
        let before = self.changes.load(Ordering::Acquire);
        let rules = self.ask(room, member).await?;
        if self.changes.load(Ordering::Acquire) == before {
            self.rules.insert(room.to_owned(), rules.clone());
        }
        Ok(rules)
    }

    async fn ask(&self, room: &RoomId, member: &UserId) -> Result<Option<RoomRules>, MatrixError> {
        let state = |kind| get_state_event_for_key::v3::Request::new(room.to_owned(), kind, String::new());
        let encryption = match ask_as!(self.homeserver, member, state(StateEventType::RoomEncryption)) {
            Ok(answer) => answer,
            Err(error) if error.is("M_NOT_FOUND") => return Ok(None),
            Err(error) => return Err(error),
        };
        let visibility = match ask_as!(self.homeserver, member, state(StateEventType::RoomHistoryVisibility))
        {
            Ok(answer) => {
                answer.text("history_visibility").map(|text| HistoryVisibility::from(text.as_str()))
            }
            Err(error) if error.is("M_NOT_FOUND") => None,
            Err(error) => return Err(error),
        };
        let number = |name: &str| encryption.field(name)?.read::<u64>();
        let period = number("rotation_period_ms").map(Duration::from_millis);
        Ok(Some(RoomRules {
            rotation_period: period.unwrap_or(ROTATION.0),
            rotation_messages: number("rotation_period_msgs").unwrap_or(ROTATION.1),
            visibility: visibility.unwrap_or(HistoryVisibility::Shared),
        }))
    }

    /// The people who are to read a room: who has joined it, and whom we asked in. All but ours.
    ///
    /// # Errors
    /// The homeserver is not available, or `member` is not in the room.
    #[cfg_attr(not(feature = "encryption"), allow(dead_code, reason = "without keys nobody is given any"))]
    pub(crate) async fn readers(&self, room: &RoomId, member: &UserId) -> Result<Arc<Readers>, MatrixError> {
        if let Some(known) = self.readers.get(room) {
            return Ok(known);
        }
        let before = self.changes.load(Ordering::Acquire);
        let mut request = get_member_events::v3::Request::new(room.to_owned());
        request.not_membership = Some(MembershipState::Leave);
        let members = ask_as!(self.homeserver, member, request)?.items("chunk");
        let found: Vec<Reader> = members.iter().filter_map(|event| self.reader(event)).collect();
        let readers = Arc::new(Readers {
            is_one_awaited: found.iter().any(|reader| !reader.is_there),
            last_came: found.iter().filter_map(|reader| reader.came).max(),
            all: Arc::new(found.into_iter().map(|reader| reader.user).collect()),
        });
        if self.changes.load(Ordering::Acquire) == before {
            self.readers.insert(room.to_owned(), readers.clone());
        }
        Ok(readers)
    }

    /// The person whom a membership lets read: an invitation by somebody else may be a stranger's.
    #[cfg_attr(not(feature = "encryption"), allow(dead_code, reason = "without keys nobody is given any"))]
    fn reader(&self, event: &Answer) -> Option<Reader> {
        let user = UserId::parse(event.text("state_key")?).ok().filter(|user| !self.ids.is_ours(user))?;
        let asked_by_us = || Some(self.ids.is_ours(&UserId::parse(event.text("sender")?).ok()?));
        let age = || event.field("unsigned")?.field("age")?.read::<u64>().map(Duration::from_millis);
        match event.field("content")?.text("membership")?.as_str() {
            "join" => {
                let came = age().and_then(|age| Instant::now().checked_sub(age));
                Some(Reader { user, is_there: true, came })
            }
            "invite" if asked_by_us() == Some(true) => Some(Reader { user, is_there: false, came: None }),
            _ => None,
        }
    }

    /// Has messages of a room be encrypted from now on.
    ///
    /// # Errors
    /// The homeserver is not available, or the bot may not do that.
    #[cfg(feature = "encryption")]
    pub(crate) async fn encrypt(&self, room: &RoomId) -> Result<(), MatrixError> {
        let content = Raw::new(&json!({"algorithm": ALGORITHM})).map_err(MatrixError::own)?.cast_unchecked();
        let (kind, key) = (StateEventType::RoomEncryption, String::new());
        let request = send_state_event::v3::Request::new_raw(room.to_owned(), kind, key, content);
        tell_as!(self.homeserver, self.homeserver.bot(), request)?;
        self.rules_changed(room);
        Ok(())
    }

    /// From now on other people are in a room.
    pub(crate) fn people_changed(&self, room: &RoomId) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.readers.remove(room);
    }

    /// From now on messages of a room are encrypted in another way.
    pub(crate) fn rules_changed(&self, room: &RoomId) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.rules.remove(room);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::matrix::testkit::{self, FakeHomeserver};

    async fn rooms(server: &FakeHomeserver) -> EncryptedRooms {
        let config = testkit::config(&server.url());
        let homeserver = Homeserver::new(&config).await.unwrap();
        EncryptedRooms::new(homeserver, Arc::new(GhostIds::new(&config)))
    }

    fn room() -> &'static RoomId {
        <&RoomId>::try_from("!a:x").unwrap()
    }

    #[tokio::test]
    async fn a_rooms_own_rotation_counts_and_is_asked_for_once_until_it_changes() {
        let server = FakeHomeserver::start().await;
        let content =
            json!({"algorithm": ALGORITHM, "rotation_period_ms": 3_600_000, "rotation_period_msgs": 7});
        server.answers("/state/m.room.encryption", 200, content);
        server.answers("/state/m.room.history_visibility", 200, json!({"history_visibility": "joined"}));
        let rooms = rooms(&server).await;
        let bot = rooms.homeserver.bot().to_owned();
        let wanted = RoomRules {
            rotation_period: Duration::from_secs(3600),
            rotation_messages: 7,
            visibility: HistoryVisibility::Joined,
        };
        for _ in 0..3 {
            assert_eq!(rooms.rules(room(), &bot).await.unwrap().as_ref(), Some(&wanted));
        }
        assert_eq!(server.asked().len(), 2);
        rooms.rules_changed(room());
        rooms.rules(room(), &bot).await.unwrap();
        assert_eq!(server.asked().len(), 4);
    }

    #[tokio::test]
    async fn a_room_is_plain_where_the_homeserver_says_so_and_unknown_where_it_says_nothing() {
        let server = FakeHomeserver::start().await;
        server.refuses("/state/m.room.encryption", 404, "M_NOT_FOUND");
        let rooms = rooms(&server).await;
        let bot = rooms.homeserver.bot().to_owned();
        assert_eq!(rooms.rules(room(), &bot).await.unwrap(), None);
        for (status, code) in [(403, "M_FORBIDDEN"), (500, "M_UNKNOWN"), (404, "M_UNRECOGNIZED")] {
            rooms.rules_changed(room());
            server.refuses("/state/m.room.encryption", status, code);
            assert!(rooms.rules(room(), &bot).await.is_err(), "{code}: nothing may be said in plain text");
        }
    }

    #[tokio::test]
    async fn keys_are_for_people_who_are_there_or_whom_we_asked_in() {
        let server = FakeHomeserver::start().await;
        let rooms = rooms(&server).await;
        let bot = rooms.homeserver.bot().to_owned();
        let name = bot.server_name().to_owned();
        let ghost = format!("@msn_bob:{name}");
        let member = |user: &str, membership: &str, sender: &str| json!({"type": "m.room.member", "state_key": user, "sender": sender, "content": {"membership": membership}});
        let chunk = [
            member("@ann:x", "join", "@ann:x"),
            member("@asked:x", "invite", bot.as_str()),
            member("@by_ghost:x", "invite", &ghost),
            member("@stranger:x", "invite", "@ann:x"),
            member("@banned:x", "ban", bot.as_str()),
            member("@knocks:x", "knock", "@knocks:x"),
            member(&ghost, "join", &ghost),
            member(bot.as_str(), "join", bot.as_str()),
            json!({"state_key": 7}),
        ];
        server.answers("/members", 200, json!({"chunk": chunk}));
        let readers = rooms.readers(room(), &bot).await.unwrap();
        let names: Vec<&str> = readers.all.iter().map(|user| user.as_str()).collect();
        assert_eq!(names, ["@ann:x", "@asked:x", "@by_ghost:x"]);
        assert!(readers.is_one_awaited && readers.last_came.is_none());
        rooms.rules_changed(room());
        rooms.readers(room(), &bot).await.unwrap();
        assert_eq!(server.asked().len(), 1, "the same people are there");
        rooms.people_changed(room());
        rooms.readers(room(), &bot).await.unwrap();
        assert_eq!(server.asked().len(), 2);
    }

    #[tokio::test]
    async fn who_came_last_is_known_by_the_homeservers_own_clock() {
        let server = FakeHomeserver::start().await;
        let rooms = rooms(&server).await;
        let bot = rooms.homeserver.bot().to_owned();
        let member = |user: &str, age: u64| json!({"type": "m.room.member", "state_key": user, "sender": user, "content": {"membership": "join"}, "unsigned": {"age": age}});
        let old = json!({"type": "m.room.member", "state_key": "@old:x", "sender": "@old:x", "content": {"membership": "join"}, "unsigned": {"age": u64::MAX}});
        server.answers(
            "/members",
            200,
            json!({"chunk": [member("@ann:x", 60_000), member("@carl:x", 1_000), old]}),
        );
        let readers = rooms.readers(room(), &bot).await.unwrap();
        let age = readers.last_came.unwrap().elapsed();
        assert!((Duration::from_secs(1)..Duration::from_secs(60)).contains(&age), "{age:?}");
        assert!(!readers.is_one_awaited);
    }
}
