//! Restarts, outages and poison: nothing is lost, nothing comes twice, nothing stands in the way.

use serde_json::{Value, json};

use crate::chat::World;
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, Wire, text};
use crate::support::proxy::Proxy;
use crate::support::synapse::SERVER_NAME;

/// Bob, in a call with the bridged Alice that has a room.
async fn conversation(world: &mut World, words: &str) -> (Peer, Wire, String) {
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text(words)).await;
    let shown = world.user.message(words).await;
    let room = shown["room_id"].as_str().unwrap().to_owned();
    (bob, call, room)
}

fn bodies(history: &[Value], start: &str) -> Vec<String> {
    let bodies = history.iter().filter_map(|event| event["content"]["body"].as_str());
    bodies.filter(|body| body.starts_with(start)).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_bridge_that_was_killed_goes_on_in_the_same_rooms() {
    let mut world = World::start().await;
    let (mut bob, call, room) = conversation(&mut world, "before").await;
    // The space of the room comes beside it, in its own time.
    let filed = |event: &Value| event["type"] == "m.space.child" && event["state_key"] == room.as_str();
    world.user.event("the room in its space", filed).await;
    let rooms = world.user.joined_rooms().await;
    world.bridge.kill().await;
    drop(call);
    // Said while the bridge is away: the homeserver keeps it for us.
    world.user.send(&room, "said meanwhile").await;
    world.bridge.start().await;
    let mut call = bob.answer().await;
    call.message("said meanwhile").await;
    call.say(&text("after")).await;
    let shown = world.user.message("after").await;
    assert_eq!(shown["room_id"], room.as_str());
    assert_eq!(world.user.joined_rooms().await, rooms);
}

#[tokio::test]
async fn a_homeserver_that_is_down_is_waited_for() {
    let mut world = World::start().await;
    let (_bob, mut call, room) = conversation(&mut world, "n0").await;
    world.synapse.kill().await;
    for n in 1..=20 {
        call.say(&text(&format!("n{n}"))).await;
    }
    world.bridge.wait_for_log("not delivered, trying again").await;
    world.synapse.restart().await;
    world.user.message("n20").await;
    let expected: Vec<String> = (0..=20).map(|n| format!("n{n}")).collect();
    assert_eq!(bodies(&world.user.history(&room).await, "n"), expected);
}

/// The homeserver has the message and the bridge does not know; then both are gone, and with them the homeserver's
/// memory of transaction ids.
#[tokio::test]
async fn both_killed_between_send_and_strike_nothing_comes_twice() {
    let mut world = World::start().await;
    let (mut bob, call, room) = conversation(&mut world, "n0").await;
    let target = world.synapse.url().trim_start_matches("http://").to_owned();
    let proxy = Proxy::start(target, "/send/m.room.message/").await;
    world.bridge.kill().await;
    drop(call);
    world.bridge.set_homeserver(&format!("http://127.0.0.1:{}", proxy.port));
    world.bridge.start().await;
    world.bridge.wait_for_log_times("state=Connected", 2).await;
    let mut call = bob.call("alice@example.com").await;
    proxy.arm();
    call.say(&text("n1")).await;
    call.say(&text("n2")).await;
    proxy.sprung().await;
    world.bridge.kill().await;
    world.synapse.kill().await;
    proxy.disarm();
    world.synapse.restart().await;
    assert_eq!(bodies(&world.user.history(&room).await, "n"), ["n0", "n1"], "sent, and never confirmed");
    world.bridge.start().await;
    world.user.message("n2").await;
    assert_eq!(bodies(&world.user.history(&room).await, "n"), ["n0", "n1", "n2"]);
    world.bridge.wait_for_log("found in the room already").await;
}

#[tokio::test]
async fn a_homeserver_that_lost_its_database_gets_new_rooms() {
    let mut world = World::start().await;
    let (_bob, mut call, _) = conversation(&mut world, "old times").await;
    world.synapse.kill().await;
    world.synapse.lose_database();
    world.synapse.restart().await;
    let mut user = MatrixUser::register(&world.synapse.url(), "ann").await;
    call.say(&text("new times")).await;
    let shown = user.message("new times").await;
    let room = shown["room_id"].as_str().unwrap().to_owned();
    // The homeserver numbers its transactions from one again: what it brings is new all the same.
    user.send(&room, "hello again").await;
    call.message("hello again").await;
}

#[tokio::test]
async fn a_banned_ghost_is_spoken_for_and_the_owner_told() {
    let mut world = World::start().await;
    let (_bob, mut call, room) = conversation(&mut world, "hi").await;
    let ghost = format!("@msn_bob=40example.com:{SERVER_NAME}");
    let ban = json!({"user_id": ghost});
    world.user.call(reqwest::Method::POST, &format!("rooms/{room}/ban"), Some(ban)).await;
    call.say(&text("still there?")).await;
    world.user.message_with("cannot be in this room").await;
    let shown = world.user.message("<Bob> still there?").await;
    assert_eq!(shown["sender"], format!("@msnbot:{SERVER_NAME}"));
    call.say(&text("and again")).await;
    world.user.message("<Bob> and again").await;
}

#[tokio::test]
async fn a_purged_room_is_made_anew() {
    let mut world = World::start().await;
    let (_bob, mut call, room) = conversation(&mut world, "hi").await;
    world.synapse.purge_room(&room).await;
    call.say(&text("anybody?")).await;
    let shown = world.user.message("anybody?").await;
    assert_ne!(shown["room_id"], room.as_str());
}

#[tokio::test]
async fn long_texts_arrive_whole_both_ways() {
    let mut world = World::start().await;
    let (_bob, mut call, room) = conversation(&mut world, "hi").await;
    // 70 kB in sixty parts: more than one Matrix event can hold.
    let long: String = (0..70_000).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
    let parts: Vec<&str> = long.as_bytes().chunks(1200).map(|c| std::str::from_utf8(c).unwrap()).collect();
    for (n, part) in parts.iter().enumerate() {
        let payload = match n {
            0 => {
                let chunks = parts.len();
                format!(
                    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nMessage-ID: {{7}}\r\nChunks: {chunks}\r\n\r\n{part}"
                )
            }
            n => format!("Message-ID: {{7}}\r\nChunk: {n}\r\n\r\n{part}"),
        };
        call.say(&payload).await;
    }
    call.say(&text("the next one")).await;
    world.user.message("the next one").await;
    let shown: String = bodies(&world.user.history(&room).await, "").concat();
    assert!(shown.contains(&long));

    let words: String = (0..900).map(|n| format!("word{n} ")).collect();
    world.user.send(&room, &words).await;
    let mut heard = call.message("word0 ").await.payload;
    while !heard.contains("word899") {
        heard.push_str(&call.line("MSG ").await.payload);
    }
    for n in [1, 450, 898] {
        assert!(heard.contains(&format!("word{n} ")), "word{n} is missing");
    }
}

#[tokio::test]
async fn failures_are_told_with_a_reason_and_what_follows_is_not_held_up() {
    let mut world = World::start_up(tempfile::tempdir().unwrap(), "").await;
    world.bridge.stop().await;
    world.bridge.add_to_section("msn", "offline", "fail");
    world.bridge.start().await;
    let management = world.management.clone();
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    let (bob, call, room) = conversation(&mut world, "hi").await;
    drop((call, bob));
    world.user.send(&room, "are you there?").await;
    let told = world.user.message_with("was not delivered").await;
    assert!(told["content"]["body"].as_str().unwrap().contains("not online"), "{told}");
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    world.user.send(&room, "now?").await;
    bob.answer().await.message("now?").await;

    let management = world.management.clone();
    world.user.send(&management, "chat nobody").await;
    world.user.message_with("is not an e-mail address").await;
    world.user.send(&management, "chat nobody@example.com").await;
    let invited = world.user.message_with("conversation with nobody@example.com. What").await;
    let room = invited["room_id"].as_str().unwrap().to_owned();
    world.user.send(&room, "hello?").await;
    world.user.message_with("was not delivered").await;
}

#[tokio::test]
async fn fault_08_words_for_a_contact_who_is_away_wait_over_restarts_in_one_notice_that_is_changed() {
    let mut world = World::start_with_friends().await;
    let (bob, call, room) = conversation(&mut world, "hi").await;
    drop((call, bob));
    world.user.send(&room, "first").await;
    let notice = world.user.message_with("Your message waits").await;
    world.user.send(&room, "second").await;
    let is_change = |event: &Value, part: &str| {
        let replaced = &event["content"]["m.relates_to"];
        let body = event["content"]["m.new_content"]["body"].as_str().unwrap_or_default();
        replaced["rel_type"] == "m.replace"
            && replaced["event_id"] == notice["event_id"]
            && body.contains(part)
    };
    world.user.event("the changed notice", |event| is_change(event, "2 messages wait")).await;
    world.bridge.kill().await;
    world.bridge.start().await;
    world.bridge.wait_for_log_times("state=Connected", 2).await;
    world.user.send(&room, "third").await;
    world.user.event("the changed notice", |event| is_change(event, "3 messages wait")).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.answer().await;
    for words in ["first", "second", "third"] {
        call.message(words).await;
    }
    let is_removed = |event: &Value| {
        let removed = [&event["redacts"], &event["content"]["redacts"]];
        event["type"] == "m.room.redaction" && removed.contains(&&notice["event_id"])
    };
    world.user.event("the end of the notice", is_removed).await;
    let told =
        |event: &Value| event["content"]["body"].as_str().is_some_and(|body| body.contains("not delivered"));
    assert_eq!(world.user.seen_so_far(told), 0);
}

#[tokio::test]
async fn an_export_restores_and_rooms_whose_record_was_lost_are_adopted() {
    let mut world = World::start().await;
    let (mut bob, call, room) = conversation(&mut world, "hi").await;
    assert!(world.bridge.stop().await.success());
    drop(call);
    let (ok, said) = world.bridge.run(&["export", "all.export"]);
    assert!(ok, "{said}");
    // What a crash between making a room and writing it down leaves: the room, and no record of it.
    let export = std::fs::read_to_string(world.bridge.file("all.export")).unwrap();
    // Only a file of the first version can be changed without being refused.
    let kept = |line: &&str| !line.contains("\"table\":9,") && !line.starts_with("{\"rows\"");
    let mut without_rooms: Vec<&str> = export.lines().filter(kept).collect();
    assert!(without_rooms.len() < export.lines().count() - 1);
    without_rooms[0] = "{\"format\":\"msnbridge export\",\"version\":1}";
    std::fs::write(world.bridge.file("some.export"), without_rooms.join("\n")).unwrap();
    let (ok, said) = world.bridge.run(&["import", "some.export"]);
    assert!(!ok && said.contains("a store in"), "into one that is used: {said}");
    std::fs::remove_dir_all(world.bridge.store()).unwrap();
    let (ok, said) = world.bridge.run(&["import", "all.export.part"]);
    assert!(!ok && said.contains("cannot read"), "{said}");
    let (ok, said) = world.bridge.run(&["import", "some.export"]);
    assert!(ok && said.contains("Notice"), "{said}");
    world.bridge.start().await;
    world.bridge.wait_for_log_times("state=Connected", 2).await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("the same room?")).await;
    assert_eq!(world.user.message("the same room?").await["room_id"], room.as_str());
    world.bridge.wait_for_log("adopted a room").await;
    world.user.send(&room, "the same room.").await;
    call.message("the same room.").await;
}

