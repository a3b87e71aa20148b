//! Channels that become ends of conversations by a command, and what is commanded in a channel, on real servers.

use crate::chat::World;
use crate::irc::{CHANNEL, relay_config};
use crate::support::irc::Person;
use crate::support::irc_servers::{Family, Limits, Server};
use crate::support::msn::{Peer, Wire, text};
use crate::support::synapse::SERVER_NAME;

/// A network without a channel of ours, and a conversation with Bob.
async fn world(server: &Server, more: &str) -> (World, Peer, Wire, String) {
    let config = format!(
        "irc:\n  nick: '{{local}}[m]'\n  networks:\n    test: {{server: 127.0.0.1, port: {}, tls: false, nick: msnbot, line_penalty_ms: 0}}\n{more}",
        server.port
    );
    let mut world = World::start_in(tempfile::tempdir().unwrap(), &config).await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    let room = world.user.message("hi").await["room_id"].as_str().unwrap().to_owned();
    (world, bob, call, room)
}

/// What each of three sides says is heard on the two others.
async fn three_ways(
    world: &mut World,
    room: &str,
    call: &mut Wire,
    eve: &mut Person,
    channel: &str,
    word: &str,
) {
    call.say(&text(&format!("msn {word}"))).await;
    let line = eve.line(&format!("msn {word}")).await;
    assert!(line.starts_with(":bob[m]!"), "{line}");
    world.user.send(room, &format!("matrix {word}")).await;
    eve.line(&format!("matrix {word}")).await;
    eve.say(channel, &format!("irc {word}")).await;
    call.message(&format!("<eve> irc {word}")).await;
    let shown = world.user.message(&format!("<eve> irc {word}")).await;
    assert_eq!(shown["room_id"], room);
}

#[tokio::test]
async fn somebody_whom_the_configuration_names_plumbs_a_channel_and_it_stays_over_a_restart() {
    let server = Server::start(Family::Ngircd, Limits::Lifted).await;
    let mut eve = Person::join(server.port, "eve", "#club").await;
    let people = format!("  people: [{{network: test, mask: 'annie!*@*', user: '@ann:{SERVER_NAME}'}}]\n");
    let (mut world, mut bob, mut call, room) = world(&server, &people).await;
    world.user.send(&room, "!MSN Plumb #Club").await;
    world.user.message_with("#Club on the IRC network «test» is an end of this conversation now.").await;
    three_ways(&mut world, &room, &mut call, &mut eve, "#club", "one").await;
    world.user.send(&room, "!msn plumb #other").await;
    world.user.message_with("is in #Club on the IRC network «test» already").await;
    let management = world.management.clone();
    world.user.send(&management, "status").await;
    let told = world.user.message_with("the conversation with bob@example.com, plumbed").await;
    assert_eq!(told["room_id"], management.as_str());
    world.bridge.kill().await;
    world.bridge.start().await;
    world.bridge.wait_for_log_times("joined nick=\"msnbot\"", 2).await;
    let mut call = bob.call("alice@example.com").await;
    three_ways(&mut world, &room, &mut call, &mut eve, "#club", "two").await;
    world.user.send(&management, "unplumb #club test").await;
    world.user.message_with("is no end of this conversation any more").await;
    eve.line(":msnbot!").await;
    call.say(&text("among ourselves")).await;
    world.user.message("among ourselves").await;
    // Again, from the room of the bot, and nothing of what was said between is said there.
    world.user.send(&management, "plumb #club test bob@example.com").await;
    world.user.message_with("#club on the IRC network «test» is an end of this conversation now.").await;
    three_ways(&mut world, &room, &mut call, &mut eve, "#club", "three").await;
    assert_eq!(eve.unread("among ourselves"), 0);
}

