//! What made MSN MSN: typing, nudges, presence, groups; and an independent client in place of ours.

use serde_json::{Value, json};

use crate::chat::World;
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, text};
use crate::support::scripted::ScriptedServer;
use crate::support::synapse::SERVER_NAME;

const NUDGE: &str = "MIME-Version: 1.0\r\nContent-Type: text/x-msnmsgr-datacast\r\n\r\nID: 1\r\n\r\n";

#[tokio::test]
async fn typing_and_nudges_go_both_ways() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    let room = world.user.message("hi").await["room_id"].as_str().unwrap().to_owned();

    let typing =
        "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgscontrol\r\nTypingUser: bob@example.com\r\n\r\n\r\n";
    call.say(typing).await;
    let ghost = format!("@msn_bob=40example.com:{SERVER_NAME}");
    let types = |event: &Value| {
        event["type"] == "m.typing"
            && event["content"]["user_ids"].as_array().is_some_and(|u| u.contains(&json!(ghost)))
    };
    world.user.event("Bob typing", types).await;
    call.say(NUDGE).await;
    let nudge = world.user.message("sent a nudge").await;
    assert_eq!(
        (nudge["content"]["msgtype"].as_str(), nudge["sender"].as_str()),
        (Some("m.emote"), Some(&*ghost))
    );

    let path = format!("rooms/{room}/typing/{}", world.user.id);
    world.user.call(reqwest::Method::PUT, &path, Some(json!({"typing": true, "timeout": 10_000}))).await;
    call.message("TypingUser: alice@example.com").await;
    world.user.send(&room, "!msn nudge").await;
    call.message("ID: 1").await;
}

#[tokio::test]
async fn conf_078_typing_is_not_sent_too_often_and_is_over_by_itself() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    let room = world.user.message("hi").await["room_id"].as_str().unwrap().to_owned();
    let path = format!("rooms/{room}/typing/{}", world.user.id);
    for typing in [true, false, true, false, true] {
        let body = json!({"typing": typing, "timeout": 10_000});
        world.user.call(reqwest::Method::PUT, &path, Some(body)).await;
    }
    call.message("TypingUser").await;
    world.user.send(&room, "done").await;
    call.message("done").await;
    assert_eq!(call.kept("TypingUser"), 0, "typing was sent again within seconds");

    let typing =
        "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgscontrol\r\nTypingUser: bob@example.com\r\n\r\n\r\n";
    call.say(typing).await;
    let ghosts = |event: &Value, wanted: usize| {
        let users = event["content"]["user_ids"].as_array();
        event["type"] == "m.typing"
            && users.is_some_and(|users| {
                users.iter().filter(|u| u.as_str().is_some_and(|u| u.starts_with("@msn_"))).count() == wanted
            })
    };
    world.user.event("Bob typing", |event| ghosts(event, 1)).await;
    world.user.event("Bob not typing", |event| ghosts(event, 0)).await;
}

#[tokio::test]
async fn conf_074_calls_outlive_the_notification_session() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    let room = world.user.message("hi").await["room_id"].as_str().unwrap().to_owned();
    let _elsewhere = Peer::sign_in(&world.service, "alice@example.com", "alice-pw").await;
    world.user.message_with("signed in from another place").await;
    call.say(&text("still there?")).await;
    world.user.message("still there?").await;
    world.user.send(&room, "still here").await;
    call.message("still here").await;
}

#[tokio::test]
async fn conf_075_a_second_ring_of_the_same_person_is_the_same_conversation() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut first = bob.call("alice@example.com").await;
    first.say(&text("from the first")).await;
    let room = world.user.message("from the first").await["room_id"].clone();
    let mut second = bob.call("alice@example.com").await;
    second.say(&text("from the second")).await;
    assert_eq!(world.user.message("from the second").await["room_id"], room);
    first.say(&text("and the first again")).await;
    assert_eq!(world.user.message("and the first again").await["room_id"], room);
    world.user.send(room.as_str().unwrap(), "an answer").await;
    second.message("an answer").await;
}

