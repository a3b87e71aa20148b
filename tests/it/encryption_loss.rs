//! Keys that are lost, left behind or used up: another device in the place of the old one, and the conversation goes on.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::encryption::{ENCRYPTED, World, talk};
use crate::support::element::Element;
use crate::support::msn::{Wire, text};
use crate::support::synapse::SERVER_NAME;

const BOT: &str = "msnbot";
const BOB: &str = "msn_bob=40example.com";
const LOST: &str = "has lost its keys";

/// Somebody's devices and master key, as everybody sees them.
async fn identity(world: &World, user: &str) -> (Vec<String>, Value) {
    let id = format!("@{user}:{SERVER_NAME}");
    let query = json!({"device_keys": {&id: []}});
    let answer = world.plain.call(Method::POST, "keys/query", Some(query)).await;
    let devices = answer["device_keys"][&id].as_object().cloned().unwrap_or_default();
    (devices.keys().cloned().collect(), answer["master_keys"][&id]["keys"].clone())
}

/// One device each, which is not the one that was there before, of the same person.
async fn is_moved(world: &World, user: &str, before: &(Vec<String>, Value)) -> (Vec<String>, Value) {
    let after = identity(world, user).await;
    assert_eq!((before.0.len(), after.0.len()), (1, 1), "{before:?} {after:?}");
    assert_ne!(after.0, before.0, "keys are never used again");
    assert!(after.1.is_object() && after.1 == before.1, "{user} is somebody else");
    after
}

async fn both_speak(world: &mut World, call: &mut Wire, room: &str, part: &str) {
    world.ann.send(room, &format!("ann {part}.")).await;
    call.message(&format!("ann {part}.")).await;
    call.say(&text(&format!("bob {part}."))).await;
    world.ann.message(&format!("bob {part}.")).await;
}

fn told(world: &World) -> usize {
    world.ann.seen_so_far(|event| event["content"]["body"].as_str().is_some_and(|body| body.contains(LOST)))
}

fn remove(path: &Path) {
    std::fs::remove_dir_all(path).expect("it was there");
}

/// The bot's keys are lost, and later everything is read from an export on a machine that has only that and the key file.
#[tokio::test(flavor = "multi_thread")]
async fn lost_keys_and_an_import_cost_a_device_that_people_are_told_of_once() {
    let mut world = World::start(ENCRYPTED, true).await;
    let (mut bob, mut call, room) = talk(&mut world).await;
    both_speak(&mut world, &mut call, &room, "before").await;
    let first = (identity(&world, BOT).await, identity(&world, BOB).await);

    assert!(world.bridge.stop().await.success());
    remove(&world.bridge.file("store.keys"));
    let unread = world.ann.send(&room, "for keys that are gone").await;
    world.bridge.start().await;
    let notice = world.ann.message(LOST).await;
    assert_eq!(notice["room"], json!(world.management));
    let answered = |event: &Value| {
        let content = &event["content"];
        let body = content["body"].as_str().unwrap_or_default();
        event["room"] == json!(room) && body.contains("its key has not come")
    };
    let refused = world.ann.event("what is said of a message that nobody can read", answered).await;
    assert!(refused.to_string().contains(&unread) && refused["failure"].is_null(), "{refused}");
    world.ann.send(&room, "with keys that are new").await;
    let mut call = bob.answer().await;
    call.message("with keys that are new").await;
    both_speak(&mut world, &mut call, &room, "after the loss").await;
    let second = is_moved(&world, BOT, &first.0).await;
    assert_eq!(identity(&world, BOB).await, first.1, "a ghost whose keys are there keeps them");

    assert!(world.bridge.stop().await.success());
    let (ok, said) = world.bridge.run(&["export", "all.export"]);
    assert!(ok, "{said}");
    for left in ["store", "store.keys"] {
        remove(&world.bridge.file(left));
    }
    let (ok, said) = world.bridge.run(&["import", "all.export"]);
    assert!(ok, "{said}");
    world.bridge.start().await;
    world.ann.message(LOST).await;
    world.ann.send(&room, "on another machine").await;
    let mut call = bob.answer().await;
    call.message("on another machine").await;
    both_speak(&mut world, &mut call, &room, "after the move").await;
    is_moved(&world, BOT, &second).await;
    is_moved(&world, BOB, &first.1).await;

    assert!(world.bridge.stop().await.success());
    world.bridge.start().await;
    world.ann.send(&room, "once more").await;
    bob.answer().await.message("once more").await;
    assert_eq!(told(&world), 0, "said again");
    let unreadable = world.ann.unreadable(&world.plain.id);
    assert!(unreadable.is_empty(), "{unreadable:?}");
}

/// The homeserver is restarted between two words, and the bridge is away until all of its one-time keys are used.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_homeserver_and_used_up_keys_lose_nothing() {
    let mut world = World::start(ENCRYPTED, true).await;
    let (mut bob, mut call, room) = talk(&mut world).await;
    world.synapse.kill().await;
    call.say(&text("while nobody was there")).await;
    world.synapse.restart().await;
    world.ann.message("while nobody was there").await;
    world.ann.order("rotate", json!({"room": room})).await;
    both_speak(&mut world, &mut call, &room, "after the restart").await;

    world.bridge.kill().await;
    drop(call);
    let (devices, _) = identity(&world, BOT).await;
    let bot = format!("@{BOT}:{SERVER_NAME}");
    let claim = json!({"one_time_keys": {&bot: {&devices[0]: "signed_curve25519"}}});
    let mut kinds = Vec::new();
    // As often as clients that sign in anew all the time would.
    while kinds.len() < 120 {
        let answer = world.plain.call(Method::POST, "keys/claim", Some(claim.clone())).await;
        kinds.push(answer["one_time_keys"][&bot][&devices[0]].clone());
    }
    let fallback = kinds.iter().filter(|keys| keys.to_string().contains("\"fallback\":true")).count();
    assert!((1..120).contains(&fallback), "{fallback}: {:?}", kinds.last());
    let mut other = Element::log_in(&world.synapse.url(), "ann", true).await;
    other.send(&room, "by the last key there is").await;
    world.bridge.start().await;
    let mut call = bob.answer().await;
    call.message("by the last key there is").await;
    // There are new keys for whoever comes next.
    let mut third = Element::log_in(&world.synapse.url(), "ann", true).await;
    third.send(&room, "by a new key").await;
    call.message("by a new key").await;
    call.say(&text("to all three")).await;
    for client in [&mut world.ann, &mut other, &mut third] {
        client.message("to all three").await;
    }
    let claimed = world.plain.call(Method::POST, "keys/claim", Some(claim)).await;
    assert!(!claimed.to_string().contains("\"fallback\":true"), "{claimed}");
}
