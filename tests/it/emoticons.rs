//! Small pictures in a text, winks, voice clips and handwriting: played by hand against the bridge.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::chat::World;
use crate::support::files::{field, message, next_signal, packet, receive, send, signal};
use crate::support::msn::{Peer, Wire, text};

pub(crate) fn picture(red: u8) -> Vec<u8> {
    let picture = image::RgbImage::from_pixel(19, 19, image::Rgb([red, 90, 10]));
    let mut data = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut data, image::ImageFormat::Png).unwrap();
    data.into_inner()
}

pub(crate) fn object(kind: u32, data: &[u8]) -> String {
    let digest = STANDARD.encode(Sha1::digest(data));
    format!(
        "<msnobj Creator=\"bob@example.com\" Size=\"{}\" Type=\"{kind}\" Location=\"TFR1.tmp\" Friendly=\"AAA=\" SHA1D=\"{digest}\"/>",
        data.len()
    )
}

pub(crate) async fn announce(call: &mut Wire, content_type: &str, body: &str) {
    let payload = format!("MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n{body}");
    call.payload("N", payload.as_bytes()).await;
}

/// Answers the next question for an object with these data.
pub(crate) async fn give(call: &mut Wire, data: &[u8]) {
    give_instead(call, data, data).await;
}

/// Answers the question for an object with other data than it says.
pub(crate) async fn give_instead(call: &mut Wire, announced: &[u8], data: &[u8]) {
    let wanted = loop {
        let text = next_signal(call).await;
        if text.contains("EUF-GUID: {A4268EEC") {
            break text;
        }
    };
    let context = STANDARD.decode(field(&wanted, "Context")).expect("base64");
    let asked = String::from_utf8(context).expect("an object");
    assert!(asked.contains(&STANDARD.encode(Sha1::digest(announced))), "{asked}");
    let session: u32 = field(&wanted, "SessionID").parse().unwrap();
    let branch = field(&wanted, "Via").split("branch=").nth(1).expect("a branch").to_owned();
    let body = format!("SessionID: {session}\r\n");
    let yes = message("MSNSLP/1.0 200 OK", &branch, 1, &field(&wanted, "Call-ID"), "sessionreqbody", &body);
    signal(call, 500 + session % 1000, &yes).await;
    send(call, &packet(session, 2500 + session % 1000, 0, 4, 0, &[0; 4])).await;
    for (at, part) in data.chunks(1202).enumerate() {
        let offset = 1202 * at as u64;
        send(call, &packet(session, 4000 + session % 1000, offset, data.len() as u64, 0x20, part)).await;
    }
}

/// Asks Alice for what an object of hers describes.
pub(crate) async fn ask_for(call: &mut Wire, object: &str) -> Vec<u8> {
    let body = format!(
        "EUF-GUID: {{A4268EEC-FEC5-49E5-95C3-F126696BDBF6}}\r\nSessionID: 4711\r\nAppID: 1\r\nContext: {}\r\n",
        STANDARD.encode(format!("{object}\0"))
    );
    let start = "INVITE MSNMSGR:alice@example.com MSNSLP/1.0";
    let (branch, id) = ("{14C34859-5987-2B67-BB27-D6DA11CE3370}", "{19C77CDB-04EE-5CA9-14E3-0DB6E55E2411}");
    signal(call, 1000, &message(start, branch, 0, id, "sessionreqbody", &body)).await;
    receive(call, 4711).await
}

#[tokio::test]
async fn emoticons_of_a_contact_stand_in_their_words_as_pictures() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    let (cat, dog) = (picture(200), picture(100));
    let table = format!(":cat:\t{}\t:dog:\t{}\t", object(2, &cat), object(2, &dog));
    announce(&mut call, "text/x-mms-emoticon", &table).await;
    call.say(&text("a :cat: and a :dog: and a :cat:")).await;
    give(&mut call, &cat).await;
    give(&mut call, &dog).await;
    let shown = world.user.message("a :cat: and a :dog: and a :cat:").await;
    let html = shown["content"]["formatted_body"].as_str().expect("pictures").to_owned();
    assert_eq!(html.matches("<img data-mx-emoticon").count(), 3, "{html}");
    let sources: Vec<&str> =
        html.split("src=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(world.user.download(sources[0]).await, cat);
    assert_eq!(world.user.download(sources[1]).await, dog);
    assert_eq!(sources[2], sources[0]);
    // Kept, and uploaded once; words that announce nothing have none.
    announce(&mut call, "text/x-mms-emoticon", &format!(":cat:\t{}\t", object(2, &cat))).await;
    call.say(&text("again :cat:")).await;
    let again = world.user.message("again :cat:").await;
    assert!(again["content"]["formatted_body"].as_str().unwrap().contains(sources[0]));
    call.say(&text("only words :cat:")).await;
    let words = world.user.message("only words :cat:").await;
    assert!(words["content"]["formatted_body"].is_null());
    // One that never comes: its shortcut says what it was.
    announce(&mut call, "text/x-mms-emoticon", &format!(":owl:\t{}\t", object(2, &picture(7)))).await;
    call.say(&text("where is the :owl:?")).await;
    world.user.message("where is the :owl:?").await;
}

