//! What a channel shows besides words, and what programs and strangers ask of a puppet, on a real server.

use crate::chat::World;
use crate::irc::{CHANNEL, relay_config};
use crate::support::irc::Person;
use crate::support::irc_servers::{Family, Limits, Server};
use crate::support::msn::{Peer, Wire, text};
use crate::support::synapse::SERVER_NAME;

/// Bob has said something in the channel, in which the watcher was first.
async fn world(more: &str) -> (Server, World, Person, Peer, Wire) {
    world_with("cap", more).await
}

/// The same, with more modules of the server.
async fn world_with(modules: &'static str, more: &str) -> (Server, World, Person, Peer, Wire) {
    let server = Server::start_with(Family::Inspircd, Limits::Lifted, modules).await;
    let mut watcher = Person::join(server.port, "watcher", CHANNEL).await;
    watcher.raw("CAP REQ :message-tags\r\n").await;
    watcher.line(" ACK ").await;
    let config = relay_config(server.port, &["bob@example.com"]) + more;
    let world = World::start_in(tempfile::tempdir().unwrap(), &config).await;
    watcher.line("msnbot!").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    watcher.line(" :hi").await;
    (server, world, watcher, bob, call)
}

#[tokio::test]
async fn notices_topics_modes_and_kicks_are_told_and_people_who_come_and_go_where_that_is_wanted() {
    let more = "  relay: {nicks: true, joins: true, parts: true, modes: false}\n";
    let (server, mut world, mut watcher, _bob, mut call) = world(more).await;
    watcher.raw(&format!("NOTICE {CHANNEL} :notice this\r\n")).await;
    world.user.message("<watcher> notice this").await;
    call.message("<watcher> notice this").await;
    let mut eve = Person::join(server.port, "eve", CHANNEL).await;
    eve.raw("NICK evelyn\r\n").await;
    eve.line(" NICK ").await;
    eve.raw(&format!("PART {CHANNEL} :so long\r\n")).await;
    eve.line(" PART ").await;
    watcher.raw(&format!("MODE {CHANNEL} +b nobody!*@*\r\nTOPIC {CHANNEL} :of friends\r\n")).await;
    let told = world.user.message_with("set the topic").await;
    let told = told["content"]["body"].as_str().unwrap().to_owned();
    assert!(told.starts_with("<#friends> ") && told.ends_with("watcher set the topic: of friends"), "{told}");
    let mut all = told.clone();
    if !told.contains("evelyn left") {
        let before = world.user.message_with("evelyn left").await;
        all = format!("{}; {told}", before["content"]["body"].as_str().unwrap());
    }
    for part in ["eve joined", "eve is now evelyn", "evelyn left (so long)"] {
        assert!(all.contains(part), "{part} in {all}");
    }
    // Nothing of our own people, and nothing that was not wanted.
    assert!(!all.contains("[m]") && !all.contains("msnbot") && !all.contains("+b"), "{all}");
}

#[tokio::test]
async fn modes_bans_and_kicks_are_told_as_they_come_and_nobody_who_joins_or_parts() {
    let (server, mut world, mut watcher, _bob, mut call) = world("").await;
    let mut eve = Person::join(server.port, "eve", CHANNEL).await;
    watcher.raw(&format!("MODE {CHANNEL} +b nobody!*@*\r\nKICK {CHANNEL} eve :enough\r\n")).await;
    eve.line(" KICK ").await;
    let dan = Person::join(server.port, "dan", CHANNEL).await;
    let told = world.user.message_with("watcher kicked eve (enough)").await;
    let told = told["content"]["body"].as_str().unwrap();
    assert!(told.starts_with("<#friends> ") && told.contains("watcher set +b nobody!*@*"), "{told}");
    call.message("watcher kicked eve (enough)").await;
    drop(dan);
    watcher.raw(&format!("TOPIC {CHANNEL} :later\r\n")).await;
    let told = world.user.message_with("watcher set the topic: later").await;
    let told = told["content"]["body"].as_str().unwrap();
    for left_out in ["joined", "quit", "left"] {
        assert!(!told.contains(left_out), "{told}");
    }
}

#[tokio::test]
async fn a_kicked_contact_speaks_through_the_bot_until_the_owner_says_otherwise() {
    let (_server, mut world, mut watcher, _bob, mut call) = world("").await;
    let room = world.user.message("hi").await["room_id"].as_str().unwrap().to_owned();
    watcher.raw(&format!("KICK {CHANNEL} bob[m] :out\r\n")).await;
    watcher.line(" KICK ").await;
    call.say(&text("what was that")).await;
    assert!(watcher.line("what was that").await.starts_with(":msnbot!"));
    world.user.message_with("is kept out of #friends").await;
    world.user.send(&room, "!msn rejoin bob@example.com").await;
    world.user.message_with("bob@example.com is in #friends on the IRC network «test» again.").await;
    call.say(&text("thank you")).await;
    assert!(watcher.line("thank you").await.starts_with(":bob[m]!"));
    // A channel that bans them is no better for it.
    watcher.raw(&format!("MODE {CHANNEL} +b bob[m]!*@*\r\nKICK {CHANNEL} bob[m] :out\r\n")).await;
    watcher.line(" KICK ").await;
    world.user.send(&room, "!msn rejoin bob@example.com").await;
    world.user.message_with("(474: we are banned from the channel (+b))").await;
}