#[tokio::test]
async fn relays_of_the_configuration_come_change_and_go_without_a_restart() {
    let server = Server::start(Family::Ngircd, Limits::Lifted).await;
    let mut eve = Person::join(server.port, "eve", "#one").await;
    eve.raw("JOIN #two\r\nMODE #two +k open\r\n").await;
    eve.line(" MODE #two ").await;
    let (mut world, _bob, mut call, room) = world(&server, "  relays: []\n").await;
    let configure = |world: &World, relay: &str| {
        let last = "  relays: ";
        world.bridge.reload(|text| {
            let (kept, _) = text.split_once(last).unwrap();
            format!("{kept}{last}[{relay}]\n")
        });
    };
    let relay =
        |more: &str| format!("{{network: test, login: alice@example.com, contact: bob@example.com, {more}}}");
    configure(&world, &relay("channel: '#one'"));
    eve.line(":msnbot!").await;
    three_ways(&mut world, &room, &mut call, &mut eve, "#one", "one").await;
    // It moves to a channel with a key, and the bot and the puppet out of the first one.
    configure(&world, &relay("channel: '#two', key: wrong"));
    eve.line_that("the bot to leave", |line| line.starts_with(":msnbot!") && line.contains("PART #one"))
        .await;
    // Whoever has parted already is not seen to quit.
    let leaves =
        |line: &str| line.starts_with(":bob[m]!") && (line.contains(" QUIT ") || line.contains(" PART "));
    eve.line_that("the puppet to leave", leaves).await;
    world.user.message_with("the channel has a key (+k)").await;
    configure(&world, &relay("channel: '#two', key: open"));
    eve.line_that("the bot to enter", |line| line.starts_with(":msnbot!") && line.contains("JOIN :#two"))
        .await;
    three_ways(&mut world, &room, &mut call, &mut eve, "#two", "two").await;
    // Nothing of the configuration stays, and the rest goes on.
    configure(&world, "");
    eve.line_that("the bot to leave", |line| line.starts_with(":msnbot!") && line.contains("PART #two"))
        .await;
    call.say(&text("among ourselves")).await;
    world.user.message("among ourselves").await;
    eve.say("#two", "for nobody").await;
    configure(&world, &relay("channel: '#one'"));
    eve.line_that("the bot to come", |line| line.starts_with(":msnbot!") && line.contains("JOIN :#one"))
        .await;
    three_ways(&mut world, &room, &mut call, &mut eve, "#one", "three").await;
    assert_eq!(
        (eve.unread("among ourselves"), world.bridge.log().matches("waits for a restart").count()),
        (0, 0)
    );
}

#[tokio::test]
async fn an_operator_of_the_channel_is_asked_and_nobody_else_is_heard() {
    let server = Server::start(Family::Inspircd, Limits::Lifted).await;
    // Eve is first in the channel and so its operator.
    let mut eve = Person::join(server.port, "eve", "#club").await;
    let mut dan = Person::join(server.port, "dan", "#club").await;
    let (mut world, _bob, mut call, room) = world(&server, "").await;
    world.user.send(&room, "!msn plumb #club").await;
    world.user.message_with("one of them says «!msn confirm» there").await;
    let asked = dan.line("asks to show a conversation of MSN here").await;
    assert!(!asked.contains("example.com :") && !asked.contains("bob"), "{asked}");
    dan.say("#club", "!msn confirm").await;
    dan.say("#club", "not for you").await;
    eve.line("not for you").await;
    eve.raw("MODE #club +o dan\r\n").await;
    dan.line(" MODE ").await;
    eve.raw("MODE #club -o eve\r\n").await;
    dan.line(" -o ").await;
    eve.say("#club", "!msn confirm").await;
    dan.line("!msn confirm").await;
    dan.say("#club", "!MSN Confirm").await;
    world.user.message_with("#club is an end of the conversation now").await;
    eve.say("#club", "the end").await;
    // What was said before is nobody's business on the other sides.
    let heard = call.line("MSG ").await;
    assert!(heard.payload.contains("<eve> the end"), "{}", heard.payload);
    // Whoever refuses is heard too.
    world.user.send(&room, "!msn unplumb").await;
    world.user.message_with("is no end of this conversation any more").await;
    world.user.send(&room, "!msn plumb #club").await;
    dan.line("asks to show a conversation of MSN here").await;
    dan.say("#club", "!msn refuse").await;
    world.user.message_with("an operator there refuses").await;
    // A channel that does not let the bot in is told, with the server's words.
    eve.raw("JOIN #shut\r\nMODE #shut +i\r\n").await;
    eve.line(" MODE #shut ").await;
    world.user.send(&room, "!msn plumb #shut").await;
    world.user.message_with("does not get into #shut on the IRC network «test»: ").await;
}

