//! Peers as they were seen to be: numbers read signed, empty files, invitations that repeat themselves, programs that change.

use serde_json::{Value, json};

use crate::chat::World;
use crate::direct::{DIRECT, confirmed, met};
use crate::msnftp::invite;
use crate::support::files::{Gift, Way, field, noise, noise_digest, offered};
use crate::support::msn::{Peer, Unit, text};
use crate::support::scripted::ScriptedServer;

const MEGABYTE: u64 = 1 << 20;

/// A session's number somewhere in the whole range, and how a client that reads numbers signed writes it.
fn session(round: u32) -> (u32, String) {
    let edges = [4, 1000, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, u32::MAX - 1, u32::MAX];
    let number = match edges.get(round as usize) {
        Some(edge) => *edge,
        None => round.wrapping_mul(0x9E37_79B9),
    };
    let written = if round.is_multiple_of(2) { number.to_string() } else { number.cast_signed().to_string() };
    (number, written)
}

/// Files of each size go each way so many times, to and from a peer that reads every number signed.
async fn files_are_whole(sizes: &[u64], times: u32) {
    let mut world = World::start_in(tempfile::tempdir().unwrap(), "").await;
    let (_bob, mut call, room) = met(&mut world).await;
    for size in sizes {
        let bytes = noise(0, usize::try_from(*size).unwrap());
        let url = world.user.upload(&bytes).await;
        for round in 0..times {
            let name = format!("up {size} {round}.bin");
            let (number, written) = session(round);
            let gift = Gift::propose_as(&mut call, &name, *size, number, &written).await;
            gift.answered(&mut call, "200 OK").await;
            gift.send(&mut call, *size).await;
            call.message("BYE MSNMSGR:bob@example.com").await;
            let shown = world.user.message(&name).await;
            let came = world.user.download(shown["content"]["url"].as_str().unwrap()).await;
            assert!(came == bytes, "{name}: {} bytes came", came.len());

            let name = format!("down {size} {round}.bin");
            let content = json!({"msgtype": "m.file", "body": name, "url": url});
            let sent = world.user.send_content(&room, content).await;
            let offer = offered(&mut call).await;
            assert_eq!((&offer.name, offer.size), (&name, *size));
            assert_eq!(offer.take(&mut call, Way::Board).await, noise_digest(*size), "{name}");
            confirmed(&mut world, &sent).await;
        }
    }
}

