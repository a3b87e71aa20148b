//! Long runs of many puppets, kills and pastes on real IRC servers; their figures are printed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::process::Command;

use crate::chat::World;
use crate::irc::{CHANNEL, relay_config};
use crate::support::bridge::Bridge;
use crate::support::irc::Person;
use crate::support::irc_servers::{Family, Limits, Server};
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, text};
use crate::support::process::Process;
use crate::support::service::MsnService;
use crate::support::synapse::{SERVER_NAME, Synapse};
use crate::support::within_promise;

const CONTACTS: usize = 200;
const CHANNELS: usize = 20;
/// Puppets that come in a second, as it is configured.
const PER_SECOND: usize = 20;

fn contact(n: usize) -> String {
    format!("c{n:03}@example.com")
}

/// A set-up with 200 contacts in 20 channels, ten in each, who come and go with their presence; and the bridge's memory before
/// the first is there, in kB.
async fn crowd(server: &Server) -> (World, Vec<Peer>, u64) {
    let directory = tempfile::tempdir().unwrap();
    let mut accounts = String::from("alice@example.com,alice-pw,Alice\n");
    (0..CONTACTS).for_each(|n| accounts.push_str(&format!("{},pw,C{n:03}\n", contact(n))));
    let service = MsnService::start(directory.path(), &accounts).await;
    let mut bridge =
        Bridge::configure(directory.path(), "http://127.0.0.1:1", &service.notification, &service.nexus);
    let synapse = Synapse::start(&directory.path().join("synapse"), &bridge.registration()).await;
    let relay = |n: usize| {
        format!(
            "  - {{network: test, channel: '#c{}', login: alice@example.com, contact: {}}}\n",
            n % CHANNELS,
            contact(n)
        )
    };
    let relays: String = (0..CONTACTS).map(relay).collect();
    bridge.append_config(&format!(
        "irc:\n  nick: '{{local}}[m]'\n  offline: quit\n  max_puppets: {CONTACTS}\n  networks:\n    test: {{server: 127.0.0.1, \
         port: {}, tls: false, line_penalty_ms: 0, puppets_per_second: {PER_SECOND}}}\n  relays:\n{relays}",
        server.port
    ));
    bridge.set_homeserver(&synapse.url());
    let mut alice = Peer::sign_in(&service, "alice@example.com", "alice-pw").await;
    for n in 0..CONTACTS {
        let friend = contact(n);
        alice.wire.send("ADC", &format!("FL N={friend} F={friend}")).await;
        alice.wire.line("ADC").await;
    }
    drop(alice);
    bridge.start().await;
    let mut user = MatrixUser::register(&synapse.url(), "ann").await;
    let management = user.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
    let mut world = World::assemble(service, synapse, bridge, user, management, directory);
    let management = world.management.clone();
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    let without = memory(world.bridge.pid());
    let mut peers = Vec::new();
    for n in 0..CONTACTS {
        peers.push(Peer::sign_in(&world.service, &contact(n), "pw").await);
    }
    (world, peers, without)
}

/// Resident memory of a process, in kB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// Sees who comes, until everybody has; how often each did.
async fn arrivals(watchers: &mut [Person]) -> HashMap<String, usize> {
    let mut joins = HashMap::new();
    for watcher in watchers {
        for _ in 0..CONTACTS / CHANNELS {
            let is_join = |line: &str| line.starts_with(":c") && line.contains(" JOIN ");
            let line = watcher.line_that("a contact who comes", is_join).await;
            let nick = line.trim_start_matches(':').split('!').next().unwrap().to_owned();
            *joins.entry(nick).or_default() += 1;
        }
    }
    joins
}

