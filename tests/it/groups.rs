//! Conversations of more than two: the room stays, whatever becomes of the calls behind it.

use reqwest::Method;
use serde_json::json;

use crate::chat::World;
use crate::support::msn::{Peer, Wire, text};

/// Bob, Carol and Alice in one call, the two peers' ends of it, and the room of it.
pub(crate) async fn three() -> (World, [Peer; 2], [Wire; 2], String) {
    three_of(World::start_with_friends().await).await
}

pub(crate) async fn three_of(world: World) -> (World, [Peer; 2], [Wire; 2], String) {
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut carol = Peer::sign_in(&world.service, "carol@example.com", "carol-pw").await;
    let (world, bobs, carols, room) = call_of_three(world, &mut bob, &mut carol, "the three of us").await;
    (world, [bob, carol], [bobs, carols], room)
}

#[tokio::test]
async fn whoever_was_dropped_for_being_idle_is_called_again_silently() {
    let directory = tempfile::tempdir().unwrap();
    let world = World::start_with_friends_at(directory, &["--idle-call", "5"], "").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut carol = Peer::sign_in(&world.service, "carol@example.com", "carol-pw").await;
    let (mut world, _bobs, mut carols, room) = call_of_three(world, &mut bob, &mut carol, "a word").await;
    carols.line("BYE bob@example.com 1").await;
    world.user.send(&room, "and another").await;
    let mut bobs = bob.answer().await;
    bobs.message("and another").await;
    bobs.say(&text("still awake")).await;
    assert_eq!(world.user.message("still awake").await["room_id"], room.as_str());
    // For those in the room nobody left.
    let members = world.user.call(Method::GET, &format!("rooms/{room}/members"), None).await;
    let left = members["chunk"].as_array().unwrap().iter().any(|m| m["content"]["membership"] == "leave");
    assert!(!left, "{members}");
}

/// Bob calls Alice, then Carol, and says something.
async fn call_of_three(
    mut world: World,
    bob: &mut Peer,
    carol: &mut Peer,
    words: &str,
) -> (World, Wire, Wire, String) {
    let mut bobs = bob.call("alice@example.com").await;
    bobs.send("CAL", "carol@example.com").await;
    let carols = carol.answer().await;
    bobs.line("JOI carol").await;
    bobs.say(&text(words)).await;
    let shown = world.user.message(words).await;
    let room = shown["room_id"].as_str().unwrap().to_owned();
    (world, bobs, carols, room)
}

#[tokio::test]
async fn a_call_that_broke_off_is_made_again_with_everybody() {
    let (mut world, [mut bob, mut carol], _calls, room) = three().await;
    world.bridge.kill().await;
    world.bridge.start().await;
    world.user.send(&room, "are you both there?").await;
    let (mut bobs, mut carols) = tokio::join!(bob.answer(), carol.answer());
    tokio::join!(bobs.message("are you both there?"), carols.message("are you both there?"));
    bobs.say(&text("still here")).await;
    assert_eq!(world.user.message("still here").await["room_id"], room.as_str());
}

#[tokio::test]
async fn whoever_left_last_is_called_again_with_the_next_words() {
    let (mut world, [_bob, mut carol], [mut bobs, mut carols], room) = three().await;
    bobs.raw(b"OUT\r\n").await;
    carols.line("BYE bob@example.com").await;
    drop(carols);
    world.user.send(&room, "are you both gone?").await;
    let mut again = carol.answer().await;
    again.message("are you both gone?").await;
}

#[tokio::test]
async fn a_second_call_of_the_same_people_is_the_same_room() {
    let (world, [mut bob, mut carol], calls, room) = three().await;
    let (mut world, mut bobs, _carols, again) =
        call_of_three(world, &mut bob, &mut carol, "from a second window").await;
    assert_eq!(room, again);
    // What is said is heard by each of them once, whichever call it takes.
    drop(calls);
    let room = again;
    world.user.send(&room, "one of you").await;
    bobs.message("one of you").await;
    bobs.say(&text("heard")).await;
    assert_eq!(world.user.message("heard").await["room_id"], room.as_str());
}

#[tokio::test]
async fn an_owner_who_leaves_the_room_leaves_the_call_and_the_others_stay() {
    let (world, _peers, [mut bobs, mut carols], room) = three().await;
    world.user.call(Method::POST, &format!("rooms/{room}/leave"), Some(json!({}))).await;
    bobs.line("BYE alice@example.com").await;
    carols.line("BYE alice@example.com").await;
    bobs.say(&text("she has gone")).await;
    carols.message("she has gone").await;
}
