//! The same conversation in a Matrix room and an IRC channel at once, on a real IRC server.

use crate::chat::World;
use crate::support::irc::{Ngircd, Person};
use crate::support::msn::{Peer, formatted, text};
use crate::support::synapse::SERVER_NAME;

pub(crate) const CHANNEL: &str = "#friends";

pub(crate) fn relay_config(port: u16, contacts: &[&str]) -> String {
    let relays: String = contacts
        .iter()
        .map(|contact| {
            format!(
                "  - {{network: test, channel: '{CHANNEL}', login: alice@example.com, contact: {contact}}}\n"
            )
        })
        .collect();
    format!(
        "irc:\n  nick: '{{local}}[m]'\n  networks:\n    test: {{server: 127.0.0.1, port: {port}, tls: false, nick: msnbot, line_penalty_ms: 0}}\n  relays:\n{relays}"
    )
}

#[tokio::test]
async fn a_channel_is_the_other_end_of_a_group() {
    let directory = tempfile::tempdir().unwrap();
    let server = Ngircd::start(directory.path(), 0).await;
    let config = relay_config(server.port, &["'', contacts: [carol@example.com, bob@example.com]"]);
    let mut world = World::start_with_friends_in(directory, &config).await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    let mut eve = Person::join(server.port, "eve", CHANNEL).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut carol = Peer::sign_in(&world.service, "carol@example.com", "carol-pw").await;
    // Nobody has called them together before: the first words do.
    eve.say(CHANNEL, "hello, you two").await;
    let (mut bobs, mut carols) = tokio::join!(bob.answer(), carol.answer());
    tokio::join!(bobs.message("<eve> hello, you two"), carols.message("<eve> hello, you two"));
    let room = world.user.message("<eve> hello, you two").await["room_id"].as_str().unwrap().to_owned();
    for (call, name) in [(&mut bobs, "bob"), (&mut carols, "carol")] {
        let words = format!("{name} is here");
        call.say(&text(&words)).await;
        let line = eve.line(&words).await;
        assert!(line.starts_with(&format!(":{name}[m]!")), "{line}");
        assert_eq!(world.user.message(&words).await["room_id"], room.as_str());
    }
    // Somebody else who is called in is heard there too, and the group stays the same one.
    let mut dave = Peer::sign_in(&world.service, "dave@example.com", "dave-pw").await;
    bobs.send("CAL", "dave@example.com").await;
    let mut daves = dave.answer().await;
    carols.line("JOI dave").await;
    daves.say(&text("me too")).await;
    eve.line("me too").await;
    eve.say(CHANNEL, "four of us").await;
    daves.message("<eve> four of us").await;
    assert_eq!(world.user.message("<eve> four of us").await["room_id"], room.as_str());
}

/// A working set-up with a relay for each of `contacts`, and Eve in the channel.
async fn world(connections_per_address: u32, contacts: &[&str]) -> (World, Ngircd, Person) {
    let directory = tempfile::tempdir().unwrap();
    let server = Ngircd::start(directory.path(), connections_per_address).await;
    let config = relay_config(server.port, contacts);
    let world = World::start_in(directory, &config).await;
    world.bridge.wait_for_log("joined nick=\"msnbot\"").await;
    let eve = Person::join(server.port, "eve", CHANNEL).await;
    (world, server, eve)
}

#[tokio::test]
async fn what_is_said_on_one_side_is_seen_on_the_other_two() {
    let (mut world, _server, mut eve) = world(0, &["bob@example.com"]).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;

    call.say(&text("from MSN")).await;
    let shown = world.user.message("from MSN").await;
    let room = shown["room_id"].as_str().unwrap().to_owned();
    let line = eve.line("from MSN").await;
    assert!(line.starts_with(":bob[m]!"), "{line}");

    world.user.send(&room, "from Matrix").await;
    call.message("from Matrix").await;
    let line = eve.line("from Matrix").await;
    assert!(line.starts_with(":ann[m]!"), "{line}");

    eve.say(CHANNEL, "from IRC").await;
    call.message("<eve> from IRC").await;
    let shown = world.user.message("<eve> from IRC").await;
    assert_eq!(shown["sender"], format!("@msnbot:{SERVER_NAME}"));
    assert_eq!(shown["content"]["com.beeper.per_message_profile"]["displayname"], "eve");
    // Nothing comes back: the last words anybody hears are the last words said.
    eve.say(CHANNEL, "the end").await;
    let heard = call.line("MSG ").await;
    assert!(heard.payload.contains("<eve> the end"), "{}", heard.payload);
}

