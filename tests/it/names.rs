//! Who is who: accounts, names and texts as servers and clients of other people write them.

use serde_json::{Value, json};

use crate::chat::World;
use crate::support::stage::{Scenery, Stage};
use crate::support::synapse::SERVER_NAME;

/// A Matrix user signed in as Alice, on a stage.
pub(crate) async fn on_stage(scenery: Scenery) -> (World, Stage) {
    on_stage_with(scenery, "").await
}

/// The same with more of a configuration.
pub(crate) async fn on_stage_with(scenery: Scenery, config: &str) -> (World, Stage) {
    let stage = Stage::start(scenery).await;
    let directory = tempfile::tempdir().unwrap();
    let service = crate::support::service::MsnService::start(directory.path(), crate::chat::ACCOUNTS).await;
    let mut world = World::start_at(service, directory, &stage.address, config).await;
    let management = world.management.clone();
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    (world, stage)
}

pub(crate) fn ghost(name: &str) -> String {
    format!("@msn_{name}=40example.com:{SERVER_NAME}")
}

pub(crate) fn room_of(event: &Value) -> String {
    event["room_id"].as_str().expect("a room").to_owned()
}

const BOBS: &str = "bob@example.com;{a1a1a1a1-0000-4000-8000-00000000000b}";

/// Imitates a server of MSNP16 and later, which names each client of an account on its boards and then the account.
#[tokio::test]
async fn fault_11_an_account_with_a_machine_id_or_a_network_number_is_the_account() {
    let (mut world, mut stage) = on_stage(Scenery::default()).await;
    let mut board = stage.ring("bob@example.com", "Bob", &["bob@example.com Bob"]).await;
    board.text("bob@example.com", "Bob", "as myself").await;
    let room = room_of(&world.user.message("as myself").await);
    // The same person again, once for each of their clients: nobody new, and no group.
    board.say(&format!("JOI {BOBS} Bob 0")).await;
    board.say("JOI 1:bob@example.com Bob 0").await;
    board.say(&format!("JOI 1:{} Bob 0", BOBS.to_ascii_uppercase())).await;
    for (who, words) in [
        (BOBS, "from a machine"),
        ("1:bob@example.com", "from a network"),
        (&*format!("1:{BOBS}"), "from both"),
        ("BOB@example.com;{B2}", "from another machine"),
    ] {
        board.text(who, "Bob", words).await;
        let shown = world.user.message(words).await;
        assert_eq!((room_of(&shown), &shown["sender"]), (room.clone(), &json!(ghost("bob"))), "{who}");
    }
    // One client of theirs goes, they do not.
    board.say(&format!("JOI {} Bob 0", BOBS.replace("b}", "c}"))).await;
    board.say(&format!("BYE {}", BOBS.replace("b}", "c}"))).await;
    world.user.send(&room, "still there?").await;
    board.heard("still there?").await;
    // A ring under such a name is answered for the same conversation.
    drop(board);
    let present = format!("{BOBS} Bob 0");
    let mut board = stage.ring(&format!("1:{BOBS}"), "Bob", &[&present]).await;
    board.text(BOBS, "Bob", "rung again").await;
    assert_eq!(room_of(&world.user.message("rung again").await), room);
}

/// A text as a gateway sends it, in somebody's name.
fn in_the_name_of(name: &str, words: &str) -> String {
    format!(
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nP4-Context: {name}\r\n\r\n{words}"
    )
}

