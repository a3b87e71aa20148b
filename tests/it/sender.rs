//! An installation whose bot is the homeserver's sender of the appservice, as registrations of earlier versions made it,
//! and its move to a registration in which the bot is a user of the namespace.

use crate::chat::ACCOUNTS;
use crate::support::bridge::Bridge;
use crate::support::matrix::MatrixUser;
use crate::support::service::MsnService;
use crate::support::synapse::{SERVER_NAME, Synapse};

/// The registration with the bot as sender, and the one that this was made from.
fn as_it_was(bridge: &Bridge) -> (String, String) {
    let new = std::fs::read_to_string(bridge.registration()).unwrap();
    let kept = new.lines().filter(|line| !line.contains("@msnbot:") && !line.contains("msc4190"));
    let kept: Vec<&str> = kept.collect();
    let old = kept.join("\n") + "\n";
    assert!(old.contains("sender_localpart: msnbot_as\n"), "{old}");
    (old.replace("sender_localpart: msnbot_as\n", "sender_localpart: msnbot\n"), new)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_was_the_sender_goes_on_in_its_rooms_after_the_move() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let mut bridge =
        Bridge::configure(directory.path(), "http://127.0.0.1:1", &service.notification, &service.nexus);
    let (old, new) = as_it_was(&bridge);
    std::fs::write(bridge.registration(), old).unwrap();
    let mut synapse = Synapse::start(&directory.path().join("synapse"), &bridge.registration()).await;
    bridge.set_homeserver(&synapse.url());
    let (ok, said) = bridge.run(&["check"]);
    assert!(ok && said.contains("is the sender_localpart"), "{said}");
    assert!(said.contains("write «sender_localpart: msnbot_as»"), "{said}");
    let line = said.split('«').find(|part| part.starts_with("- {exclusive")).unwrap();
    let line = line.split('»').next().unwrap();
    assert!(new.contains(line), "the line that is advised is the one that a new registration has: {line}");
    bridge.start().await;
    let bot = format!("@msnbot:{SERVER_NAME}");
    let mut user = MatrixUser::register(&synapse.url(), "ann").await;
    let management = user.open_management(&bot).await;
    user.sign_in(&management, "alice@example.com", "alice-pw").await;

    synapse.kill().await;
    std::fs::write(bridge.registration(), new).unwrap();
    synapse.restart().await;
    user.send(&management, "version").await;
    let answer = user.message_with("This is msnbridge").await;
    assert_eq!((&answer["sender"], &answer["room_id"]), (&bot.clone().into(), &management.clone().into()));
    let (ok, said) = bridge.run(&["check"]);
    assert!(ok && !said.contains("advice") && said.contains("may act as its bot"), "{said}");
    let mut eve = MatrixUser::register(&synapse.url(), "eve").await;
    let other = eve.open_management(&bot).await;
    assert_ne!(other, management);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_the_registration_does_not_name_is_a_problem_with_the_line_that_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let bridge =
        Bridge::configure(directory.path(), "http://127.0.0.1:1", &service.notification, &service.nexus);
    let (old, _) = as_it_was(&bridge);
    let moved = old.replace("sender_localpart: msnbot\n", "sender_localpart: somebody\n");
    std::fs::write(bridge.registration(), moved).unwrap();
    let synapse = Synapse::start(&directory.path().join("synapse"), &bridge.registration()).await;
    bridge.set_homeserver(&synapse.url());
    let (ok, said) = bridge.run(&["check"]);
    assert!(!ok && said.contains("does not let the bridge act as its bot"), "{said}");
    assert!(said.contains("- {exclusive: true, regex: '@msnbot:test\\.localhost'}"), "{said}");
}