#[tokio::test]
async fn formatting_is_seen_in_the_room_and_on_the_wire() {
    let (mut world, _server, mut eve) = world(0, &["bob@example.com"]).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&formatted("fancy", "FN=Comic%20Sans; EF=BIUS; CO=ff; CS=ba; PF=22; RL=1")).await;
    let shown = world.user.message("fancy").await;
    let html = shown["content"]["formatted_body"].as_str().unwrap();
    for part in ["<strong>", "<em>", "<u>", "<del>", "data-mx-color=\"#ff0000\"", "dir=\"rtl\""] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert_eq!(shown["content"]["msnbridge.format"]["FN"], "Comic Sans");
    let line = eve.line("fancy").await;
    for code in ['\x02', '\x1D', '\x1F', '\x1E', '\x03'] {
        assert!(line.contains(code), "{code:?} in {line:?}");
    }
    eve.say(CHANNEL, "\x02bold\x02").await;
    let shown = world.user.message("<eve> bold").await;
    let named = "<strong data-mx-profile-fallback>&lt;eve&gt; </strong><strong>bold</strong>";
    assert_eq!(shown["content"]["formatted_body"], named);
    let heard = call.message("<eve> bold").await;
    assert!(heard.payload.contains("EF=B;"), "{}", heard.payload);
    let room = shown["room_id"].as_str().unwrap().to_owned();
    let html = serde_json::json!({
        "msgtype": "m.text", "body": "loud", "format": "org.matrix.custom.html",
        "formatted_body": "<b><span data-mx-color=\"#00ff00\">loud</b>",
    });
    world.user.send_content(&room, html).await;
    let heard = call.message("loud").await;
    assert!(heard.payload.contains("EF=B; CO=ff00;"), "{}", heard.payload);
}

#[tokio::test]
async fn contacts_whom_the_network_refuses_speak_through_the_bot() {
    let accounts = ["bob", "carol", "dave", "erin", "fay"].map(|name| format!("{name}@example.com"));
    let contacts: Vec<&str> = accounts.iter().map(String::as_str).collect();
    // Three connections from one address: the bot, Eve who watches, and one puppet.
    let (mut world, _server, mut eve) = world(3, &contacts).await;
    let mut as_themselves = 0;
    for name in ["bob", "carol", "dave", "erin", "fay"] {
        let mut peer =
            Peer::sign_in(&world.service, &format!("{name}@example.com"), &format!("{name}-pw")).await;
        let mut call = peer.call("alice@example.com").await;
        call.say(&text(&format!("I am {name}"))).await;
        let line = eve.line(&format!("I am {name}")).await;
        as_themselves += usize::from(line.starts_with(&format!(":{name}[m]!")));
    }
    assert_eq!(as_themselves, 1);
    world.user.message_with("speak in #friends through the bot").await;
}

#[tokio::test]
async fn an_owner_speaks_in_every_channel_and_one_that_is_shut_holds_up_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let server = Ngircd::start(directory.path(), 0).await;
    // Eve is first in the channel and shuts it before the bridge comes.
    let mut eve = Person::join(server.port, "eve", "#shut").await;
    eve.raw("MODE #shut +i\r\n").await;
    eve.line(" MODE ").await;
    let mut watcher = Person::join(server.port, "watcher", CHANNEL).await;
    let config = relay_config(server.port, &["bob@example.com"])
        + "    - {network: test, channel: '#shut', login: alice@example.com, contact: carol@example.com}\n";
    let config = config.replace("\n    - {", "\n  - {");
    let mut world = World::start_in(directory, &config).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("open here")).await;
    watcher.line("open here").await;
    let room = world.user.message("open here").await["room_id"].as_str().unwrap().to_owned();
    world.user.send(&room, "and here").await;
    let line = watcher.line("and here").await;
    assert!(line.starts_with(":ann[m]!"), "{line}");
    // The other conversation waits for its channel, and Matrix does not.
    let mut carol = Peer::sign_in(&world.service, "carol@example.com", "carol-pw").await;
    let mut call = carol.call("alice@example.com").await;
    call.say(&text("let me in")).await;
    world.user.message("let me in").await;
    world.bridge.wait_for_log("#shut cannot be joined").await;
    eve.raw("MODE #shut -i\r\n").await;
    eve.line("let me in").await;
}

#[tokio::test]
async fn contacts_come_and_go_with_their_presence_where_that_is_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let server = Ngircd::start(directory.path(), 0).await;
    let mut eve = Person::join(server.port, "eve", CHANNEL).await;
    let config = relay_config(server.port, &["bob@example.com"]) + "  offline: quit\n";
    let world = World::start_with_friends_in(directory, &config).await;
    let bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let line = eve.line(":bob[m]!").await;
    assert!(line.contains(" JOIN "), "{line}");
    drop(bob);
    let line = eve.line(":bob[m]!").await;
    assert!(line.contains(" QUIT "), "{line}");
}

#[tokio::test]
async fn an_irc_server_that_was_away_hears_what_was_said_and_matrix_does_not_wait() {
    let (mut world, mut server, eve) = world(0, &["bob@example.com"]).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    drop(eve);
    server.kill().await;
    call.say(&text("one")).await;
    call.say(&text("two")).await;
    world.user.message("two").await;
    world.bridge.wait_for_log("not delivered, trying again leg=irc").await;
    server.restart().await;
    let mut eve = Person::join(server.port, "eve", CHANNEL).await;
    eve.line("one").await;
    eve.line("two").await;
}