#[tokio::test]
async fn presence_and_personal_message_are_seen_and_set() {
    let mut world = World::start().await;
    let management = world.management.clone();
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    bob.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    bob.wire.line("ILN").await;
    world.user.message_with("Bob <bob@example.com> has added alice@example.com").await;
    // Only a ghost that shares a room is worth showing, and only a contact on the list is told of.
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    world.user.message("hi").await;

    world.user.send(&management, "presence busy").await;
    bob.wire.line("NLN BSY alice@example.com").await;
    world.user.send(&management, "psm gone fishing").await;
    let told = bob
        .wire
        .until("the personal message", |u| u.line.starts_with("UBX alice") && u.payload.contains("fishing"));
    assert!(told.await.payload.contains("<PSM>gone fishing</PSM>"));
    world.user.send(&management, "presence hidden").await;
    bob.wire.line("FLN alice@example.com").await;
    world.user.send(&management, "presence sideways").await;
    world.user.message_with("is not one of online, busy").await;
}

#[tokio::test]
async fn contacts_presence_becomes_matrix_presence() {
    let mut world = World::start_with_friends().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    world.user.message("hi").await;
    let data = "<Data><PSM>at sea</PSM><CurrentMedia></CurrentMedia></Data>";
    bob.wire.send("UUX", &format!("{}\r\n{data}", data.len())).await;
    bob.wire.line("UUX").await;
    bob.wire.send("CHG", "LUN 0").await;
    let ghost = format!("@msn_bob=40example.com:{SERVER_NAME}");
    let shown = |event: &Value| {
        event["type"] == "m.presence"
            && event["sender"] == ghost.as_str()
            && event["content"]["status_msg"] == "out to lunch – at sea"
    };
    let shown = world.user.event("Bob's presence", shown).await;
    assert_eq!(shown["content"]["presence"], "unavailable");
}

/// What Bob's ghost shows to somebody who shares a room with it.
async fn bobs_presence(user: &mut MatrixUser, wanted: &str) {
    let ghost = format!("@msn_bob=40example.com:{SERVER_NAME}");
    let is_bobs = |event: &Value| event["type"] == "m.presence" && event["sender"] == ghost.as_str();
    let shown = |event: &Value| is_bobs(event) && event["content"]["presence"] == wanted;
    // What came before it is old, and must not be taken for what comes next.
    user.event_after(&format!("Bob {wanted}"), shown, is_bobs).await;
}

#[tokio::test]
async fn a_ghost_shows_what_the_most_restricted_login_sees_and_nothing_once_it_is_gone() {
    let mut world = World::start_with_friends().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    world.user.message("hi").await;
    bobs_presence(&mut world.user, "online").await;

    // Carol has Bob on her list too, and Bob blocks her.
    let mut carol = Peer::sign_in(&world.service, "carol@example.com", "carol-pw").await;
    carol.wire.send("ADC", "FL N=bob@example.com F=Bob").await;
    carol.wire.line("ADC").await;
    drop(carol);
    let mut eve = MatrixUser::register(&world.synapse.url(), "eve").await;
    let management = eve.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
    eve.sign_in(&management, "carol@example.com", "carol-pw").await;
    bob.wire.send("ADC", "BL N=carol@example.com").await;
    bob.wire.line("ADC").await;
    bobs_presence(&mut world.user, "offline").await;
    eve.send(&management, "logout").await;
    eve.message_with("is signed out and its password forgotten").await;
    bobs_presence(&mut world.user, "online").await;

    let own = world.management.clone();
    world.user.send(&own, "logout").await;
    world.user.message_with("is signed out and its password forgotten").await;
    bobs_presence(&mut world.user, "offline").await;
}

