//! Pastes and kills on the servers of three families: nothing is lost, said twice or out of order, and nobody is sent away.

use std::time::Duration;

use crate::chat::World;
use crate::irc::{CHANNEL, relay_config};
use crate::support::irc::Person;
use crate::support::irc_pings::PingingProxy;
use crate::support::irc_servers::{FAMILIES, Family, Limits, Server};
use crate::support::msn::{Peer, text};

/// How often a server is killed.
const KILLS: usize = 6;
/// How long the bridge may take to answer a PING, whatever it is about.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// A relay for Bob on this server, and somebody who watches the channel.
async fn world(server: &Server, more: &str) -> (World, Person) {
    world_through(server, server.port, more).await
}

/// The same, and the bridge reaches the server through this port. It knows itself that it is in: what is said before counts as
/// said while IRC was away.
async fn world_through(server: &Server, port: u16, more: &str) -> (World, Person) {
    let mut watcher = Person::join(server.port, "watcher", CHANNEL).await;
    let config = relay_config(port, &["bob@example.com"]) + more;
    let world = World::start_in(tempfile::tempdir().unwrap(), &config).await;
    watcher.line(":msnbot!").await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    (world, watcher)
}

/// The next line that is said in the channel, without who says it.
async fn said(watcher: &mut Person) -> String {
    let line = watcher.line_that("words", |line| line.contains(" PRIVMSG ") || line.contains(" QUIT ")).await;
    assert!(!line.contains(" QUIT "), "somebody was sent away: {line}");
    line.split_once(" :").map(|(_, text)| text.to_owned()).unwrap_or_default()
}

/// Bob says so many messages of five lines each; all arrive in order, once, nobody leaves, and whoever asks the bridge for a
/// sign of life meanwhile gets it at once.
async fn paste(family: Family, messages: usize) {
    let server = Server::start(family, Limits::Lifted).await;
    let pings = PingingProxy::start(server.port).await;
    let (world, mut watcher) = world_through(&server, pings.port, "").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    let begun = std::time::Instant::now();
    let speaking = async {
        for message in 0..messages {
            let lines: Vec<String> = (0..5).map(|line| format!("line {}", message * 5 + line)).collect();
            call.say(&text(&lines.join("\r\n"))).await;
        }
    };
    let hearing = async {
        for expected in 0..messages * 5 {
            assert_eq!(said(&mut watcher).await, format!("line {expected}"), "{family:?}");
        }
    };
    tokio::join!(speaking, hearing);
    println!("{family:?}: {} lines from MSN in {:?}", messages * 5, begun.elapsed());
    // And the other way.
    for line in 0..messages * 5 {
        watcher.say(CHANNEL, &format!("back {line}")).await;
        // No faster than the server reads: whoever is ahead of it by more than its queue is sent away.
        if line % 20 == 19 {
            watcher.raw("PING :read\r\n").await;
            watcher.line(" PONG ").await;
        }
    }
    for expected in 0..messages * 5 {
        let heard = call.until("words from the channel", |unit| unit.payload.contains("<watcher> ")).await;
        assert!(heard.payload.ends_with(&format!("<watcher> back {expected}")), "{}", heard.payload);
    }
    println!("{family:?}: and as many back, all in {:?}", begun.elapsed());
    let (answers, longest) = pings.measured();
    println!("{family:?}: {answers} PINGs answered meanwhile, the slowest in {longest:?}");
    assert!(answers > 0 && longest < SIGN_OF_LIFE * crate::support::LENIENCE, "{longest:?}");
}

#[tokio::test]
async fn a_paste_of_a_thousand_lines_arrives_whole_on_each_family_of_servers() {
    for family in FAMILIES {
        paste(family, 200).await;
    }
}

#[tokio::test]
#[ignore = "takes long"]
async fn a_paste_of_ten_thousand_lines_arrives_whole_on_each_family_of_servers() {
    for family in FAMILIES {
        paste(family, 2_000).await;
    }
}

#[tokio::test]
#[ignore = "takes long"]
async fn a_paste_at_true_pace_keeps_to_the_limits_that_servers_come_with() {
    let one = async |family: Family| {
        let server = Server::start(family, Limits::Default).await;
        let mut watcher = Person::join(server.port, "watcher", CHANNEL).await;
        let config = relay_config(server.port, &["bob@example.com"]).replace(", line_penalty_ms: 0", "");
        let mut world = World::start_in(tempfile::tempdir().unwrap(), &config).await;
        watcher.line(":msnbot!").await;
        world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
        let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
        let mut call = bob.call("alice@example.com").await;
        call.say(&text("hi")).await;
        let room = world.user.message("hi").await["room_id"].as_str().unwrap().to_owned();
        assert_eq!(said(&mut watcher).await, "hi");
        let begun = std::time::Instant::now();
        let lines: Vec<String> = (0..300).map(|line| format!("line {line}")).collect();
        world.user.send(&room, &lines.join("\n")).await;
        for expected in lines {
            assert_eq!(said(&mut watcher).await, expected, "{family:?}");
        }
        println!("{family:?}: 300 lines at true pace in {:?}", begun.elapsed());
    };
    tokio::join!(one(Family::Ngircd), one(Family::Inspircd), one(Family::Hybrid));
}

