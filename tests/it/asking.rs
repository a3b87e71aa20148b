//! Files that are large enough to be asked about wait for a word, and nobody else waits with them.

use tokio::net::TcpListener;

use crate::chat::World;
use crate::contacts::react;
use crate::direct::DIRECT;
use crate::msnftp::{self, Stream, here};
use crate::support::files::{Gift, noise};
use crate::support::msn::{Peer, text};

async fn shown(world: &mut World, name: &str) -> Vec<u8> {
    let shown = world.user.message(name).await;
    world.user.download(shown["content"]["url"].as_str().unwrap()).await
}

#[tokio::test]
async fn a_large_file_is_taken_or_declined_by_a_sign_or_by_words() {
    let mut world = World::start_in(tempfile::tempdir().unwrap(), "files:\n  ask_above: 1000\n").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    // A small one is not worth a question.
    Gift::offer(&mut call, "small.txt", 900, "200 OK").await.send(&mut call, 900).await;
    assert_eq!(shown(&mut world, "small.txt").await, noise(0, 900));

    let gift = Gift::propose(&mut call, "large.txt", 5000).await;
    let question = world.user.message_with("Bob offers the file «large.txt» (4.9 kB).").await;
    let room = question["room_id"].as_str().unwrap().to_owned();
    assert_eq!(call.kept("MSNSLP/1.0 200 OK"), 0);
    // Words go past it, both ways.
    call.say(&text("well?")).await;
    world.user.message("well?").await;
    react(&world, &question, "👍").await;
    gift.answered(&mut call, "200 OK").await;
    gift.send(&mut call, 5000).await;
    assert_eq!(shown(&mut world, "large.txt").await, noise(0, 5000));
    call.message("BYE MSNMSGR:bob@example.com").await;
    assert_eq!(call.kept("reacted"), 0, "an answer is nothing that was said");

    let gift = Gift::propose(&mut call, "no.txt", 5000).await;
    world.user.message_with("Bob offers the file «no.txt»").await;
    world.user.send(&room, "!msn file decline").await;
    gift.answered(&mut call, "603 Decline").await;
    world.user.message("The file was declined.").await;

    let gift = Gift::propose(&mut call, "never.txt", 5000).await;
    let question = world.user.message_with("Bob offers the file «never.txt»").await;
    gift.withdraw(&mut call).await;
    world.user.message_with("does not offer the file «never.txt» any more").await;
    react(&world, &question, "👍").await;
    world.user.message("That did not work: that file is not offered any more.").await;

    Gift::propose(&mut call, "late.txt", 5000).await;
    world.user.message_with("Bob offers the file «late.txt»").await;
    call.raw(b"OUT\r\n").await;
    world.user.message_with("offered the file «late.txt», but the conversation was closed").await;
    assert_eq!(std::fs::read_dir(world.bridge.file("store/media")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_large_file_of_an_old_client_waits_too() {
    let config = format!("{DIRECT}  ask_above: 1000\n");
    let mut world = World::start_with_friends_in(tempfile::tempdir().unwrap(), &config).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    let file = noise(0, 5000);
    msnftp::offer(&mut call, "plan.txt", file.len(), "").await;
    let question = world.user.message_with("Bob offers the file «plan.txt» (4.9 kB).").await;
    react(&world, &question, "👍").await;
    call.message("Invitation-Command: ACCEPT").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    here(&mut call, &listener).await;
    let mut stream = Stream::accepted(&listener).await;
    stream.begin_sending(file.len(), "93301").await;
    stream.frames(&file, 1999).await;
    assert_eq!(shown(&mut world, "plan.txt").await, file);

    msnftp::offer(&mut call, "second.txt", file.len(), "").await;
    let question = world.user.message_with("Bob offers the file «second.txt»").await;
    react(&world, &question, "👎").await;
    call.message("Cancel-Code: REJECT").await;

    msnftp::offer(&mut call, "third.txt", file.len(), "").await;
    world.user.message_with("Bob offers the file «third.txt»").await;
    let taken_back = "Invitation-Command: CANCEL\r\nInvitation-Cookie: 33267\r\nCancel-Code: FAIL";
    msnftp::invite(&mut call, taken_back).await;
    world.user.message_with("does not offer the file «third.txt» any more").await;
}
