//! Files both ways: there whole, or told; and what contacts look like.

use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use msnp11_sdk::{Event, MsnpStatus};
use serde_json::{Value, json};

use crate::chat::World;
use crate::independent::{Other, plain, until};
use crate::support::msn::{Peer, Wire, text};
use crate::support::synapse::SERVER_NAME;
use crate::support::within;

fn some_bytes(count: usize) -> Vec<u8> {
    (0..count).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect()
}

#[tokio::test]
async fn a_file_of_another_client_arrives_byte_for_byte() {
    let mut world = World::start().await;
    let bob = Other::sign_in(&world.service).await;
    let (call, _heard) = bob.call().await;
    let file = some_bytes(20_000);
    // It takes the receiver's goodbye for a cancellation, so what it says at the end says nothing.
    let _ = call.send_file("alice@example.com", "holiday ü.png", &file).await;
    let shown = world.user.message("holiday ü.png").await;
    assert_eq!(shown["content"]["msgtype"], "m.image");
    assert_eq!(shown["content"]["info"]["size"], 20_000);
    assert_eq!(shown["content"]["info"]["mimetype"], "image/png");
    let uri = shown["content"]["url"].as_str().unwrap();
    assert_eq!(world.user.download(uri).await, file);
}

/// The fields of a packet, written by hand: little endian, and a footer.
fn packet(session: u32, identifier: u32, offset: u64, total: u64, flags: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap();
    let mut out = Vec::new();
    for field in [session, identifier] {
        out.extend(field.to_le_bytes());
    }
    for field in [offset, total] {
        out.extend(field.to_le_bytes());
    }
    for field in [length, flags, identifier ^ 0x55, 0] {
        out.extend(field.to_le_bytes());
    }
    out.extend(0u64.to_le_bytes());
    out.extend(content);
    out.extend(2u32.to_be_bytes());
    out
}

async fn send(call: &mut Wire, packet: &[u8]) {
    let head =
        "MIME-Version: 1.0\r\nContent-Type: application/x-msnmsgrp2p\r\nP2P-Dest: alice@example.com\r\n\r\n";
    let length = head.len() + packet.len();
    let line = format!("MSG 99 D {length}\r\n{head}");
    call.raw(&[line.as_bytes(), packet].concat()).await;
}

/// Offers a file and waits for the answer with this code.
async fn offer(call: &mut Wire, name: &str, size: u64, answer: &str) {
    let mut context = vec![0; 574];
    context[..4].copy_from_slice(&574u32.to_le_bytes());
    context[4] = 2;
    context[8..16].copy_from_slice(&size.to_le_bytes());
    context[16] = 1;
    for (at, unit) in name.encode_utf16().enumerate() {
        context[20 + 2 * at..22 + 2 * at].copy_from_slice(&unit.to_le_bytes());
    }
    let body = format!(
        "EUF-GUID: {{5D3E02AB-6190-11D3-BBBB-00C04F795683}}\r\nSessionID: 4711\r\nAppID: 2\r\nContext: {}\r\n\r\n\0",
        STANDARD.encode(&context)
    );
    let invitation = format!(
        "INVITE MSNMSGR:alice@example.com MSNSLP/1.0\r\nTo: <msnmsgr:alice@example.com>\r\nFrom: <msnmsgr:bob@example.com>\r\n\
         Via: MSNSLP/1.0/TLP ;branch={{14C34859-5987-2B67-BB27-D6DA11CE3370}}\r\nCSeq: 0 \r\n\
         Call-ID: {{19C77CDB-04EE-5CA9-14E3-0DB6E55E2411}}\r\nMax-Forwards: 0\r\n\
         Content-Type: application/x-msnmsgr-sessionreqbody\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let total = invitation.len() as u64;
    for (at, part) in invitation.as_bytes().chunks(1202).enumerate() {
        send(call, &packet(0, 1000, 1202 * at as u64, total, 0, part)).await;
    }
    call.message(&format!("MSNSLP/1.0 {answer}")).await;
}

#[tokio::test]
async fn what_breaks_off_or_is_too_large_is_told_and_nothing_of_it_stays() {
    let directory = tempfile::tempdir().unwrap();
    let media = directory.path().join("store/media");
    let mut world = World::start_in(directory, "files:\n  max_bytes: 100000\n").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    offer(&mut call, "huge.iso", 5 << 30, "603 Decline").await;
    world
        .user
        .message_with("offers the file «huge.iso» (5.0 GB); it was declined: only files of up to")
        .await;
    offer(&mut call, "../../etc/passwd", 5000, "200 OK").await;
    send(&mut call, &packet(4711, 2000, 0, 5000, 0x0100_0030, &some_bytes(1202))).await;
    // Text goes on in the same call.
    call.say(&text("half of it")).await;
    world.user.message("half of it").await;
    assert_eq!(std::fs::read_dir(&media).unwrap().count(), 1, "the beginning is there");
    let mode = std::fs::metadata(&media).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "for nobody else on this machine");
    call.raw(b"OUT\r\n").await;
    world
        .user
        .message_with("sent the file «passwd» (4.9 kB), which did not arrive: the connection was lost")
        .await;
    assert_eq!(std::fs::read_dir(&media).unwrap().count(), 0);
    // The next one is whole, in pieces of other sizes.
    let mut call = bob.call("alice@example.com").await;
    offer(&mut call, "small.txt", 2500, "200 OK").await;
    let file = some_bytes(2500);
    for (at, part) in file.chunks(700).enumerate() {
        send(&mut call, &packet(4711, 3000, 700 * at as u64, 2500, 0x20, part)).await;
    }
    call.message("BYE MSNMSGR:bob@example.com").await;
    let shown = world.user.message("small.txt").await;
    assert_eq!(shown["content"]["msgtype"], "m.file");
    let uri = shown["content"]["url"].as_str().unwrap();
    assert_eq!(world.user.download(uri).await, file);
}

