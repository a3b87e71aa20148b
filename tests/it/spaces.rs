//! Groups of contacts are spaces with the rooms of those contacts.

use reqwest::Method;
use serde_json::Value;

use crate::chat::World;
use crate::support::msn::{Peer, text};

/// Waits until a space says this of a room; the id of the space.
async fn filed(world: &mut World, child: &str, inside: bool) -> String {
    let says = |event: &Value| {
        event["type"] == "m.space.child"
            && event["state_key"] == child
            && event["content"]["via"].is_array() == inside
    };
    let event = world.user.event(&format!("{child} filed: {inside}"), says).await;
    event["room_id"].as_str().unwrap().to_owned()
}

async fn name_of(world: &World, room: &str) -> String {
    let state = world.user.call(Method::GET, &format!("rooms/{room}/state/m.room.name"), None).await;
    state["name"].as_str().unwrap_or_default().to_owned()
}

async fn ask(world: &mut World, command: &str, answer: &str) {
    let management = world.management.clone();
    world.user.send(&management, command).await;
    world.user.message_with(answer).await;
}

#[tokio::test]
async fn rooms_are_filed_as_contacts_are_sorted_and_move_with_them() {
    let mut world = World::start_with_friends().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    let room = world.user.message("hi").await["room_id"].as_str().unwrap().to_owned();
    // In no group yet.
    let top = filed(&mut world, &room, true).await;
    assert_eq!(name_of(&world, &top).await, "MSN (alice@example.com)");
    let create = world.user.call(Method::GET, &format!("rooms/{top}/state/m.room.create"), None).await;
    assert_eq!(create["type"], "m.space");

    ask(&mut world, "group create Pals", "There is a group «Pals»").await;
    ask(&mut world, "move bob@example.com Pals", "is in the group «Pals» now").await;
    let pals = filed(&mut world, &room, true).await;
    assert_eq!(name_of(&world, &pals).await, "Pals");
    assert_eq!(filed(&mut world, &pals, true).await, top);
    assert_eq!(filed(&mut world, &room, false).await, top);

    ask(&mut world, "group rename Pals Friends", "is called «Friends» now").await;
    let renamed = |event: &Value| event["type"] == "m.room.name" && event["content"]["name"] == "Friends";
    assert_eq!(world.user.event("the new name", renamed).await["room_id"], pals.as_str());

    // What was made is known after a restart.
    world.bridge.kill().await;
    world.bridge.start().await;
    let mut carol = Peer::sign_in(&world.service, "carol@example.com", "carol-pw").await;
    let mut call = carol.call("alice@example.com").await;
    call.say(&text("hello")).await;
    let other = world.user.message("hello").await["room_id"].as_str().unwrap().to_owned();
    assert_eq!(filed(&mut world, &other, true).await, top);
    assert_eq!(world.user.joined_rooms().await.len(), 5, "two rooms, two spaces, the bot's room");

    ask(&mut world, "group delete Friends", "There is no group «Friends» any more").await;
    assert_eq!(filed(&mut world, &pals, false).await, top);
    assert_eq!(filed(&mut world, &room, true).await, top);
}

#[tokio::test]
async fn sync_puts_right_what_was_changed_behind_the_bridge() {
    let mut world = World::start_with_friends().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    let room = world.user.message("hi").await["room_id"].as_str().unwrap().to_owned();
    let named = |event: &Value| event["type"] == "m.room.name" && event["content"]["name"] == "Bob";
    world.user.event("the name", named).await;
    // Somebody renames the room and takes the ghost out.
    let ghost = format!("@msn_bob=40example.com:{}", crate::support::synapse::SERVER_NAME);
    let path = |what: &str| format!("rooms/{room}/{what}");
    world.user.call(Method::PUT, &path("state/m.room.name"), Some(serde_json::json!({"name": "Mess"}))).await;
    world.user.call(Method::POST, &path("kick"), Some(serde_json::json!({"user_id": ghost}))).await;
    let is = |membership: &'static str| {
        let ghost = ghost.clone();
        move |event: &Value| event["state_key"] == *ghost && event["content"]["membership"] == membership
    };
    world.user.event_after("the ghost's end", is("leave"), is("join")).await;
    ask(&mut world, "sync", "Looking after the rooms of alice@example.com").await;
    world.user.event("the name again", named).await;
    world.user.event("the ghost again", is("join")).await;
    world.user.message_with("of alice@example.com show what is so now").await;
}
