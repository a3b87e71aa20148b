//! A bridge that has no keys, by its configuration or as it was built: it says so, and nothing goes on in plain text unnoticed.

use serde_json::{Value, json};

use crate::chat::{ACCOUNTS, World};
use crate::hostile::memory;
use crate::support::bridge::Bridge;
use crate::support::element::Element;
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, text};
use crate::support::service::MsnService;
use crate::support::synapse::{SERVER_NAME, Synapse};

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_without_encryption_says_so_once_and_asks_into_a_room_that_is_plain() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let mut bridge =
        Bridge::configure(directory.path(), "http://127.0.0.1:1", &service.notification, &service.nexus);
    let synapse = Synapse::start(&directory.path().join("synapse"), &bridge.registration()).await;
    bridge.append_config("encryption: {allow: false}\n");
    bridge.set_homeserver(&synapse.url());
    bridge.start().await;
    MatrixUser::register(&synapse.url(), "ann").await;
    let mut ann = Element::log_in(&synapse.url(), "ann", false).await;
    let management = ann.start_chat(&format!("@msnbot:{SERVER_NAME}")).await;
    let told = |event: &Value| {
        event["content"]["body"].as_str().is_some_and(|body| body.contains("cannot read encrypted rooms"))
    };
    let notice = ann.event("the notice", told).await;
    assert_eq!((&notice["room"], &notice["encrypted"]), (&json!(management), &json!(false)));
    let greeting = |event: &Value| {
        event["room"] != json!(management)
            && event["content"]["body"].as_str().is_some_and(|body| body.contains("login"))
    };
    let greeted = ann.event("a room that is plain", greeting).await;
    assert_eq!(greeted["encrypted"], false);

    // The same of a conversation that somebody has be encrypted: it goes on in another room, and says so.
    let plain = greeted["room"].as_str().unwrap().to_owned();
    let say = |words: &'static str| {
        move |event: &Value| event["content"]["body"].as_str().is_some_and(|body| body.contains(words))
    };
    ann.send(&plain, "login alice@example.com").await;
    ann.event("the question", say("password")).await;
    ann.send(&plain, "alice-pw").await;
    ann.event("the end of it", say("Signed in")).await;
    let mut bob = Peer::sign_in(&service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("in the open")).await;
    let room = ann.event("the words", say("in the open")).await["room"].as_str().unwrap().to_owned();
    ann.order("encrypt", json!({"room": room})).await;
    let notice = ann.event("the notice", told).await;
    assert_eq!((&notice["room"], &notice["encrypted"]), (&json!(room), &json!(false)));
    call.say(&text("elsewhere")).await;
    let shown = ann.event("the words in a room that is plain", say("elsewhere")).await;
    assert_eq!(shown["encrypted"], false);
    let next = shown["room"].as_str().unwrap().to_owned();
    assert_ne!(next, room, "in plain text where that is not wanted");
    ann.send(&next, "I see").await;
    call.message("I see").await;
}

/// What the feature costs where nobody uses it: the same bridge is built with it and without.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: tests/encryption-cost"]
async fn a_quiet_bridge_says_how_much_memory_it_has() {
    let world = World::start_with_friends().await;
    let mut most = 0;
    for _ in 0..20 {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        most = most.max(memory(world.bridge.pid()));
    }
    let built = if cfg!(feature = "encryption") { "with" } else { "without" };
    println!("a quiet bridge {built} encryption: {} kB of memory", most >> 10);
}
