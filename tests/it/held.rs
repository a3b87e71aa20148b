//! Something that cannot be read now waits, and nothing else does.

use reqwest::Method;
use serde_json::json;

use crate::chat::World;
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, text};
use crate::support::proxy::Proxy;

#[tokio::test]
async fn fault_05_a_question_that_the_homeserver_does_not_answer_holds_up_its_own_conversation_alone() {
    let mut world = World::start().await;
    let mut eve = MatrixUser::register(&world.synapse.url(), "eve").await;
    let target = world.synapse.url().trim_start_matches("http://").to_owned();
    let proxy = Proxy::start(target, "/joined_members").await;
    world.bridge.kill().await;
    world.bridge.set_homeserver(&format!("http://127.0.0.1:{}", proxy.port));
    world.bridge.start().await;
    world.bridge.wait_for_log_times("state=Connected", 2).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut carol = Peer::sign_in(&world.service, "carol@example.com", "carol-pw").await;
    let mut rooms = Vec::new();
    let mut calls = Vec::new();
    for (peer, words) in [(&mut bob, "I am Bob"), (&mut carol, "I am Carol")] {
        let mut call = peer.call("alice@example.com").await;
        call.say(&text(words)).await;
        rooms.push(world.user.message(words).await["room_id"].as_str().unwrap().to_owned());
        calls.push(call);
    }
    let (bobs, carols) = (rooms[0].clone(), rooms[1].clone());
    world.user.send(&bobs, "!msn relay on").await;
    world.user.message_with("Everybody in this room is heard").await;
    let invitation = json!({"user_id": eve.id});
    world.user.call(Method::POST, &format!("rooms/{bobs}/invite"), Some(invitation)).await;
    eve.call(Method::POST, &format!("rooms/{bobs}/join"), Some(json!({}))).await;

    proxy.arm();
    // What Eve is called is asked of the homeserver, which does not answer.
    eve.send(&bobs, "first").await;
    proxy.sprung().await;
    world.user.send(&bobs, "second").await;
    for n in 0..5 {
        let words = format!("number {n}");
        world.user.send(&carols, &words).await;
        calls[1].message(&words).await;
    }
    proxy.disarm();
    let heard = calls[0].line("MSG ").await;
    assert!(heard.payload.contains("<eve> first"), "{}", heard.payload);
    calls[0].message("second").await;
}