#[tokio::test]
#[ignore = "takes long"]
async fn two_hundred_contacts_come_to_twenty_channels_and_are_back_after_a_restart_one_join_each() {
    let server = Server::start(Family::Inspircd, Limits::Lifted).await;
    let mut watchers = Vec::new();
    for n in 0..CHANNELS {
        watchers.push(Person::join(server.port, &format!("watcher{n}"), &format!("#c{n}")).await);
    }
    let (mut world, _peers, without) = crowd(&server).await;
    let joins = arrivals(&mut watchers).await;
    assert!(joins.len() == CONTACTS && joins.values().all(|times| *times == 1), "{joins:?}");
    let with = memory(world.bridge.pid());
    println!(
        "{CONTACTS} contacts in {CHANNELS} channels: {} kB a puppet, its contact's presence included; {with} kB in all",
        with.saturating_sub(without) / CONTACTS as u64
    );
    world.bridge.kill().await;
    for watcher in &mut watchers {
        for _ in 0..CONTACTS / CHANNELS {
            watcher
                .line_that("a contact who is gone", |line| line.starts_with(":c") && line.contains(" QUIT "))
                .await;
        }
    }
    let begun = Instant::now();
    world.bridge.start().await;
    let joins = arrivals(&mut watchers).await;
    let (took, rate) = (begun.elapsed(), CONTACTS / PER_SECOND);
    assert!(joins.len() == CONTACTS && joins.values().all(|times| *times == 1), "{joins:?}");
    println!(
        "after a restart all {CONTACTS} are back in {took:?}; at {PER_SECOND} a second that is {rate} s at least"
    );
    assert!(took >= Duration::from_secs(rate as u64 - 1), "no faster than it is configured: {took:?}");
    // Nobody comes twice.
    for watcher in &mut watchers {
        watcher.raw("PING :done\r\n").await;
        watcher.line(" PONG ").await;
        assert_eq!(watcher.unread("[m]!"), 0, "each came once and is there");
    }
}

/// Words that stand behind a side's name, as «msn 7», in the order in which they were heard.
fn numbers(lines: &[String], side: &str) -> Vec<usize> {
    let number = |line: &String| line.rsplit_once(side).and_then(|(_, n)| n.trim().parse().ok());
    lines.iter().filter_map(number).collect()
}

#[tokio::test]
#[ignore = "takes long"]
async fn thirty_kills_of_a_server_while_both_sides_speak_lose_nothing() {
    const KILLS: usize = 30;
    let mut server = Server::start(Family::Inspircd, Limits::Lifted).await;
    let mut watcher = Person::join(server.port, "watcher", CHANNEL).await;
    let mut eve = Person::join(server.port, "eve", CHANNEL).await;
    let config = relay_config(server.port, &["bob@example.com"]);
    let world = World::start_in(tempfile::tempdir().unwrap(), &config).await;
    watcher.line(":msnbot!").await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    let (mut heard, mut seen): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for round in 0..KILLS {
        for line in 0..10 {
            let number = round * 10 + line;
            call.say(&text(&format!("msn {number}"))).await;
            eve.say(CHANNEL, &format!("irc {number}")).await;
        }
        let stop_at = round * 10 + round * 7 % 10;
        while heard.last().is_none_or(|last| *last < stop_at) {
            heard.extend(numbers(&[watcher.line("msn ").await], "msn "));
        }
        server.kill().await;
        // What the channel was shown is what the bot was shown.
        let rest = watcher.rest().await;
        heard.extend(numbers(&rest, "msn "));
        seen.extend(numbers(&rest, "irc "));
        server.restart().await;
        watcher = Person::join(server.port, "watcher", CHANNEL).await;
        eve = Person::join(server.port, "eve", CHANNEL).await;
        watcher.line(":msnbot!").await;
    }
    call.say(&text(&format!("msn {}", KILLS * 10))).await;
    while heard.last() != Some(&(KILLS * 10)) {
        heard.extend(numbers(&[watcher.line("msn ").await], "msn "));
    }
    let missing: Vec<usize> = (0..=KILLS * 10).filter(|n| !heard.contains(n)).collect();
    let twice = heard.len() + missing.len() - (KILLS * 10 + 1);
    eve.say(CHANNEL, "irc the end").await;
    let mut back = Vec::new();
    loop {
        let unit = call.until("words from the channel", |unit| unit.payload.contains("<eve> irc ")).await;
        let words = unit.payload.rsplit("irc ").next().unwrap().to_owned();
        match words.parse::<usize>() {
            Ok(number) => back.push(number),
            Err(_) => break,
        }
    }
    let lost: Vec<&usize> = seen.iter().filter(|number| !back.contains(number)).collect();
    let sorted = back.windows(2).all(|pair| pair[0] < pair[1]);
    println!(
        "a server killed {KILLS} times: {} lines from MSN heard, {twice} of them twice, missing {missing:?}; of {} that the \
         channel saw {} arrived on MSN, not {lost:?}",
        heard.len(),
        seen.len(),
        back.len()
    );
    assert!(missing.is_empty() && twice <= KILLS, "{twice} twice, {missing:?} missing");
    assert!(lost.is_empty() && sorted, "{lost:?}: {back:?}");
}

