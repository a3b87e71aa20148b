//! Files both ways: there whole, or told; and what contacts look like.

use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use msnp11_sdk::{Event, MsnpStatus};
use reqwest::Method;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::chat::World;
use crate::direct::confirmed;
use crate::independent::{Other, befriend, plain, until};
use crate::support::files::{self, Gift, Way, noise, noise_digest, packet, send};
use crate::support::msn::{Peer, text};
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

#[tokio::test]
async fn what_breaks_off_or_is_too_large_is_told_and_nothing_of_it_stays() {
    let directory = tempfile::tempdir().unwrap();
    let media = directory.path().join("store/media");
    let mut world = World::start_in(directory, "files:\n  max_bytes: 100000\n").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    Gift::offer(&mut call, "huge.iso", 5 << 30, "603 Decline").await;
    world
        .user
        .message_with("offers the file «huge.iso» (5.0 GB); it was declined: only files of up to")
        .await;
    Gift::offer(&mut call, "../../etc/passwd", 5000, "200 OK").await.send(&mut call, 1202).await;
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
    Gift::offer(&mut call, "small.txt", 2500, "200 OK").await;
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
            let uri = face["content"]["avatar_url"].as_str().unwrap().to_owned();
            seen = world.user.download(&uri).await;
            assert_eq!(seen, picture);
            let borne = |event: &Value| event["type"] == "m.room.avatar" && event["content"]["url"] == *uri;
            world.user.event("the room with Bob's face", borne).await;
            let said = |event: &Value| {
                event["type"] == "m.bridge" && event["content"]["channel"]["avatar_url"] == *uri
            };
            world.user.event("Bob's face in what is bridged", said).await;
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
    confirmed(&mut world, &sent).await;
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
    let offer = files::offered(&mut call).await;
    assert_eq!((offer.name.as_str(), offer.size), ("a.png", 4));
    // Nobody answers it yet, and words go past it.
    world.user.send(&room, "past it").await;
    call.message("past it").await;
    offer.decline(&mut call).await;
    world.user.message("Your file was not delivered: they declined it.").await;

    world.user.send_content(&room, content.clone()).await;
    files::offered(&mut call).await;
    call.raw(b"OUT\r\n").await;
    world.user.message_with("Your file was not delivered: the connection of the conversation was lost").await;
    // For somebody who is not there it waits.
    drop(bob);
    world.user.send_content(&room, content).await;
    world.user.message_with("Your message waits").await;
}

#[tokio::test]
async fn files_and_words_do_not_wait_behind_an_offer_that_nobody_answers() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("well?")).await;
    let room = world.user.message("well?").await["room_id"].as_str().unwrap().to_owned();
    let mut sent = Vec::new();
    for (name, size) in [("a.bin", 2_000), ("b.bin", 3_000), ("c.bin", 4_000)] {
        let url = world.user.upload(&noise(0, size)).await;
        let content = json!({"msgtype": "m.file", "body": name, "url": url, "info": {"size": size}});
        sent.push(world.user.send_content(&room, content).await);
    }
    let begun = std::time::Instant::now();
    let ignored = files::offered(&mut call).await;
    assert_eq!((ignored.name.as_str(), ignored.size), ("a.bin", 2_000));
    let others = [files::offered(&mut call).await, files::offered(&mut call).await];
    for (at, (offer, size)) in (1..).zip(others.into_iter().zip([3_000, 4_000])) {
        assert_eq!(offer.size, size, "in the order in which they were sent");
        assert_eq!(offer.take(&mut call, Way::Board).await, noise_digest(size));
        confirmed(&mut world, &sent[at]).await;
    }
    world.user.send(&room, "words").await;
    call.message("words").await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(300), "the first was still to be answered");
    ignored.decline(&mut call).await;
    world.user.message("Your file was not delivered: they declined it.").await;
}

#[tokio::test]
async fn fault_08_a_file_for_somebody_away_waits_and_goes_when_they_are_there() {
    let mut world = World::start_with_friends().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("bye")).await;
    let room = world.user.message("bye").await["room_id"].as_str().unwrap().to_owned();
    drop((call, bob));
    let file = noise(0, 3_000);
    let content = json!({
        "msgtype": "m.file", "body": "later.bin", "url": world.user.upload(&file).await,
        "info": {"size": file.len()},
    });
    let sent = world.user.send_content(&room, content).await;
    world.user.message_with("Your message waits").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.answer().await;
    let offer = files::offered(&mut call).await;
    assert_eq!((offer.name.as_str(), offer.size), ("later.bin", 3_000));
    assert_eq!(offer.take(&mut call, Way::Board).await, noise_digest(3_000));
    confirmed(&mut world, &sent).await;
}

