//! Getting into a network and its channels: accounts, refusals, kicks; one channel's trouble is no other's.

use crate::chat::World;
use crate::irc::{CHANNEL, relay_config};
use crate::support::irc::Person;
use crate::support::irc_script::ScriptedIrc;
use crate::support::irc_services::Network;
use crate::support::msn::{Peer, text};

/// The relay configuration with more keys for the network.
fn config(port: u16, more: &str) -> String {
    let config = relay_config(port, &["bob@example.com"]);
    config.replace("nick: msnbot,", &format!("nick: msnbot, {more},"))
}

async fn world(irc: &ScriptedIrc, more: &str) -> World {
    let directory = tempfile::tempdir().unwrap();
    World::start_in(directory, &config(irc.port, more)).await
}

/// Bob says something, and it is heard in the channel from the bot or from his puppet.
async fn bob_is_heard(world: &World, irc: &mut ScriptedIrc) {
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("good day")).await;
    irc.said_until("good day").await;
}

#[tokio::test]
async fn the_bot_and_a_puppet_log_in_with_scram_in_pieces_of_400_bytes() {
    let password = "long ".repeat(150);
    let mut irc = ScriptedIrc::start_offering("sasl=PLAIN,SCRAM-SHA-256 echo-message", &password).await;
    let (user, puppet) = ("b".repeat(350), format!("{{local}}{}", "p".repeat(350)));
    let sasl = format!(
        "sasl: {{mechanism: SCRAM-SHA-256, user: {user}, password: '{password}'}}, \
         puppet_sasl: {{mechanism: PLAIN, user: '{puppet}', password: '{password}'}}"
    );
    let world = world(&irc, &sasl).await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    bob_is_heard(&world, &mut irc).await;
    world.bridge.wait_for_log("joined nick=\"bob[m]\"").await;
}

#[tokio::test]
async fn a_wrong_account_is_named_and_tried_once() {
    let irc = ScriptedIrc::start_offering("sasl", "right").await;
    let sasl = "sasl: {mechanism: PLAIN, user: bot, password: wrong}";
    let mut world = world(&irc, sasl).await;
    world.bridge.wait_for_log("SASL PLAIN: SASL authentication failed").await;
    // Matrix is none the worse for it, and it is not tried again.
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("anybody")).await;
    world.user.message("anybody").await;
    assert_eq!(irc.attempts(), 1);
}

#[tokio::test]
async fn every_refusal_of_a_channel_leaves_the_other_one_alone() {
    let mut irc = ScriptedIrc::start(false).await;
    let numbers =
        [403, 404, 405, 435, 437, 448, 471, 473, 474, 475, 476, 477, 479, 480, 485, 489, 500, 520, 599];
    let mut config = config(irc.port, "on_connect: ['MODE msnbot +B']");
    for number in numbers {
        irc.refuse("", &format!("#c{number}"), &format!("{number} #c{number} :no ({number})"));
        config.push_str(&format!(
            "  - {{network: test, channel: '#c{number}', login: alice@example.com, contact: carol@example.com}}\n"
        ));
    }
    let mut world = World::start_in(tempfile::tempdir().unwrap(), &config).await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    bob_is_heard(&world, &mut irc).await;
    let told = world.user.message_with("cannot join #c477").await;
    assert!(told["content"]["body"].as_str().unwrap().contains("logged in (+r)"), "{told}");
    irc.write("msnbot", &format!(":eve!e@h PRIVMSG {CHANNEL} :still here\r\n"));
    world.user.message("<eve> still here").await;
    assert_eq!(irc.attempts(), 2, "the bot and one puppet, once each");
}

#[tokio::test]
async fn a_contact_who_is_kept_out_or_kicked_speaks_through_the_bot_until_they_are_invited() {
    let mut irc = ScriptedIrc::start(false).await;
    irc.refuse("bob[m]", CHANNEL, &format!("473 {CHANNEL} :Cannot join channel (+i)"));
    let mut world = world(&irc, "charset: latin1").await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("let me in")).await;
    let line = irc.said().await;
    assert!(line.starts_with(&format!("msnbot {CHANNEL} <")) && line.ends_with("let me in"), "{line}");
    world.user.message_with("is kept out of #friends").await;
    irc.refuse_nobody();
    irc.write("bob[m]", &format!(":eve!e@h INVITE bob[m] {CHANNEL}\r\n"));
    world.bridge.wait_for_log_times("joined nick=\"bob[m]\"", 2).await;
    call.say(&text("thank you")).await;
    assert_eq!(irc.said().await, format!("bob[m] {CHANNEL} thank you"));
    irc.write("bob[m]", &format!(":eve!e@h KICK {CHANNEL} bob[m] :out\r\n"));
    world.bridge.wait_for_log("kicked by eve").await;
    call.say(&text("what was that")).await;
    let line = irc.said().await;
    assert!(line.starts_with(&format!("msnbot {CHANNEL} <")) && line.ends_with("what was that"), "{line}");
    // Nobody else hears of it, and what the channel says arrives.
    irc.write("msnbot", &format!(":eve!e@h PRIVMSG @{CHANNEL} :caf\u{e9}\r\n"));
    world.user.message("<eve> café").await;
}

