//! Where the bot and one person are among themselves, and what happens when they are not.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::chat::World;
use crate::support::matrix::MatrixUser;
use crate::support::msn::Peer;
use crate::support::synapse::SERVER_NAME;
use crate::support::within;

fn bot() -> String {
    format!("@msnbot:{SERVER_NAME}")
}

/// A room of `user` with these invited.
async fn room(user: &MatrixUser, invited: &[&str]) -> String {
    let body = json!({"invite": invited, "preset": "trusted_private_chat"});
    let answer = user.call(Method::POST, "createRoom", Some(body)).await;
    answer["room_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

async fn invite(user: &MatrixUser, room: &str, whom: &str) {
    user.call(Method::POST, &format!("rooms/{room}/invite"), Some(json!({"user_id": whom}))).await;
}

/// Somebody asks to see Alice, which is told to her owner alone; gives the room in which it is.
async fn asked_about(world: &mut World, name: &str) -> String {
    let (account, password) = (format!("{name}@example.com"), format!("{name}-pw"));
    let mut peer = Peer::sign_in(&world.service, &account, &password).await;
    peer.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    let asked = world.user.message_with(&format!("<{account}> has added")).await;
    asked["room_id"].as_str().unwrap().to_owned()
}

/// An event as the homeserver shows it now.
async fn event(user: &MatrixUser, room: &str, event: &str) -> Value {
    user.call(Method::GET, &format!("rooms/{room}/event/{event}"), None).await
}

fn in_room(room: &str, part: &str) -> impl Fn(&Value) -> bool {
    let (room, part) = (room.to_owned(), part.to_owned());
    move |event| {
        event["room_id"] == room.as_str()
            && event["content"]["body"].as_str().is_some_and(|b| b.contains(&part))
    }
}

#[tokio::test]
async fn fault_35_a_room_with_a_third_person_never_becomes_a_management_room() {
    let mut world = World::start().await;
    let eve = MatrixUser::register(&world.synapse.url(), "eve").await;
    // Whoever invites the bot: the owner, with somebody else invited or already there, or the other one.
    let own = room(&world.user, &[&eve.id, &bot()]).await;
    world.user.event("a word to both", in_room(&own, "only talk where nobody else can read")).await;
    let later = room(&world.user, &[&eve.id]).await;
    eve.call(Method::POST, &format!("rooms/{later}/join"), Some(json!({}))).await;
    invite(&world.user, &later, &bot()).await;
    world.user.event("a word to both", in_room(&later, "only talk where nobody else can read")).await;
    let theirs = room(&eve, &[&world.user.id, &bot()]).await;
    world.user.event("a word to both", in_room(&theirs, "only talk where nobody else can read")).await;
    let open = json!({"invite": [bot()], "preset": "public_chat"});
    let open =
        world.user.call(Method::POST, "createRoom", Some(open)).await["room_id"].as_str().unwrap().to_owned();
    world.user.event("a word to all", in_room(&open, "only talk where nobody else can read")).await;

    assert_eq!(asked_about(&mut world, "bob").await, world.management);
    // A command there is not answered there with what is theirs.
    world.user.send(&own, "!MSN status").await;
    world.user.event("a word to both", in_room(&own, "only talk where nobody else can read")).await;
    let management = world.management.clone();
    world.user.send(&management, "status").await;
    let status = world.user.message_with("alice@example.com: connected").await;
    assert_eq!(status["room_id"], management.as_str());
}

#[tokio::test]
async fn fault_35_a_third_person_ends_it() {
    let mut world = World::start().await;
    let eve = MatrixUser::register(&world.synapse.url(), "eve").await;
    let first = world.management.clone();
    invite(&world.user, &first, &eve.id).await;
    world.user.event("a word to both", in_room(&first, "Somebody else can read here")).await;
    let second = asked_about(&mut world, "bob").await;
    assert_ne!(second, first);
    // What is said in the old one is no command any more, and a sign there none either.
    world.user.send(&first, "logout").await;
    // So does opening the room to everybody.
    let open = json!({"join_rule": "public"});
    let changed =
        world.user.call(Method::PUT, &format!("rooms/{second}/state/m.room.join_rules"), Some(open)).await;
    assert!(changed["event_id"].is_string() || changed["errcode"] == "M_FORBIDDEN", "{changed}");
    let third = match changed["event_id"].is_string() {
        true => {
            world.user.event("a word to all", in_room(&second, "Somebody else can read here")).await;
            asked_about(&mut world, "carol").await
        }
        false => second.clone(),
    };
    assert_ne!(third, first);
    world.user.send(&third, "status").await;
    let status = world.user.message_with("alice@example.com: connected").await;
    assert_eq!(status["room_id"], third.as_str());
}

#[tokio::test]
async fn fault_35_a_password_is_removed_where_it_was_said() {
    let mut world = World::start().await;
    let older = world.management.clone();
    let newer = world.user.open_management(&bot()).await;
    assert_ne!(older, newer);
    world.user.send(&newer, "login bob@example.com").await;
    let asked = world.user.message_with("Now send the password").await;
    assert_eq!(asked["room_id"], newer.as_str());
    let secret = world.user.send(&older, "bob-pw").await;
    world.user.message_with("Your password was removed from this room").await;
    world.user.message_with("Signed in to MSN as bob@example.com").await;
    let said = event(&world.user, &older, &secret).await;
    assert_eq!(said["content"], json!({}), "{said}");
    // Where the bot has no right to remove it, it says so.
    let body = json!({"invite": [bot()], "preset": "private_chat"});
    let answer = world.user.call(Method::POST, "createRoom", Some(body)).await;
    let plain = answer["room_id"].as_str().unwrap().to_owned();
    world.user.event("the greeting", in_room(&plain, "lists what else I can do")).await;
    world.user.send(&plain, "login carol@example.com").await;
    world.user.event("the question", in_room(&plain, "Now send the password")).await;
    world.user.send(&plain, "carol-pw").await;
    world.user.event("the truth", in_room(&plain, "could not be removed from this room")).await;
    // Leaving an older room leaves the one in use.
    world.user.call(Method::POST, &format!("rooms/{older}/leave"), Some(json!({}))).await;
    world.user.send(&plain, "status").await;
    let status = world.user.message_with("carol@example.com: connected").await;
    assert_eq!(status["room_id"], plain.as_str());
}

/// Says something in the place of an earlier message.
async fn edit(user: &MatrixUser, room: &str, edited: &str, text: &str) -> String {
    let content = json!({
        "msgtype": "m.text",
        "body": format!("* {text}"),
        "m.new_content": {"msgtype": "m.text", "body": text},
        "m.relates_to": {"rel_type": "m.replace", "event_id": edited},
    });
    let path =
        format!("rooms/{room}/send/m.room.message/edit-{}-{}", text.len(), edited.trim_start_matches('$'));
    let answer = user.call(Method::PUT, &path, Some(content)).await;
    answer["event_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test]
async fn fault_35_a_password_that_was_said_by_an_edit_is_removed_with_what_was_edited() {
    let mut world = World::start().await;
    let room = world.management.clone();
    let slip = world.user.send(&room, "bob-p").await;
    world.user.message_with("bob-p").await;
    world.user.send(&room, "login bob@example.com").await;
    world.user.message_with("Now send the password").await;
    let secret = edit(&world.user, &room, &slip, "bob-pw").await;
    world.user.message_with("Your password was removed from this room").await;
    world.user.message_with("Signed in to MSN as bob@example.com").await;
    for said in [&slip, &secret] {
        let now = event(&world.user, &room, said).await;
        assert_eq!(now["content"], json!({}), "{now}");
    }
    // Whoever changes it once more has it removed, too, and it is not read as a command.
    let again = edit(&world.user, &room, &secret, "bob-pw-2").await;
    world.user.message_with("What you changed was your password").await;
    let now = event(&world.user, &room, &again).await;
    assert_eq!(now["content"], json!({}), "{now}");
}

#[tokio::test]
async fn fault_35_a_password_is_not_waited_for_where_somebody_else_reads() {
    let mut world = World::start().await;
    let eve = MatrixUser::register(&world.synapse.url(), "eve").await;
    let room = world.management.clone();
    world.user.send(&room, "login bob@example.com").await;
    world.user.message_with("Now send the password").await;
    invite(&world.user, &room, &eve.id).await;
    world.user.event("a word to both", in_room(&room, "Do not write a password here")).await;
    let told = world.user.message_with("it is not waited for there any more").await;
    assert_ne!(told["room_id"], room.as_str());
    world.user.send(&room, "bob-pw").await;
    let other = told["room_id"].as_str().unwrap().to_owned();
    world.user.send(&other, "status").await;
    let status = world.user.message_with("alice@example.com: connected").await;
    assert!(!status["content"]["body"].as_str().unwrap().contains("bob@"), "{status}");
}

/// Takes the homeserver's transactions in place of the bridge, up to the one in which this stands.
async fn take_instead(listener: TcpListener, wanted: &str) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let (mut line, mut length) = (String::new(), 0);
        while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
            let lower = line.to_ascii_lowercase();
            length = lower.strip_prefix("content-length:").map_or(length, |n| n.trim().parse().unwrap());
            line.clear();
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close";
        stream.write_all(format!("{head}\r\n\r\n{{}}").as_bytes()).await.unwrap();
        if String::from_utf8_lossy(&body).contains(wanted) {
            return;
        }
    }
}

/// Earlier versions made any room their own, whoever was there, and never looked: such rooms are in their stores.
#[tokio::test]
async fn fault_35_a_room_in_which_others_were_before_is_left_at_the_first_word() {
    for owner_speaks_first in [true, false] {
        let mut world = World::start().await;
        let eve = MatrixUser::register(&world.synapse.url(), "eve").await;
        let first = world.management.clone();
        assert!(world.bridge.stop().await.success());
        let listener = TcpListener::bind(("127.0.0.1", world.bridge.port)).await.unwrap();
        let taken = take_instead(listener, &eve.id);
        within("the invitation", async { tokio::join!(invite(&world.user, &first, &eve.id), taken) }).await;
        world.bridge.start().await;
        if owner_speaks_first {
            // It is no command any more: the account stays signed in.
            world.user.send(&first, "logout").await;
            world.user.event("a word to both", in_room(&first, "Somebody else can read here")).await;
        }
        assert_ne!(asked_about(&mut world, "bob").await, first);
    }
}