#[tokio::test]
async fn others_in_a_room_are_heard_only_where_the_owner_lets_them() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    let room = world.user.message("hi").await["room_id"].as_str().unwrap().to_owned();
    let mut eve = MatrixUser::register(&world.synapse.url(), "eve").await;
    let invite = json!({"user_id": eve.id});
    world.user.call(reqwest::Method::POST, &format!("rooms/{room}/invite"), Some(invite)).await;
    let hi = |event: &Value| event["type"] == "m.room.member" && event["state_key"] == "@eve:test.localhost";
    eve.event("the room", hi).await;
    eve.send(&room, "may I?").await;
    world.user.message_with("only the owner of this conversation is heard").await;
    eve.send(&room, "!msn relay on").await;
    world.user.send(&room, "!msn relay on").await;
    world.user.message_with("Everybody in this room is heard").await;
    eve.send(&room, "thank you").await;
    let heard = call.line("MSG ").await;
    assert!(heard.payload.ends_with("<eve> thank you"), "{}", heard.payload);
    world.user.send(&room, "!msn relay off").await;
    world.user.message_with("Only you are heard").await;
    eve.send(&room, "hello?").await;
    world.user.send(&room, "the end").await;
    let heard = call.line("MSG ").await;
    assert!(heard.payload.ends_with("the end"), "{}", heard.payload);
}

#[tokio::test]
async fn each_login_can_have_ghosts_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::start_in(directory, "ghost: {per_login: true}\n").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    let shown = world.user.message("hi").await;
    let ghost = format!("@msn_alice=40example.com=20bob=40example.com:{SERVER_NAME}");
    assert_eq!(shown["sender"], ghost);
    // Inviting it is asking for the conversation with Bob.
    let body = json!({"invite": [ghost], "is_direct": true});
    world.user.call(reqwest::Method::POST, "createRoom", Some(body)).await;
    world.user.message_with("This is your conversation with bob@example.com").await;
}

/// Servers that let two clients of one account into a call show what the other client says.
#[tokio::test]
async fn what_the_own_account_says_elsewhere_is_the_owners_and_is_not_said_again() {
    let say = |who: &str, name: &str, words: &str| {
        let payload = text(words);
        format!("MSG {who} {name} {}\r\n{payload}", payload.len())
    };
    let scene =
        say("bob@example.com", "Bob", "from Bob") + &*say("alice@example.com", "Alice", "from my phone");
    let mut server = ScriptedServer::start(scene).await;
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::start_up(directory, "").await;
    world.bridge.stop().await;
    world.bridge.set_msn_server(&server.address);
    // The administrator lets the bridge act as the people of this homeserver.
    let registration = std::fs::read_to_string(world.bridge.registration()).unwrap();
    let more = "  users:\n    - {exclusive: false, regex: '@ann:test\\.localhost'}\n";
    std::fs::write(world.bridge.registration(), registration.replace("  users:\n", more)).unwrap();
    world.synapse.kill().await;
    world.synapse.restart().await;
    world.bridge.start().await;
    let management = world.management.clone();
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    world.user.message("from Bob").await;
    let shown = world.user.message("from my phone").await;
    assert_eq!(shown["sender"], world.user.id.as_str());
    let room = shown["room_id"].as_str().unwrap().to_owned();
    world.user.send(&room, "from Matrix").await;
    assert!(server.heard().await.ends_with("from Matrix"));
}

/// Somebody whom the server drops for saying nothing is still part of the conversation.
#[tokio::test]
async fn conf_072_somebody_dropped_for_idling_is_called_again_with_the_next_words() {
    let payload = text("and now I am idle");
    let scene = format!("MSG bob@example.com Bob {}\r\n{payload}BYE bob@example.com 1\r\n", payload.len());
    let mut server = ScriptedServer::start(scene).await;
    let mut world = World::start_up(tempfile::tempdir().unwrap(), "").await;
    world.bridge.stop().await;
    world.bridge.set_msn_server(&server.address);
    world.bridge.start().await;
    let management = world.management.clone();
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    let room = world.user.message("and now I am idle").await["room_id"].as_str().unwrap().to_owned();
    world.user.send(&room, "wake up").await;
    assert!(server.heard().await.ends_with(" bob@example.com"), "not called");
    assert!(server.heard().await.ends_with("wake up"));
}

