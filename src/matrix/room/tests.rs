//! Rooms are made, found again, given up and filed, on a homeserver that answers what it is told.

use std::sync::Arc;

use ruma::{UserId, room_id, user_id};
use serde_json::{Value, json};

use crate::bridge::event::{ContactGroup, GhostPresence};
use crate::bridge::ids::ConversationId;
use crate::bridge::port::delivery::{DeliveryError, Display};
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::bridge::testkit::SimStorage;
use crate::matrix::component::Components;
use crate::matrix::testkit::{self, ANN, BOB, BOT, EVE, FakeHomeserver, with_ann, with_bob};

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

/// A conversation with Bob alone, called so.
fn titled(title: &str) -> Display {
    let (title, people) = (Some(title.to_owned()), vec![testkit::bob()]);
    Display { title, people, ..Display::default() }
}

/// The state that a new room is made with, of one kind.
fn made_with<'a>(made: &'a Value, kind: &str) -> &'a Value {
    let state = made["initial_state"].as_array().unwrap();
    &state.iter().find(|part| part["type"] == kind).unwrap_or_else(|| panic!("no {kind}: {made}"))["content"]
}

const INVITE_ANN: &str = "/state/m.room.member/@ann:test.localhost";

impl Desk {
    fn times(&self, request: &str) -> usize {
        self.server.asked().iter().filter(|asked| asked.contains(request)).count()
    }
}

#[tokio::test]
async fn a_room_is_made_once_for_the_owner_and_says_what_is_bridged() {
    let desk = desk().await;
    let room = desk.parts.rooms.ensure(&with_bob(), &titled("Bob")).await.unwrap();
    assert_eq!(desk.parts.rooms.ensure(&with_bob(), &titled("Bob")).await.unwrap(), room);
    let made = desk.server.sent("/createRoom");
    assert_eq!(made.len(), 1);
    assert_eq!(made[0]["room_alias_name"], "msn_alias_bob@example.com");
    assert_eq!((&made[0]["invite"], &made[0]["name"]), (&json!([BOB]), &json!("Bob")), "its ghost first");
    let users = &made[0]["power_level_content_override"]["users"];
    assert_eq!(*users, json!({ANN: 100, "@msnbot:test.localhost": 100}));
    assert_eq!(made_with(&made[0], "m.bridge")["channel"]["displayname"], "Bob");
    assert_eq!(*made_with(&made[0], "m.room.canonical_alias"), json!({}));
    let invited = desk.server.sent(INVITE_ANN);
    assert_eq!(invited, [json!({"membership": "invite", "is_direct": true})]);
    let asked = desk.server.asked();
    let at = |part: &str| asked.iter().position(|asked| asked.contains(part)).unwrap();
    assert!(at("/createRoom") < at("/join") && at("/join") < at(INVITE_ANN), "{asked:?}");
    assert_eq!(desk.parts.registry.has_title(&with_bob(), "Bob"), Ok(true), "it needs no naming");
}

/// Who asked Ann in, by whom each request was sent.
fn inviters(desk: &Desk) -> Vec<String> {
    let asked = desk.server.addresses(INVITE_ANN);
    let of = |address: &String| {
        let user = address.split("user_id=").nth(1).unwrap().split('&').next().unwrap();
        percent_encoding::percent_decode_str(user).decode_utf8_lossy().into_owned()
    };
    asked.iter().map(of).collect()
}

#[tokio::test]
async fn a_contact_asks_the_owner_in_and_the_bot_where_the_contact_may_not() {
    let desk = desk().await;
    desk.parts.rooms.ensure(&with_bob(), &titled("Bob")).await.unwrap();
    assert_eq!(inviters(&desk), [BOB]);
    let desk = self::desk().await;
    desk.server.refuses(INVITE_ANN, 403, "M_FORBIDDEN");
    desk.parts.rooms.ensure(&with_bob(), &titled("Bob")).await.unwrap();
    assert_eq!(inviters(&desk), [BOB, BOT]);
}