#[tokio::test]
#[ignore = "takes long"]
async fn ten_thousand_lines_arrive_where_long_messages_are_cut_and_none_of_them_is_long() {
    let server = Server::start(Family::Inspircd, Limits::Lifted).await;
    let mut watcher = Person::join(server.port, "watcher", CHANNEL).await;
    let port = crate::support::free_port();
    let relays = relay_config(server.port, &["bob@example.com"]);
    let links = format!("files: {{links: {{url: 'http://127.0.0.1:{port}', listen: '127.0.0.1:{port}'}}}}\n");
    let config = format!("{relays}  paste_lines: 12\n{links}");
    let world = World::start_in(tempfile::tempdir().unwrap(), &config).await;
    watcher.line(":msnbot!").await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    let begun = Instant::now();
    let speaking = async {
        for message in 0..2_000 {
            let lines: Vec<String> = (0..5).map(|line| format!("line {}", message * 5 + line)).collect();
            call.say(&text(&lines.join("\r\n"))).await;
        }
        // One that is long is its first lines and an address.
        call.say(&text(&(0..40).map(|n| format!("long {n}")).collect::<Vec<_>>().join("\r\n"))).await;
    };
    let hearing = async {
        let mut heard = Vec::new();
        while heard.len() < 10_013 {
            let line = watcher
                .line_that("words", |line| line.contains(" PRIVMSG ") || line.contains(" QUIT "))
                .await;
            assert!(!line.contains(" QUIT "), "somebody was sent away: {line}");
            heard.push(line.split_once(" :").unwrap().1.to_owned());
        }
        heard
    };
    let ((), heard) = tokio::join!(speaking, hearing);
    assert!(heard.iter().take(10_000).enumerate().all(|(n, line)| *line == format!("line {n}")));
    assert!((0..12).all(|n| heard[10_000 + n] == format!("long {n}")), "{:?}", &heard[10_000..]);
    assert!(heard[10_012].starts_with("… and 28 more lines: http://127.0.0.1:"), "{}", heard[10_012]);
    println!(
        "10,000 lines with paste_lines 12 in {:?}, and a long one as 12 lines and its address",
        begun.elapsed()
    );
}

#[tokio::test]
#[ignore = "takes long"]
async fn weechat_sees_a_paste_whole_and_in_order() {
    const LINES: usize = 2_000;
    let server = Server::start(Family::Ngircd, Limits::Lifted).await;
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new("weechat-headless");
    command.arg("--dir").arg(directory.path());
    for words in [
        "/set logger.file.flush_delay 0".to_owned(),
        format!("/server add t 127.0.0.1/{} -notls -nicks=wee -autojoin={CHANNEL}", server.port),
        "/connect t".to_owned(),
    ] {
        command.arg("-r").arg(words);
    }
    let _weechat = Process::start("weechat-headless", command, &directory.path().join("out"));
    let log = directory.path().join(format!("logs/irc.t.{CHANNEL}.weechatlog"));
    let seen = || std::fs::read_to_string(&log).unwrap_or_default();
    let until = async |what: &str, part: &str| {
        within_promise(Duration::from_secs(30), what, async {
            while !seen().contains(part) {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        })
        .await;
    };
    until("weechat to join", "has joined").await;
    let config = relay_config(server.port, &["bob@example.com"]);
    let mut world = World::start_in(tempfile::tempdir().unwrap(), &config).await;
    until("the bot", "msnbot (").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    let begun = Instant::now();
    for message in 0..LINES / 5 {
        let lines: Vec<String> = (0..5).map(|line| format!("line {}", message * 5 + line)).collect();
        call.say(&text(&lines.join("\r\n"))).await;
    }
    world.user.message_with("line 4").await;
    until("the last line", &format!("line {}", LINES - 1)).await;
    let shown = seen();
    let said: Vec<&str> = shown.lines().filter(|line| line.contains("\tline ")).collect();
    for (number, line) in said.iter().enumerate() {
        let mut columns = line.split('\t').skip(1);
        assert_eq!(
            (columns.next(), columns.next()),
            (Some("bob[m]"), Some(format!("line {number}").as_str()))
        );
    }
    assert_eq!(said.len(), LINES);
    println!("weechat shows {LINES} lines of bob[m], each once and in order, after {:?}", begun.elapsed());
}