#[tokio::test]
async fn conf_073_three_people_are_one_room_with_those_who_come_and_go() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut carol = Peer::sign_in(&world.service, "carol@example.com", "carol-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("just us")).await;
    let direct = world.user.message("just us").await["room_id"].as_str().unwrap().to_owned();
    world.user.send(&direct, "!msn invite carol@example.com").await;
    let mut carols = carol.answer().await;
    call.line("JOI carol@example.com").await;
    world.user.message_with("is being called").await;

    carols.say(&text("all three")).await;
    let shown = world.user.message("all three").await;
    let group = shown["room_id"].as_str().unwrap().to_owned();
    assert_ne!(group, direct);
    assert_eq!(shown["sender"], format!("@msn_carol=40example.com:{SERVER_NAME}"));
    call.say(&text("me too")).await;
    assert_eq!(world.user.message("me too").await["room_id"], group.as_str());
    world.user.send(&group, "hello both").await;
    call.message("hello both").await;
    carols.message("hello both").await;

    // Who closes the window is still one of them; out for good is who is dropped.
    drop(carols);
    call.line("BYE carol@example.com").await;
    let members = world.user.call(reqwest::Method::GET, &format!("rooms/{group}/joined_members"), None).await;
    assert!(!members["joined"][format!("@msn_carol=40example.com:{SERVER_NAME}")].is_null(), "{members}");
    world.user.send(&group, "!msn drop carol@example.com").await;
    let left = |event: &Value| {
        event["type"] == "m.room.member"
            && event["state_key"] == format!("@msn_carol=40example.com:{SERVER_NAME}")
            && event["content"]["membership"] == "leave"
    };
    world.user.event("Carol leaving", left).await;
}

fn invitation(fields: &str) -> String {
    format!("MIME-Version: 1.0\r\nContent-Type: text/x-msmsgsinvite; charset=UTF-8\r\n\r\n{fields}\r\n")
}

#[tokio::test]
async fn conf_085_invitations_are_shown_and_declined_and_never_left_open() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    for (fields, shown) in [
        (
            "Application-Name: computer call\r\nApplication-GUID: {02D3C01F-BF30-4825-A83A-DE7AF41648AA}\r\n\
             Invitation-Command: INVITE\r\nInvitation-Cookie: 11\r\n",
            "invites you to a voice conversation; it was declined",
        ),
        (
            "Invitation-Cookie: 12\r\nInvitation-Command: INVITE\r\nApplication-Name: Chess\r\nApplication-GUID: {1}\r\n",
            "invites you to «Chess»; it was declined",
        ),
    ] {
        call.say(&invitation(fields)).await;
        world.user.message_with(shown).await;
        let answer = call.message("Invitation-Command: CANCEL").await.payload;
        assert!(answer.contains("Cancel-Code: REJECT_NOT_INSTALLED"), "{answer}");
        let cookie = fields.split("Cookie: ").nth(1).unwrap().split("\r\n").next().unwrap();
        assert!(answer.contains(&format!("Invitation-Cookie: {cookie}\r\n")), "{answer}");
    }
    // An answer to what was never asked is ended too, and what others take back is told.
    call.say(&invitation(
        "Invitation-Command: ACCEPT\r\nInvitation-Cookie: 99\r\nLaunch-Application: TRUE\r\n",
    ))
    .await;
    let answer = call.message("Invitation-Command: CANCEL").await.payload;
    assert!(answer.contains("Invitation-Cookie: 99") && answer.contains("Cancel-Code: FAIL"), "{answer}");
    call.say(&invitation("Invitation-Command: CANCEL\r\nInvitation-Cookie: 12\r\nCancel-Code: TIMEOUT\r\n"))
        .await;
    call.say(&invitation(
        "Invitation-Command: CANCEL\r\nInvitation-Cookie: 55\r\nCancel-Code: OUTBANDCANCEL\r\n",
    ))
    .await;
    world.user.message_with("cancelled an invitation: the conversation was closed").await;
    assert_eq!(call.kept("CANCEL"), 0, "a cancel was answered");
}