#[tokio::test]
async fn a_damaged_store_says_what_to_do_and_passwords_are_nowhere() {
    let mut world = World::start().await;
    let (_bob, _call, _) = conversation(&mut world, "a particular sentence").await;
    world.bridge.kill().await;
    for entry in std::fs::read_dir(world.bridge.store()).unwrap().flatten().filter(|e| e.path().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        for secret in ["alice-pw", "a particular sentence"] {
            assert!(
                !bytes.windows(secret.len()).any(|w| w == secret.as_bytes()),
                "{secret} in {:?}",
                entry.path()
            );
        }
    }
    let log = world.bridge.store().join("db");
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, &bytes[..bytes.len() / 2]).unwrap();
    let (ok, said) = world.bridge.run(&["run"]);
    assert!(!ok && said.contains("msnbridge import"), "{said}");
}

#[tokio::test]
async fn an_owner_who_left_the_room_is_asked_into_another() {
    let mut world = World::start().await;
    let (_bob, mut call, room) = conversation(&mut world, "hi").await;
    world.user.call(reqwest::Method::POST, &format!("rooms/{room}/leave"), Some(json!({}))).await;
    world.bridge.wait_for_log("the owner left the room").await;
    call.say(&text("where are you?")).await;
    let shown = world.user.message("where are you?").await;
    assert_ne!(shown["room_id"], room.as_str());
}

