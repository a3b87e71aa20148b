//! Long pastes, lost connections and floods on IRC: nothing is skipped or said twice, and nobody is silenced.

use std::collections::HashMap;

use serde_json::Value;

use crate::chat::World;
use crate::irc::{CHANNEL, relay_config};
use crate::support::irc::{Ngircd, Person};
use crate::support::irc_script::ScriptedIrc;
use crate::support::msn::{Peer, text};

/// A working set-up with a relay for Bob on a scripted server, and the room of their conversation.
async fn world(irc: &mut ScriptedIrc, more: &str) -> (World, Peer, String) {
    let config = relay_config(irc.port, &["bob@example.com"]) + more;
    let mut world = World::start_in(tempfile::tempdir().unwrap(), &config).await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    let room = world.user.message("hi").await["room_id"].as_str().unwrap().to_owned();
    irc.said_until("hi").await;
    (world, bob, room)
}

fn paste(lines: usize) -> String {
    (0..lines).map(|n| format!("line {n} of it")).collect::<Vec<_>>().join("\n")
}

/// How often each line was said.
fn times(said: &[String]) -> HashMap<&str, usize> {
    let mut times = HashMap::new();
    said.iter().for_each(|line| *times.entry(line.as_str()).or_default() += 1);
    times
}

#[tokio::test]
async fn fault_10_a_paste_whose_connection_breaks_goes_on_where_it_stopped() {
    for echoes in [false, true] {
        let mut irc = ScriptedIrc::start(echoes).await;
        let (mut world, _bob, room) = world(&mut irc, "").await;
        irc.hang_up_after(455);
        world.user.send(&room, &paste(1_200)).await;
        let said = irc.said_until("line 1199 of it").await;
        let times = times(&said);
        for n in 0..1_200 {
            assert!(times.contains_key(format!("line {n} of it").as_str()), "line {n} is missing");
        }
        // Only what was written and not confirmed when it broke.
        let twice = said.iter().filter(|line| line.starts_with("line")).count() - 1_200;
        assert!(twice <= 10, "{twice} lines were said again (echoes: {echoes})");
    }
}

#[tokio::test]
async fn fault_10_a_paste_outlives_a_kill_of_the_bridge() {
    let mut irc = ScriptedIrc::start(false).await;
    let (mut world, _bob, room) = world(&mut irc, "").await;
    irc.hang_up_after(300);
    world.user.send(&room, &paste(900)).await;
    let mut said = irc.said_until("line 299 of it").await;
    irc.close(true);
    world.bridge.kill().await;
    irc.close(false);
    world.bridge.start().await;
    said.extend(irc.said_until("line 899 of it").await);
    let (times, all) = (times(&said), said.iter().filter(|line| line.starts_with("line")).count());
    assert!((0..900).all(|n| times.contains_key(format!("line {n} of it").as_str())));
    // What was confirmed and not on disk, and what was not confirmed: a moment's worth.
    assert!(all - 900 < 300, "{all} lines");
}

#[tokio::test]
async fn fault_10_nothing_is_skipped_while_the_channel_can_be_reached() {
    let mut irc = ScriptedIrc::start(false).await;
    // Five lines in two seconds, and only ten seconds' worth at once: most of it waits.
    let (mut world, mut bob, room) = world(&mut irc, "").await;
    world.bridge.kill().await;
    let config = std::fs::read_to_string(world.bridge.file("bridge.yaml")).unwrap();
    let config = config.replace("line_penalty_ms: 0", "line_penalty_ms: 400");
    std::fs::write(world.bridge.file("bridge.yaml"), config).unwrap();
    world.bridge.start().await;
    world.bridge.wait_for_log_times("joined nick=\"msnbot\"", 2).await;
    world.user.send(&room, &paste(60)).await;
    let _call = bob.answer().await;
    for n in 0..110 {
        world.user.send(&room, &format!("message {n} of it")).await;
    }
    // It is told once how long that takes.
    let told = world.user.message_with("are still to be said on IRC").await;
    assert!(told["content"]["body"].as_str().unwrap().ends_with("Nothing is left out."), "{told}");
    let said = irc.said_until("message 109 of it").await;
    let pasted = (0..60).map(|n| format!("line {n} of it"));
    let expected: Vec<String> = pasted.chain((0..110).map(|n| format!("message {n} of it"))).collect();
    assert_eq!(said, expected);
    world.user.send(&room, "the end").await;
    irc.said_until("the end").await;
    let again = world.user.seen_so_far(|event| {
        event["content"]["body"].as_str().is_some_and(|body| body.contains("are still to be said on IRC"))
    });
    assert_eq!(again, 0);
}

