//! The rows of the table of translations that carry pictures and sounds of Messenger's own, with matrix-sdk as the user:
//! winks, voice clips, handwriting, custom emoticons, display pictures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ruma::OwnedMxcUri;
use ruma::events::AnySyncStateEvent;
use ruma::events::room::MediaSource;
use ruma::events::room::message::{MessageType, RoomMessageEventContent};
use sha1::{Digest, Sha1};

use crate::chat::World;
use crate::emoticons::{announce, ask_for, give, object, picture, siren};
use crate::sdk::{Talk, talk, talk_in};
use crate::sdk_rows::ghost;
use crate::support::msn::{Unit, text};
use crate::support::sdk::{SdkUser, send};

const DATACAST: &str = "text/x-msnmsgr-datacast";

/// The file of a message: what the message is, and the bytes behind it.
async fn file(user: &mut SdkUser, name: &str) -> (&'static str, Vec<u8>) {
    let (_, shown) = user.message(name).await;
    let (kind, source) = match shown.content.msgtype {
        MessageType::Image(image) => ("a picture", image.source),
        MessageType::Audio(audio) => ("a sound", audio.source),
        MessageType::Video(video) => ("a film", video.source),
        MessageType::File(file) => ("a file", file.source),
        other => panic!("{other:?}"),
    };
    let MediaSource::Plain(uri) = source else { panic!("{source:?}") };
    (kind, user.download(&uri).await)
}

#[tokio::test]
async fn winks_voice_clips_handwriting_and_actions_are_never_silence() {
    let Talk { mut user, mut call, world: _world, bob: _bob, .. } = talk().await;
    let wink = include_bytes!("../support/wink.cab");
    announce(&mut call, DATACAST, &format!("ID: 2\r\nData: {}\r\n\r\n", object(8, wink))).await;
    let (_, said) = user.message("sent a wink").await;
    assert!(matches!(said.content.msgtype, MessageType::Emote(_)), "{said:?}");
    give(&mut call, wink).await;
    let (kind, picture) = file(&mut user, "wink.png").await;
    assert_eq!(kind, "a picture");
    let picture = image::load_from_memory(&picture).expect("a picture");
    assert_eq!((picture.width(), picture.height()), (64, 43));
    assert_eq!(file(&mut user, "wink.mct").await, ("a file", wink.to_vec()));

    let clip = siren(50);
    announce(&mut call, DATACAST, &format!("ID: 3\r\nData: {}\r\n\r\n", object(11, &clip))).await;
    user.message("sent a voice clip").await;
    give(&mut call, &clip).await;
    let (kind, sound) = file(&mut user, "voice clip.ogg").await;
    assert!(kind == "a sound" && sound.starts_with(b"OggS"), "{kind}");

    let drawn = [&b"GIF89a"[..], &[7; 200]].concat();
    announce(&mut call, "image/gif", &format!("base64:{}", STANDARD.encode(&drawn))).await;
    assert_eq!(file(&mut user, "handwriting.gif").await, ("a picture", drawn));
    announce(&mut call, "application/x-ms-ink", "base64:AAAA").await;
    user.message_with("in a form that cannot be shown here").await;

    announce(&mut call, DATACAST, "ID: 4\r\nData: is dancing\r\n\r\n").await;
    let (_, said) = user.message("is dancing").await;
    assert!(matches!(said.content.msgtype, MessageType::Emote(_)), "{said:?}");
}