#[tokio::test]
async fn an_account_that_somebody_else_holds_is_left_alone_and_no_word_is_repeated() {
    let mut world = World::start().await;
    let mut eve = MatrixUser::register(&world.synapse.url(), "eve").await;
    let management = eve.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
    eve.send(&management, "login alice@example.com").await;
    eve.message_with("in use by somebody else").await;
    eve.send(&management, "alice-pw-too-late").await;
    let answer = eve.message_with("do not know that command").await;
    assert!(!answer["content"]["body"].as_str().unwrap().contains("alice-pw"));
    // Named while nobody had it, and taken by somebody else before the password came.
    eve.send(&management, "login carol@example.com").await;
    eve.message_with("Now send the password").await;
    let own = world.management.clone();
    world.user.sign_in(&own, "carol@example.com", "carol-pw").await;
    eve.send(&management, "a guess").await;
    eve.message_with("carol@example.com is in use by somebody else").await;
    world.user.send(&own, "status").await;
    world.user.message_with("carol@example.com: connected").await;
}

#[tokio::test]
async fn naming_an_account_without_its_password_is_no_claim_to_it() {
    let mut world = World::start().await;
    let mut eve = MatrixUser::register(&world.synapse.url(), "eve").await;
    let management = eve.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
    eve.send(&management, "login bob@example.com").await;
    eve.message_with("Now send the password").await;
    eve.send(&management, "a guess").await;
    eve.message_with("is signed out of MSN").await;
    let own = world.management.clone();
    world.user.sign_in(&own, "bob@example.com", "bob-pw").await;
    eve.send(&management, "login bob@example.com").await;
    eve.message_with("in use by somebody else").await;
    eve.send(&management, "status").await;
    eve.message_with("You are not signed in").await;
}