#[tokio::test]
async fn what_the_operators_of_a_channel_are_asked_outlives_a_restart() {
    let server = Server::start(Family::Ngircd, Limits::Lifted).await;
    let mut eve = Person::join(server.port, "eve", "#club").await;
    let (mut world, mut bob, call, room) = world(&server, "").await;
    world.user.send(&room, "!msn plumb #club").await;
    world.user.message_with("one of them says «!msn confirm» there").await;
    eve.line("asks to show a conversation of MSN here").await;
    world.bridge.kill().await;
    drop(call);
    eve.line(" QUIT ").await;
    world.bridge.start().await;
    eve.line(" JOIN ").await;
    world.bridge.wait_for_log_times("joined nick=\"msnbot\"", 2).await;
    eve.say("#club", "!msn confirm").await;
    world.user.message_with("#club is an end of the conversation now").await;
    let mut call = bob.call("alice@example.com").await;
    three_ways(&mut world, &room, &mut call, &mut eve, "#club", "one").await;
    // It is asked no more, and stays.
    world.bridge.kill().await;
    drop(call);
    // Of several of ours that leave, the bot.
    eve.line_that("the bot's end", |line| line.starts_with(":msnbot!") && line.contains(" QUIT ")).await;
    world.bridge.start().await;
    eve.line_that("the bot again", |line| line.starts_with(":msnbot!") && line.contains(" JOIN ")).await;
    world.bridge.wait_for_log_times("joined nick=\"msnbot\"", 3).await;
    let mut call = bob.call("alice@example.com").await;
    three_ways(&mut world, &room, &mut call, &mut eve, "#club", "two").await;
}

#[tokio::test]
async fn in_a_channel_people_whom_the_configuration_names_command_and_only_they_read_the_answers() {
    let server = Server::start(Family::Ngircd, Limits::Lifted).await;
    let mut eve = Person::join(server.port, "eve", CHANNEL).await;
    let config = relay_config(server.port, &["bob@example.com"])
        + format!("  people: [{{network: test, mask: 'annie!*@*', user: '@ann:{SERVER_NAME}'}}]\n").as_str();
    let world = World::start_with_friends_in(tempfile::tempdir().unwrap(), &config).await;
    eve.line("msnbot!").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    eve.line(" :hi").await;
    let mut annie = Person::join(server.port, "annie", CHANNEL).await;
    for (command, answer) in [
        ("!msn HELP", "Commands; «help <topic>»"),
        ("!MSN help channels", "makes a channel an end of this conversation"),
        ("!msn Who", "In this conversation: Bob (bob@example.com)."),
        ("!msn status", "#friends on the IRC network «test»: the conversation with bob@example.com"),
        ("!msn psm at home", "Your personal message is set."),
        ("!msn block bob@example.com", "bob@example.com can neither see"),
        ("!msn unblock bob@example.com", "bob@example.com can see"),
    ] {
        annie.say(CHANNEL, command).await;
        let line =
            annie.line_that(answer, |line| line.contains("NOTICE annie :") && line.contains(answer)).await;
        assert!(line.starts_with(":msnbot!"), "{line}");
    }
    // A nudge at most every ten seconds, whichever way it is said.
    for nudge in ["!msn nudge", "!nudge", "!MSN NUDGE"] {
        annie.say(CHANNEL, nudge).await;
    }
    annie.say(CHANNEL, "the end").await;
    let mut nudges = 0;
    loop {
        let heard = call.line("MSG ").await.payload;
        nudges += usize::from(heard.contains("datacast"));
        if heard.contains("the end") {
            break;
        }
    }
    assert_eq!(nudges, 1);
    assert_eq!(eve.unread("NOTICE"), 0, "answers are for those who ask");
}