#[tokio::test]
async fn a_room_that_a_person_made_for_the_bot_is_not_told_that_it_has_no_alias() {
    let desk = desk().await;
    let room = room_id!("!ann:test.localhost");
    desk.parts.registry.remember(&with_ann(), room).await.unwrap();
    desk.parts.rooms.ensure(&with_ann(), &Display::default()).await.unwrap();
    assert_eq!(desk.server.sent("/state/com.beeper.room_features/").len(), 1, "it is told what it is");
    assert_eq!(desk.server.sent("/state/m.room.canonical_alias/").len(), 0);
}

#[tokio::test]
async fn a_room_that_was_made_before_a_crash_is_adopted() {
    let desk = desk().await;
    desk.server.refuses("/createRoom", 400, "M_ROOM_IN_USE");
    let found = json!({"room_id": "!old:test.localhost", "servers": ["test.localhost"]});
    desk.server.answers("/directory/room/", 200, found);
    let room = desk.parts.rooms.ensure(&with_bob(), &Display::default()).await.unwrap();
    assert_eq!(room, room_id!("!old:test.localhost"));
    let invited = desk.server.sent(&format!("!old:test.localhost{INVITE_ANN}"));
    assert_eq!(invited[0]["membership"], "invite");
    assert_eq!(desk.server.sent("!old:test.localhost/state/m.bridge/").len(), 1, "and it says what it is");
}

#[tokio::test]
async fn the_alias_of_a_room_that_cannot_be_entered_is_freed_for_another() {
    let desk = desk().await;
    desk.server.refuses("/createRoom", 400, "M_ROOM_IN_USE");
    let found = json!({"room_id": "!old:test.localhost", "servers": ["test.localhost"]});
    desk.server.answers("/directory/room/", 200, found);
    desk.server.refuses("!old:test.localhost/join", 403, "M_FORBIDDEN");
    let failed = desk.parts.rooms.ensure(&with_bob(), &Display::default()).await.unwrap_err();
    assert!(matches!(failed, DeliveryError::Transient { .. }), "{failed:?}");
    assert_eq!(desk.times("DELETE /_matrix/client/v3/directory/room/"), 1);
    assert_eq!(desk.parts.registry.room_of(&with_bob()), Ok(None));
}

#[tokio::test]
async fn what_a_login_is_told_is_not_for_its_owner_before() {
    let desk = desk().await;
    desk.parts.rooms.ensure(&with_bob(), &Display::default()).await.unwrap();
    testkit::belongs_to(&*desk.storage, EVE).await;
    desk.parts.rooms.ensure(&with_bob(), &Display::default()).await.unwrap();
    let made = desk.server.sent("/createRoom");
    let is_of = |at: usize, who: &str| made[at]["power_level_content_override"]["users"].get(who).is_some();
    assert!(is_of(0, ANN) && !is_of(0, EVE) && is_of(1, EVE) && !is_of(1, ANN), "{made:?}");
}

#[tokio::test]
async fn a_room_that_is_gone_is_forgotten_and_one_that_is_there_is_kept() {
    let desk = desk().await;
    desk.server.answers("/joined_members", 200, json!({"joined": {}}));
    desk.parts.rooms.ensure(&with_bob(), &Display::default()).await.unwrap();
    desk.parts.rooms.repair(&with_bob()).await.unwrap();
    assert!(desk.parts.registry.room_of(&with_bob()).unwrap().is_some());
    desk.server.refuses("/joined_members", 403, "M_FORBIDDEN");
    desk.parts.rooms.repair(&with_bob()).await.unwrap();
    assert_eq!(desk.parts.registry.room_of(&with_bob()), Ok(None));
}