#[tokio::test]
async fn a_contact_has_the_face_that_their_client_announces() {
    let mut world = World::start_with_friends().await;
    let bob = Other::sign_in(&world.service).await;
    let picture = [&b"\x89PNG\r\n\x1a\n"[..], &some_bytes(5000)].concat();
    bob.client.set_display_picture(picture.clone()).await.expect("a picture");
    bob.client.set_presence(MsnpStatus::Busy).await.expect("announced");
    let is_bob = |event: &Value| event["sender"] == format!("@msn_bob=40example.com:{SERVER_NAME}");
    let mut seen = Vec::new();
    for words in ["hello", "hello again"] {
        let (call, _heard) = bob.call().await;
        call.send_text_message(&plain(words)).await.expect("sent");
        world.user.message(words).await;
        if seen.is_empty() {
            let shown = |event: &Value| {
                event["type"] == "m.room.member"
                    && is_bob(event)
                    && event["content"]["avatar_url"].is_string()
            };
            let face = world.user.event("Bob's face", shown).await;
            seen = world.user.download(face["content"]["avatar_url"].as_str().unwrap()).await;
            assert_eq!(seen, picture);
        }
        drop(call);
    }
    // Kept: it is not fetched or uploaded a second time.
    let log = world.bridge.log();
    assert_eq!(log.matches("a picture was shown").count(), 1, "{log}");
    assert_eq!(log.matches("fetching a picture").count(), 1, "{log}");
}

#[tokio::test]
async fn a_file_from_matrix_arrives_at_another_client_and_is_confirmed() {
    let mut world = World::start().await;
    let bob = Other::sign_in(&world.service).await;
    let (call, mut heard) = bob.call().await;
    call.send_text_message(&plain("send it")).await.expect("sent");
    let room = world.user.message("send it").await["room_id"].as_str().unwrap().to_owned();
    let file = some_bytes(20_000);
    let content = json!({
        "msgtype": "m.file", "body": "see page 3", "filename": "report.pdf",
        "url": world.user.upload(&file).await, "info": {"size": file.len()},
    });
    let sent = world.user.send_content(&room, content).await;
    // What was written with it is said too, before or after.
    let (mut offered, mut said) = (None, false);
    while offered.is_none() || !said {
        let offer_or_words =
            |event: &Event| matches!(event, Event::FileTransferRequest { .. } | Event::TextMessage { .. });
        match until(&mut heard, "the offer and the words", offer_or_words).await {
            Event::FileTransferRequest { file_name, file_size, request, .. } => {
                offered = Some((file_name, file_size, request));
            }
            Event::TextMessage { message, .. } => said = message.text == "see page 3",
            _ => {}
        }
    }
    let (file_name, file_size, request) = offered.expect("it was offered");
    assert_eq!((file_name.as_str(), file_size), ("report.pdf", 20_000));
    assert_eq!(within("the file", call.accept_file_request(request)).await.expect("a file"), file);
    let confirmed = |event: &Value| {
        event["type"] == "com.beeper.message_send_status"
            && event["content"]["m.relates_to"]["event_id"] == sent
            && event["content"]["status"] == "SUCCESS"
    };
    world.user.event("the confirmation", confirmed).await;
}

#[tokio::test]
async fn a_file_that_is_declined_or_broken_off_is_told_and_holds_nothing_up() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("well?")).await;
    let room = world.user.message("well?").await["room_id"].as_str().unwrap().to_owned();
    let content = json!({"msgtype": "m.image", "body": "a.png", "url": world.user.upload(b"1234").await});
    world.user.send_content(&room, content.clone()).await;
    let offer = call.message("EUF-GUID: {5D3E02AB").await.payload;
    // Nobody answers it yet, and words go past it.
    world.user.send(&room, "past it").await;
    call.message("past it").await;
    let field = |name: &str| {
        let line = offer.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {offer}")).trim().to_owned()
    };
    let body = format!("SessionID: {}\r\n\r\n\0", field("SessionID"));
    let answer = format!(
        "MSNSLP/1.0 603 Decline\r\nTo: <msnmsgr:alice@example.com>\r\nFrom: <msnmsgr:bob@example.com>\r\nVia: {}\r\nCSeq: 1 \r\n\
         Call-ID: {}\r\nMax-Forwards: 0\r\nContent-Type: application/x-msnmsgr-sessionreqbody\r\nContent-Length: {}\r\n\r\n{body}",
        field("Via"),
        field("Call-ID"),
        body.len()
    );
    send(&mut call, &packet(0, 500, 0, answer.len() as u64, 0, answer.as_bytes())).await;
    world.user.message("Your file was not delivered: they declined it.").await;

    world.user.send_content(&room, content.clone()).await;
    call.message("EUF-GUID: {5D3E02AB").await;
    call.raw(b"OUT\r\n").await;
    world.user.message_with("Your file was not delivered: the connection of the conversation was lost").await;
    // Somebody who is not there.
    drop(bob);
    world.user.send_content(&room, content).await;
    world.user.message_with("Your file was not delivered: ").await;
}