#[tokio::test]
async fn fault_10_what_was_said_while_irc_was_away_is_bounded_and_counted() {
    let mut irc = ScriptedIrc::start(false).await;
    let (mut world, _bob, room) = world(&mut irc, "").await;
    irc.close(true);
    world.bridge.wait_for_log("the IRC connection was lost").await;
    for n in 0..130 {
        world.user.send(&room, &format!("away {n} then")).await;
    }
    // Everything has been journaled when what came last has arrived at its other leg.
    world.bridge.wait_for_log("head=131 ").await;
    irc.close(false);
    let said = irc.said_until("away 129 then").await;
    let notices: Vec<&String> =
        said.iter().filter(|line| line.contains("while IRC was not reachable")).collect();
    assert_eq!(notices.len(), 1, "{said:?}");
    let missed: usize = notices[0].trim_start_matches('(').split(' ').next().unwrap().parse().unwrap();
    let told = said.iter().filter(|line| line.starts_with("away")).count();
    assert_eq!(told + missed, 130, "{said:?}");
    // One may have been on its way when it came back.
    assert!((100..=101).contains(&told), "{told}");
}

#[tokio::test]
async fn fault_10_a_line_that_the_channel_never_showed_is_told_to_its_sender() {
    let mut irc = ScriptedIrc::start(true).await;
    let (mut world, _bob, room) = world(&mut irc, "").await;
    world.user.send(&room, "this is filtered").await;
    let told = world.user.message_with("was not delivered on IRC").await;
    assert!(told["content"]["body"].as_str().unwrap().contains("did not show it"), "{told}");
    irc.moderate(true);
    world.user.send(&room, "this is refused").await;
    world.user.message_with("Cannot send to channel").await;
    irc.moderate(false);
    world.user.send(&room, "this is shown").await;
    irc.said_until("this is shown").await;
}

/// The numbers of lines that begin so, in the order of a room's history, and how many of them each event holds.
fn numbered(history: &[Value], start: &str) -> (Vec<usize>, Vec<usize>) {
    let (mut numbers, mut sizes) = (Vec::new(), Vec::new());
    for event in history {
        let content = &event["content"];
        let body = content["body"].as_str().unwrap_or_default();
        let lines = body.lines().filter_map(|line| line.rsplit_once(start)?.1.parse::<usize>().ok());
        let before = numbers.len();
        numbers.extend(lines);
        let named = content["msnbridge.ids"].as_array().map_or(1, Vec::len);
        if numbers.len() > before {
            assert_eq!(numbers.len() - before, named, "each is named: {content}");
            sizes.push(named);
        }
    }
    (numbers, sizes)
}

#[tokio::test]
async fn a_paste_in_the_channel_outlives_an_outage_of_the_homeserver_and_kills_of_the_bridge_in_packs() {
    let mut irc = ScriptedIrc::start(false).await;
    let (mut world, mut bob, room) = world(&mut irc, "").await;
    world.synapse.kill().await;
    let lines: String = (0..300).map(|n| format!(":eve!e@h PRIVMSG {CHANNEL} :paste {n}\r\n")).collect();
    irc.write("msnbot", &lines);
    let mut call = bob.answer().await;
    call.message("<eve> paste 299").await;
    world.bridge.kill().await;
    world.synapse.restart().await;
    for seen in ["paste 60", "paste 160"] {
        world.bridge.start().await;
        world.user.message_with(seen).await;
        world.bridge.kill().await;
    }
    world.bridge.start().await;
    world.user.message_with("paste 299").await;
    let (numbers, sizes) = numbered(&world.user.history(&room).await, "paste ");
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
    println!("300 lines as {} events: {sizes:?}", sizes.len());
    assert!(sizes.iter().filter(|size| **size == 20).count() >= 12, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= 20), "{sizes:?}");
}

