//! Through a homeserver of another kind: what works with Synapse works with what others answer.

use std::time::Duration;

use serde_json::{Value, json};

use crate::chat::{ACCOUNTS, World};
use crate::support::bridge::Bridge;
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, Wire, text};
use crate::support::other_homeserver::{OtherHomeserver, way_back};
use crate::support::service::MsnService;
use crate::support::synapse::{SERVER_NAME, Synapse};

/// A Matrix user signed in to MSN as Alice, and another kind of homeserver between Synapse and the bridge.
async fn world(change: impl FnOnce(&OtherHomeserver)) -> (World, OtherHomeserver) {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let mut bridge =
        Bridge::configure(directory.path(), "http://127.0.0.1:1", &service.notification, &service.nexus);
    let own = format!("http://127.0.0.1:{}", bridge.port);
    let back = way_back(own.clone()).await;
    let registration = std::fs::read_to_string(bridge.registration()).unwrap();
    assert!(registration.contains(&own), "{registration}");
    std::fs::write(bridge.registration(), registration.replace(&own, &back)).unwrap();
    let synapse = Synapse::start(&directory.path().join("synapse"), &bridge.registration()).await;
    let other = OtherHomeserver::start(synapse.url()).await;
    change(&other);
    bridge.set_homeserver(&other.url());
    bridge.start().await;
    let mut user = MatrixUser::register(&synapse.url(), "ann").await;
    let management = user.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
    user.sign_in(&management, "alice@example.com", "alice-pw").await;
    (World::assemble(service, synapse, bridge, user, management, directory), other)
}

/// Bob, in a call with the bridged Alice that has a room.
async fn conversation(world: &mut World, words: &str) -> (Peer, Wire, String) {
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text(words)).await;
    let shown = world.user.message(words).await;
    let room = shown["room_id"].as_str().unwrap().to_owned();
    (bob, call, room)
}

fn bodies(history: &[Value], start: &str) -> Vec<String> {
    let bodies = history.iter().filter_map(|event| event["content"]["body"].as_str());
    bodies.filter(|body| body.starts_with(start)).map(str::to_owned).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..=count).map(|number| format!("n{number}")).collect()
}

#[tokio::test]
async fn words_go_both_ways_in_order_through_a_homeserver_that_is_busy_and_odd() {
    let (mut world, _other) = world(|_| {}).await;
    let (_bob, mut call, room) = conversation(&mut world, "n0").await;
    for words in &numbered(20)[1..] {
        call.say(&text(words)).await;
    }
    world.user.message("n20").await;
    assert_eq!(bodies(&world.user.history(&room).await, "n"), numbered(20));
    for number in 0..5 {
        world.user.send(&room, &format!("back {number}")).await;
        call.message(&format!("back {number}")).await;
    }
    // A redaction and an answer are read although what stands beside them is odd.
    let sent = world.user.send(&room, "to be answered").await;
    call.message("to be answered").await;
    let answer = json!({"msgtype": "m.text", "body": "an answer", "m.relates_to": {"m.in_reply_to": {"event_id": sent}}});
    world.user.send_content(&room, answer).await;
    call.message("an answer").await;
    let log = world.bridge.log();
    assert!(log.contains("it asks for a pause") && !log.contains("panicked"), "{log}");
}

#[tokio::test]
async fn files_come_and_go_where_downloads_have_their_older_path() {
    let (mut world, other) = world(|_| {}).await;
    let (_bob, _call, room) = conversation(&mut world, "hi").await;
    let uri = world.user.upload(b"a file of a test").await;
    let before = other.count("/_matrix/media/v3/download/");
    world.user.send_content(&room, json!({"msgtype": "m.file", "body": "a.txt", "url": uri})).await;
    crate::support::within("the older path to be asked", async {
        while other.count("/_matrix/media/v3/download/") == before {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_outage_is_waited_for_and_the_same_room_goes_on_with_the_time_that_it_has() {
    let (mut world, _other) = world(|_| {}).await;
    let (mut bob, mut call, room) = conversation(&mut world, "n0").await;
    world.synapse.kill().await;
    for words in &numbered(10)[1..] {
        call.say(&text(words)).await;
    }
    world.bridge.wait_for_log("not delivered, trying again").await;
    world.synapse.restart().await;
    world.user.message("n10").await;
    assert_eq!(bodies(&world.user.history(&room).await, "n"), numbered(10));
    // And over a restart of the bridge, which looks for what it sent in a history with odd events.
    world.bridge.kill().await;
    drop(call);
    world.bridge.start().await;
    world.user.send(&room, "still there?").await;
    let mut call = bob.answer().await;
    call.message("still there?").await;
}

#[tokio::test]
async fn a_room_that_is_gone_is_made_anew_and_a_ghost_that_is_shut_out_is_spoken_for() {
    let (mut world, _other) = world(|_| {}).await;
    let (_bob, mut call, room) = conversation(&mut world, "hi").await;
    let ban = json!({"user_id": format!("@msn_bob=40example.com:{SERVER_NAME}")});
    world.user.call(reqwest::Method::POST, &format!("rooms/{room}/ban"), Some(ban)).await;
    call.say(&text("shut out?")).await;
    world.user.message("<Bob> shut out?").await;
    world.synapse.purge_room(&room).await;
    call.say(&text("anybody?")).await;
    let shown = world.user.message("anybody?").await;
    assert_ne!(shown["room_id"], room.as_str());
}

#[tokio::test]
async fn presence_is_shown_and_where_nobody_knows_it_asked_for_once() {
    let (mut world, other) = world(OtherHomeserver::without_presence).await;
    let (mut bob, mut call, _room) = conversation(&mut world, "hi").await;
    for status in ["BSY", "AWY", "NLN"] {
        bob.wire.send("CHG", &format!("{status} 0")).await;
        bob.wire.line("CHG").await;
    }
    call.say(&text("after it")).await;
    world.user.message("after it").await;
    assert!(other.count("/presence/") <= 1, "{}", other.count("/presence/"));
    assert!(other.count("msc4426") <= 1, "{}", other.count("msc4426"));
}