/// Imitates a gateway (7.0 and later), which speaks for several people through one account.
#[tokio::test]
async fn fault_12_a_name_in_a_message_is_for_that_message_only() {
    let lists = vec!["LST N=bob@example.com F=Bob C=b1 11".to_owned()];
    let (mut world, mut stage) = on_stage(Scenery { lists, ..Scenery::default() }).await;
    let mut board = stage.ring("bob@example.com", "Bob", &["bob@example.com Bob"]).await;
    board.text("bob@example.com", "Bob", "as Bob").await;
    let room = room_of(&world.user.message("as Bob").await);
    let profile = "com.beeper.per_message_profile";
    for (name, words) in [("+1 555 0100", "one"), ("Müller", "two"), ("Bobby", "three")] {
        board.message("bob@example.com", "Bob", in_the_name_of(name, words).as_bytes()).await;
        let shown = world.user.message(words).await;
        assert_eq!(shown["content"][profile]["displayname"], name);
        assert_eq!(shown["sender"], ghost("bob"));
    }
    for name in ["", "   "] {
        board.message("bob@example.com", "Bob", in_the_name_of(name, "in no name").as_bytes()).await;
        assert_eq!(world.user.message("in no name").await["content"][profile], Value::Null);
    }
    board.text("bob@example.com", "Bob", "as Bob again").await;
    assert_eq!(world.user.message("as Bob again").await["content"][profile], Value::Null);
    // He was called Bob all the time, and never anything else.
    let members =
        world.user.call(reqwest::Method::GET, &format!("rooms/{room}/messages?dir=b&limit=100"), None).await;
    let events = members["chunk"].as_array().unwrap().iter();
    let names: Vec<&Value> = events
        .filter(|event| event["type"] == "m.room.member" && event["state_key"] == ghost("bob"))
        .map(|event| &event["content"]["displayname"])
        .collect();
    assert!(!names.is_empty() && names.iter().all(|name| **name == "Bob"), "{names:?}");
}

/// Waits until somebody is called so in a room.
async fn called(world: &mut World, room: &str, who: &str, name: &str) {
    let who = ghost(who);
    let named = |event: &Value| {
        event["type"] == "m.room.member"
            && event["room_id"] == room
            && event["state_key"] == who
            && event["content"]["displayname"] == name
    };
    world.user.event(&format!("{who} called {name}"), named).await;
}

/// Waits until a room is called so.
pub(crate) async fn titled(world: &mut World, room: &str, title: &str) {
    let named = |event: &Value| {
        event["type"] == "m.room.name" && event["room_id"] == room && event["content"]["name"] == title
    };
    world.user.event(&format!("a room called {title}"), named).await;
}

/// Every name that somebody had in a room, in order, without repetitions.
async fn names_in(world: &World, room: &str, who: &str) -> Vec<String> {
    let path = format!("rooms/{room}/messages?dir=f&limit=500");
    let answer = world.user.call(reqwest::Method::GET, &path, None).await;
    let events = answer["chunk"].as_array().unwrap().iter();
    let own = events.filter(|event| event["type"] == "m.room.member" && event["state_key"] == ghost(who));
    let mut names: Vec<String> =
        own.filter_map(|event| event["content"]["displayname"].as_str().map(str::to_owned)).collect();
    names.dedup();
    names
}

/// A server whose boards go on calling people what they were called when they came (as the classic service did).
#[tokio::test]
async fn fault_13_the_newest_name_is_everywhere_at_once_and_never_flips_back() {
    let bob = |name: &str| format!("LST N=bob@example.com F={name} C=b1 11");
    let answers = vec![("SBP", "SBP {n} {rest}"), ("REM", "REM {n} {rest}")];
    let (mut world, mut stage) =
        on_stage(Scenery { lists: vec![bob("Bob")], answers, ..Scenery::default() }).await;
    let mut board = stage.ring("bob@example.com", "Bob", &["bob@example.com Bob"]).await;
    board.text("bob@example.com", "Bob", "hello").await;
    let room = room_of(&world.user.message("hello").await);
    called(&mut world, &room, "bob", "Bob").await;

    // The name alone, in the same status.
    stage.say("NLN NLN bob@example.com Bob 0").await;
    stage.say("NLN NLN bob@example.com Bobby 0").await;
    called(&mut world, &room, "bob", "Bobby").await;
    titled(&mut world, &room, "Bobby").await;
    // The board goes on as before, in texts, when somebody comes back, and in the next call.
    board.text("bob@example.com", "Bob", "still on this board").await;
    world.user.message("still on this board").await;
    board.say("BYE bob@example.com 1").await;
    board.say("JOI bob@example.com Bob").await;
    board.text("bob@example.com", "Bob", "back on this board").await;
    world.user.message("back on this board").await;
    let mut next = stage.ring("bob@example.com", "Bob", &["bob@example.com Bob"]).await;
    next.text("bob@example.com", "Bob", "on another board").await;
    world.user.message("on another board").await;
    // What a board says otherwise than before is news.
    next.text("bob@example.com", "Bobster", "and again").await;
    world.user.message("and again").await;
    called(&mut world, &room, "bob", "Bobster").await;
    // So is what the owner calls them, and their name at the next sign-in, though they are not there.
    let management = world.management.clone();
    world.user.send(&management, "rename bob@example.com Robert").await;
    stage.heard("SBP ").await;
    called(&mut world, &room, "bob", "Robert").await;
    stage.set_lists(&[&bob("Bob%20the%20builder")]);
    drop((board, next));
    world.user.send(&management, "reconnect").await;
    called(&mut world, &room, "bob", "Bob the builder").await;
    titled(&mut world, &room, "Bob the builder").await;
    // Who is no contact any more keeps their name.
    world.user.message_with("Signed in to MSN").await;
    world.user.send(&management, "remove bob@example.com").await;
    world.user.message_with("is no contact of yours any more").await;
    let mut board =
        stage.ring("bob@example.com", "bob@example.com", &["bob@example.com bob@example.com"]).await;
    board.text("bob@example.com", "bob@example.com", "do you know me?").await;
    world.user.message("do you know me?").await;
    let names = names_in(&world, &room, "bob").await;
    assert_eq!(names, ["Bob", "Bobby", "Bobster", "Robert", "Bob the builder"]);
}