#[tokio::test]
#[ignore = "takes long"]
async fn a_server_that_is_killed_again_and_again_loses_nothing() {
    let mut server = Server::start(Family::Inspircd, Limits::Lifted).await;
    let (world, mut watcher) = world(&server, "").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    // The bot speaks for a puppet that is not back yet.
    let number = |line: &str| line.rsplit_once("line ").and_then(|(_, n)| n.trim().parse::<usize>().ok());
    let mut heard: Vec<usize> = Vec::new();
    // Each time the bridge waits twice as long: of more kills most would be waiting.
    for round in 0..KILLS {
        for line in 0..10 {
            call.say(&text(&format!("line {}", round * 10 + line))).await;
        }
        // Somewhere in the middle of these.
        let stop_at = round * 10 + round % 10;
        while heard.last().is_none_or(|last| *last < stop_at) {
            heard.extend(number(&watcher.line("line ").await));
        }
        server.kill().await;
        heard.extend(watcher.rest().await.iter().filter_map(|line| number(line)));
        server.restart().await;
        // The bridge pauses longer than it takes to be there first.
        watcher = Person::join(server.port, "watcher", CHANNEL).await;
    }
    call.say(&text(&format!("line {}", KILLS * 10))).await;
    while heard.last() != Some(&(KILLS * 10)) {
        heard.extend(number(&watcher.line("line ").await));
    }
    let missing: Vec<usize> = (0..=KILLS * 10).filter(|n| !heard.contains(n)).collect();
    let twice = heard.len() + missing.len() - (KILLS * 10 + 1);
    println!(
        "a server killed {KILLS} times: {} lines heard, {twice} of them twice, missing {missing:?}",
        heard.len()
    );
    assert!(missing.is_empty() && twice <= KILLS, "{twice} twice, {missing:?} missing");
}

/// Takes what is heard from several sides, each numbered from 0 on: the next of its side, or the test fails.
struct Numbered(Vec<(&'static str, usize)>);

impl Numbered {
    fn of(sides: &[&'static str]) -> Self {
        Self(sides.iter().map(|side| (*side, 0)).collect())
    }

    fn hear(&mut self, place: &str, text: &str) {
        let words = text.trim().rsplit(' ').collect::<Vec<_>>();
        let (number, side) = (words[0].parse::<usize>().expect(text), words[1]);
        let next =
            self.0.iter_mut().find(|(known, _)| *known == side).unwrap_or_else(|| panic!("{place}: {text}"));
        assert_eq!(number, next.1, "{place} heard {text:?}");
        next.1 += 1;
    }

    fn heard(&self) -> usize {
        self.0.iter().map(|(_, heard)| heard).sum()
    }
}

/// So many numbered messages from each of three sides at once; each is heard once on both others, in the order of its side.
async fn three_sides(messages: usize) {
    let server = Server::start(Family::Inspircd, Limits::Lifted).await;
    let (mut world, mut watcher) = world(&server, "").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hi")).await;
    let room = world.user.message("hi").await["room_id"].as_str().unwrap().to_owned();
    assert_eq!(said(&mut watcher).await, "hi");
    let begun = std::time::Instant::now();
    for number in 0..messages {
        call.say(&text(&format!("msn {number}"))).await;
        watcher.say(CHANNEL, &format!("irc {number}")).await;
        world.user.send(&room, &format!("matrix {number}")).await;
    }
    let mut channel = Numbered::of(&["msn", "matrix"]);
    while channel.heard() < messages * 2 {
        channel.hear("IRC", &said(&mut watcher).await);
    }
    let mut network = Numbered::of(&["irc", "matrix"]);
    while network.heard() < messages * 2 {
        let unit = call
            .until("words", |unit| unit.payload.contains("irc ") || unit.payload.contains("matrix "))
            .await;
        network.hear("MSN", unit.payload.rsplit('\n').next().unwrap());
    }
    for side in ["msn", "irc"] {
        world.user.message_with(&format!("{side} {}", messages - 1)).await;
    }
    let mut matrix = Numbered::of(&["msn", "irc", "matrix"]);
    for event in world.user.history(&room).await {
        // Lines that waited may have come as one.
        for line in event["content"]["body"].as_str().unwrap_or_default().lines() {
            if ["msn ", "irc ", "matrix "].iter().any(|side| line.contains(side)) {
                matrix.hear("Matrix", line);
            }
        }
    }
    assert_eq!(matrix.heard(), messages * 3);
    println!(
        "{messages} messages from each of three sides, each once and in order everywhere, in {:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn what_three_sides_say_at_once_is_heard_once_and_in_order_on_the_others() {
    three_sides(60).await;
}

#[tokio::test]
#[ignore = "takes long"]
async fn a_thousand_messages_of_each_of_three_sides_at_once_are_heard_once_and_in_order_on_the_others() {
    three_sides(1_000).await;
}