#[tokio::test]
async fn fault_02_files_of_every_size_are_whole_with_a_peer_that_reads_numbers_signed() {
    files_are_whole(&[0, 1, 1202, 1203, 2404], 3).await;
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn fault_02_forty_files_of_every_size_are_whole_with_a_peer_that_reads_numbers_signed() {
    files_are_whole(&[0, 1, 1202, 1203, 2404, MEGABYTE], 40).await;
}

/// Bob's client acknowledges whatever comes and knows of no session; then he takes the next file as he should.
#[tokio::test]
async fn fault_02_a_file_that_is_only_acknowledged_is_told_and_holds_nothing_up() {
    let mut world = World::start_in(tempfile::tempdir().unwrap(), "").await;
    let (_bob, mut call, room) = met(&mut world).await;
    let url = world.user.upload(&noise(0, 3000)).await;
    let lost =
        world.user.send_content(&room, json!({"msgtype": "m.file", "body": "a.bin", "url": url})).await;
    let kept =
        world.user.send_content(&room, json!({"msgtype": "m.file", "body": "b.bin", "url": url})).await;
    offered(&mut call).await.acknowledge_blindly(&mut call).await;
    let offer = offered(&mut call).await;
    assert_eq!(offer.name, "b.bin");
    world
        .user
        .message_with("Your file was not delivered: their client did not say that it has the file")
        .await;
    assert_eq!(offer.take(&mut call, Way::Board).await, noise_digest(3000));
    confirmed(&mut world, &kept).await;
    let is_success = |event: &Value| {
        event["type"] == "com.beeper.message_send_status"
            && event["content"]["m.relates_to"]["event_id"] == lost
            && event["content"]["status"] == "SUCCESS"
    };
    assert_eq!(world.user.seen_so_far(is_success), 0);
}

/// What an old client says of an invitation, as a unit of a call.
fn invitation(body: &str) -> String {
    let payload = format!(
        "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsinvite; charset=UTF-8\r\n\r\n{body}\r\n\r\n"
    );
    format!("MSG bob@example.com Bob {}\r\n{payload}", payload.len())
}

/// A server whose Bob repeats his invitations fifty times each, sends texts of nothing, and one text behind many headers.
#[tokio::test]
async fn fault_22_what_is_repeated_is_shown_and_answered_once_and_every_text_arrives() {
    let voice = invitation(
        "Application-Name: Voice\r\nApplication-GUID: {02D3C01F-BF30-4825-A83A-DE7AF41648AA}\r\n\
         Session-Protocol: SM1\r\nInvitation-Command: INVITE\r\nInvitation-Cookie: 24993528",
    );
    let file = invitation(
        "Application-Name: File Transfer\r\nApplication-GUID: {5D3E02AB-6190-11d3-BBBB-00C04F795683}\r\n\
         Invitation-Command: INVITE\r\nInvitation-Cookie: 33267\r\nApplication-File: big.iso\r\n\
         Application-FileSize: 4000000000",
    );
    let plain = |headers: &str, body: &str| {
        let payload =
            format!("MIME-Version: 1.0\r\n{headers}Content-Type: text/plain; charset=UTF-8\r\n\r\n{body}");
        format!("MSG bob@example.com Bob {}\r\n{payload}", payload.len())
    };
    let many: String = (0..100).map(|n| format!("X-{n}: x\r\n")).collect();
    let scene = [
        voice.repeat(50),
        file.repeat(50),
        plain("", "").repeat(3),
        plain("", "\r\n"),
        plain(&many, "the end"),
    ]
    .concat();
    let mut server = ScriptedServer::start(scene).await;
    let mut world = World::start_up(tempfile::tempdir().unwrap(), "").await;
    world.bridge.stop().await;
    world.bridge.set_msn_server(&server.address);
    world.bridge.start().await;
    let management = world.management.clone();
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    world.user.message("the end").await;
    let notice = |part: &'static str| {
        move |event: &Value| event["content"]["body"].as_str().is_some_and(|body| body.contains(part))
    };
    assert_eq!(world.user.seen_so_far(notice("invites you to a voice conversation")), 1);
    assert_eq!(world.user.seen_so_far(notice("big.iso")), 1);
    let empty = |event: &Value| {
        event["type"] == "m.room.message"
            && event["content"]["body"].as_str().is_none_or(|b| b.trim().is_empty())
    };
    assert_eq!(world.user.seen_so_far(empty), 0);
    let said = [server.heard().await, server.heard().await];
    assert!(said[0].contains("REJECT_NOT_INSTALLED") && said[1].contains("Cancel-Code: REJECT"), "{said:?}");
}

/// Bob signs in with another program while the call lasts; what he is offered is what that one can take.
#[tokio::test]
async fn fault_25_a_file_is_offered_in_the_way_of_the_program_that_is_there_now() {
    let mut world = World::start_with_friends_in(tempfile::tempdir().unwrap(), DIRECT).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hello")).await;
    let room = world.user.message("hello").await["room_id"].as_str().unwrap().to_owned();
    for (capabilities, wanted) in [(0, "text/x-msmsgsinvite"), (1_073_741_857, "x-msnmsgrp2p")] {
        bob.wire.send("CHG", &format!("BSY {capabilities}")).await;
        bob.wire.line("CHG").await;
        world
            .bridge
            .wait_for_log(&format!("presence email=bob@example.com capabilities={capabilities}"))
            .await;
        let url = world.user.upload(b"1234").await;
        world.user.send_content(&room, json!({"msgtype": "m.file", "body": "a.bin", "url": url})).await;
        let is_offer = |unit: &Unit| unit.line.starts_with("MSG ") && unit.payload.contains("INVITE");
        let offer = call.until("an offer", is_offer).await;
        assert!(offer.payload.contains(wanted), "{capabilities}: {}", offer.payload);
        if capabilities == 0 {
            let cookie = field(&offer.payload, "Invitation-Cookie");
            invite(
                &mut call,
                &format!("Invitation-Command: CANCEL\r\nCancel-Code: REJECT\r\nInvitation-Cookie: {cookie}"),
            )
            .await;
        }
    }
}
