//! Two bridges on one homeserver, each with a bot and a prefix of its own: neither takes what is the other's.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::chat::ACCOUNTS;
use crate::support::bridge::Bridge;
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, text};
use crate::support::service::MsnService;
use crate::support::synapse::{SERVER_NAME, Synapse};

/// Everybody who has ever been in a room, but for people, and what was said there.
async fn look(user: &MatrixUser, room: &str) -> (BTreeSet<String>, Vec<String>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let members = user.call(Method::GET, &format!("rooms/{room}/members"), None).await;
    let members = members["chunk"].as_array().cloned().unwrap_or_default();
    let members = members.iter().map(|event| text(&event["state_key"]));
    let said = user.history(room).await;
    let said = said.iter().map(|event| text(&event["content"]["body"]));
    (members.filter(|member| !member.starts_with("@ann:")).collect(), said.collect())
}

fn on_server(names: [&str; 2]) -> BTreeSet<String> {
    names.map(|name| format!("@{name}:{SERVER_NAME}")).into()
}

#[tokio::test]
async fn rooms_ghosts_and_commands_of_two_bridges_on_one_homeserver_do_not_mix() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let configure = |name: &str, more: &[&str]| {
        let own = directory.path().join(name);
        std::fs::create_dir(&own).unwrap();
        Bridge::configure_with(&own, "http://127.0.0.1:1", &service.notification, &service.nexus, more)
    };
    let mut one = configure("one", &[]);
    let mut two = configure("two", &["--id", "msn2", "--bot", "msn2bot", "--prefix", "msn2_"]);
    let registrations = [one.registration(), two.registration()];
    let synapse = Synapse::start_for_all(&directory.path().join("synapse"), &registrations).await;
    for bridge in [&mut one, &mut two] {
        bridge.set_homeserver(&synapse.url());
        bridge.start().await;
    }
    let mut ann = MatrixUser::register(&synapse.url(), "ann").await;
    let with_one = ann.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
    ann.sign_in(&with_one, "alice@example.com", "alice-pw").await;
    let with_two = ann.open_management(&format!("@msn2bot:{SERVER_NAME}")).await;
    ann.sign_in(&with_two, "dave@example.com", "dave-pw").await;

    // The same contact of two logins is a ghost of each bridge, in a room of each.
    let mut bob = Peer::sign_in(&service, "bob@example.com", "bob-pw").await;
    let mut rooms = Vec::new();
    let mut calls = Vec::new();
    for (account, prefix) in [("alice@example.com", "msn_"), ("dave@example.com", "msn2_")] {
        let mut call = bob.call(account).await;
        call.say(&text(&format!("for {account}"))).await;
        let shown = ann.message(&format!("for {account}")).await;
        assert_eq!(shown["sender"], format!("@{prefix}bob=40example.com:{SERVER_NAME}"));
        let room = shown["room_id"].as_str().unwrap().to_owned();
        ann.send(&room, &format!("from {account}")).await;
        call.message(&format!("from {account}")).await;
        ann.send(&room, "!msn who").await;
        let answer = ann.message_with("In this conversation: ").await;
        assert_eq!(answer["room_id"], room.as_str());
        rooms.push(room);
        calls.push(call);
    }
    for (room, own, bot) in
        [(&with_one, "alice@example.com", "msnbot"), (&with_two, "dave@example.com", "msn2bot")]
    {
        ann.send(room, "status").await;
        let bot = format!("@{bot}:{SERVER_NAME}");
        let of_bot = |event: &Value| {
            let body = event["content"]["body"].as_str().unwrap_or_default();
            event["sender"] == bot.as_str()
                && event["room_id"] == room.as_str()
                && body.contains(&format!("{own}: connected"))
        };
        ann.event("its own bot to answer about its own login", of_bot).await;
    }

    // One is gone, and the other goes on.
    one.kill().await;
    calls[1].say(&text("while one is away")).await;
    ann.message("while one is away").await;
    ann.send(&rooms[0], "waits for one").await;
    one.start().await;
    calls.remove(0);
    bob.answer().await.message("waits for one").await;

    let (members, said) = look(&ann, &rooms[0]).await;
    assert_eq!(members, on_server(["msnbot", "msn_bob=40example.com"]));
    let of_two = |body: &&String| body.contains("dave") || body.contains("while one is away");
    assert_eq!(said.iter().filter(of_two).count(), 0, "{said:?}");
    let (members, said) = look(&ann, &rooms[1]).await;
    assert_eq!(members, on_server(["msn2bot", "msn2_bob=40example.com"]));
    for body in ["for dave@example.com", "from dave@example.com", "!msn who", "while one is away"] {
        assert_eq!(said.iter().filter(|said| *said == body).count(), 1, "{body}: {said:?}");
    }
    let answers = said.iter().filter(|body| body.starts_with("In this conversation: ")).count();
    assert_eq!((answers, said.iter().filter(|body| body.contains("alice")).count()), (1, 0), "{said:?}");
    for (room, others) in [(&with_one, "dave@"), (&with_two, "alice@")] {
        let (members, said) = look(&ann, room).await;
        assert!(members.len() == 1 && !said.iter().any(|body| body.contains(others)), "{members:?} {said:?}");
    }
}