/// A server that relays what other clients' add-ons and hostile people write: codes, controls, overrides.
#[tokio::test]
async fn fault_14_names_and_texts_are_clean_in_every_place() {
    let lists = vec![
        "LSG %5Bb%5DFriends%5B%2Fb%5D g1".to_owned(),
        "LST N=bob@example.com F=%5Bc%3D%23F960E5%5DB%00ob%5B%2Fc%5D%E2%80%AE C=b1 11 g1".to_owned(),
        "LST N=carol@example.com F=%02%0304 C=c1 11".to_owned(),
    ];
    let (mut world, mut stage) = on_stage(Scenery { lists, ..Scenery::default() }).await;
    let mut board =
        stage.ring("bob@example.com", "%C2%B7%244%2C1Bob", &["bob@example.com %C2%B7%244Bob"]).await;
    board.text("bob@example.com", "Bob", "a\0b\u{7}c\u{202E}d\u{2}e\r\nf").await;
    let shown = world.user.message("abcde\nf").await;
    let room = room_of(&shown);
    called(&mut world, &room, "bob", "Bob").await;
    titled(&mut world, &room, "Bob").await;
    board
        .message(
            "bob@example.com",
            "Bob",
            in_the_name_of("[i]\u{202E}Eve[/i]\u{1}", "in her name").as_bytes(),
        )
        .await;
    let profile =
        world.user.message("in her name").await["content"]["com.beeper.per_message_profile"].clone();
    assert_eq!(profile["displayname"], "Eve");
    // A personal message, with what stays of brackets.
    let data = "<Data><PSM>[c=4]out[/c] [lunch] &#2; \u{202E}·#now</PSM></Data>";
    stage.say(&format!("UBX bob@example.com {}\r\n{data}NLN NLN bob@example.com Bob 0", data.len())).await;
    let text = |event: &Value| {
        event["type"] == "m.presence"
            && event["sender"] == ghost("bob")
            && event["content"]["status_msg"].as_str().is_some_and(|text| text.contains("[lunch]"))
    };
    let presence = world.user.event("Bob's personal message", text).await;
    assert_eq!(presence["content"]["status_msg"], "out [lunch]  now");
    // Notices and lists.
    let management = world.management.clone();
    world.user.send(&management, "contacts").await;
    let list = world.user.message_with("<bob@example.com>").await;
    let list = list["content"]["body"].as_str().unwrap();
    assert!(list.contains("Bob <bob@example.com>: online [Friends]"), "{list:?}");
    assert!(!list.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202E}')), "{list:?}");
    assert!(list.contains("carol@example.com <carol@example.com>"), "{list:?}");
    let mail = "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsemailnotification; charset=UTF-8\r\n\r\nFrom: \u{202E}evE\r\nSubject: a\u{3}b\r\n";
    stage.say(&format!("MSG Hotmail Hotmail {}\r\n{mail}FLN carol@example.com", mail.len())).await;
    world.user.message("New mail from evE: ab").await;
    // Who is relayed has a name from Matrix.
    let eve = crate::support::matrix::MatrixUser::register(&world.synapse.url(), "eve").await;
    let name = json!({"displayname": "\u{202E}E\u{1}v\u{2028}e\u{202C}"});
    eve.call(reqwest::Method::PUT, &format!("profile/{}/displayname", eve.id), Some(name)).await;
    world.user.send(&room, "!msn relay on").await;
    world.user.message_with("Everybody in this room is heard").await;
    let invite = json!({"user_id": eve.id});
    world.user.call(reqwest::Method::POST, &format!("rooms/{room}/invite"), Some(invite)).await;
    let mut eve = eve;
    eve.call(reqwest::Method::POST, &format!("rooms/{room}/join"), Some(json!({}))).await;
    eve.send(&room, "h\u{202E}i\u{1}").await;
    board.heard("<Ev e> hi").await;
}