#[tokio::test]
async fn a_title_is_set_when_it_is_news_and_its_refusal_holds_nothing_up() {
    let desk = desk().await;
    let room = desk.parts.rooms.ensure(&with_bob(), &titled("Bob")).await.unwrap();
    for title in ["Bob", "Bobby", "Bobby"] {
        desk.parts.rooms.retitle(&with_bob(), &room, title).await.unwrap();
    }
    assert_eq!(desk.server.sent("/state/m.room.name"), [json!({"name": "Bobby"})]);
    desk.server.refuses("/state/m.room.name", 403, "M_FORBIDDEN");
    desk.parts.rooms.retitle(&with_bob(), &room, "Robert").await.unwrap();
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
    desk.server.answers("/state/", 200, json!({"event_id": "$s"}));
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
    let room = desk.parts.rooms.ensure(&with_bob(), &Display::default()).await.unwrap();
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

#[tokio::test]
async fn whoever_may_be_acted_as_is_in_the_room_at_once_and_has_it_among_their_direct_ones() {
    let desk = desk().await;
    desk.server.answers("/whoami", 200, json!({"user_id": ANN}));
    desk.server.answers("/account_data/m.direct", 200, json!({EVE: ["!e:x"]}));
    desk.parts.rooms.ensure(&with_bob(), &titled("Bob")).await.unwrap();
    assert_eq!(desk.times("/join"), 2, "the ghost and the owner");
    let direct = desk.server.sent("/account_data/m.direct").pop().unwrap();
    assert_eq!(direct, json!({EVE: ["!e:x"], BOB: ["!made:test.localhost"]}));
}

#[tokio::test]
async fn two_who_want_the_same_room_make_one() {
    let desk = desk().await;
    let (bob, display) = (with_bob(), titled("Bob"));
    let (one, other) =
        tokio::join!(desk.parts.rooms.ensure(&bob, &display), desk.parts.rooms.ensure(&bob, &display));
    assert_eq!(one.unwrap(), other.unwrap());
    assert_eq!(desk.times(CREATE), 1);
}

#[tokio::test]
async fn a_room_that_was_interrupted_on_its_way_is_completed() {
    let desk = desk().await;
    desk.server.refuses(INVITE_ANN, 503, "M_UNKNOWN");
    desk.parts.rooms.ensure(&with_bob(), &titled("Bob")).await.unwrap_err();
    desk.server.answers(INVITE_ANN, 200, json!({"event_id": "$i"}));
    desk.parts.rooms.ensure(&with_bob(), &titled("Bob")).await.unwrap();
    assert_eq!((desk.times(CREATE), desk.times(INVITE_ANN)), (1, 2));
}

#[tokio::test]
async fn what_a_room_says_follows_and_nothing_is_said_twice() {
    let desk = desk().await;
    let rooms = &desk.parts.rooms;
    let room = rooms.ensure(&with_bob(), &titled("Bob")).await.unwrap();
    let before = desk.server.asked().len();
    rooms.show(&with_bob(), &titled("Bob"), true).await.unwrap();
    assert_eq!(desk.server.asked().len(), before, "nothing is news");
    rooms.retitle(&with_bob(), &room, "Bobby").await.unwrap();
    for kind in ["m.bridge", "uk.half-shot.bridge"] {
        let said = desk.server.sent(&format!("/state/{kind}/"));
        assert_eq!(said.len(), 1, "{kind}");
        assert_eq!(said[0]["channel"]["displayname"], "Bobby");
    }
    let picture = |digest: &str| {
        let media = crate::bridge::port::media::MediaId::new("m1").unwrap();
        Some(crate::bridge::event::Picture { media, digest: digest.into(), size: 1 })
    };
    // What is no picture changes nothing.
    let shown = desk.parts.profiles.show_avatar(&with_bob().receiver, &testkit::bob(), picture("d")).await;
    assert_eq!(shown, None);
    assert_eq!(desk.server.sent("/state/m.room.avatar").len(), 0);
    assert_eq!(desk.server.sent("/state/com.beeper.room_features/").len(), 0, "it stands as it was made");
}

#[tokio::test]
async fn a_room_of_an_earlier_run_is_brought_up_to_date_once() {
    let desk = desk().await;
    let (room, ann) = (room_id!("!old:test.localhost"), user_id!("@ann:test.localhost"));
    desk.parts.registry.remember(&with_bob(), room).await.unwrap();
    desk.parts.registry.remember_made(&with_bob(), ann, Some("Bob")).await.unwrap();
    for _ in 0..2 {
        desk.parts.rooms.show(&with_bob(), &titled("Bob"), false).await.unwrap();
    }
    for kind in ["m.room.canonical_alias", "io.element.functional_members", "m.bridge", "uk.half-shot.bridge"]
    {
        assert_eq!(desk.server.sent(&format!("/state/{kind}/")).len(), 1, "{kind}");
    }
    assert_eq!(desk.server.sent("/state/m.room.name/").len(), 0, "it is called so already");
    assert_eq!((desk.times(CREATE), desk.times("!old:test.localhost/join")), (0, 1), "its ghost comes");
}

#[tokio::test]
async fn rooms_are_made_for_contacts_unless_their_owner_left_the_last() {
    let desk = desk().await;
    let (rooms, ann) = (&desk.parts.rooms, user_id!("@ann:test.localhost"));
    rooms.show(&with_bob(), &titled("Bob"), false).await.unwrap();
    assert_eq!(desk.times(CREATE), 0, "nobody wants one");
    rooms.show(&with_bob(), &titled("Bob"), true).await.unwrap();
    let room = desk.parts.registry.room_of(&with_bob()).unwrap().unwrap();
    rooms.abandon(&with_bob(), &room, ann).await.unwrap();
    rooms.show(&with_bob(), &titled("Bob"), true).await.unwrap();
    assert_eq!(desk.times(CREATE), 1, "they left it");
    rooms.ensure(&with_bob(), &titled("Bob")).await.unwrap();
    assert_eq!(desk.times(CREATE), 2, "something is said");
}

/// Runs until `done`.
async fn leaving_until(desk: &Desk, part: &str) {
    let cancel = tokio_util::sync::CancellationToken::new();
    tokio::select! {
        () = desk.parts.rooms.leaver.run(cancel) => unreachable!("nobody stops it"),
        () = desk.server.until_asked(part) => {}
    }
}

#[tokio::test]
async fn a_room_that_is_deleted_is_left_by_all_of_ours_and_taken_from_its_owner() {
    let desk = desk().await;
    let room = desk.parts.rooms.ensure(&with_bob(), &titled("Bob")).await.unwrap();
    let there = json!({"joined": {BOB: {}, ANN: {}, "@msnbot:test.localhost": {}}});
    desk.server.answers("/joined_members", 200, there);
    desk.parts.rooms.delete(&with_bob(), false).await.unwrap();
    assert_eq!(desk.parts.registry.room_of(&with_bob()), Ok(None));
    assert_eq!(desk.parts.registry.portal_of(&room), Ok(None));
    assert_eq!(desk.times("DELETE /_matrix/client/v3/directory/room/"), 1, "its alias is free");
    leaving_until(&desk, "/kick").await;
    assert_eq!(desk.server.sent("/kick")[0]["user_id"], ANN);
    assert!(desk.times("/leave") >= 1);
    desk.parts.rooms.delete(&with_bob(), false).await.unwrap();
    assert_eq!(desk.times("DELETE "), 1, "there is none any more");
}

#[tokio::test]
async fn rooms_that_are_to_be_left_are_left_after_a_restart_too() {
    let desk = desk().await;
    let room = room_id!("!old:test.localhost");
    desk.server.refuses("/joined_members", 403, "M_FORBIDDEN");
    let ghost = user_id!("@msn_bob=40example.com:test.localhost").to_owned();
    desk.parts.rooms.leaver.put(room, vec![ghost], None).await.unwrap();
    let parts = testkit::components(&desk.server, desk.storage.clone()).await;
    let again = Desk { server: desk.server, storage: desk.storage, parts };
    leaving_until(&again, "!old:test.localhost/leave").await;
    assert_eq!(again.times("/kick"), 0, "its owner is not there any more");
}

#[tokio::test]
async fn a_portal_goes_with_all_that_is_its_own_to_the_room_that_takes_its_place() {
    let desk = desk().await;
    let rooms = &desk.parts.rooms;
    let old = rooms.ensure(&with_bob(), &titled("Bob")).await.unwrap();
    let new = room_id!("!new:test.localhost");
    desk.server.answers("/joined_members", 200, json!({"joined": {BOB: {}, ANN: {}}}));
    assert_eq!(rooms.move_to(&with_bob(), &old, new).await, Ok(true));
    assert_eq!(desk.parts.registry.room_of(&with_bob()).unwrap().as_deref(), Some(new));
    assert_eq!(desk.parts.registry.portal_of(&old), Ok(None), "the old one is silent");
    assert_eq!(desk.server.sent("!new:test.localhost/state/m.bridge/").len(), 1);
    assert_eq!(desk.times("PUT /_matrix/client/v3/directory/room/"), 1, "the alias goes with it");
    assert_eq!(desk.times("!new:test.localhost/join"), 1, "so does the ghost");
    assert_eq!(rooms.move_to(&with_bob(), &old, new).await, Ok(false), "once");
}

#[tokio::test]
async fn a_room_that_is_doubted_shows_everything_again_and_one_that_is_gone_is_made_anew() {
    let desk = desk().await;
    desk.server.answers("/joined_members", 200, json!({"joined": {}}));
    let (rooms, login) = (&desk.parts.rooms, with_bob().receiver);
    rooms.ensure(&with_bob(), &titled("Bob")).await.unwrap();
    let repeated = ["/join", INVITE_ANN, "/state/m.room.name/", "/state/m.bridge/", "/displayname"];
    let before = repeated.map(|part| desk.times(part));
    rooms.show(&with_bob(), &titled("Bob"), true).await.unwrap();
    assert_eq!(repeated.map(|part| desk.times(part)), before, "nothing is said twice by itself");
    rooms.doubt(&login).await.unwrap();
    rooms.show(&with_bob(), &titled("Bob"), true).await.unwrap();
    for (part, before) in repeated.iter().zip(before) {
        assert!(desk.times(part) > before, "{part}: {:?}", desk.server.asked());
    }
    assert_eq!(desk.times(CREATE), 1);
    desk.server.refuses("/joined_members", 403, "M_FORBIDDEN");
    rooms.doubt(&login).await.unwrap();
    rooms.show(&with_bob(), &titled("Bob"), true).await.unwrap();
    assert_eq!(desk.times(CREATE), 2);
}

#[tokio::test]
async fn a_room_bears_no_picture_any_more_when_its_person_shows_none() {
    let desk = desk().await;
    let (rooms, bob) = (&desk.parts.rooms, UserId::parse(BOB).unwrap());
    for (kind, value) in [(b"a", "digest"), (b"m", "mxc://test.localhost/bob")] {
        let mut batch = Batch::default();
        batch.put(Table::Rooms, [kind, bob.as_bytes()].concat(), value);
        desk.storage.commit(batch, Urgency::Now).await.unwrap();
    }
    rooms.ensure(&with_bob(), &titled("Bob")).await.unwrap();
    let made = desk.server.sent("/createRoom");
    assert_eq!(made_with(&made[0], "m.room.avatar")["url"], "mxc://test.localhost/bob");
    let gone = desk.parts.profiles.show_avatar(&with_bob().receiver, &testkit::bob(), None).await;
    assert_eq!(gone.as_ref(), Some(&bob));
    for _ in 0..2 {
        rooms.repicture(&bob).await.unwrap();
    }
    assert_eq!(desk.server.sent("/state/m.room.avatar"), [json!({})], "once");
}
