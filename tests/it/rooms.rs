//! Rooms are whole from their first moment, follow what they stand for, and are left when they are given up.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::chat::{ACCOUNTS, World};
use crate::names::{ghost, on_stage, room_of, titled};
use crate::support::bridge::Bridge;
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, Wire, text};
use crate::support::service::MsnService;
use crate::support::stage::Scenery;
use crate::support::synapse::{SERVER_NAME, Synapse};
use crate::support::within;

fn bot() -> String {
    format!("@msnbot:{SERVER_NAME}")
}

/// The part of a room's state of this kind; null for none.
async fn state(world: &World, room: &str, kind: &str) -> Value {
    let all = world.user.call(Method::GET, &format!("rooms/{room}/state"), None).await;
    let found = all.as_array().into_iter().flatten().find(|event| event["type"] == kind);
    found.map_or(Value::Null, |event| event["content"].clone())
}

/// Everything that happened in a room, in order.
async fn events(world: &World, room: &str) -> Vec<Value> {
    let path = format!("rooms/{room}/messages?dir=f&limit=500");
    let answer = world.user.call(Method::GET, &path, None).await;
    answer["chunk"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

/// What a homeserver tells the appservice of one of its users.
async fn as_one_of_ours(world: &World, registration: &Path, user: &str, path: &str) -> Value {
    let registration = std::fs::read_to_string(registration).unwrap();
    let line = registration.lines().find_map(|line| line.strip_prefix("as_token: ")).unwrap();
    let url = format!("{}/_matrix/client/v3/{path}", world.synapse.url());
    let request =
        reqwest::Client::new().get(url).query(&[("user_id", user)]).bearer_auth(line.trim_matches('\''));
    request.send().await.unwrap().json().await.unwrap()
}

/// Waits until one of ours is in this room no more.
async fn left(world: &World, user: &str, room: &str) {
    let registration = world.bridge.registration();
    within(&format!("{user} to leave {room}"), async {
        loop {
            let joined = as_one_of_ours(world, &registration, user, "joined_rooms").await;
            let rooms = joined["joined_rooms"].as_array().unwrap_or_else(|| panic!("{joined}")).clone();
            if !rooms.contains(&json!(room)) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await;
}

/// Bob says something; the room in which that is shown, and the call.
async fn bob_says(world: &mut World, bob: &mut Peer, words: &str) -> (String, Wire) {
    let mut call = bob.call("alice@example.com").await;
    call.say(&text(words)).await;
    (room_of(&world.user.message(words).await), call)
}

async fn bobs(world: &World) -> Peer {
    Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await
}

#[tokio::test]
async fn a_fresh_room_is_whole_and_its_owner_comes_last() {
    let mut world = World::start().await;
    let mut bob = bobs(&world).await;
    let (room, _call) = bob_says(&mut world, &mut bob, "hi").await;
    assert_eq!(state(&world, &room, "m.room.name").await["name"], "Bob");
    assert_eq!(state(&world, &room, "m.room.canonical_alias").await, json!({}), "no alias is the title");
    let aliases = world.user.call(Method::GET, &format!("rooms/{room}/aliases"), None).await;
    assert_eq!(aliases["aliases"].as_array().map(Vec::len), Some(1), "but there is one: {aliases}");
    let members = state(&world, &room, "io.element.functional_members").await;
    assert_eq!(members["service_members"], json!([bot()]));
    let bridge = state(&world, &room, "m.bridge").await;
    assert_eq!(state(&world, &room, "uk.half-shot.bridge").await, bridge);
    assert_eq!(
        (&bridge["protocol"]["id"], &bridge["channel"]["displayname"]),
        (&json!("msn"), &json!("Bob"))
    );
    assert_eq!(bridge["bridgebot"], bot());
    let features = state(&world, &room, "com.beeper.room_features").await;
    assert_eq!((&features["formatting"]["bold"], &features["edit"]), (&json!(2), &json!(1)));
    let levels = state(&world, &room, "m.room.power_levels").await;
    assert_eq!(levels["users"][&world.user.id], 100, "{levels}");

    let events = events(&world, &room).await;
    let is = |who: &str, membership: &str| {
        let (who, membership) = (who.to_owned(), membership.to_owned());
        move |event: &Value| event["state_key"] == *who && event["content"]["membership"] == *membership
    };
    let at = |wanted: &dyn Fn(&Value) -> bool| events.iter().position(wanted).expect("it happened");
    let (there, asked) = (at(&is(&ghost("bob"), "join")), at(&is(&world.user.id, "invite")));
    assert!(there < asked, "{there} {asked}");
    assert_eq!(events[asked]["content"]["is_direct"], true);
    let kinds = ["m.room.name", "m.bridge", "uk.half-shot.bridge", "com.beeper.room_features"];
    for kind in kinds {
        assert!(at(&|event: &Value| event["type"] == kind) < asked, "{kind} came too late");
        assert_eq!(events.iter().filter(|event| event["type"] == kind).count(), 1, "{kind}");
    }
}

#[tokio::test]
async fn the_bot_has_a_name_and_a_face_which_stands_for_the_network_too() {
    let mut world = World::start().await;
    let path = format!("profile/{}", bot());
    let profile = world.user.call(Method::GET, &path, None).await;
    assert_eq!(profile["displayname"], "MSN bridge");
    let face = profile["avatar_url"].as_str().unwrap_or_else(|| panic!("{profile}")).to_owned();
    let own = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/avatar.png")).unwrap();
    assert_eq!(world.user.download(&face).await, own);
    let mut bob = bobs(&world).await;
    let (room, _call) = bob_says(&mut world, &mut bob, "hi").await;
    assert_eq!(state(&world, &room, "m.bridge").await["protocol"]["avatar_url"], face.as_str());
    world.bridge.kill().await;
    world.bridge.start().await;
    world.bridge.wait_for_log_times("connection state", 4).await;
    let profile = world.user.call(Method::GET, &path, None).await;
    assert_eq!(profile["avatar_url"], face.as_str(), "it is uploaded once");
}

#[tokio::test]
async fn a_name_follows_into_what_the_room_says() {
    let lists = vec!["LST N=bob@example.com F=Bob C=b1 11".to_owned()];
    let (mut world, mut stage) = on_stage(Scenery { lists, ..Scenery::default() }).await;
    let mut board = stage.ring("bob@example.com", "Bob", &["bob@example.com Bob"]).await;
    board.text("bob@example.com", "Bob", "hello").await;
    let room = room_of(&world.user.message("hello").await);
    stage.say("NLN NLN bob@example.com Bobby 0").await;
    titled(&mut world, &room, "Bobby").await;
    let says = |event: &Value| {
        event["type"] == "uk.half-shot.bridge" && event["content"]["channel"]["displayname"] == "Bobby"
    };
    world.user.event("the new name in what is bridged", says).await;
}

/// Starts everything with a user who was there before the bridge, as whom it may act in one way or another.
async fn start_with_puppet(way: impl FnOnce(&Bridge, &MatrixUser), registered: bool) -> World {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let mut bridge =
        Bridge::configure(directory.path(), "http://127.0.0.1:1", &service.notification, &service.nexus);
    if registered {
        let old = std::fs::read_to_string(bridge.registration()).unwrap();
        let also = format!("  users:\n    - {{exclusive: false, regex: '@ann:{SERVER_NAME}'}}");
        std::fs::write(bridge.registration(), old.replacen("  users:", &also, 1)).unwrap();
    }
    let synapse = Synapse::start(&directory.path().join("synapse"), &bridge.registration()).await;
    let mut user = MatrixUser::register(&synapse.url(), "ann").await;
    way(&bridge, &user);
    bridge.set_homeserver(&synapse.url());
    bridge.start().await;
    let management = user.open_management(&bot()).await;
    let mut alice = Peer::sign_in(&service, "alice@example.com", "alice-pw").await;
    for friend in ["bob@example.com", "carol@example.com"] {
        alice.wire.send("ADC", &format!("FL N={friend} F={friend}")).await;
        alice.wire.line("ADC").await;
    }
    drop(alice);
    World::assemble(service, synapse, bridge, user, management, directory)
}

/// The owner finds their contacts' rooms without having accepted anything, among their direct ones.
async fn finds_direct_rooms(mut world: World) {
    let path = format!("user/{}/account_data/m.direct", world.user.id);
    let own = json!({"@eve:elsewhere": ["!e:elsewhere"]});
    world.user.call(Method::PUT, &path, Some(own)).await;
    let management = world.management.clone();
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    let direct = within("both rooms among the direct ones", async {
        loop {
            let direct = world.user.call(Method::GET, &path, None).await;
            if direct[ghost("bob")].is_array() && direct[ghost("carol")].is_array() {
                return direct;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await;
    assert_eq!(direct["@eve:elsewhere"], json!(["!e:elsewhere"]), "{direct}");
    let room = direct[ghost("bob")][0].as_str().unwrap().to_owned();
    let events = events(&world, &room).await;
    let joined = events.iter().find(|event| {
        event["state_key"] == world.user.id.as_str() && event["content"]["membership"] == "join"
    });
    assert_eq!(joined.expect("they are in it")["sender"], world.user.id.as_str());
    let mut bob = bobs(&world).await;
    assert_eq!(bob_says(&mut world, &mut bob, "hi").await.0, room);
}

#[tokio::test]
async fn rooms_are_direct_where_a_token_of_their_own_lets_the_bridge_act_for_the_owner() {
    let with_token = |bridge: &Bridge, user: &MatrixUser| {
        let token = user.token();
        bridge.append_config(&format!("matrix: {{double_puppet: {{'{}': {{token: {token}}}}}}}\n", user.id));
    };
    finds_direct_rooms(start_with_puppet(with_token, false).await).await;
}

#[tokio::test]
async fn rooms_are_direct_where_the_registration_lets_the_bridge_act_for_the_owner() {
    finds_direct_rooms(start_with_puppet(|_, _| {}, true).await).await;
}

#[tokio::test]
async fn whoever_signs_in_finds_a_room_for_each_contact_and_a_restart_says_nothing_again() {
    let mut world = World::start_with_friends().await;
    let mut rooms = Vec::new();
    for friend in ["bob@example.com", "carol@example.com"] {
        let named = |event: &Value| event["type"] == "m.room.name" && event["content"]["name"] == friend;
        rooms.push(room_of(&world.user.event(&format!("the room of {friend}"), named).await));
    }
    for room in &rooms {
        let filed = |event: &Value| event["type"] == "m.space.child" && event["state_key"] == room.as_str();
        world.user.event("the room in the space", filed).await;
    }
    let before = [events(&world, &rooms[0]).await.len(), events(&world, &rooms[1]).await.len()];
    world.bridge.stop().await;
    world.bridge.start().await;
    let mut bob = bobs(&world).await;
    let (room, _call) = bob_says(&mut world, &mut bob, "and now words").await;
    assert_eq!(room, rooms[0]);
    assert_eq!(events(&world, &rooms[1]).await.len(), before[1], "nothing happened to Carol's");
    let said = events(&world, &rooms[0]).await;
    let new: Vec<&Value> = said[before[0]..].iter().map(|event| &event["type"]).collect();
    let (words, names): (Vec<&Value>, Vec<&Value>) =
        new.into_iter().partition(|kind| **kind == "m.room.message");
    assert_eq!(words.len(), 1);
    // Bob came online under another name than he stands in the list with.
    assert!(names.len() <= 4, "{names:?}");
}

#[tokio::test]
async fn where_only_spoken_rooms_are_wanted_there_is_none_before_something_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::start_with_friends_in(directory, "matrix: {rooms: spoken}\n").await;
    let mut bob = bobs(&world).await;
    let (room, _call) = bob_says(&mut world, &mut bob, "hi").await;
    let filed = |event: &Value| event["type"] == "m.space.child" && event["state_key"] == room.as_str();
    world.user.event("the room in the space", filed).await;
    assert_eq!(world.user.joined_rooms().await.len(), 3, "the bot's, Bob's and the space");
}

#[tokio::test]
async fn a_group_is_named_by_its_people_and_has_nobodys_face() {
    let (world, _peers, _calls, room) = crate::groups::three().await;
    let name = state(&world, &room, "m.room.name").await["name"].as_str().unwrap().to_owned();
    assert!(name.contains(" and "), "{name}");
    assert_eq!(state(&world, &room, "m.room.avatar").await, Value::Null);
    assert_eq!(state(&world, &room, "m.bridge").await["com.beeper.room_type"], "group_dm");
    let events = events(&world, &room).await;
    let asked = events.iter().find(|event| {
        event["state_key"] == world.user.id.as_str() && event["content"]["membership"] == "invite"
    });
    assert_eq!(asked.expect("an invitation")["content"].get("is_direct"), None);
}

/// Everything, with rooms of this version.
async fn with_rooms_of(version: &str) -> World {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let mut bridge =
        Bridge::configure(directory.path(), "http://127.0.0.1:1", &service.notification, &service.nexus);
    let more = format!("default_room_version: '{version}'\n");
    let synapse = Synapse::start_with(&directory.path().join("synapse"), &bridge.registration(), &more).await;
    bridge.set_homeserver(&synapse.url());
    bridge.start().await;
    let mut user = MatrixUser::register(&synapse.url(), "ann").await;
    let management = user.open_management(&bot()).await;
    let mut world = World::assemble(service, synapse, bridge, user, management.clone(), directory);
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    world
}

/// The portal goes from a room to the one that took its place: words go both ways there, and nothing in the old one.
async fn is_followed(world: &mut World, bob: &mut Peer, mut call: Wire, old: &str, new: &str) {
    world.bridge.wait_for_log("followed an upgrade").await;
    call.say(&text("in the new room")).await;
    let shown = world.user.message("in the new room").await;
    assert_eq!((room_of(&shown), &shown["sender"]), (new.to_owned(), &json!(ghost("bob"))));
    world.user.send(new, "an answer").await;
    call.message("an answer").await;
    let aliases = world.user.call(Method::GET, &format!("rooms/{new}/aliases"), None).await;
    assert_eq!(aliases["aliases"].as_array().map(Vec::len), Some(1), "{aliases}");
    let filed = |event: &Value| event["type"] == "m.space.child" && event["state_key"] == new;
    world.user.event("the new room in the space", filed).await;
    left(world, &ghost("bob"), old).await;
    left(world, &bot(), old).await;
    drop(call);
    assert_eq!(bob_says(world, bob, "in another call").await.0, new);
}

async fn upgraded_by_the_homeserver(version: &str) {
    let mut world = with_rooms_of(version).await;
    let mut bob = bobs(&world).await;
    let (old, call) = bob_says(&mut world, &mut bob, "hi").await;
    let create = state(&world, &old, "m.room.create").await;
    assert_eq!(create["room_version"], version);
    let body = json!({"new_version": version});
    let answer = world.user.call(Method::POST, &format!("rooms/{old}/upgrade"), Some(body)).await;
    let new = answer["replacement_room"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    world.bridge.wait_for_log("the next room waits for an invitation").await;
    for one in [bot(), ghost("bob")] {
        let asked = json!({"user_id": one});
        world.user.call(Method::POST, &format!("rooms/{new}/invite"), Some(asked)).await;
    }
    is_followed(&mut world, &mut bob, call, &old, &new).await;
    // Where the levels went with the room the bot says there what it is; a creator's right stays behind.
    let bridge = state(&world, &new, "m.bridge").await;
    match version {
        "10" => assert_eq!(bridge["channel"]["id"], "bob@example.com"),
        _ => drop(world.user.message_with("I have no rights in this room").await),
    }
}

#[tokio::test]
async fn an_upgrade_is_followed_in_version_10() {
    upgraded_by_the_homeserver("10").await;
}

#[tokio::test]
async fn an_upgrade_is_followed_in_version_12() {
    upgraded_by_the_homeserver("12").await;
}

/// A room that says it takes the place of another, with these invited.
async fn successor(user: &MatrixUser, old: &str, invited: &[String]) -> String {
    let body = json!({
        "preset": "private_chat", "invite": invited, "creation_content": {"predecessor": {"room_id": old, "event_id": "$x"}},
    });
    let answer = user.call(Method::POST, "createRoom", Some(body)).await;
    answer["room_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

async fn bury(user: &MatrixUser, old: &str, new: &str) -> Value {
    let body = json!({"body": "moved", "replacement_room": new});
    user.call(Method::PUT, &format!("rooms/{old}/state/m.room.tombstone/"), Some(body)).await
}

async fn invited_before_the_tombstone(version: &str) {
    let mut world = with_rooms_of(version).await;
    let mut bob = bobs(&world).await;
    let (old, mut call) = bob_says(&mut world, &mut bob, "hi").await;
    let new = successor(&world.user, &old, &[bot(), ghost("bob")]).await;
    let came = |event: &Value| {
        event["room_id"] == new.as_str()
            && event["content"]["membership"] == "join"
            && event["state_key"] == bot().as_str()
    };
    world.user.event("the bot in the new room", came).await;
    call.say(&text("still in the old room")).await;
    assert_eq!(room_of(&world.user.message("still in the old room").await), old);
    let buried = bury(&world.user, &old, &new).await;
    assert!(buried["event_id"].is_string(), "{buried}");
    is_followed(&mut world, &mut bob, call, &old, &new).await;
}

#[tokio::test]
async fn an_invitation_before_the_tombstone_is_as_good_in_version_10() {
    invited_before_the_tombstone("10").await;
}

#[tokio::test]
async fn an_invitation_before_the_tombstone_is_as_good_in_version_12() {
    invited_before_the_tombstone("12").await;
}

#[tokio::test]
async fn tombstones_of_strangers_and_of_nothing_are_not_followed() {
    let mut world = World::start().await;
    let mut bob = bobs(&world).await;
    let (room, mut call) = bob_says(&mut world, &mut bob, "hi").await;
    let eve = MatrixUser::register(&world.synapse.url(), "eve").await;
    let asked = json!({"user_id": eve.id});
    world.user.call(Method::POST, &format!("rooms/{room}/invite"), Some(asked)).await;
    eve.call(Method::POST, &format!("rooms/{room}/join"), Some(json!({}))).await;
    let path = format!("rooms/{room}/state/m.room.power_levels/");
    let mut levels = state(&world, &room, "m.room.power_levels").await;
    levels["users"][&eve.id] = json!(100);
    world.user.call(Method::PUT, &path, Some(levels)).await;
    let theirs = successor(&eve, &room, &[bot()]).await;
    let buried = bury(&eve, &room, &theirs).await;
    assert!(buried["event_id"].is_string(), "{buried}");
    world.bridge.wait_for_log("it is neither the owner's nor the bridge's").await;
    // This homeserver takes none that names itself.
    let itself = bury(&world.user, &room, &room).await;
    assert!(itself["errcode"].is_string(), "{itself}");
    bury(&world.user, &room, "nowhere").await;
    world.bridge.wait_for_log("it names no room").await;
    call.say(&text("still here")).await;
    assert_eq!(room_of(&world.user.message("still here").await), room);
}

async fn muted(version: &str) {
    let mut world = with_rooms_of(version).await;
    let mut bob = bobs(&world).await;
    let (room, mut call) = bob_says(&mut world, &mut bob, "hi").await;
    let path = format!("rooms/{room}/state/m.room.power_levels/");
    let open = state(&world, &room, "m.room.power_levels").await;
    let mut levels = open.clone();
    levels["users"][ghost("bob")] = json!(-1);
    world.user.call(Method::PUT, &path, Some(levels)).await;
    call.say(&text("one")).await;
    world.user.message_with("may not speak in this room").await;
    assert_eq!(world.user.message("<Bob> one").await["sender"], bot());
    call.say(&text("two")).await;
    world.user.message("<Bob> two").await;
    let told = |event: &Value| {
        event["content"]["body"].as_str().is_some_and(|body| body.contains("may not speak in this room"))
    };
    assert_eq!(world.user.seen_so_far(told), 0, "it is told once");
    // A room in which nobody without a level may speak is another matter.
    let mut levels = open;
    levels["events_default"] = json!(50);
    world.user.call(Method::PUT, &path, Some(levels)).await;
    call.say(&text("three")).await;
    assert_eq!(world.user.message("three").await["sender"], ghost("bob"));
    assert_eq!(state(&world, &room, "m.room.power_levels").await["users"][ghost("bob")], 50);
}

#[tokio::test]
async fn the_bot_speaks_for_a_muted_ghost_in_version_10() {
    muted("10").await;
}

#[tokio::test]
async fn the_bot_speaks_for_a_muted_ghost_in_version_12() {
    muted("12").await;
}

#[tokio::test]
async fn a_room_whose_owner_left_is_left_by_all_and_another_is_made_for_the_next_words() {
    let mut world = World::start_with_friends().await;
    let mut bob = bobs(&world).await;
    let (room, _call) = bob_says(&mut world, &mut bob, "hi").await;
    world.user.call(Method::POST, &format!("rooms/{room}/leave"), Some(json!({}))).await;
    left(&world, &ghost("bob"), &room).await;
    left(&world, &bot(), &room).await;
    // Not for nothing: a restart makes none.
    world.bridge.stop().await;
    world.bridge.start().await;
    let management = world.management.clone();
    world.user.send(&management, "status").await;
    world.user.message_with("alice@example.com: connected").await;
    let (again, _another) = bob_says(&mut world, &mut bob, "are you there?").await;
    assert_ne!(again, room);
    let aliases = world.user.call(Method::GET, &format!("rooms/{again}/aliases"), None).await;
    assert_eq!(aliases["aliases"].as_array().map(Vec::len), Some(1), "it is found again: {aliases}");
}

#[tokio::test]
async fn a_room_is_removed_when_its_owner_says_so_and_the_next_words_make_another() {
    let mut world = World::start_with_friends().await;
    let mut bob = bobs(&world).await;
    let (room, _call) = bob_says(&mut world, &mut bob, "hi").await;
    world.user.send(&room, "!msn delete-portal").await;
    world.user.message_with("is removed; what is said later makes another.").await;
    left(&world, &ghost("bob"), &room).await;
    left(&world, &bot(), &room).await;
    assert!(!world.user.joined_rooms().await.contains(&room), "the owner too");
    let (again, _another) = bob_says(&mut world, &mut bob, "are you there?").await;
    assert_ne!(again, room);
}

#[tokio::test]
async fn an_ordinary_room_becomes_the_conversation_with_a_contact_and_an_ordinary_one_again() {
    let mut world = World::start_with_friends().await;
    let mut bob = bobs(&world).await;
    let (old, _call) = bob_says(&mut world, &mut bob, "hi").await;
    let friend = MatrixUser::register(&world.synapse.url(), "friend").await;
    let made = world
        .user
        .call(Method::POST, "createRoom", Some(json!({"name": "ours", "invite": [friend.id, bot()]})))
        .await;
    let room = made["room_id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    friend.call(Method::POST, &format!("rooms/{room}/join"), Some(json!({}))).await;
    world.user.message_with("I am the bridge to MSN").await;

    // Without the right to invite it is no use.
    world.user.send(&room, "!msn bridge bob@example.com").await;
    world.user.message_with("make me a moderator").await;
    let mut levels = state(&world, &room, "m.room.power_levels").await;
    levels["users"][bot()] = json!(50);
    world.user.call(Method::PUT, &format!("rooms/{room}/state/m.room.power_levels"), Some(levels)).await;
    world.user.send(&room, "!msn bridge bob@example.com").await;
    let told = world.user.message_with("This room is the conversation with").await;
    assert_eq!(told["room_id"], room);
    left(&world, &bot(), &old).await;
    let (here, _another) = bob_says(&mut world, &mut bob, "new place").await;
    assert_eq!(here, room);

    world.user.send(&room, "!msn unbridge").await;
    world.user.message_with("is an ordinary room again").await;
    left(&world, &ghost("bob"), &room).await;
    assert!(world.user.joined_rooms().await.contains(&room), "its people stay");
}
