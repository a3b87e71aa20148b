//! Files that cannot be had or given: both sides hear why, and nothing of them stays.

use serde_json::json;

use crate::chat::World;
use crate::direct::confirmed;
use crate::emoticons::{announce, give_instead, object};
use crate::groups::three;
use crate::support::files::{Gift, Way, noise, noise_digest, offered};
use crate::support::msn::{Peer, text};

#[tokio::test]
async fn a_file_for_which_there_is_no_room_is_declined_and_the_next_is_taken() {
    let config = "files: {max_bytes: 6000, max_total_bytes: 6000}\n";
    let mut world = World::start_in(tempfile::tempdir().unwrap(), config).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    // One that is on its way takes the room of others, and gives it back.
    let gift = Gift::offer(&mut call, "first.bin", 4000, "200 OK").await;
    gift.send(&mut call, 2000).await;
    let mut carol = Peer::sign_in(&world.service, "carol@example.com", "carol-pw").await;
    let mut carols = carol.call("alice@example.com").await;
    Gift::offer(&mut carols, "late.bin", 3000, "603 Decline").await;
    let told = "offers the file «late.bin» (2.9 kB); it was declined: there is no room for it on the bridge's disk now";
    let room = world.user.message_with(told).await["room_id"].as_str().unwrap().to_owned();
    // The other way it waits, and its sender hears why.
    let content = json!({"msgtype": "m.file", "body": "x", "url": world.user.upload(&noise(0, 5000)).await});
    let sent = world.user.send_content(&room, content).await;
    world.user.message_with("Not delivered yet: the store failed: the files on their way fill").await;
    gift.send_from(&mut call, 2404, 4000).await;
    let shown = world.user.message("first.bin").await;
    assert_eq!(world.user.download(shown["content"]["url"].as_str().unwrap()).await, noise(0, 4000));
    call.message("BYE MSNMSGR:bob@example.com").await;
    let offer = offered(&mut carols).await;
    assert_eq!(offer.take(&mut carols, Way::Board).await, noise_digest(5000));
    confirmed(&mut world, &sent).await;
    Gift::offer(&mut call, "second.bin", 4000, "200 OK").await.send(&mut call, 4000).await;
    world.user.message("second.bin").await;
}

#[tokio::test]
async fn a_file_for_a_group_is_refused_with_a_reason_where_there_are_no_links() {
    let (mut world, _peers, [mut bobs, _carols], room) = three().await;
    let content = json!({"msgtype": "m.file", "body": "plan.pdf", "url": world.user.upload(b"1234").await});
    world.user.send_content(&room, content).await;
    world.user.message_with("Your file was not delivered: files can be sent to one person only").await;
    world.user.send(&room, "never mind").await;
    bobs.message("never mind").await;
}

#[tokio::test]
async fn a_clip_that_is_not_what_was_announced_is_told_and_kept_nowhere() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    let (announced, given) = (noise(0, 3000), noise(5, 3000));
    announce(
        &mut call,
        "text/x-msnmsgr-datacast",
        &format!("ID: 3\r\nData: {}\r\n\r\n", object(11, &announced)),
    )
    .await;
    give_instead(&mut call, &announced, &given).await;
    world.user.message_with("sent «voice clip.wav», which is not what was announced").await;
    let table = format!(":cat:\t{}\t", object(2, &announced));
    announce(&mut call, "text/x-mms-emoticon", &table).await;
    call.say(&text("a :cat:")).await;
    give_instead(&mut call, &announced, &given).await;
    let shown = world.user.message("a :cat:").await;
    assert!(shown["content"]["formatted_body"].is_null(), "{shown}");
    world.bridge.wait_for_log("a picture is not what was announced").await;
    assert_eq!(std::fs::read_dir(world.bridge.file("store/media")).unwrap().count(), 0);
}
