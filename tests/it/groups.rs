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

/// Everybody closes their window and opens another, four times: one room, with all of them in it, named by them.
#[tokio::test]
async fn fault_18_a_window_closed_is_not_a_member_lost_and_the_same_people_are_the_same_room() {
    let (mut world, [mut bob, mut carol], [mut bobs, mut carols], room) = three().await;
    crate::names::titled(&mut world, &room, "Bob and Carol").await;
    for talk in ["second", "third", "fourth"] {
        carols.raw(b"OUT\r\n").await;
        bobs.line("BYE carol@example.com").await;
        bobs.say(&text(&format!("she is out, {talk}"))).await;
        assert_eq!(world.user.message(&format!("she is out, {talk}")).await["room_id"], room.as_str());
        bobs.raw(b"OUT\r\n").await;
        let again;
        (world, bobs, carols, again) = call_of_three(world, &mut bob, &mut carol, talk).await;
        assert_eq!(again, room, "{talk}");
    }
    // The owner's words call everybody again, whoever closed last.
    for wire in [&mut bobs, &mut carols] {
        wire.raw(b"OUT\r\n").await;
    }
    drop((bobs, carols));
    world.user.send(&room, "everybody?").await;
    let (mut bobs, mut carols) = tokio::join!(bob.answer(), carol.answer());
    tokio::join!(bobs.message("everybody?"), carols.message("everybody?"));
    let members = world.user.call(Method::GET, &format!("rooms/{room}/joined_members"), None).await;
    for name in ["bob", "carol"] {
        assert!(!members["joined"][crate::names::ghost(name)].is_null(), "{name} is gone: {members}");
    }
}

/// Four people whose calls form one by one are one room, and three of them are another.
#[tokio::test]
async fn fault_18_a_larger_group_that_forms_again_is_found_and_makes_no_smaller_ones() {
    let (mut world, [mut bob, mut carol], [mut bobs, carols], three) = three().await;
    let mut dave = Peer::sign_in(&world.service, "dave@example.com", "dave-pw").await;
    bobs.raw(b"OUT\r\n").await;
    drop(carols);
    let mut four = String::new();
    for talk in ["first of four", "second of four", "third of four"] {
        let mut bobs = bob.call("alice@example.com").await;
        bobs.send("CAL", "carol@example.com").await;
        let carols = carol.answer().await;
        bobs.line("JOI carol").await;
        bobs.send("CAL", "dave@example.com").await;
        let daves = dave.answer().await;
        bobs.line("JOI dave").await;
        bobs.say(&text(talk)).await;
        let room = world.user.message(talk).await["room_id"].as_str().unwrap().to_owned();
        assert_ne!(room, three, "another group: {talk}");
        if four.is_empty() {
            four.clone_from(&room);
        }
        assert_eq!(room, four, "{talk}");
        bobs.raw(b"OUT\r\n").await;
        drop((carols, daves));
    }
    let (mut world, _bobs, _carols, again) = call_of_three(world, &mut bob, &mut carol, "three again").await;
    assert_eq!(again, three);
    let mut with_both = Vec::new();
    for room in world.user.joined_rooms().await {
        let members = world.user.call(Method::GET, &format!("rooms/{room}/joined_members"), None).await;
        let is_there = |name: &str| !members["joined"][crate::names::ghost(name)].is_null();
        if is_there("bob") && is_there("carol") {
            with_both.push(room);
        }
    }
    assert_eq!(with_both.len(), 2, "one room for each group: {with_both:?}");
    world.user.send(&four, "!msn drop dave@example.com").await;
    world.user.message_with("dave@example.com is out of this group").await;
}

/// Out for good: by a word, or by removing the ghost from the room.
#[tokio::test]
async fn fault_18_who_is_dropped_is_not_called_again() {
    let (mut world, [mut bob, mut carol], calls, room) = three().await;
    world.user.send(&room, "!msn drop erin@example.com").await;
    world.user.message_with("they are not in this group").await;
    let kick = json!({"user_id": crate::names::ghost("carol")});
    world.user.call(Method::POST, &format!("rooms/{room}/kick"), Some(kick)).await;
    world.user.message_with("carol@example.com is out of this group").await;
    crate::names::titled(&mut world, &room, "Bob (group)").await;
    drop(calls);
    world.user.send(&room, "only Bob").await;
    let mut bobs = bob.answer().await;
    bobs.message("only Bob").await;
    // Had she been called, it would have been before these words came.
    carol.wire.raw(b"PNG\r\n").await;
    carol.wire.line("QNG").await;
    assert_eq!(carol.wire.heard("RNG"), 0);
    world.user.send(&room, "!msn drop bob@example.com").await;
    world.user.message_with("nobody else would be left").await;
}