/// Imitates clients of other systems, which write in their system's charset and say so.
#[tokio::test]
async fn fault_15_texts_come_in_the_charset_that_they_declare() {
    let (mut world, mut stage) = on_stage(Scenery::default()).await;
    let mut board = stage.ring("bob@example.com", "Bob", &["bob@example.com Bob"]).await;
    for (charset, body, words) in [
        ("windows-1251", &b"\xcf\xf0\xe8\xe2\xe5\xf2"[..], "Привет"),
        ("\"koi8-r\"", b"\xcd\xc9\xd2", "мир"),
        ("iso-8859-1", "ä".as_bytes(), "Ã¤"),
        ("shift_jis", b"\x93\xfa\x96\x7b", "日本"),
        ("none such", "ö".as_bytes(), "ö"),
        ("none such", b"caf\xe9", "café"),
    ] {
        let head = format!("MIME-Version: 1.0\r\nContent-Type: text/plain; charset={charset}\r\n\r\n");
        board.message("bob@example.com", "Bob", &[head.as_bytes(), body].concat()).await;
        world.user.message(words).await;
    }
}

#[tokio::test]
async fn fault_16_a_name_is_sent_as_it_fits_and_refused_with_what_would() {
    let mut world = World::start().await;
    let management = world.management.clone();
    let mut bob = crate::support::msn::Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    bob.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    bob.wire.line("ILN").await;
    for name in ["я".repeat(100), "日".repeat(129), format!("{} {}", "ж".repeat(90), "ж".repeat(90))] {
        world.user.send(&management, &format!("name {name}")).await;
        let wire = name.replace(' ', "%20");
        let told = bob.wire.until("the name", |u| u.line.starts_with("NLN") && u.line.contains(&wire)).await;
        assert!(told.line.contains(&format!("alice@example.com {wire} ")), "{}", told.line);
    }
    for (name, fits) in [("я".repeat(200), 193), ("日".repeat(130), 129), ("x".repeat(400), 387)] {
        world.user.send(&management, &format!("name {name}")).await;
        world.user.message_with(&format!("{fits} characters of it would fit")).await;
    }
    world.user.send(&management, "name \u{200B}\u{202E}").await;
    world.user.message_with("at least one character that can be seen").await;
    world.user.send(&management, &format!("group create {}", "я".repeat(40))).await;
    world.user.message_with("30 characters of it would fit").await;
}

/// Personal messages as clients with their own XML write them.
#[tokio::test]
async fn fault_17_personal_messages_are_read_as_old_clients_read_them() {
    let lists = vec!["LST N=bob@example.com F=Bob C=b1 11".to_owned()];
    let (mut world, mut stage) = on_stage(Scenery { lists, ..Scenery::default() }).await;
    let mut board = stage.ring("bob@example.com", "Bob", &["bob@example.com Bob"]).await;
    board.text("bob@example.com", "Bob", "hello").await;
    world.user.message("hello").await;
    stage.say("NLN NLN bob@example.com Bob 0").await;
    for (inside, text) in [
        ("<PSM>Tom & Jerry</PSM>", "Tom & Jerry"),
        ("<PSM>I <3 you</PSM><CurrentMedia></CurrentMedia>", "I <3 you"),
        (r"<PSM>x</PSM><CurrentMedia>\0Music\01\0{0} - {1}\0{1}\0Band\0</CurrentMedia>", "x ♫ {1} - Band"),
        (r"<PSM>y</PSM><CurrentMedia>\0Music\01\0\0Song\0Band\0</CurrentMedia>", "y ♫ Song - Band"),
        (
            r"<PSM>z</PSM><CurrentMedia>\0Music\01\0{10}\00\01\02\03\04\05\06\07\08\09\0ten\0</CurrentMedia>",
            "z ♫ ten",
        ),
        (r"<PSM>w</PSM><CurrentMedia>\0Music\01\0\0\0</CurrentMedia>", "w"),
    ] {
        let data = format!("<Data>{inside}</Data>");
        stage.say(&format!("UBX bob@example.com {}\r\n{data}QNG 50", data.len())).await;
        let shown = |event: &Value| {
            event["type"] == "m.presence"
                && event["sender"] == ghost("bob")
                && event["content"]["status_msg"] == text
        };
        world.user.event(text, shown).await;
    }
}

