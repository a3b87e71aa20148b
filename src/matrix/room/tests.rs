//! Rooms are made, found again, given up and filed, on a homeserver that answers what it is told.

use std::sync::Arc;

use ruma::{room_id, user_id};
use serde_json::json;

use crate::bridge::event::{ContactGroup, GhostPresence};
use crate::bridge::ids::ConversationId;
use crate::bridge::port::delivery::DeliveryError;
use crate::bridge::testkit::SimStorage;
use crate::matrix::component::Components;
use crate::matrix::testkit::{self, ANN, BOB, EVE, FakeHomeserver, with_ann, with_bob};

const CREATE: &str = "POST /_matrix/client/v3/createRoom";

struct Desk {
    server: FakeHomeserver,
    storage: Arc<SimStorage>,
    parts: Components,
}

async fn desk() -> Desk {
    let server = FakeHomeserver::start().await;
    let storage = Arc::new(SimStorage::default());
    testkit::sign_in(&*storage).await;
    let parts = testkit::components(&server, storage.clone()).await;
    Desk { server, storage, parts }
}

impl Desk {
    fn times(&self, request: &str) -> usize {
        self.server.asked().iter().filter(|asked| asked.contains(request)).count()
    }
}

#[tokio::test]
async fn a_room_is_made_once_for_the_owner_and_says_what_is_bridged() {
    let desk = desk().await;
    let room = desk.parts.rooms.ensure(&with_bob(), Some("Bob"), false).await.unwrap();
    assert_eq!(desk.parts.rooms.ensure(&with_bob(), Some("Bob"), false).await.unwrap(), room);
    let made = desk.server.sent("/createRoom");
    assert_eq!(made.len(), 1);
    assert_eq!(made[0]["room_alias_name"], "msn_alias_bob@example.com");
    assert_eq!((&made[0]["invite"], &made[0]["name"]), (&json!([ANN]), &json!("Bob")));
    assert_eq!(made[0]["is_direct"], true);
    assert_eq!(made[0]["initial_state"][0]["type"], "m.bridge");
    assert_eq!(made[0]["initial_state"][0]["state_key"], "msnbridge://alice@example.com/bob@example.com");
    assert_eq!(desk.parts.registry.has_title(&with_bob(), "Bob"), Ok(true), "it needs no naming");
}

#[tokio::test]
async fn a_room_that_was_made_before_a_crash_is_adopted() {
    let desk = desk().await;
    desk.server.refuses("/createRoom", 400, "M_ROOM_IN_USE");
    let found = json!({"room_id": "!old:test.localhost", "servers": ["test.localhost"]});
    desk.server.answers("/directory/room/", 200, found);
    let room = desk.parts.rooms.ensure(&with_bob(), None, false).await.unwrap();
    assert_eq!(room, room_id!("!old:test.localhost"));
    assert_eq!(desk.server.sent("!old:test.localhost/invite")[0]["user_id"], ANN);
}

#[tokio::test]
async fn the_alias_of_a_room_that_cannot_be_entered_is_freed_for_another() {
    let desk = desk().await;
    desk.server.refuses("/createRoom", 400, "M_ROOM_IN_USE");
    let found = json!({"room_id": "!old:test.localhost", "servers": ["test.localhost"]});
    desk.server.answers("/directory/room/", 200, found);
    desk.server.refuses("!old:test.localhost/join", 403, "M_FORBIDDEN");
    let failed = desk.parts.rooms.ensure(&with_bob(), None, false).await.unwrap_err();
    assert!(matches!(failed, DeliveryError::Transient { .. }), "{failed:?}");
    assert_eq!(desk.times("DELETE /_matrix/client/v3/directory/room/"), 1);
    assert_eq!(desk.parts.registry.room_of(&with_bob()), Ok(None));
}

#[tokio::test]
async fn what_a_login_is_told_is_not_for_its_owner_before() {
    let desk = desk().await;
    desk.parts.rooms.ensure(&with_bob(), None, false).await.unwrap();
    testkit::belongs_to(&*desk.storage, EVE).await;
    desk.parts.rooms.ensure(&with_bob(), None, false).await.unwrap();
    let made = desk.server.sent("/createRoom");
    assert_eq!(made.iter().map(|made| &made["invite"][0]).collect::<Vec<_>>(), [ANN, EVE]);
}

#[tokio::test]
async fn a_room_that_is_gone_is_forgotten_and_one_that_is_there_is_kept() {
    let desk = desk().await;
    desk.server.answers("/joined_members", 200, json!({"joined": {}}));
    desk.parts.rooms.ensure(&with_bob(), None, false).await.unwrap();
    desk.parts.rooms.repair(&with_bob()).await.unwrap();
    assert!(desk.parts.registry.room_of(&with_bob()).unwrap().is_some());
    desk.server.refuses("/joined_members", 403, "M_FORBIDDEN");
    desk.parts.rooms.repair(&with_bob()).await.unwrap();
    assert_eq!(desk.parts.registry.room_of(&with_bob()), Ok(None));
}

