//! The rows of the table of translations that are files, with matrix-sdk as the user: each kind both ways by the
//! switchboard, and those of clients that are too old for that.

use matrix_sdk::Client;
use ruma::events::room::MediaSource;
use ruma::events::room::message::{
    AudioMessageEventContent, FileMessageEventContent, ImageMessageEventContent, MessageType,
    RoomMessageEventContent, VideoMessageEventContent,
};
use ruma::{OwnedMxcUri, UInt};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::chat::World;
use crate::direct::DIRECT;
use crate::emoticons::{picture, siren};
use crate::msnftp::{Stream, field, here, invite, offer};
use crate::sdk::{Talk, talk, talk_in};
use crate::support::files::{self, Gift, Way, hex, noise, noise_digest, packet};
use crate::support::sdk::{SdkUser, send};

/// A file of a message: what it is, where it is, and how large it says to be.
fn file_of(message: MessageType) -> (&'static str, OwnedMxcUri, Option<UInt>) {
    let (kind, source, size) = match message {
        MessageType::Image(it) => ("image", it.source, it.info.and_then(|info| info.size)),
        MessageType::Audio(it) => ("audio", it.source, it.info.and_then(|info| info.size)),
        MessageType::Video(it) => ("video", it.source, it.info.and_then(|info| info.size)),
        MessageType::File(it) => ("file", it.source, it.info.and_then(|info| info.size)),
        other => panic!("{other:?}"),
    };
    let MediaSource::Plain(uri) = source else { panic!("{source:?}") };
    (kind, uri, size)
}

/// Waits for a file; gives what it is, and its bytes.
async fn came(user: &mut SdkUser, name: &str) -> (&'static str, Vec<u8>) {
    let (_, shown) = user.message(name).await;
    let (kind, uri, size) = file_of(shown.content.msgtype);
    let bytes = user.download(&uri).await;
    assert_eq!(size.map(u64::from), Some(bytes.len() as u64), "{name}");
    (kind, bytes)
}

/// Looks like a film to programs that look at the first bytes.
fn film() -> Vec<u8> {
    [&b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2"[..], &noise(0, 3_000)].concat()
}

fn samples() -> [(&'static str, &'static str, Vec<u8>); 4] {
    [
        ("image", "cat.png", picture(200)),
        ("audio", "song.wav", siren(50)),
        ("video", "film.mp4", film()),
        ("file", "notes.bin", noise(0, 3_000)),
    ]
}

#[tokio::test]
async fn pictures_sounds_and_films_of_contacts_are_shown_as_what_they_are() {
    let Talk { mut user, mut call, world: _world, bob: _bob, .. } = talk().await;
    for (number, (kind, name, bytes)) in (5_000..).zip(samples()) {
        let size = bytes.len() as u64;
        let gift = Gift::propose_as(&mut call, name, size, number, &number.to_string()).await;
        gift.answered(&mut call, "200 OK").await;
        for (at, part) in bytes.chunks(1202).enumerate() {
            let part = packet(number, 10 * number, 1202 * at as u64, size, 0x0100_0030, part);
            files::send(&mut call, &part).await;
        }
        call.message("BYE MSNMSGR:bob@example.com").await;
        assert!(came(&mut user, name).await == (kind, bytes), "{name}");
    }
}

#[tokio::test]
async fn pictures_sounds_and_films_from_matrix_are_files_for_contacts() {
    let Talk { mut user, mut call, room, world: _world, bob: _bob, .. } = talk().await;
    for (kind, name, bytes) in samples() {
        let uri = user.upload(&format!("{kind}/x"), bytes.clone()).await;
        let body = name.to_owned();
        let content = match kind {
            "image" => MessageType::Image(ImageMessageEventContent::plain(body, uri)),
            "audio" => MessageType::Audio(AudioMessageEventContent::plain(body, uri)),
            "video" => MessageType::Video(VideoMessageEventContent::plain(body, uri)),
            _ => MessageType::File(FileMessageEventContent::plain(body, uri)),
        };
        let sent = send(&room, RoomMessageEventContent::new(content)).await;
        let offer = files::offered(&mut call).await;
        assert_eq!((offer.name.as_str(), offer.size), (name, bytes.len() as u64));
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&bytes);
        assert_eq!(offer.take(&mut call, Way::Board).await, hex(&digest), "{name}");
        user.status(&sent, "SUCCESS").await;
    }
}

