//! Users and others who mean harm: commands on another's login, transactions that nobody sent, names of a megabyte.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::chat::World;
use crate::names::{on_stage, room_of};
use crate::support::bridge::Bridge;
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, Wire, text};
use crate::support::stage::Scenery;
use crate::support::synapse::SERVER_NAME;

/// Bob, in a call with the bridged Alice that has a room.
async fn conversation(world: &mut World) -> (Peer, Wire, String) {
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    let room = room_of(&world.user.message("hi").await);
    (bob, call, room)
}

/// The name of every command, as the bot lists them.
async fn commands(user: &mut MatrixUser, management: &str) -> Vec<String> {
    user.send(management, "help").await;
    let help = user.message_with("«help <topic>»").await["content"]["body"].as_str().unwrap().to_owned();
    let lines = help.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(": "));
    let names: Vec<String> =
        lines.flat_map(|(_, names)| names.split(", ").map(str::to_owned).collect::<Vec<_>>()).collect();
    assert!(names.len() > 30 && names.contains(&"logout".to_owned()), "{names:?}");
    names
}

#[tokio::test]
async fn whoever_tries_every_command_on_anothers_login_changes_and_learns_nothing() {
    let mut world = World::start_with_friends().await;
    let (_bob, mut call, room) = conversation(&mut world).await;
    let mut eve = MatrixUser::register(&world.synapse.url(), "eve").await;
    let own = eve.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
    let names = commands(&mut eve, &own).await;
    let invite = json!({"user_id": eve.id});
    world.user.call(Method::POST, &format!("rooms/{room}/invite"), Some(invite)).await;
    eve.call(Method::POST, &format!("rooms/{room}/join"), Some(json!({}))).await;
    for name in &names {
        for words in ["", " carol@example.com", " carol@example.com Pals", " on", " decline 1"] {
            eve.send(&own, &format!("{name} --login=alice@example.com{words}")).await;
        }
        eve.send(&room, &format!("!msn {name} --login=alice@example.com carol@example.com Pals")).await;
        eve.send(&room, &format!("!msn {name}")).await;
    }
    // An administrator's, which they are not shown.
    for text in ["as @ann:test.localhost logout", "kick alice@example.com", "all-logins", "shutdown"] {
        eve.send(&own, text).await;
    }
    eve.send(&own, "explain that").await;
    eve.message_with("Nothing is known of that message").await;
    let learnt = eve.history(&own).await;
    for event in &learnt {
        let body = event["content"]["body"].as_str().unwrap_or_default();
        let of_bot = event["sender"] != eve.id.as_str();
        assert!(!(of_bot && (body.contains("Carol") || body.contains("@ann"))), "{body}");
    }
    // Ann's login, contacts and words are as before.
    let management = world.management.clone();
    world.user.send(&management, "contacts").await;
    let list = world.user.message_with("<carol@example.com>").await["content"]["body"].clone();
    let list = list.as_str().unwrap();
    assert!(list.contains("<bob@example.com>: online") && !list.contains("blocked"), "{list}");
    assert!(!list.contains("Pals"), "{list}");
    world.user.send(&room, "still here").await;
    call.message("still here").await;
}

fn token(bridge: &Bridge) -> String {
    let text = std::fs::read_to_string(bridge.file("bridge.yaml")).unwrap();
    text.lines().find_map(|line| line.trim().strip_prefix("hs_token: ")).unwrap().to_owned()
}

/// Puts a transaction; gives the status.
async fn put(bridge: &Bridge, token: &str, number: &str, events: &[&Value]) -> StatusCode {
    let url = format!("http://127.0.0.1:{}/_matrix/app/v1/transactions/{number}", bridge.port);
    let body = json!({"events": events});
    Client::new().put(url).bearer_auth(token).json(&body).send().await.unwrap().status()
}

#[tokio::test]
async fn a_forged_transaction_says_nothing_and_a_replayed_one_nothing_again() {
    let mut world = World::start().await;
    let (_bob, mut call, room) = conversation(&mut world).await;
    let said = |id: &str, words: &str| {
        json!({
            "type": "m.room.message", "room_id": room, "sender": world.user.id, "event_id": id, "origin_server_ts": 1,
            "content": {"msgtype": "m.text", "body": words},
        })
    };
    let (forged, first, second) = (said("$forged", "forged"), said("$1", "first"), said("$2", "second"));
    let right = token(&world.bridge);
    let wrong = format!("{}x", &right[..right.len() - 1]);
    for wrong in [wrong.as_str(), "", "x"] {
        assert_ne!(put(&world.bridge, wrong, "900", &[&forged]).await, StatusCode::OK);
    }
    assert_eq!(put(&world.bridge, &right, "t1", &[&first]).await, StatusCode::OK);
    // The same again, under its own number, under another, and with something new.
    assert_eq!(put(&world.bridge, &right, "t1", &[&first]).await, StatusCode::OK);
    assert_eq!(put(&world.bridge, &right, "t2", &[&first]).await, StatusCode::OK);
    assert_eq!(put(&world.bridge, &right, "t1", &[&first, &second]).await, StatusCode::OK);
    world.user.send(&room, "the end").await;
    for words in ["first", "second", "the end"] {
        call.message(words).await;
    }
    let again: Vec<usize> = ["forged", "first", "second"].map(|words| call.kept(words)).into();
    assert_eq!(again, [0, 0, 0]);
}

#[tokio::test]
async fn names_of_a_megabyte_and_texts_of_markup_alone_hold_nobody_up() {
    let lists = vec!["LST N=bob@example.com F=Bob C=b1 11".to_owned()];
    let (mut world, mut stage) = on_stage(Scenery { lists, ..Scenery::default() }).await;
    let mut board = stage.ring("bob@example.com", "Bob", &["bob@example.com Bob"]).await;
    board.text("bob@example.com", "Bob", "hello").await;
    let room = room_of(&world.user.message("hello").await);
    // As long as a line may be, and ten times that, which ends the session and is made anew.
    let long = "%F0%9F%98%80".repeat(600);
    stage.say(&format!("NLN NLN bob@example.com {long} 0")).await;
    let is_named = |event: &Value| {
        event["type"] == "m.room.member"
            && event["state_key"].as_str().is_some_and(|user| user.contains("bob"))
            && event["content"]["displayname"].as_str().is_some_and(|name| name.starts_with('😀'))
    };
    let named = world.user.event("the long name, cut", is_named).await;
    assert!(named["content"]["displayname"].as_str().unwrap().len() <= 255);
    let data = format!("<Data><PSM>{}</PSM></Data>", "&lt;b&gt;".repeat(150));
    stage.say(&format!("UBX bob@example.com {}\r\n{data}NLN NLN bob@example.com Bob 0", data.len())).await;
    stage.say_the_last(&format!("NLN NLN bob@example.com {} 0", "x".repeat(1 << 20))).await;
    world.user.send(&room, &"<b>".repeat(10_000)).await;
    let mut board = stage.ring("bob@example.com", "Bob", &["bob@example.com Bob"]).await;
    board.text("bob@example.com", "Bob", "and on").await;
    world.user.message("and on").await;
    let log = world.bridge.log();
    assert!(!log.contains("panicked"));
}
