//! What a room does, in an encrypted one: everything that it does in a plain one, and keys for who is there alone.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::encryption::{ENCRYPTED, World, talk};
use crate::irc::{CHANNEL, relay_config};
use crate::support::element::Element;
use crate::support::files::{self, Gift, Way, hex, noise, packet};
use crate::support::irc::{Ngircd, Person};
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Wire, text};
use crate::support::synapse::SERVER_NAME;
use crate::support::{free_port, within};

/// How long an event holds its room up whose key has not come.
const HOLD: Duration = Duration::from_secs(30);

/// A picture that is larger than what is shown in a room.
fn large_picture() -> Vec<u8> {
    let picture = image::RgbImage::from_fn(900, 700, |x, y| image::Rgb([x as u8, y as u8, 7]));
    let mut data = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut data, image::ImageFormat::Png).unwrap();
    data.into_inner()
}

async fn opened(ann: &mut Element, file: &Value) -> Vec<u8> {
    assert!(file["url"].is_string() && file["key"].is_object(), "{file}");
    let opened = ann.order("open", json!({"file": file})).await;
    STANDARD.decode(opened["bytes"].as_str().unwrap()).unwrap()
}

/// Bob sends these bytes as a file.
pub(crate) async fn give(call: &mut Wire, name: &str, bytes: &[u8]) {
    let size = bytes.len() as u64;
    let gift = Gift::propose_as(call, name, size, 5_000, "5000").await;
    gift.answered(call, "200 OK").await;
    for (at, part) in bytes.chunks(1202).enumerate() {
        let part = packet(5_000, 50_000, 1202 * at as u64, size, 0x0100_0030, part);
        files::send(call, &part).await;
    }
    call.message("BYE MSNMSGR:bob@example.com").await;
}

/// The sessions in which Bob's words in a room were encrypted, the first first.
pub(crate) async fn sessions(plain: &MatrixUser, room: &str) -> Vec<String> {
    let path = format!("rooms/{room}/messages?dir=f&limit=500");
    let answer = plain.call(Method::GET, &path, None).await;
    let events = answer["chunk"].as_array().cloned().unwrap_or_default();
    let is_bobs = |event: &&Value| {
        event["type"] == "m.room.encrypted" && event["sender"].as_str().unwrap().starts_with("@msn_bob")
    };
    let session = |event: &Value| event["content"]["session_id"].as_str().unwrap().to_owned();
    events.iter().filter(is_bobs).map(session).collect()
}

/// A file comes from Bob after a question, and pictures go both ways and to a channel of IRC.
async fn files_go_both_ways(world: &mut World, call: &mut Wire, room: &str, irc: &mut Person) {
    let picture = large_picture();
    let gift = Gift::propose(call, "large.bin", 60_000).await;
    let question = world.ann.message("Bob offers the file «large.bin»").await;
    let sign = json!({"room": room, "id": question["id"], "key": "👍"});
    world.ann.order("react", sign).await;
    gift.answered(call, "200 OK").await;
    gift.send(call, 60_000).await;
    let shown = world.ann.message("large.bin").await;
    assert!(opened(&mut world.ann, &shown["content"]["file"]).await == noise(0, 60_000));

    give(call, "view.png", &picture).await;
    let shown = world.ann.message("view.png").await;
    assert_eq!(shown["content"]["msgtype"], "m.image");
    assert!(opened(&mut world.ann, &shown["content"]["file"]).await == picture);
    let info = &shown["content"]["info"];
    assert_eq!((&info["w"], &info["h"], &info["thumbnail_url"]), (&json!(900), &json!(700), &Value::Null));
    let small = opened(&mut world.ann, &info["thumbnail_file"]).await;
    let small = image::load_from_memory(&small).expect("a picture");
    assert!(small.width() <= 800 && small.height() <= 600);

    let order =
        json!({"room": room, "name": "back.png", "type": "m.image", "bytes": STANDARD.encode(&picture)});
    world.ann.order("file", order).await;
    let offer = files::offered(call).await;
    assert_eq!((offer.name.as_str(), offer.size), ("back.png", picture.len() as u64));
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&picture);
    assert_eq!(offer.take(call, Way::Board).await, hex(&digest));
    let line = irc.line("sent the file «back.png»: http").await;
    let address = &line[line.find("http://").unwrap()..];
    let got = reqwest::get(address.split([' ', '\x01']).next().unwrap()).await.expect("the bridge answers");
    assert!(got.bytes().await.unwrap() == picture, "the link gives what was encrypted");
}

