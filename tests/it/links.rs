//! Files for those who cannot be given them: addresses that work for whoever has them, until they are taken back.

use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::chat::World;
use crate::emoticons::{announce, give, object, picture};
use crate::groups::three_of;
use crate::irc::{CHANNEL, relay_config};
use crate::support::files::{Gift, noise};
use crate::support::free_port;
use crate::support::irc::{Ngircd, Person};
use crate::support::msn::{Peer, Wire, text};
use crate::support::synapse::SERVER_NAME;

fn links_config() -> String {
    let port = free_port();
    format!("files:\n  links: {{url: 'http://127.0.0.1:{port}/', listen: '127.0.0.1:{port}'}}\n")
}

/// Bob has called Alice, and Eve is in the channel that is their conversation too.
async fn met() -> (World, Ngircd, Person, Peer, Wire, String) {
    let directory = tempfile::tempdir().unwrap();
    let server = Ngircd::start(directory.path(), 0).await;
    let config = format!("{}{}", links_config(), relay_config(server.port, &["bob@example.com"]));
    let mut world = World::start_in(directory, &config).await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    let mut eve = Person::join(server.port, "eve", CHANNEL).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hello")).await;
    let room = world.user.message("hello").await["room_id"].as_str().unwrap().to_owned();
    eve.line("hello").await;
    (world, server, eve, bob, call, room)
}

#[tokio::test]
async fn a_long_message_is_its_first_lines_in_a_channel_and_an_address() {
    let (world, _server, mut eve, _bob, mut call, room) = met().await;
    let lines: Vec<String> = (0..40).map(|n| format!("pasted {n}")).collect();
    call.say(&text(&lines.join("\r\n"))).await;
    for line in &lines[..12] {
        eve.line(&format!(" :{line}")).await;
    }
    let line = eve.line("… and 28 more lines: http://").await;
    let whole = get(&address(&line)).await.text().await.unwrap();
    assert_eq!(whole, lines.join("\n"));
    call.say(&text("after it")).await;
    eve.line("after it").await;
    assert_eq!(eve.unread("pasted 12"), 0);
    // From Matrix too, and what is one line there.
    let mut user = world.user;
    user.send(&room, &"many words ".repeat(1_000)).await;
    eve.line("more lines: http://").await;
}

fn address(line: &str) -> String {
    let at = line.find("http://").unwrap_or_else(|| panic!("no address in {line}"));
    line[at..].split([' ', '\x01']).next().unwrap().to_owned()
}