#[tokio::test]
async fn a_channel_that_forwards_is_followed_and_one_that_kicks_the_bot_is_told() {
    let mut irc = ScriptedIrc::start(false).await;
    irc.refuse(
        "",
        CHANNEL,
        &format!("470 {CHANNEL} ##overflow :Forwarding\r\n:irc.test 366 msnbot ##overflow :End"),
    );
    let mut world = world(&irc, "charset: koi8-r").await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    irc.write("msnbot", ":eve!e@h PRIVMSG ##overflow :over here\r\n");
    let room = world.user.message("<eve> over here").await["room_id"].as_str().unwrap().to_owned();
    irc.write("msnbot", ":eve!e@h KICK ##overflow msnbot :no bots\r\n");
    world.user.message_with("The bot is out of #friends: kicked by eve: no bots").await;
    // What is said meanwhile waits, and Matrix does not.
    world.user.send(&room, "so long").await;
    irc.write("msnbot", ":eve!e@h PRIVMSG msnbot :anybody\r\n");
    irc.said_until("I take commands only from").await;
}

#[tokio::test]
async fn a_network_that_signs_for_itself_and_its_services_let_the_bot_and_a_puppet_in() {
    let directory = tempfile::tempdir().unwrap();
    let network = Network::start(directory.path()).await;
    network.register("msnbot", "secret-bot", Some("bot")).await;
    network.register("bobby", "secret-bob", None).await;
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (certificate, key, shown) = (path("bot.pem"), path("bot.key"), network.fingerprint("server"));
    let accounts = format!(
        "sasl: {{mechanism: EXTERNAL, certificate: '{certificate}', key: '{key}'}}, \
         puppet_sasl: {{mechanism: PLAIN, accounts: {{bob@example.com: {{user: bobby, password: secret-bob}}}}}}"
    );
    // One server of the network does not answer.
    let servers = format!("servers: ['127.0.0.1:{}'], fingerprint: {shown}", network.tls_port);
    let config = config(crate::support::free_port(), &format!("{servers}, {accounts}"));
    let config = config.replace("tls: false", "tls: true");
    let mut watcher = Person::join(network.port, "watcher", CHANNEL).await;
    let world = World::start_in(directory, &config).await;
    watcher.line(":msnbot!").await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("good day")).await;
    watcher.line("good day").await;
    for (nick, account) in [("msnbot", "msnbot"), ("bob[m]", "bobby")] {
        watcher.raw(&format!("WHOIS {nick}\r\n")).await;
        let line = watcher.line(&format!(" 330 watcher {nick} ")).await;
        assert!(line.contains(account), "{line}");
    }
    // Somebody who checks that set-up without the fingerprint is told what mends it.
    let file = world.bridge.file("bridge.yaml");
    let written = std::fs::read_to_string(&file).unwrap();
    let port = format!("server: 127.0.0.1, port: {}", network.tls_port);
    let single = written.replace(&format!("server: 127.0.0.1, port: {}", config_port(&written)), &port);
    std::fs::write(&file, &single).unwrap();
    let (_, said) = world.bridge.run(&["check"]);
    assert!(said.contains("the IRC network «test» (127.0.0.1") && said.contains("with 1 channels"), "{said}");
    std::fs::write(&file, single.replace(&format!("fingerprint: {shown}"), "fingerprint: ''")).unwrap();
    let (_, said) = world.bridge.run(&["check"]);
    for part in ["is signed by itself", "irc.networks.test.fingerprint:", &shown] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[tokio::test]
async fn services_send_away_whoever_has_the_bots_nick() {
    let directory = tempfile::tempdir().unwrap();
    let network = Network::start(directory.path()).await;
    network.register("msnbot", "secret-bot", None).await;
    let thief = Person::join(network.port, "msnbot", "#elsewhere").await;
    let mut watcher = Person::join(network.port, "watcher", CHANNEL).await;
    let config = config(network.port, "nickserv: {account: msnbot, password: secret-bot}");
    let _world = World::start_in(directory, &config).await;
    let is_back = |line: &str| {
        line.starts_with(":msnbot!") || (line.starts_with(":msnbot2!") && line.ends_with(":msnbot"))
    };
    watcher.line_that("the bot under its own nick", is_back).await;
    drop(thief);
}

/// The port of the network's first server.
fn config_port(written: &str) -> &str {
    let (_, rest) = written.split_once("test: {server: 127.0.0.1, port: ").unwrap();
    rest.split(',').next().unwrap()
}