/// Old dialects have no personal messages.
#[tokio::test]
async fn fault_24_what_the_dialect_cannot_is_said() {
    for dialect in ["MSNP8", "MSNP9", "MSNP10"] {
        let stage = Stage::start(Scenery { dialect, ..Scenery::default() }).await;
        let directory = tempfile::tempdir().unwrap();
        let service =
            crate::support::service::MsnService::start(directory.path(), crate::chat::ACCOUNTS).await;
        let mut world = World::start_at(service, directory, &stage.address, "").await;
        world.bridge.stop().await;
        let file = world.bridge.file("bridge.yaml");
        let config = std::fs::read_to_string(&file).unwrap();
        let others = config.lines().filter(|line| !line.trim_start().starts_with("dialects:"));
        let config: String = others.map(|line| format!("{line}\n")).collect();
        std::fs::write(&file, config.replace("\nmsn:\n", &format!("\nmsn:\n  dialects: [{dialect}]\n")))
            .unwrap();
        world.bridge.start().await;
        let management = world.management.clone();
        world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
        world.user.send(&management, "psm at sea").await;
        let said = world.user.message_with("no personal messages").await;
        assert!(said["content"]["body"].as_str().unwrap().contains(dialect), "{said}");
        world.user.send(&management, "psm").await;
        world.user.message_with("Your personal message is empty now").await;
    }
}

/// A server that knows some accounts and not others, as each dialect says it.
#[tokio::test]
async fn fault_19_a_conversation_opens_with_what_is_known_of_the_address() {
    let lists = vec![
        "LST N=bob@example.com F=Bob C=b1 11".to_owned(),
        "LST N=carol@example.com F=Carol C=c1 11".to_owned(),
    ];
    let (mut world, mut stage) = on_stage(Scenery { lists, ..Scenery::default() }).await;
    stage.say("NLN BSY bob@example.com Bob 0").await;
    let management = world.management.clone();
    for (who, known) in
        [("bob@example.com", "They are there: busy."), ("carol@example.com", "They are offline now.")]
    {
        world.user.send(&management, &format!("chat {who}")).await;
        world
            .user
            .message_with(&format!("conversation with {who} among your rooms or invitations. {known}"))
            .await;
        world.user.message_with(&format!("This is your conversation with {who}. What you write")).await;
    }
    for (who, code, known) in [
        ("nobody@example.com", "208", "does not know this address (208)"),
        ("noone@example.com", "205", "does not know this address (205)"),
        ("away@example.com", "217", "They are offline"),
    ] {
        world.user.send(&management, &format!("chat {who}")).await;
        let mut board = stage.called().await;
        let (line, _) = board.until("CAL ").await;
        assert!(line.ends_with(who), "{line}");
        board.say(&format!("{code} {}", line.split(' ').nth(1).unwrap())).await;
        let answer = world.user.message_with(&format!("conversation with {who} among")).await;
        let answer = answer["content"]["body"].as_str().unwrap().to_owned();
        assert!(answer.contains("is not on your contact list") && answer.contains(known), "{answer}");
        let opening = world.user.message_with(&format!("This is your conversation with {who}")).await;
        assert!(opening["content"]["body"].as_str().unwrap().contains(known), "{opening}");
    }
    // Somebody who is there is left again before a word is said.
    world.user.send(&management, "chat dave@example.com").await;
    let mut board = stage.called().await;
    assert_eq!(board.join("Dave").await, "dave@example.com");
    world.user.message_with("on your contact list; «add dave@example.com» adds them. They are online.").await;
    let said = board.next().await;
    assert_eq!(said.map(|(line, _)| line).as_deref(), Some("OUT"));
}