#[tokio::test]
async fn files_of_clients_that_know_no_sessions_go_both_ways() {
    let world = World::start_with_friends_in(tempfile::tempdir().unwrap(), DIRECT).await;
    let Talk { mut user, mut call, room, mut bob, world: _world, .. } = talk_in(world).await;
    bob.wire.send("CHG", "NLN 0").await;
    bob.wire.line("CHG").await;
    let file = noise(0, 5_000);
    offer(&mut call, "old.bin", file.len(), "").await;
    call.message("Invitation-Command: ACCEPT").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    here(&mut call, &listener).await;
    let mut stream = Stream::accepted(&listener).await;
    stream.begin_sending(file.len(), "93301").await;
    stream.frames(&file, 1999).await;
    assert_eq!(stream.line().await, "BYE 16777989");
    assert!(came(&mut user, "old.bin").await == ("file", file));

    let file = noise(3, 4_000);
    let uri = user.upload("application/octet-stream", file.clone()).await;
    let content = MessageType::File(FileMessageEventContent::plain("new.bin".into(), uri));
    let sent = send(&room, RoomMessageEventContent::new(content)).await;
    let offer = call.message("Application-File: new.bin").await.payload;
    let cookie = field(&offer, "Invitation-Cookie");
    let yes = format!(
        "Invitation-Command: ACCEPT\r\nInvitation-Cookie: {cookie}\r\nLaunch-Application: FALSE\r\nRequest-Data: IP-Address:"
    );
    invite(&mut call, &yes).await;
    let there = call.message("AuthCookie: ").await.payload;
    let address = format!("{}:{}", field(&there, "IP-Address"), field(&there, "Port"));
    let mut stream = Stream::connect(&address).await;
    stream.say("VER MSNFTP").await;
    assert_eq!(stream.line().await, "VER MSNFTP");
    stream.say(&format!("USR bob@example.com {}", field(&there, "AuthCookie"))).await;
    assert_eq!(stream.line().await, "FIL 4000");
    stream.say("TFR").await;
    assert!(stream.take(file.len()).await == file);
    stream.say("BYE 16777989").await;
    user.status(&sent, "SUCCESS").await;
}

/// Enough that it takes a while by the switchboard.
const LARGE: usize = 20 << 20;

#[tokio::test]
async fn a_large_file_goes_directly_or_says_how_far_it_is_for_as_long_as_it_takes() {
    let world = World::start_in(tempfile::tempdir().unwrap(), DIRECT).await;
    let Talk { mut user, mut call, room, bob: _bob, world } = talk_in(world).await;
    let digest = noise_digest(LARGE as u64);
    for (name, way) in [("direct.bin", Way::Direct), ("slow.bin", Way::Board)] {
        let uri = user.upload("application/octet-stream", noise(0, LARGE)).await;
        let content = MessageType::File(FileMessageEventContent::plain(name.into(), uri));
        let sent = send(&room, RoomMessageEventContent::new(content)).await;
        let offer = files::offered(&mut call).await;
        assert_eq!((offer.name.as_str(), offer.size), (name, LARGE as u64));
        match way {
            Way::Board => {
                let says = format!("Sending «{name}» to");
                let (taken, (_, said)) = tokio::join!(offer.take(&mut call, way), user.message_with(&says));
                assert_eq!(taken, digest);
                let is_gone = async |client: &Client| {
                    let room = client.get_room(room.room_id())?;
                    let event = room.event(&said.event_id, None).await.ok()?;
                    event.raw().get_field::<Value>("content").ok()??.as_object()?.is_empty().then_some(())
                };
                user.until("the notice to be gone", is_gone).await;
            }
            way => assert_eq!(offer.take(&mut call, way).await, digest),
        }
        user.status(&sent, "SUCCESS").await;
    }
    assert_eq!(world.bridge.log().matches("a direct connection is there").count(), 1);
}
