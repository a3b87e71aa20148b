//! Files under way whose switchboard breaks go on over the next one, or are told.

use serde_json::json;

use crate::chat::{ACCOUNTS, World};
use crate::direct::confirmed;
use crate::support::cable::Cable;
use crate::support::files::{Gift, noise, offered};
use crate::support::msn::{Peer, Wire, text};
use crate::support::service::MsnService;

const SIZE: u64 = 300_000;

/// Bob has called Alice, whose line can be cut.
pub(crate) async fn met() -> (World, Cable, Peer, Wire, String) {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let cable = Cable::lay(&service).await;
    let mut world = World::start_at(service, directory, &cable.notification, "").await;
    let management = world.management.clone();
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hello")).await;
    let room = world.user.message("hello").await["room_id"].as_str().unwrap().to_owned();
    (world, cable, bob, call, room)
}

#[tokio::test]
async fn a_file_to_a_contact_goes_on_over_the_next_switchboard() {
    let (mut world, cable, mut bob, mut call, room) = met().await;
    let file = noise(0, SIZE as usize);
    let content = json!({"msgtype": "m.file", "body": "a.bin", "url": world.user.upload(&file).await});
    let sent = world.user.send_content(&room, content).await;
    let offer = offered(&mut call).await;
    offer.accept(&mut call).await;
    let mut came = Vec::new();
    offer.receive(&mut call, &mut came, 100_000).await;
    cable.cut();
    // Everything that was on its way arrives before the news that she has gone.
    offer.receive_what_comes(&mut call, &mut came, "BYE alice@example.com").await;
    assert!((came.len() as u64) < SIZE);
    let mut call = bob.answer().await;
    offer.receive(&mut call, &mut came, SIZE).await;
    assert!(came == file, "the same bytes");
    confirmed(&mut world, &sent).await;
    // The conversation is in the new call.
    world.user.send(&room, "there?").await;
    call.message("there?").await;
}

#[tokio::test]
async fn a_file_of_a_contact_is_asked_for_over_the_next_switchboard_from_where_it_stopped() {
    let (mut world, cable, mut bob, mut call, _room) = met().await;
    let gift = Gift::offer(&mut call, "b.bin", SIZE, "200 OK").await;
    gift.send(&mut call, SIZE / 2).await;
    cable.cut();
    call.line("BYE alice@example.com").await;
    goes_on(&mut world, &mut bob, &gift).await;
}

/// Bob is called again, and asked for the rest.
async fn goes_on(world: &mut World, bob: &mut Peer, gift: &Gift) {
    let mut call = bob.answer().await;
    let from = gift.asked_again(&mut call).await;
    assert!((1..=SIZE / 2 + 1202).contains(&from), "{from}");
    gift.send_from(&mut call, from, SIZE).await;
    let shown = world.user.message("b.bin").await;
    assert!(world.user.download(shown["content"]["url"].as_str().unwrap()).await == noise(0, SIZE as usize));
}

#[tokio::test]
async fn a_file_waits_for_the_bridge_to_be_signed_in_again() {
    let (mut world, cable, mut bob, mut call, _room) = met().await;
    let gift = Gift::offer(&mut call, "b.bin", SIZE, "200 OK").await;
    gift.send(&mut call, SIZE / 2).await;
    cable.cut_all();
    goes_on(&mut world, &mut bob, &gift).await;
}

#[tokio::test]
async fn whoever_does_not_come_to_the_next_switchboard_has_not_got_it_and_that_is_told() {
    let (mut world, cable, _bob, mut call, room) = met().await;
    let gift = Gift::offer(&mut call, "b.bin", SIZE, "200 OK").await;
    gift.send(&mut call, SIZE / 2).await;
    let file = noise(0, SIZE as usize);
    let content = json!({"msgtype": "m.file", "body": "a.bin", "url": world.user.upload(&file).await});
    world.user.send_content(&room, content).await;
    let offer = offered(&mut call).await;
    offer.accept(&mut call).await;
    offer.receive(&mut call, &mut Vec::new(), 50_000).await;
    cable.cut();
    world.user.message_with("sent the file «b.bin» (293.0 kB), which did not arrive: ").await;
    world.user.message_with("Your file was not delivered: ").await;
    assert_eq!(std::fs::read_dir(world.bridge.file("store/media")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_bridge_that_was_killed_tells_what_was_coming() {
    let (mut world, _cable, mut bob, mut call, _room) = met().await;
    Gift::offer(&mut call, "whole.bin", 5000, "200 OK").await.send(&mut call, 5000).await;
    world.user.message("whole.bin").await;
    call.message("BYE MSNMSGR:bob@example.com").await;
    let gift = Gift::offer(&mut call, "half.bin", SIZE, "200 OK").await;
    gift.send(&mut call, SIZE / 2).await;
    world.bridge.kill().await;
    world.bridge.start().await;
    let told = "was sending the file «half.bin» (293.0 kB) when the bridge broke off, and it did not arrive.";
    world.user.message_with(told).await;
    // Once, and of nothing else.
    let connected = world.bridge.log().matches("state=Connected").count();
    world.bridge.kill().await;
    world.bridge.start().await;
    world.bridge.wait_for_log_times("state=Connected", connected + 1).await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("again?")).await;
    world.user.message("again?").await;
    let of_files = |event: &serde_json::Value| {
        event["content"]["body"].as_str().is_some_and(|body| body.contains("was sending the file"))
    };
    assert_eq!(world.user.seen_so_far(of_files), 0);
}