/// An event is removed where everybody can see that.
async fn is_removed(plain: &MatrixUser, room: &str, event: &str) {
    within("the password to be removed", async {
        loop {
            let shown = plain.call(Method::GET, &format!("rooms/{room}/event/{event}"), None).await;
            if shown["unsigned"]["redacted_because"].is_object() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn words_files_questions_and_an_upgrade_are_as_in_a_plain_room() {
    let directory = tempfile::tempdir().unwrap();
    let server = Ngircd::start(directory.path(), 0).await;
    let port = free_port();
    let files = format!(
        "files:\n  ask_above: 50000\n  links: {{url: 'http://127.0.0.1:{port}/', listen: '127.0.0.1:{port}'}}\n"
    );
    let config = format!("{ENCRYPTED}{files}{}", relay_config(server.port, &["bob@example.com"]));
    let mut world = World::start(&config, true).await;
    let password = world.password.clone();
    is_removed(&world.plain, &world.management, &password).await;
    let mut irc = Person::join(server.port, "eve", CHANNEL).await;
    let (_bob, mut call, room) = talk(&mut world).await;

    // Words, what becomes of them, and what they are changed to.
    let said = world.ann.send(&room, "helo").await;
    call.message("helo").await;
    irc.line("helo").await;
    let is_confirmed = |event: &Value| {
        event["saw"] == "com.beeper.message_send_status"
            && event["content"]["m.relates_to"]["event_id"] == said.as_str()
            && event["content"]["status"] == "SUCCESS"
    };
    let status = world.ann.event("the status of what was said", is_confirmed).await;
    assert_eq!(status["encrypted"], false, "clients read it without keys");
    let edit = json!({
        "msgtype": "m.text", "body": "* hello", "m.new_content": {"msgtype": "m.text", "body": "hello"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": said},
    });
    world.ann.order("send", json!({"room": room, "content": edit})).await;
    call.message("* hello").await;
    // Commands are none of Bob's business, and are answered in the same way.
    world.ann.send(&room, "!msn nudge").await;
    call.message("Content-Type: text/x-msnmsgr-datacast").await;
    irc.say(CHANNEL, "from the channel").await;
    let relayed = world.ann.message("from the channel").await;
    assert_eq!(relayed["room"], json!(room));
    call.message("<eve> from the channel").await;

    files_go_both_ways(&mut world, &mut call, &room, &mut irc).await;

    let version = world.plain.call(Method::GET, "capabilities", None).await;
    let version = version["capabilities"]["m.room_versions"]["default"].clone();
    let body = json!({"new_version": version});
    let answer = world.plain.call(Method::POST, &format!("rooms/{room}/upgrade"), Some(body)).await;
    let new = answer["replacement_room"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    world.bridge.wait_for_log("the next room waits for an invitation").await;
    for user in ["msnbot", "msn_bob=40example.com"] {
        let asked = json!({"user_id": format!("@{user}:{SERVER_NAME}")});
        world.plain.call(Method::POST, &format!("rooms/{new}/invite"), Some(asked)).await;
    }
    world.bridge.wait_for_log("followed an upgrade").await;
    call.say(&text("in the new room")).await;
    assert_eq!(world.ann.message("in the new room").await["room"], json!(new));
    world.ann.send(&new, "an answer there").await;
    call.message("an answer there").await;
    let unreadable = world.ann.unreadable(&world.plain.id);
    assert!(unreadable.is_empty(), "{unreadable:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_for_who_is_there_and_a_late_one_brings_its_message() {
    let mut world = World::start(ENCRYPTED, false).await;
    let (_bob, mut call, room) = talk(&mut world).await;

    // Somebody who was asked in and has not come reads nothing that was said before they did.
    MatrixUser::register(&world.synapse.url(), "dora").await;
    let mut dora = Element::log_in(&world.synapse.url(), "dora", false).await;
    dora.order("stay", json!({})).await;
    let invite = json!({"user_id": format!("@dora:{SERVER_NAME}")});
    world.plain.call(Method::POST, &format!("rooms/{room}/invite"), Some(invite)).await;
    call.say(&text("not for her")).await;
    world.ann.message("not for her").await;
    dora.order("join", json!({"room": room})).await;
    let is_here = |event: &Value| event["saw"] == "m.room.encrypted" && event["failure"].is_string();
    call.say(&text("for her too")).await;
    dora.message("for her too").await;
    let locked = dora.seen_so_far(is_here);
    let read = |event: &Value| event["content"]["body"] == "not for her";
    assert_eq!(dora.seen_so_far(read), 0, "she was given a key before she came");
    call.say(&text("the same again")).await;
    dora.message("the same again").await;
    assert_eq!(dora.seen_so_far(is_here), locked, "what comes is readable");

    // Who has left cannot read on.
    let before = sessions(&world.plain, &room).await;
    let [.., last_but_one, last] = &before[..] else { panic!("{before:?}") };
    assert_eq!(last_but_one, last, "nobody came or left between the two");
    let kick = json!({"user_id": format!("@dora:{SERVER_NAME}")});
    world.plain.call(Method::POST, &format!("rooms/{room}/kick"), Some(kick)).await;
    // What follows in the room is heard after it.
    world.ann.send(&room, "she has gone").await;
    call.message("she has gone").await;
    call.say(&text("without her")).await;
    world.ann.message("without her").await;
    let after = sessions(&world.plain, &room).await;
    assert_eq!(after.len(), before.len() + 1);
    assert!(!before.contains(after.last().unwrap()), "she could read on: {after:?}");

    // A key that is late: the room goes on, one sentence says why, and the message comes after all.
    world.ann.order("hold", json!({})).await;
    world.ann.order("rotate", json!({"room": room})).await;
    let begun = std::time::Instant::now();
    let late = world.ann.send(&room, "by a late key").await;
    call.say(&text("meanwhile")).await;
    world.ann.message("meanwhile").await;
    let sentence = |event: &Value| {
        event["content"]["body"].as_str().is_some_and(|body| body.contains("its key has not come"))
    };
    let told = world.ann.event("the sentence", sentence).await;
    assert!(begun.elapsed() >= HOLD, "{:?}", begun.elapsed());
    assert!(told.to_string().contains(&late) && told["room"] == json!(room), "{told}");
    assert!(told.to_string().contains("It is carried when its key comes"), "{told}");
    assert_eq!(call.kept("by a late key"), 0);
    let released = world.ann.order("release", json!({})).await;
    assert!(released["count"].as_u64() > Some(0), "{released}");
    call.message("by a late key").await;
    // It was said when it was said, not when its key came.
    world.ann.send(&room, &format!("!msn explain {late}")).await;
    let explained = world.ann.message("was on disk").await;
    let body = explained["content"]["body"].as_str().unwrap();
    let span = body.split("was on disk ").nth(1).and_then(|rest| rest.split(" s later").next());
    let seconds = span.and_then(|seconds| seconds.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds >= HOLD.as_secs()), "{body}");
    world.ann.send(&room, "and on we go").await;
    call.message("and on we go").await;
    assert_eq!(world.ann.seen_so_far(sentence), 0, "said twice");
}