#[tokio::test]
async fn a_nick_is_taken_back_when_it_is_free_and_a_new_name_is_shown() {
    let server = Server::start(Family::Inspircd, Limits::Lifted).await;
    // Somebody who is in no channel of ours has the nick: nobody sees them leave.
    let mut thief = Person::join(server.port, "bob[m]", "#elsewhere").await;
    let mut watcher = Person::join(server.port, "watcher", CHANNEL).await;
    watcher.raw("CAP REQ :setname\r\n").await;
    watcher.line(" ACK ").await;
    let config = relay_config(server.port, &["bob@example.com"]);
    let mut world = World::start_with_friends_in(tempfile::tempdir().unwrap(), &config).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    assert!(watcher.line(" :hi").await.starts_with(":bob2[m]!"));
    thief.raw("QUIT\r\n").await;
    let line = watcher.line(" NICK ").await;
    assert!(line.starts_with(":bob2[m]!") && line.ends_with("bob[m]"), "{line}");
    let management = world.management.clone();
    world.user.send(&management, "rename bob@example.com Robert the Bruce").await;
    let line = watcher.line(" SETNAME ").await;
    assert!(line.starts_with(":bob[m]!") && line.ends_with(":Robert the Bruce"), "{line}");
    call.say(&text("as ever")).await;
    assert!(watcher.line("as ever").await.starts_with(":bob[m]!"), "the template names the address");
    assert_eq!(watcher.unread(" NICK "), 0);
}

#[tokio::test]
async fn a_nick_made_of_the_name_follows_the_name_and_one_that_is_given_up_in_the_channel_is_taken() {
    let server = Server::start(Family::Ngircd, Limits::Lifted).await;
    let mut watcher = Person::join(server.port, "watcher", CHANNEL).await;
    let mut thief = Person::join(server.port, "Bob[m]", CHANNEL).await;
    let config = relay_config(server.port, &["bob@example.com"]).replace("{local}", "{name}");
    let mut world = World::start_with_friends_in(tempfile::tempdir().unwrap(), &config).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    assert!(watcher.line(" :hi").await.starts_with(":Bob2[m]!"));
    thief.raw("NICK somebody\r\n").await;
    watcher.line_that("the nick", |line| line.starts_with(":Bob2[m]!") && line.ends_with(":Bob[m]")).await;
    let management = world.management.clone();
    world.user.send(&management, "rename bob@example.com Robert").await;
    watcher.line_that("the nick", |line| line.starts_with(":Bob[m]!") && line.ends_with(":Robert[m]")).await;
}

#[tokio::test]
async fn programs_and_strangers_are_answered_and_never_taken_for_a_command() {
    let (_server, mut world, mut watcher, _bob, mut call) = world("").await;
    for (request, answer) in [
        ("\x01VERSION\x01", "VERSION msnbridge "),
        ("\x01PING 4711\x01", "PING 4711"),
        ("\x01TIME\x01", "TIME "),
        ("\x01DCC SEND a.exe 2130706433 1 1\x01", "I take no files and no chats by DCC"),
    ] {
        for nick in ["msnbot", "bob[m]"] {
            watcher.say(nick, request).await;
            let line = watcher.line(answer).await;
            assert!(line.contains(" NOTICE watcher "), "{line}");
        }
    }
    watcher.say("msnbot", "\x01FINGER\x01").await;
    watcher.say("bob[m]", "are you there").await;
    watcher.line("I am somebody on another network").await;
    watcher.say(CHANNEL, "\x01VERSION\x01").await;
    watcher.say(CHANNEL, "\x01ACTION \x01").await;
    watcher.say(CHANNEL, "the end").await;
    world.user.message("<watcher> the end").await;
    assert_eq!(watcher.unread("I take commands only"), 0);
    let heard = call.line("MSG ").await;
    assert!(heard.payload.contains("<watcher> the end"), "{}", heard.payload);
}