/// A picture of one colour, as a photograph would be stored.
fn photograph(red: u8) -> Vec<u8> {
    let picture = image::RgbImage::from_pixel(300, 200, image::Rgb([red, 20, 40]));
    let mut data = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut data, image::ImageFormat::Jpeg).unwrap();
    data.into_inner()
}

#[tokio::test]
async fn large_pictures_have_smaller_ones_beside_them_on_both_sides() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    let large = image::RgbImage::from_pixel(1600, 800, image::Rgb([180, 20, 40]));
    let mut data = std::io::Cursor::new(Vec::new());
    large.write_to(&mut data, image::ImageFormat::Png).unwrap();
    let data = data.into_inner();
    Gift::offer(&mut call, "wide.png", data.len() as u64, "200 OK").await;
    for (at, part) in data.chunks(1202).enumerate() {
        send(&mut call, &packet(4711, 3000, 1202 * at as u64, data.len() as u64, 0x20, part)).await;
    }
    let shown = world.user.message("wide.png").await;
    let info = &shown["content"]["info"];
    assert_eq!((&info["w"], &info["h"]), (&json!(1600), &json!(800)));
    let about = &info["thumbnail_info"];
    assert_eq!(
        (&about["w"], &about["h"], &about["mimetype"]),
        (&json!(800), &json!(400), &json!("image/jpeg"))
    );
    let small = world.user.download(info["thumbnail_url"].as_str().unwrap()).await;
    assert_eq!(about["size"], small.len());
    let small = image::load_from_memory(&small).expect("a picture").to_rgb8();
    assert_eq!(small.dimensions(), (800, 400));
    assert!(small.get_pixel(400, 200)[0].abs_diff(180) < 8);

    let room = shown["room_id"].as_str().unwrap().to_owned();
    let content = json!({"msgtype": "m.image", "body": "back.png", "url": world.user.upload(&data).await});
    world.user.send_content(&room, content).await;
    let offer = files::offered(&mut call).await;
    assert_eq!((offer.name.as_str(), offer.size), ("back.png", data.len() as u64));
    let preview = offer.preview().expect("a preview");
    let preview = image::load_from_memory_with_format(&preview, image::ImageFormat::Png).expect("a PNG");
    assert_eq!((preview.width(), preview.height()), (96, 48));
    let mut came = Vec::new();
    offer.accept(&mut call).await;
    offer.receive(&mut call, &mut came, u64::MAX).await;
    assert!(came == data);
}

#[tokio::test]
async fn contacts_see_what_the_owner_looks_like_on_matrix() {
    let mut world = World::start().await;
    let mut bob = Other::sign_in(&world.service).await;
    befriend(&mut world, &mut bob).await;
    let mut digests = Vec::new();
    for red in [200, 90] {
        let uri = world.user.upload(&photograph(red)).await;
        let path = format!("profile/{}/avatar_url", world.user.id);
        world.user.call(Method::PUT, &path, Some(json!({"avatar_url": uri}))).await;
        let known = digests.clone();
        let shows = |event: &Event| match event {
            Event::PresenceUpdate { email, presence, .. } if email == "alice@example.com" => {
                presence.msn_object.as_ref().is_some_and(|object| !known.contains(&object.sha1d))
            }
            _ => false,
        };
        let Event::PresenceUpdate { presence, .. } = bob.sees("Alice's picture", shows).await else {
            panic!()
        };
        let object = presence.msn_object.expect("an object");
        let (call, mut heard) = bob.call().await;
        let words = presence.msn_object_string.expect("an object");
        call.request_contact_display_picture("alice@example.com", &words).await.expect("given");
        let is_picture = |event: &Event| matches!(event, Event::DisplayPicture { .. });
        let Event::DisplayPicture { data, .. } = until(&mut heard, "the picture", is_picture).await else {
            panic!()
        };
        // It counts the footer among the data.
        let data = &data[..usize::try_from(object.size).unwrap()];
        assert_eq!(object.sha1d, STANDARD.encode(Sha1::digest(data)));
        let small =
            image::load_from_memory_with_format(data, image::ImageFormat::Png).expect("a PNG").to_rgb8();
        assert_eq!(small.dimensions(), (96, 96));
        assert!(small.get_pixel(48, 48)[0].abs_diff(red) < 8, "{:?}", small.get_pixel(48, 48));
        digests.push(object.sha1d);
    }
    let path = format!("profile/{}/avatar_url", world.user.id);
    world.user.call(Method::PUT, &path, Some(json!({"avatar_url": ""}))).await;
    let shows_none = |event: &Event| {
        matches!(event, Event::PresenceUpdate { email, presence, .. }
            if email == "alice@example.com" && presence.msn_object.is_none())
    };
    bob.sees("that Alice has no picture any more", shows_none).await;
    // What is no picture cannot be one, and its owner hears that.
    let uri = world.user.upload(b"no picture at all").await;
    world.user.call(Method::PUT, &path, Some(json!({"avatar_url": uri}))).await;
    world.user.message_with("Your Matrix avatar is not shown on MSN: ").await;
}