#[tokio::test]
async fn what_waits_when_its_owner_signs_out_is_given_back() {
    let mut world = World::start().await;
    let (_bob, call, room) = conversation(&mut world, "hi").await;
    drop(call);
    world.service.kill().await;
    world.bridge.wait_for_log("state=Waiting").await;
    world.user.send(&room, "a secret of mine").await;
    world.bridge.wait_for_log("this side is down").await;
    let management = world.management.clone();
    world.user.send(&management, "logout").await;
    world.user.message_with("signed out of MSN").await;
    world.user.message_with("is signed out and its password forgotten").await;
    world.user.send(&room, "anybody?").await;
    world.user.message_with("nobody is signed in to MSN for this conversation").await;
}

#[tokio::test]
async fn a_wrong_password_is_told_and_not_tried_again() {
    let mut world = World::start().await;
    let management = world.management.clone();
    world.user.send(&management, "login bob@example.com").await;
    world.user.message_with("Now send the password").await;
    let secret = world.user.send(&management, "not his password").await;
    world.user.message_with("did not accept").await;
    let redacted = |event: &Value| event["type"] == "m.room.redaction" && event["redacts"] == secret.as_str();
    world.user.event("the redaction", redacted).await;
    world.bridge.kill().await;
    world.bridge.start().await;
    world.user.send(&management, "status").await;
    let status = world.user.message_with("bob@example.com: signed out").await;
    assert!(status["content"]["body"].as_str().unwrap().contains("alice@example.com"));
    let log = world.bridge.log();
    assert!(!log.contains("not his password") && !log.contains("alice-pw"));
}