#[tokio::test]
async fn a_listed_person_writes_to_a_puppet_alone_and_its_contact_answers() {
    let server = Server::start(Family::Inspircd, Limits::Lifted).await;
    let mut watcher = Person::join(server.port, "watcher", CHANNEL).await;
    let people = format!("  people: [{{network: test, mask: 'annie!*@*', user: '@ann:{SERVER_NAME}'}}]\n");
    // A conversation with both of them: what one hears alone is not for the channel.
    let relays = relay_config(server.port, &["'', contacts: [carol@example.com, bob@example.com]"]);
    let config = format!("{relays}{people}");
    let mut world = World::start_with_friends_in(tempfile::tempdir().unwrap(), &config).await;
    watcher.line("msnbot!").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut carol = Peer::sign_in(&world.service, "carol@example.com", "carol-pw").await;
    watcher.say(CHANNEL, "hello, you two").await;
    let (mut bobs, _carols) = tokio::join!(bob.answer(), carol.answer());
    bobs.say(&text("hi")).await;
    watcher.line(" :hi").await;
    let mut annie = Person::join(server.port, "annie", CHANNEL).await;
    annie.say("bob[m]", "psst, bob").await;
    let mut alone = bob.answer().await;
    alone.message("psst, bob").await;
    world.user.message_with("psst, bob").await;
    alone.say(&text("what is it")).await;
    let line = annie.line("what is it").await;
    assert!(line.starts_with(":bob[m]!") && line.contains(" PRIVMSG annie "), "{line}");
    world.user.message("what is it").await;
    // Nobody else hears of it, and others get to know what a puppet is.
    watcher.say("bob[m]", "psst").await;
    watcher.line("I am somebody on another network").await;
    assert_eq!(watcher.unread("what is it") + watcher.unread("psst, bob"), 0);
}

#[tokio::test]
async fn in_a_moderated_channel_the_bot_speaks_for_a_contact_if_it_may_and_else_the_sender_is_told() {
    let (_server, mut world, mut watcher, _bob, mut call) = world("").await;
    watcher.raw(&format!("MODE {CHANNEL} +mv msnbot\r\n")).await;
    watcher.line(" MODE ").await;
    call.say(&text("quiet please")).await;
    let line = watcher.line("quiet please").await;
    assert!(line.starts_with(":msnbot!") && line.contains(" :<"), "{line}");
    let room = world.user.message("quiet please").await["room_id"].as_str().unwrap().to_owned();
    watcher.raw(&format!("MODE {CHANNEL} -v msnbot\r\n")).await;
    watcher.line(" MODE ").await;
    world.user.send(&room, "may I").await;
    world.user.message_with("(404: we may not speak there").await;
    watcher.raw(&format!("MODE {CHANNEL} -m\r\n")).await;
    watcher.line(" MODE ").await;
    call.say(&text("as myself again")).await;
    assert!(watcher.line("as myself again").await.starts_with(":bob[m]!"));
    assert_eq!(watcher.unread("may I"), 0);
}

#[tokio::test]
async fn a_contact_who_types_is_seen_to_where_the_server_can_show_it() {
    let (_server, _world, mut watcher, _bob, mut call) = world("").await;
    call.say(
        "MIME-Version: 1.0\r\nContent-Type: text/x-msmsgscontrol\r\nTypingUser: bob@example.com\r\n\r\n\r\n",
    )
    .await;
    let line = watcher.line(" TAGMSG ").await;
    assert!(line.starts_with("@+typing=active :bob[m]!") && line.ends_with(CHANNEL), "{line}");
}

#[tokio::test]
async fn somebody_who_types_or_answers_in_the_channel_is_seen_to_on_the_other_sides() {
    let (_server, mut world, mut watcher, _bob, mut call) = world_with("cap ircv3_msgid", "").await;
    let room = world.user.message("hi").await["room_id"].as_str().unwrap().to_owned();
    watcher.raw(&format!("@+typing=active TAGMSG {CHANNEL}\r\n")).await;
    call.until("somebody who types", |unit| unit.payload.contains("TypingUser: alice@example.com")).await;
    // An answer to what Bob said has its quotation on the other sides.
    call.say(&text("who comes tomorrow")).await;
    let line = watcher.line("who comes tomorrow").await;
    let id = line.split(['@', ';', ' ']).find_map(|tag| tag.strip_prefix("msgid=")).expect(&line).to_owned();
    watcher.raw(&format!("@+draft/reply={id} PRIVMSG {CHANNEL} :I do\r\n")).await;
    let shown = world.user.message_with("I do").await;
    let words = shown["content"]["body"].as_str().unwrap();
    assert!(words.contains("> who comes tomorrow\n"), "{words}");
    let heard = call.message("I do").await;
    assert!(heard.payload.contains("<watcher> > who comes tomorrow"), "{}", heard.payload);
    // And an answer from Matrix names the line that it answers.
    let asked =
        world.user.event("what Bob asked", |event| event["content"]["body"] == "who comes tomorrow").await;
    let answer = serde_json::json!({
        "msgtype": "m.text", "body": "so do I",
        "m.relates_to": {"m.in_reply_to": {"event_id": asked["event_id"]}},
    });
    world.user.send_content(&room, answer).await;
    let line = watcher.line("> who comes tomorrow").await;
    assert!(line.contains(&format!("+reply={id}")), "{line}");
    watcher.line("so do I").await;
}
