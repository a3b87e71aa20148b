//! What a client is told of what was said in a room, and shown of contacts: status events, receipts, notices, profiles.

use reqwest::Method;
use serde_json::{Value, json};

use crate::chat::World;
use crate::support::msn::{Peer, Wire, text};
use crate::support::synapse::SERVER_NAME;

fn ghost() -> String {
    format!("@msn_bob=40example.com:{SERVER_NAME}")
}

/// Bob, in a call with the bridged Alice that has a room.
async fn conversation(world: &mut World) -> (Peer, Wire, String) {
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    let room = world.user.message("hi").await["room_id"].as_str().unwrap().to_owned();
    (bob, call, room)
}

/// The status event of this event, once it says so.
async fn status(world: &mut World, of: &str, status: &str) -> Value {
    let is_it = |event: &Value| {
        let content = &event["content"];
        event["type"] == "com.beeper.message_send_status"
            && content["m.relates_to"]["event_id"] == of
            && content["status"] == status
    };
    world.user.event(&format!("the status {status} of {of}"), is_it).await["content"].clone()
}

fn removes(event: &Value, notice: &Value) -> bool {
    let removed = [&event["redacts"], &event["content"]["redacts"]];
    event["type"] == "m.room.redaction" && removed.contains(&&notice["event_id"])
}

#[tokio::test]
async fn what_arrived_has_a_status_and_a_receipt_and_what_is_refused_a_reason() {
    let mut world = World::start().await;
    let (_bob, mut call, room) = conversation(&mut world).await;
    let sent = world.user.send(&room, "hello").await;
    call.message("hello").await;
    let arrived = status(&mut world, &sent, "SUCCESS").await;
    assert_eq!(arrived["network"], "msn");
    assert_eq!(arrived["delivered_to_users"], json!([ghost()]));
    let has_read = |event: &Value| {
        event["type"] == "m.receipt" && event["content"][&sent]["m.read"][ghost()].is_object()
    };
    world.user.event("Bob's receipt", has_read).await;

    let info = json!({"size": 1_000_000_000_000_u64});
    let file = json!({"msgtype": "m.file", "body": "all.zip", "url": "mxc://test.localhost/x", "info": info});
    let sent = world.user.send_content(&room, file).await;
    let refused = status(&mut world, &sent, "FAIL_PERMANENT").await;
    assert_eq!(refused["reason"], "com.beeper.unsupported_event");
    assert!(refused["message"].as_str().unwrap().contains("files of more than"), "{refused}");
    world.user.message_with("was not delivered").await;
}

#[tokio::test]
async fn without_receipts_and_status_events_nothing_of_either_is_said() {
    let config = "matrix: {receipts: false, status_events: false}\n";
    let mut world = World::start_in(tempfile::tempdir().unwrap(), config).await;
    let (_bob, mut call, room) = conversation(&mut world).await;
    for words in ["one", "two"] {
        world.user.send(&room, words).await;
        call.message(words).await;
    }
    call.say(&text("after both")).await;
    world.user.message("after both").await;
    let told = |event: &Value| {
        event["type"] == "com.beeper.message_send_status"
            || event["type"] == "m.receipt" && event["content"].to_string().contains(&ghost())
    };
    assert_eq!(world.user.seen_so_far(told), 0);
}

#[tokio::test]
async fn what_waits_while_the_network_stands_still_is_one_notice_that_counts_and_goes() {
    let mut world = World::start().await;
    let (_bob, call, room) = conversation(&mut world).await;
    world.service.signal("STOP");
    let mut sent = vec![world.user.send(&room, "one").await, world.user.send(&room, "two").await];
    for event in &sent {
        let pending = status(&mut world, event, "PENDING").await;
        assert_eq!(pending["reason"], "m.foreign_network_error");
    }
    let notice = world.user.message_with("2 messages are kept").await;
    sent.push(world.user.send(&room, "three").await);
    status(&mut world, &sent[2], "PENDING").await;
    let changed = world.user.message_with("3 messages are kept").await;
    assert_eq!(changed["content"]["m.relates_to"]["event_id"], notice["event_id"]);
    world.service.signal("CONT");
    for event in &sent {
        status(&mut world, event, "SUCCESS").await;
    }
    world.user.event("the end of the notice", |event| removes(event, &notice)).await;
    // While they go, it may count down.
    let more = |event: &Value| {
        event["content"]["body"].as_str().is_some_and(|body| body.contains("are kept"))
            && event["content"]["m.relates_to"]["event_id"] != notice["event_id"]
    };
    assert_eq!(world.user.seen_so_far(more), 0, "one notice");
    drop(call);
}

#[tokio::test]
async fn words_for_somebody_offline_are_pending_and_their_notice_goes_when_they_went() {
    let mut world = World::start_with_friends().await;
    let (bob, call, room) = conversation(&mut world).await;
    drop((call, bob));
    let sent = world.user.send(&room, "later").await;
    status(&mut world, &sent, "PENDING").await;
    let notice = world.user.message_with("Your message waits").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    bob.answer().await.message("later").await;
    status(&mut world, &sent, "SUCCESS").await;
    world.user.event("the end of the notice", |event| removes(event, &notice)).await;
}

#[tokio::test]
async fn a_personal_message_is_a_status_in_the_profile_of_its_ghost() {
    let mut world = World::start_with_friends().await;
    let (mut bob, _call, _room) = conversation(&mut world).await;
    let data = "<Data><PSM>at sea</PSM><CurrentMedia></CurrentMedia></Data>";
    bob.wire.send("UUX", &format!("{}\r\n{data}", data.len())).await;
    bob.wire.line("UUX").await;
    let path = |name: &str| format!("profile/{}/{name}", ghost());
    for name in ["org.matrix.msc4426.status", "m.status"] {
        crate::support::within("the status", async {
            loop {
                let profile = world.user.call(Method::GET, &path(name), None).await;
                if profile[name]["text"].as_str().is_some_and(|text| text.contains("at sea")) {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        })
        .await;
    }
}
