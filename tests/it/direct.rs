//! Files over connections of their own: there whole, refused where they must be, and over the switchboard where nothing
//! else is left. Loopback is dialled only because the configuration of these tests allows it.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::chat::World;
use crate::independent::{Other, plain};
use crate::support::files::{Gift, Way, hex, noise, noise_digest, offered};
use crate::support::msn::{Peer, Wire, text};

pub(crate) const DIRECT: &str =
    "files:\n  direct: {allow: [127.0.0.0/8], announce: [127.0.0.1], ports: '0'}\n";
const LARGE: u64 = 20 << 20;

async fn world(config: &str) -> World {
    World::start_in(tempfile::tempdir().unwrap(), config).await
}

/// Bob has called Alice; and the room in which she sees it.
pub(crate) async fn met(world: &mut World) -> (Peer, Wire, String) {
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hello")).await;
    let room = world.user.message("hello").await["room_id"].as_str().unwrap().to_owned();
    (bob, call, room)
}

async fn shown_digest(world: &mut World, name: &str) -> String {
    let shown = world.user.message(name).await;
    let uri = shown["content"]["url"].as_str().unwrap().to_owned();
    hex(&Sha256::digest(world.user.download(&uri).await))
}

/// Sends a file into a room; gives the event.
async fn post(world: &mut World, room: &str, name: &str, size: u64) -> String {
    let bytes = noise(0, usize::try_from(size).unwrap());
    let content = json!({"msgtype": "m.file", "body": name, "url": world.user.upload(&bytes).await});
    world.user.send_content(room, content).await
}

pub(crate) async fn confirmed(world: &mut World, sent: &str) {
    let is_it = |event: &Value| {
        event["type"] == "com.beeper.message_send_status"
            && event["content"]["m.relates_to"]["event_id"] == sent
            && event["content"]["status"] == "SUCCESS"
    };
    world.user.event("the confirmation", is_it).await;
}

#[tokio::test]
async fn a_large_file_of_another_client_comes_by_a_direct_connection() {
    let mut world = world(DIRECT).await;
    let bob = Other::sign_in(&world.service).await;
    let (call, _heard) = bob.call().await;
    call.send_text_message(&plain("hello")).await.expect("sent");
    world.user.message("hello").await;
    let file = noise(0, usize::try_from(LARGE).unwrap());
    // It takes the receiver's goodbye for a cancellation, so what it says at the end says nothing.
    let _ = call.send_file("alice@example.com", "film.bin", &file).await;
    assert_eq!(shown_digest(&mut world, "film.bin").await, noise_digest(LARGE));
    assert_eq!(world.bridge.log().matches("a direct connection is there").count(), 1);
}

#[tokio::test]
async fn a_large_file_goes_to_a_contact_over_the_switchboard_and_directly() {
    for way in [Way::Board, Way::Direct] {
        let mut world = world(DIRECT).await;
        let (_bob, mut call, room) = met(&mut world).await;
        let sent = post(&mut world, &room, "large.bin", LARGE).await;
        let offer = offered(&mut call).await;
        assert_eq!((offer.name.as_str(), offer.size), ("large.bin", LARGE));
        let taking = tokio::time::timeout(std::time::Duration::from_secs(300), offer.take(&mut call, way));
        let is_progress = |event: &Value| {
            event["content"]["body"].as_str().is_some_and(|body| body.starts_with("Sending «large.bin» to"))
        };
        let taken = match way {
            // It takes its time: that is said while it lasts, once, and taken back.
            Way::Board => {
                let saying = world.user.event("how far it is", is_progress);
                let (taken, said) = tokio::join!(taking, saying);
                let taken_back = |event: &Value| {
                    let of = [&event["redacts"], &event["content"]["redacts"]];
                    event["type"] == "m.room.redaction" && of.contains(&&said["event_id"])
                };
                world.user.event("that it is over", taken_back).await;
                taken
            }
            _ => taking.await,
        };
        assert_eq!(taken.expect("it ends"), noise_digest(LARGE), "{way:?}");
        confirmed(&mut world, &sent).await;
        let direct = world.bridge.log().matches("a direct connection is there").count();
        assert_eq!(direct, usize::from(way == Way::Direct));
    }
}

#[tokio::test]
async fn somebody_without_the_nonce_gets_nothing_and_the_file_comes_by_the_switchboard() {
    let mut world = world(DIRECT).await;
    let (_bob, mut call, _) = met(&mut world).await;
    let size = 300_000;
    let gift = Gift::offer(&mut call, "plan.txt", size, "200 OK").await;
    let line = gift.connect(&mut call).await;
    let mut wrong = line.nonce;
    wrong[15] ^= 1;
    assert!(line.open(&wrong).await.is_none(), "they hang up and show nothing");
    world.bridge.wait_for_log("the direct connection is gone").await;
    gift.send(&mut call, size).await;
    assert_eq!(shown_digest(&mut world, "plan.txt").await, noise_digest(size));
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_not_dialled() {
    let mut world = world("").await;
    let (_bob, mut call, room) = met(&mut world).await;
    let size = 300_000;
    let sent = post(&mut world, &room, "plan.txt", size).await;
    let offer = offered(&mut call).await;
    assert_eq!(offer.take(&mut call, Way::Shunned).await, noise_digest(size));
    confirmed(&mut world, &sent).await;
    world.bridge.wait_for_log("none of their addresses is dialled").await;
}
