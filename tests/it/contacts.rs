//! Contacts, groups, names and presence: changed from Matrix and IRC, and what others change is seen.

use serde_json::{Value, json};

use crate::chat::World;
use crate::support::irc::{Ngircd, Person};
use crate::support::msn::{Peer, text};
use crate::support::synapse::SERVER_NAME;

/// Says something to the bot and waits for its answer.
async fn ask(world: &mut World, command: &str, answer: &str) -> String {
    let management = world.management.clone();
    world.user.send(&management, command).await;
    world.user.message_with(answer).await["content"]["body"].as_str().unwrap().to_owned()
}

/// The question about somebody, and the signs under it.
async fn question(world: &mut World, who: &str) -> Value {
    let asked = world.user.message_with(&format!("<{who}> has added")).await;
    let id = asked["event_id"].clone();
    for sign in ["👍", "👎", "🚫"] {
        let offered = |event: &Value| {
            event["type"] == "m.reaction"
                && event["content"]["m.relates_to"]["event_id"] == id
                && event["content"]["m.relates_to"]["key"] == sign
        };
        world.user.event(sign, offered).await;
    }
    asked
}

pub(crate) async fn react(world: &World, to: &Value, sign: &str) {
    let relation = json!({"rel_type": "m.annotation", "event_id": to["event_id"], "key": sign});
    let room = to["room_id"].as_str().unwrap();
    let event = to["event_id"].as_str().unwrap().trim_start_matches('$');
    let path = format!("rooms/{room}/send/m.reaction/{event}-{}", sign.len());
    world.user.call(reqwest::Method::PUT, &path, Some(json!({"m.relates_to": relation}))).await;
}

#[tokio::test]
async fn somebody_who_asks_is_answered_by_a_sign_or_a_word_and_asked_about_once() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut carol = Peer::sign_in(&world.service, "carol@example.com", "carol-pw").await;
    bob.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    let asked = question(&mut world, "bob@example.com").await;
    react(&world, &asked, "👍\u{FE0F}").await;
    world.user.message_with("bob@example.com can see you now").await;
    // Accepting is listing them too.
    bob.wire.line("ADC 0 RL N=alice@example.com").await;

    carol.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    let asked = question(&mut world, "carol@example.com").await;
    carol.wire.line("ILN").await;
    react(&world, &asked, "🚫").await;
    world.user.message_with("carol@example.com can neither see nor call you now").await;
    carol.wire.line("FLN alice@example.com").await;

    // Somebody asks while the bridge is away, and is not asked about again at the next sign-in.
    let mut dave = Peer::sign_in(&world.service, "dave@example.com", "dave-pw").await;
    world.bridge.kill().await;
    dave.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    dave.wire.line("ADC").await;
    world.bridge.start().await;
    question(&mut world, "dave@example.com").await;
    ask(&mut world, "reconnect", "Signed in to MSN").await;
    ask(&mut world, "decline dave@example.com", "dave@example.com was not let in").await;
    let room = world.management.clone();
    let history = world.user.history(&room).await;
    let asked = |who: &str| {
        let about = |e: &&Value| {
            e["content"]["body"].as_str().is_some_and(|b| b.contains(&format!("<{who}> has added")))
        };
        history.iter().filter(about).count()
    };
    assert_eq!((asked("bob@example.com"), asked("carol@example.com"), asked("dave@example.com")), (1, 1, 1));
}

#[tokio::test]
async fn contacts_and_groups_are_changed_by_words() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    bob.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    bob.wire.line("ILN").await;
    ask(&mut world, "group create Old friends", "There is a group «Old friends»").await;
    ask(&mut world, "group create Old friends", "a group of this name exists").await;
    ask(&mut world, "add bob@example.com old friends", "bob@example.com is among your contacts").await;
    bob.wire.line("ADC 0 RL N=alice@example.com").await;
    ask(&mut world, "rename bob@example.com Bob the builder", "is called «Bob the builder»").await;
    ask(&mut world, "group rename \"Old friends\" Pals", "is called «Pals» now").await;
    ask(&mut world, "reconnect", "Signed in to MSN").await;
    let list = ask(&mut world, "contacts", "<bob@example.com>:").await;
    assert!(list.contains("<bob@example.com>: online [Pals]"), "{list}");

    ask(&mut world, "group create Work", "There is a group «Work»").await;
    ask(&mut world, "move bob@example.com Work", "is in the group «Work» now").await;
    let list = ask(&mut world, "contacts", "[Work]").await;
    assert!(list.contains("[Work]"), "{list}");
    ask(&mut world, "group delete Work", "There is no group «Work» any more").await;
    ask(&mut world, "reconnect", "Signed in to MSN").await;
    let list = ask(&mut world, "contacts", "<bob@example.com>:").await;
    assert!(!list.contains('['), "still a contact, in no group: {list}");

    ask(&mut world, "block bob@example.com", "can neither see nor call you").await;
    bob.wire.line("FLN alice@example.com").await;
    ask(&mut world, "unblock bob@example.com", "can see and call you again").await;
    bob.wire.line("NLN").await;
    ask(&mut world, "remove bob@example.com", "is no contact of yours any more").await;
    bob.wire.line("REM 0 RL alice@example.com").await;
    ask(&mut world, "remove bob@example.com", "they are not among your contacts").await;
    ask(&mut world, "add nobody@example.com", "there is no such account").await;
    ask(&mut world, "add bob", "is not an e-mail address").await;
    ask(&mut world, "move bob@example.com Nowhere", "there is no group «Nowhere»").await;
    ask(&mut world, "strangers off", "Only people whom you let").await;
    ask(&mut world, "strangers off", "Only people whom you let").await;
    ask(&mut world, "phone mobile 555 1234", "see 555 1234 as your mobile phone").await;
    bob.wire.line("BPR alice@example.com PHM 555%201234").await;
}