#[tokio::test]
async fn emoticons_from_matrix_are_offered_before_the_words_and_given() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hello")).await;
    let room = world.user.message("hello").await["room_id"].as_str().unwrap().to_owned();
    let uri = world.user.upload(&picture(200)).await;
    let html = format!("so <img data-mx-emoticon src=\"{uri}\" alt=\":happy_cat:\" height=\"32\"> am I");
    let content = json!({
        "msgtype": "m.text", "body": "so :happy_cat: am I",
        "format": "org.matrix.custom.html", "formatted_body": html,
    });
    world.user.send_content(&room, content).await;
    // The shortcut is longer than old clients take.
    let table = call.message("text/x-mms-emoticon").await;
    let words = call.message("so (e1) am I").await;
    assert!(table.at <= words.at, "announced first");
    let object = table.payload.split('\t').nth(1).expect("an object").to_owned();
    let data = ask_for(&mut call, &object).await;
    assert!(object.contains(&STANDARD.encode(Sha1::digest(&data))), "{object}");
    let small = image::load_from_memory_with_format(&data, image::ImageFormat::Png).expect("a PNG");
    assert_eq!((small.width(), small.height()), (50, 50));
}

#[tokio::test]
async fn winks_voice_clips_and_handwriting_are_files() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    for (id, kind, said, name) in
        [(3, 11, "sent a voice clip", "voice clip.wav"), (2, 8, "sent a wink", "wink.mct")]
    {
        let data = [b"RIFF".to_vec(), vec![u8::try_from(kind).unwrap(); 3000]].concat();
        let body = format!("ID: {id}\r\nData: {}\r\n\r\n", object(kind, &data));
        announce(&mut call, "text/x-msnmsgr-datacast", &body).await;
        world.user.message(said).await;
        give(&mut call, &data).await;
        let shown = world.user.message(name).await;
        assert_eq!(shown["content"]["msgtype"], if id == 3 { "m.audio" } else { "m.file" });
        assert_eq!(world.user.download(shown["content"]["url"].as_str().unwrap()).await, data);
    }
    // One as Messenger made them has a picture in it.
    let wink = include_bytes!("../support/wink.cab");
    announce(&mut call, "text/x-msnmsgr-datacast", &format!("ID: 2\r\nData: {}\r\n\r\n", object(8, wink)))
        .await;
    give(&mut call, wink).await;
    let shown = world.user.message("wink.png").await;
    assert_eq!((&shown["content"]["info"]["w"], &shown["content"]["info"]["h"]), (&json!(64), &json!(43)));
    let shown = world.user.message("wink.mct").await;
    assert_eq!(world.user.download(shown["content"]["url"].as_str().unwrap()).await, wink);
    let drawn = [&b"GIF89a"[..], &[7; 200]].concat();
    announce(&mut call, "image/gif", &format!("base64:{}", STANDARD.encode(&drawn))).await;
    let shown = world.user.message("handwriting.gif").await;
    assert_eq!(shown["content"]["msgtype"], "m.image");
    assert_eq!(world.user.download(shown["content"]["url"].as_str().unwrap()).await, drawn);
    announce(&mut call, "application/x-ms-ink", "base64:AAAA").await;
    let told = |event: &Value| {
        event["content"]["body"]
            .as_str()
            .is_some_and(|body| body.contains("in a form that cannot be shown here"))
    };
    world.user.event("that it cannot be shown", told).await;
}

/// A clip as MSN records it: frames of 40 bytes, each 20 ms at 16 kHz. Any bytes are frames.
pub(crate) fn siren(frames: u32) -> Vec<u8> {
    let data: Vec<u8> = (0..frames * 40).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let format = [
        &0x028E_u16.to_le_bytes()[..],
        &1_u16.to_le_bytes(),
        &16_000_u32.to_le_bytes(),
        &2_000_u32.to_le_bytes(),
        &40_u16.to_le_bytes(),
        &0_u16.to_le_bytes(),
        &2_u16.to_le_bytes(),
        &320_u16.to_le_bytes(),
    ]
    .concat();
    let chunk =
        |name: &[u8], body: &[u8]| [name, &u32::try_from(body.len()).unwrap().to_le_bytes(), body].concat();
    chunk(b"RIFF", &[&b"WAVE"[..], &chunk(b"fmt ", &format), &chunk(b"data", &data)].concat())
}

/// The samples of a sound file at 16 kHz, by another program's account.
fn samples(data: &[u8]) -> usize {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), data).unwrap();
    let mut read = std::process::Command::new("ffmpeg");
    read.args(["-v", "error", "-i"]).arg(file.path()).args(["-ar", "16000", "-f", "s16le", "-"]);
    read.output().expect("ffmpeg: tests/run installs it").stdout.len() / 2
}

#[tokio::test]
async fn a_voice_clip_can_be_played_or_it_is_said_why_not() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let clip = siren(150);
    let body = format!("ID: 3\r\nData: {}\r\n\r\n", object(11, &clip));
    let mut call = bob.call("alice@example.com").await;
    announce(&mut call, "text/x-msnmsgr-datacast", &body).await;
    give(&mut call, &clip).await;
    let shown = world.user.message("voice clip.ogg").await;
    assert_eq!(shown["content"]["msgtype"], "m.audio");
    assert_eq!(shown["content"]["info"]["mimetype"], "audio/ogg");
    let sound = world.user.download(shown["content"]["url"].as_str().unwrap()).await;
    assert!(sound.starts_with(b"OggS"));
    // Three seconds, give or take what the codec adds at its ends.
    assert!(samples(&sound).abs_diff(48_000) < 1_600, "{} samples", samples(&sound));
    // Without the program it arrives as it is.
    world.bridge.stop().await;
    world.bridge.append_config("files:\n  ffmpeg: /nonexistent/ffmpeg\n");
    world.bridge.start().await;
    let mut call = bob.call("alice@example.com").await;
    announce(&mut call, "text/x-msnmsgr-datacast", &body).await;
    give(&mut call, &clip).await;
    let shown = world.user.message("voice clip.wav").await;
    assert_eq!(world.user.download(shown["content"]["url"].as_str().unwrap()).await, clip);
    world.user.message_with("few players know: the bridge has no ffmpeg").await;
}