#[tokio::test]
async fn custom_emoticons_stand_in_the_words_both_ways() {
    let Talk { mut user, mut call, room, world: _world, bob: _bob, .. } = talk().await;
    let cat = picture(200);
    announce(&mut call, "text/x-mms-emoticon", &format!(":cat:\t{}\t", object(2, &cat))).await;
    call.say(&text("a :cat: there")).await;
    give(&mut call, &cat).await;
    let (_, shown) = user.message("a :cat: there").await;
    let MessageType::Text(words) = shown.content.msgtype else { panic!("{shown:?}") };
    let html = words.formatted.expect("a picture in the words").body;
    let uri = html.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a source");
    assert!(html.contains("<img data-mx-emoticon") && html.contains(":cat:"), "{html}");
    assert_eq!(user.download(&OwnedMxcUri::from(uri)).await, cat);

    let uri = user.upload("image/png", picture(90)).await;
    let html = format!("so <img data-mx-emoticon src=\"{uri}\" alt=\":owl:\" height=\"32\"> am I");
    send(&room, RoomMessageEventContent::text_html("so :owl: am I", html)).await;
    let table = call.message("text/x-mms-emoticon").await;
    let words = call.message("so :owl: am I").await;
    assert!(table.at <= words.at, "announced first");
    let (_, body) = table.payload.split_once("\r\n\r\n").expect("a body");
    let (shortcut, object) = body.split_once('\t').expect("an object");
    let object = object.trim_end_matches('\t');
    assert_eq!(shortcut, ":owl:");
    let data = ask_for(&mut call, object).await;
    assert!(object.contains(&STANDARD.encode(Sha1::digest(&data))), "{object}");
    let small = image::load_from_memory_with_format(&data, image::ImageFormat::Png).expect("a PNG");
    assert_eq!(small.to_rgb8().get_pixel(0, 0), &image::Rgb([90, 90, 10]));
}

#[tokio::test]
async fn display_pictures_are_avatars_both_ways() {
    let Talk { mut user, mut call, room, mut bob, world: _world } =
        talk_in(World::start_with_friends().await).await;
    let face = picture(200);
    let announced = utf8_percent_encode(&object(3, &face), NON_ALPHANUMERIC).to_string();
    bob.wire.send("CHG", &format!("NLN 1073741856 {announced}")).await;
    bob.wire.line("CHG").await;
    // It is asked for at once, in the call that is open.
    give(&mut call, &face).await;
    let borne = |event: &AnySyncStateEvent| match event {
        AnySyncStateEvent::RoomMember(member) if *member.state_key() == ghost("bob") => {
            member.as_original()?.content.avatar_url.clone()
        }
        _ => None,
    };
    let uri = user.state("Bob's face", &room, borne).await;
    assert_eq!(user.download(&uri).await, face);
    let hung = |event: &AnySyncStateEvent| match event {
        AnySyncStateEvent::RoomAvatar(avatar) => avatar.as_original()?.content.url.clone(),
        _ => None,
    };
    assert_eq!(user.state("the room with Bob's face", &room, hung).await, uri);

    bob.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    bob.wire.line("ILN").await;
    let uri = user.upload("image/png", picture(90)).await;
    user.client.account().set_avatar_url(Some(&uri)).await.expect("shown");
    let shows = |line: &str| {
        let object = percent_decode_str(line.rsplit(' ').next()?).decode_utf8().ok()?.into_owned();
        object.starts_with("<msnobj").then_some(object)
    };
    let is_hers = |line: &str| line.starts_with("NLN ") && line.contains(" alice@example.com ");
    let shown = bob.wire.until("Alice's picture", |u| is_hers(&u.line) && shows(&u.line).is_some()).await;
    let object = shows(&shown.line).expect("an object");
    let data = ask_for(&mut call, &object).await;
    assert!(object.contains(&STANDARD.encode(Sha1::digest(&data))), "{object}");
    let small = image::load_from_memory_with_format(&data, image::ImageFormat::Png).expect("a PNG").to_rgb8();
    assert_eq!((small.dimensions(), small.get_pixel(48, 48)), ((96, 96), &image::Rgb([90, 90, 10])));
    // What is taken away is not shown any more.
    user.client.account().set_avatar_url(None).await.expect("taken away");
    let is_bare = |u: &Unit| u.at > shown.at && is_hers(&u.line) && shows(&u.line).is_none();
    bob.wire.until("Alice without a picture", is_bare).await;
}