#[tokio::test]
async fn a_call_without_a_word_shows_nothing_and_the_next_words_arrive() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    // Old clients open boards only to look at a picture.
    for _ in 0..3 {
        let mut call = bob.call("alice@example.com").await;
        call.raw(b"OUT\r\n").await;
    }
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("now then")).await;
    let room = world.user.message("now then").await["room_id"].as_str().unwrap().to_owned();
    world.user.send(&room, "hello").await;
    call.message("hello").await;
    let shown = |event: &Value| {
        event["type"] == "m.room.message"
            && event["sender"] == format!("@msn_bob=40example.com:{SERVER_NAME}")
    };
    assert_eq!(world.user.seen_so_far(shown), 0, "something else was shown of Bob");
}

#[tokio::test]
async fn whoever_takes_or_gives_a_file_and_is_gone_at_once_has_taken_or_given_it() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("take it")).await;
    let room = world.user.message("take it").await["room_id"].as_str().unwrap().to_owned();
    let file = noise(0, 5000);
    let content = json!({"msgtype": "m.file", "body": "a.bin", "url": world.user.upload(&file).await});
    let sent = world.user.send_content(&room, content).await;
    assert_eq!(files::offered(&mut call).await.take(&mut call, Way::Board).await, noise_digest(5000));
    drop(call);
    confirmed(&mut world, &sent).await;
    let mut call = bob.call("alice@example.com").await;
    Gift::offer(&mut call, "b.bin", 5000, "200 OK").await.send(&mut call, 5000).await;
    // The service has it all.
    call.say(&text("bye")).await;
    drop(call);
    let shown = world.user.message("b.bin").await;
    assert_eq!(world.user.download(shown["content"]["url"].as_str().unwrap()).await, file);
}

#[tokio::test]
async fn the_demo_s_contacts_take_and_give_files_and_have_faces() {
    let directory = tempfile::tempdir().unwrap();
    let robots = directory.path().join("robots.txt");
    std::fs::write(&robots, "rob@example.com,rob-pw,Rob\n").unwrap();
    let mut world =
        World::start_with_friends_at(directory, &["--robots", robots.to_str().unwrap()], "").await;
    let management = world.management.clone();
    world.user.send(&management, "add rob@example.com").await;
    let hello = world.user.message_with("Hi! I am Rob.").await;
    let room = hello["room_id"].as_str().unwrap().to_owned();
    let is_face = |event: &Value| {
        event["type"] == "m.room.member"
            && event["sender"] == format!("@msn_rob=40example.com:{SERVER_NAME}")
            && event["content"]["avatar_url"].is_string()
    };
    let face = world.user.event("Rob's face", is_face).await;
    let face = world.user.download(face["content"]["avatar_url"].as_str().unwrap()).await;
    assert_eq!(image::load_from_memory(&face).expect("a picture").width(), 96);

    let content =
        json!({"msgtype": "m.file", "body": "a.bin", "url": world.user.upload(&noise(0, 30_000)).await});
    world.user.send_content(&room, content).await;
    let thanks = format!("Thank you! I got «a.bin»: 30000 bytes, SHA-256 {}", noise_digest(30_000));
    world.user.message(&thanks).await;
    world.user.send(&room, "a picture, please").await;
    let picture = world.user.message("a sunset from Rob.png").await;
    assert_eq!(picture["content"]["msgtype"], "m.image");
    assert_eq!(
        (&picture["content"]["info"]["w"], &picture["content"]["info"]["h"]),
        (&json!(480), &json!(320))
    );
    let picture = world.user.download(picture["content"]["url"].as_str().unwrap()).await;
    assert_eq!(image::load_from_memory(&picture).expect("a picture").width(), 480);
}

#[tokio::test]
async fn names_that_mean_harm_arrive_as_names() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let long = format!("{}.txt", "x".repeat(255));
    for (name, shown) in [
        ("../../etc/passwd", "passwd".to_owned()),
        ("C:\\Windows\\win.ini", "win.ini".to_owned()),
        ("CON", "_CON".to_owned()),
        (long.as_str(), format!("{}.txt", "x".repeat(183))),
        ("photo\u{202E}gpj.exe", "photogpj.exe".to_owned()),
        ("..", "file".to_owned()),
    ] {
        let mut call = bob.call("alice@example.com").await;
        Gift::offer(&mut call, name, 10, "200 OK").await.send(&mut call, 10).await;
        call.say(&text("there")).await;
        let event = world.user.message(&shown).await;
        assert_eq!(event["content"]["filename"], shown);
        let data = world.user.download(event["content"]["url"].as_str().unwrap()).await;
        assert_eq!(data, noise(0, 10));
        call.raw(b"OUT\r\n").await;
    }
}