#[tokio::test]
async fn a_title_is_set_when_it_is_news_and_its_refusal_holds_nothing_up() {
    let desk = desk().await;
    let room = desk.parts.rooms.ensure(&with_bob(), Some("Bob"), false).await.unwrap();
    for title in ["Bob", "Bobby", "Bobby"] {
        desk.parts.rooms.ensure_title(&with_bob(), &room, title).await.unwrap();
    }
    assert_eq!(desk.server.sent("/state/m.room.name"), [json!({"name": "Bobby"})]);
    desk.server.refuses("/state/m.room.name", 403, "M_FORBIDDEN");
    desk.parts.rooms.ensure_title(&with_bob(), &room, "Robert").await.unwrap();
}

#[tokio::test]
async fn a_ghost_joins_once_and_is_invited_where_it_may_not() {
    let desk = desk().await;
    let (room, ghost) = (room_id!("!a:test.localhost"), user_id!("@msn_bob=40example.com:test.localhost"));
    let members = &desk.parts.members;
    members.ensure_joined(room, ghost).await.unwrap();
    members.ensure_joined(room, ghost).await.unwrap();
    assert_eq!(desk.times("/join"), 1);
    assert_eq!(desk.parts.registry.rooms_of(ghost), [room]);
    members.leave(room, ghost).await.unwrap();
    assert!(desk.parts.registry.rooms_of(ghost).is_empty());
    desk.server.refuses("/join", 403, "M_FORBIDDEN");
    assert!(members.ensure_joined(room, ghost).await.is_err());
    assert_eq!((desk.times("/join"), desk.server.sent("/invite")[0]["user_id"].as_str()), (3, Some(BOB)));
}

#[tokio::test]
async fn there_is_no_room_for_two_where_a_third_comes_into_each() {
    let desk = desk().await;
    let state = |user: &str| {
        json!({
            "type": "m.room.member", "state_key": user, "content": {"membership": "join"},
            "event_id": "$m", "sender": user, "origin_server_ts": 1,
        })
    };
    desk.server.answers("/state", 200, json!([state(ANN), state(EVE)]));
    let ann = user_id!("@ann:test.localhost");
    let failed = desk.parts.management.ensure_private(&with_ann(), ann).await.unwrap_err();
    assert!(matches!(failed, DeliveryError::Transient { .. }), "{failed:?}");
    assert_eq!((desk.times(CREATE), desk.server.sent("/send/m.room.message/").len()), (2, 2));
}

#[tokio::test]
async fn rooms_are_filed_in_the_spaces_of_their_groups_and_the_rest_in_the_logins_own() {
    let desk = desk().await;
    let config = testkit::config("http://unused");
    let spaces = desk.parts.spaces(&config);
    desk.parts.registry.remember(&with_bob(), room_id!("!bob:test.localhost")).await.unwrap();
    let group = |conversations: &[&str]| ContactGroup {
        id: "1".into(),
        name: "Friends".into(),
        conversations: conversations.iter().map(|name| ConversationId::new(*name)).collect(),
    };
    let login = with_bob().receiver;
    desk.server.answers("/createRoom", 200, json!({"room_id": "!space:test.localhost"}));
    spaces.file(&login, vec![group(&["bob@example.com"])]).await.unwrap();
    let made = desk.server.sent("/createRoom");
    let names: Vec<_> = made.iter().map(|made| made["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Friends", "MSN (alice@example.com)"]);
    let via = json!({"via": ["test.localhost"]});
    assert_eq!(desk.server.sent("/state/m.space.child/!bob:test.localhost"), [via]);
    let before = desk.server.asked().len();
    spaces.file(&login, vec![group(&["bob@example.com"])]).await.unwrap();
    assert_eq!(desk.server.asked().len(), before, "nothing has changed");
    spaces.file(&login, Vec::new()).await.unwrap();
    assert_eq!(desk.times("!space:test.localhost/leave"), 1, "the group is no more");
}

/// Presence that was shown to nobody is shown when its ghost comes into a room.
#[tokio::test]
async fn presence_is_said_of_ghosts_that_share_a_room_with_somebody() {
    let desk = desk().await;
    let presence = GhostPresence {
        ghost: testkit::bob(),
        availability: crate::bridge::event::Availability::Away,
        text: "lunch".into(),
    };
    let room = desk.parts.rooms.ensure(&with_bob(), None, false).await.unwrap();
    desk.parts.presence.show(&[with_bob().receiver], presence);
    let cancel = tokio_util::sync::CancellationToken::new();
    let ghost = user_id!("@msn_bob=40example.com:test.localhost");
    let said = async {
        desk.parts.members.ensure_joined(&room, ghost).await.unwrap();
        desk.server.until_asked("/presence/").await;
    };
    tokio::select! {
        () = desk.parts.presence.run(cancel) => unreachable!("nobody stops it"),
        () = said => {}
    }
    assert_eq!(desk.server.sent("/presence/"), [json!({"presence": "unavailable", "status_msg": "lunch"})]);
}