async fn get(address: &str) -> Response {
    Client::new().get(address).send().await.expect("the bridge answers")
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

async fn redact(world: &World, room: &str, event: &str) {
    let path = format!("rooms/{room}/redact/{event}/{}", event.trim_start_matches('$'));
    let answer = world.user.call(Method::PUT, &path, Some(json!({}))).await;
    assert!(answer["event_id"].is_string(), "{answer}");
}

/// Waits until the address leads nowhere any more.
async fn is_gone(world: &World, room: &str, event: &str, address: &str) {
    redact(world, room, event).await;
    crate::support::within("the link to end", async {
        while get(address).await.status() != StatusCode::GONE {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
    assert!(get(address).await.text().await.unwrap().contains("not here any more"));
}

#[tokio::test]
async fn a_file_of_a_contact_is_had_from_irc_whole_or_in_part_until_it_is_removed() {
    let (mut world, _server, mut eve, _bob, mut call, room) = met().await;
    Gift::offer(&mut call, "größe <b>.png", 5000, "200 OK").await.send(&mut call, 5000).await;
    let line = eve.line("sent the file").await;
    assert!(line.starts_with(":bob[m]!") && line.contains("«größe b.png»: http"), "{line}");
    let address = address(&line);
    let whole = get(&address).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(header(&whole, "content-type"), "image/png");
    let disposition = header(&whole, "content-disposition");
    assert!(
        disposition.starts_with("inline; filename=\"gr__e_b.png\"; filename*=UTF-8''gr%C3%B6"),
        "{disposition}"
    );
    assert_eq!(header(&whole, "x-content-type-options"), "nosniff");
    assert!(header(&whole, "content-security-policy").contains("sandbox"));
    assert_eq!(whole.bytes().await.unwrap(), noise(0, 5000));
    let part = Client::new().get(&address).header("Range", "bytes=1000-1999").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(header(&part, "content-range"), "bytes 1000-1999/5000");
    assert_eq!(part.bytes().await.unwrap(), noise(1000, 1000));
    let beyond = Client::new().get(&address).header("Range", "bytes=5000-").send().await.unwrap();
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    let head = Client::new().head(&address).send().await.unwrap();
    assert_eq!((head.status(), header(&head, "content-length").as_str()), (StatusCode::OK, "5000"));
    let posted = Client::new().post(&address).send().await.unwrap();
    assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    // Nobody else's address, nor a later end.
    let parts: Vec<&str> = address.split('/').collect();
    let end: u64 = parts[4].parse().unwrap();
    for wrong in [
        address.replace(parts[4], &(end + 1).to_string()),
        address.replace(parts[5], &"A".repeat(parts[5].len())),
        address.replace(parts[3], "..%2f..%2fstore.key"),
        parts[..6].join("/"),
    ] {
        assert_eq!(get(&wrong).await.status(), StatusCode::NOT_FOUND, "{wrong}");
    }
    let root = get(&parts[..3].join("/")).await;
    assert_eq!(root.text().await.unwrap(), "Files of msnbridge.\n");
    // It outlives its delivery, and the bridge.
    let shown = world.user.message("größe b.png").await;
    world.bridge.stop().await;
    world.bridge.start().await;
    assert_eq!(get(&address).await.bytes().await.unwrap(), noise(0, 5000));
    // An owner can remove what their contacts say.
    is_gone(&world, &room, shown["event_id"].as_str().unwrap(), &address).await;
    crate::support::within("the file to leave the disk", async {
        while std::fs::read_dir(world.bridge.file("store/media")).unwrap().count() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_file_from_matrix_is_had_from_irc_and_what_could_act_is_not_shown_in_place() {
    let (mut world, _server, mut eve, _bob, _call, room) = met().await;
    let page = b"<script>alert(1)</script>";
    let content = json!({"msgtype": "m.file", "body": "page.html", "url": world.user.upload(page).await});
    let sent = world.user.send_content(&room, content).await;
    let line = eve.line("sent the file «page.html»: http").await;
    assert!(line.starts_with(":ann[m]!"), "{line}");
    let address = address(&line);
    // Nobody has asked for it yet: it lies where it was sent.
    assert_eq!(world.bridge.log().matches("bringing a file that somebody asks for").count(), 0);
    let (first, answer) = tokio::join!(get(&address), get(&address));
    assert_eq!(first.bytes().await.unwrap(), &page[..]);
    assert_eq!(world.bridge.log().matches("bringing a file that somebody asks for").count(), 1);
    assert_eq!(header(&answer, "content-type"), "text/html");
    assert!(header(&answer, "content-disposition").starts_with("attachment; "));
    assert_eq!(&answer.bytes().await.unwrap()[..], page);
    is_gone(&world, &room, &sent, &address).await;
    eve.line("deleted a message").await;
    // What is nowhere is looked for once.
    let content =
        json!({"msgtype": "m.file", "body": "lost.txt", "url": format!("mxc://{SERVER_NAME}/nowhere")});
    world.user.send_content(&room, content).await;
    let address = crate::links::address(&eve.line("sent the file «lost.txt»: http").await);
    for _ in 0..3 {
        assert_eq!(get(&address).await.status(), StatusCode::GONE);
    }
    assert_eq!(
        world.bridge.log().matches("bringing a file that somebody asks for name=\"lost.txt\"").count(),
        1
    );
}

#[tokio::test]
async fn an_emoticon_is_linked_the_first_time_it_is_used() {
    let (_world, _server, mut eve, _bob, mut call, _room) = met().await;
    let cat = picture(200);
    let table = format!(":cat:\t{}\t", object(2, &cat));
    announce(&mut call, "text/x-mms-emoticon", &table).await;
    give(&mut call, &cat).await;
    for words in ["one :cat:", "two :cat:", "three :cat:"] {
        announce(&mut call, "text/x-mms-emoticon", &table).await;
        call.say(&text(words)).await;
        eve.line(words).await;
    }
    let address = address(&eve.line(":cat: http").await);
    let answer = get(&address).await;
    assert_eq!(header(&answer, "content-type"), "image/png");
    assert_eq!(answer.bytes().await.unwrap(), cat);
    eve.say(CHANNEL, "seen").await;
    call.message("<eve> seen").await;
    assert_eq!(eve.unread(":cat: http"), 0, "once");
}

#[tokio::test]
async fn a_group_is_told_where_a_file_is() {
    let world = World::start_with_friends_in(tempfile::tempdir().unwrap(), &links_config()).await;
    let (mut world, _peers, [mut bobs, mut carols], room) = three_of(world).await;
    let file = noise(0, 3000);
    let content = json!({"msgtype": "m.file", "body": "plan.pdf", "url": world.user.upload(&file).await});
    let sent = world.user.send_content(&room, content).await;
    let heard = bobs.message("sent the file «plan.pdf»: http").await;
    let line = heard.payload.lines().last().unwrap().to_owned();
    carols.message(&line).await;
    assert_eq!(get(&address(&line)).await.bytes().await.unwrap(), file);
    let is_status = |event: &Value| {
        event["type"] == "com.beeper.message_send_status"
            && event["content"]["m.relates_to"]["event_id"] == sent
    };
    let status = world.user.event("the delivery status", is_status).await;
    assert_eq!(status["content"]["status"], "SUCCESS");
}