#[tokio::test]
async fn fault_30_a_flood_of_private_messages_silences_nobody() {
    let mut irc = ScriptedIrc::start(false).await;
    let (mut world, _bob, room) = world(&mut irc, "").await;
    let flood: String = (0..3_000).map(|n| format!(":eve{n}!e@evil PRIVMSG msnbot :hello {n}\r\n")).collect();
    irc.write("msnbot", &flood);
    irc.write("msnbot", &format!(":dan!d@h PRIVMSG {CHANNEL} :can you hear me\r\n"));
    world.user.message("<dan> can you hear me").await;
    world.user.send(&room, "loud and clear").await;
    let said = irc.said_until("loud and clear").await;
    let refusals = said.iter().filter(|line| line.contains("I take commands only from")).count();
    assert_eq!(refusals, 1, "{said:?}");
    // A channel's flood is carried, however long that takes, and the way back stays open meanwhile.
    let flood: String = (0..600).map(|n| format!(":dan!d@h PRIVMSG {CHANNEL} :busy {n}\r\n")).collect();
    irc.write("msnbot", &flood);
    world.user.send(&room, "meanwhile").await;
    irc.said_until("meanwhile").await;
    world.user.message_with("busy 599").await;
}

#[tokio::test]
async fn fault_30_a_stranger_on_a_real_server_is_refused_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = Ngircd::start(directory.path(), 0).await;
    let config = relay_config(server.port, &["bob@example.com"]);
    let mut world = World::start_in(directory, &config).await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    let mut eve = Person::join(server.port, "eve", CHANNEL).await;
    for word in ["hello", "help", "!msn status"] {
        eve.say("msnbot", word).await;
    }
    eve.line("I take commands only from people").await;
    eve.say(CHANNEL, "still here").await;
    world.user.message("<eve> still here").await;
    // Somebody else is told too.
    let mut zoe = Person::join(server.port, "zoe", CHANNEL).await;
    zoe.say("msnbot", "hello").await;
    zoe.line("I take commands only from people").await;
    assert_eq!(eve.unread("I take commands"), 0);
}

#[tokio::test]
async fn several_lines_go_and_come_as_one_message_where_the_network_takes_that() {
    let offers =
        "batch message-tags echo-message labeled-response draft/multiline=max-bytes=4096,max-lines=5";
    let mut irc = ScriptedIrc::start_offering(offers, "").await;
    let (mut world, _bob, room) = world(&mut irc, "").await;
    world.user.send(&room, &paste(12)).await;
    let said = irc.said_until("line 11 of it").await;
    assert_eq!(said, (0..12).map(|n| format!("line {n} of it")).collect::<Vec<_>>());
    assert_eq!(irc.messages(), 3, "five lines, five more, and the rest");
    let lines = format!(
        "@time=2026-01-02T03:04:05.000Z :eve!e@h BATCH +x draft/multiline {CHANNEL}\r\n\
         @batch=x :eve!e@h PRIVMSG {CHANNEL} :one\r\n@batch=x :eve!e@h PRIVMSG {CHANNEL} :two\r\n:eve!e@h BATCH -x\r\n"
    );
    irc.write("msnbot", &lines);
    world.user.message("<eve> one\ntwo").await;
    // What is taken and shown to nobody is told, whatever its label says.
    world.user.send(&room, "this is filtered").await;
    let told = world.user.message_with("was not delivered on IRC").await;
    assert!(told["content"]["body"].as_str().unwrap().contains("did not show it"), "{told}");
}