#[tokio::test]
async fn inviting_a_ghost_makes_a_contact_and_leaving_the_room_unmakes_none() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    let room = world.user.message("hi").await["room_id"].as_str().unwrap().to_owned();
    let ghost = format!("@msn_bob=40example.com:{SERVER_NAME}");
    let path = format!("rooms/{}/invite", world.management);
    world.user.call(reqwest::Method::POST, &path, Some(json!({"user_id": ghost}))).await;
    bob.wire.line("ADC 0 RL N=alice@example.com").await;
    world.user.message_with("bob@example.com is among your contacts").await;
    world.user.call(reqwest::Method::POST, &format!("rooms/{room}/leave"), Some(json!({}))).await;
    world.bridge.wait_for_log("the owner left the room").await;
    let list = ask(&mut world, "contacts", "<bob@example.com>:").await;
    assert!(list.contains("<bob@example.com>"), "{list}");
    // Into a conversation it is a call.
    let mut carol = Peer::sign_in(&world.service, "carol@example.com", "carol-pw").await;
    call.say(&text("again")).await;
    let room = world.user.message("again").await["room_id"].as_str().unwrap().to_owned();
    let mut third = carol.call("alice@example.com").await;
    third.say(&text("so that I am known")).await;
    world.user.message("so that I am known").await;
    let invite = json!({"user_id": format!("@msn_carol=40example.com:{SERVER_NAME}")});
    world.user.call(reqwest::Method::POST, &format!("rooms/{room}/invite"), Some(invite)).await;
    let _third_person = carol.answer().await;
    call.line("JOI carol@example.com").await;
}

#[tokio::test]
async fn names_songs_and_presence_are_seen_by_contacts() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    bob.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    bob.wire.line("ILN").await;
    ask(&mut world, "name Alice in Wonderland", "You are called «Alice in Wonderland»").await;
    let named = |u: &crate::support::msn::Unit| u.line.contains("alice@example.com Alice%20in%20Wonderland");
    bob.wire.until("the new name", named).await;
    ask(&mut world, "psm reading ♫ Yesterday - The Beatles", "is set").await;
    let song = |u: &crate::support::msn::Unit| u.payload.contains("Yesterday\\0The Beatles\\0");
    let told = bob.wire.until("the song", song).await;
    assert!(told.payload.contains("<PSM>reading</PSM>"), "{}", told.payload);

    // Without being told otherwise, MSN sees what the owner's own client shows.
    let path = format!("presence/{}/status", world.user.id);
    let show = async |state: &str| {
        world.user.call(reqwest::Method::PUT, &path, Some(json!({"presence": state}))).await;
    };
    show("unavailable").await;
    bob.wire.line("NLN IDL alice@example.com").await;
    show("online").await;
    bob.wire.line("NLN NLN alice@example.com").await;
    ask(&mut world, "presence busy", "You are now «busy»").await;
    bob.wire.line("NLN BSY alice@example.com").await;
    let show = json!({"presence": "unavailable"});
    world.user.call(reqwest::Method::PUT, &path, Some(show)).await;
    ask(&mut world, "presence lunch", "You are now «lunch»").await;
    let next = bob.wire.until("a change", |u| u.line.starts_with("NLN ") && !u.line.contains(" BSY ")).await;
    assert!(next.line.starts_with("NLN LUN"), "the owner's client counts no more: {}", next.line);
    ask(&mut world, "presence follow", "MSN sees what your own client shows").await;
    bob.wire.line("NLN NLN alice@example.com").await;
}

const CHANNEL: &str = "#friends";

#[tokio::test]
async fn people_on_irc_command_their_own_logins_and_others_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let server = Ngircd::start(directory.path(), 0).await;
    let config = format!(
        "irc:\n  networks:\n    test: {{server: 127.0.0.1, port: {}, tls: false, nick: msnbot, line_penalty_ms: 0}}\n  \
         relays: [{{network: test, channel: '{CHANNEL}', login: alice@example.com, contact: bob@example.com}}]\n  \
         people: [{{network: test, mask: 'annie!*@*', user: '@ann:{SERVER_NAME}'}}]\n",
        server.port
    );
    let mut world = World::start_in(directory, &config).await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    let mut annie = Person::join(server.port, "annie", CHANNEL).await;
    let mut eve = Person::join(server.port, "eve", CHANNEL).await;
    annie.say(CHANNEL, "!msn add bob@example.com").await;
    annie.line("NOTICE annie :bob@example.com is among your contacts").await;
    annie.say("msnbot", "status").await;
    annie.line("NOTICE annie :alice@example.com: connected").await;
    annie.say("msnbot", "login carol@example.com").await;
    annie.line("room on Matrix").await;
    eve.say("msnbot", "contacts").await;
    eve.line("NOTICE eve :I take commands only from people").await;
    // What is asked of the owner is told here too.
    let mut carol = Peer::sign_in(&world.service, "carol@example.com", "carol-pw").await;
    carol.wire.send("ADC", "FL N=alice@example.com F=Alice").await;
    annie.line("<carol@example.com> has added").await;
    annie.say(CHANNEL, "!msn accept carol@example.com").await;
    annie.line("carol@example.com can see you now").await;
    // Whoever is away on IRC is idle on MSN.
    carol.wire.line("ADC 0 RL N=alice@example.com").await;
    annie.raw("AWAY :gone\r\n").await;
    eve.say(CHANNEL, "!msn add dave@example.com").await;
    world.user.message("<eve> !msn add dave@example.com").await;
}
