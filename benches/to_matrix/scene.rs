//! A homeserver with the bridge and the MSN service as processes, twenty conversations of one owner, twenty rooms without a
//! bridge, and somebody who watches all of them.
//!
//! Knows when each message was seen. Refuses to know what is measured.

use std::collections::HashMap;
use std::time::Instant;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::speaker::{Speaker, Way};
use crate::support::bridge::Bridge;
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, text};
use crate::support::service::MsnService;
use crate::support::synapse::{SERVER_NAME, Synapse};
use crate::support::within;

/// `{"room":{"timeline":{"limit":1000}}}`
const FILTER: &str = "%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A1000%7D%7D%7D";

/// When each text was first seen in a room.
type Seen = HashMap<String, Instant>;

pub(crate) struct Scene {
    seen: watch::Receiver<Seen>,
    speakers: HashMap<Way, Vec<Speaker>>,
    /// These end before their files go.
    _processes: (Bridge, Synapse, MsnService),
    _directory: TempDir,
}

fn account(number: usize) -> String {
    format!("contact{number}@example.com")
}

/// Synapse and the bridge know each other, and status events are off.
async fn processes(directory: &TempDir, contacts: usize) -> (Bridge, Synapse, MsnService) {
    let owner = "alice@example.com,alice-pw,Alice".to_owned();
    let contacts = (0..contacts).map(|number| format!("{},pw,Contact {number}", account(number)));
    let accounts: Vec<String> = std::iter::once(owner).chain(contacts).collect();
    let idle = ["--idle-call", "86400"];
    let service = MsnService::start_with(directory.path(), &(accounts.join("\n") + "\n"), &idle).await;
    let mut bridge =
        Bridge::configure(directory.path(), "http://127.0.0.1:1", &service.notification, &service.nexus);
    let (own, more) =
        (directory.path().join("synapse"), "rc_room_creation: {per_second: 1000, burst_count: 1000}\n");
    let synapse = Synapse::start_with(&own, &bridge.registration(), more).await;
    bridge.append_config("matrix: {status_events: false}\n");
    bridge.set_homeserver(&synapse.url());
    bridge.spawn_with(|command| command.env("RUST_LOG", "msnbridge=info"));
    bridge.wait_for_log("both ways").await;
    (bridge, synapse, service)
}

/// Syncs without end, and notes when each text is seen.
async fn watch_rooms(base: String, token: String, seen: watch::Sender<Seen>) {
    let http = Client::new();
    let mut since = String::new();
    loop {
        let url = format!("{base}/_matrix/client/v3/sync?timeout=5000&filter={FILTER}{since}");
        // With the last measurement the homeserver ends.
        let Ok(answer) = http.get(url).bearer_auth(&token).send().await else { return };
        let answer: Value = answer.json().await.expect("JSON");
        let now = Instant::now();
        since = format!("&since={}", answer["next_batch"].as_str().expect("a place"));
        let rooms = answer["rooms"]["join"].as_object().into_iter().flatten();
        let events = rooms.flat_map(|(_, room)| room["timeline"]["events"].as_array().into_iter().flatten());
        let bodies: Vec<&str> = events.filter_map(|event| event["content"]["body"].as_str()).collect();
        seen.send_modify(|seen| {
            for body in bodies {
                seen.entry(body.to_owned()).or_insert(now);
            }
        });
    }
}

/// A room of two people without a bridge.
async fn room_of(one: &MatrixUser, other: &MatrixUser) -> String {
    let made = json!({"invite": [other.id], "preset": "trusted_private_chat"});
    let answer = one.call(Method::POST, "createRoom", Some(made)).await;
    let room = answer["room_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    other.call(Method::POST, &format!("rooms/{room}/join"), Some(json!({}))).await;
    room
}

fn token_of(bridge: &Bridge) -> String {
    let registration = std::fs::read_to_string(bridge.registration()).expect("registration.yaml");
    let line = registration.lines().find_map(|line| line.strip_prefix("as_token:")).expect("a token");
    line.trim().trim_matches(['\'', '"']).to_owned()
}

impl Scene {
    /// So many contacts have each said something to the owner, who watches.
    pub(crate) async fn set(rooms: usize) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let processes = processes(&directory, rooms).await;
        let (bridge, synapse, service) = &processes;
        let base = synapse.url();
        let mut owner = MatrixUser::register(&base, "ann").await;
        let management = owner.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
        owner.sign_in(&management, "alice@example.com", "alice-pw").await;
        let person = MatrixUser::register(&base, "carl").await;
        let token = token_of(bridge);
        let (mut bare, mut ghosts, mut contacts) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..rooms {
            let (account, hello) = (account(number), format!("hello {number}"));
            let mut peer = Peer::sign_in(service, &account, "pw").await;
            let mut call = peer.call("alice@example.com").await;
            call.say(&text(&hello)).await;
            let shown = owner.message(&hello).await;
            let (room, ghost) = (shown["room_id"].as_str(), shown["sender"].as_str());
            ghosts.push(Speaker::ghost(&base, room.expect("a room"), &token, ghost.expect("a ghost")));
            contacts.push(Speaker::Msn { call, _peer: peer });
            bare.push(Speaker::person(&base, &room_of(&person, &owner).await, person.token()));
        }
        let (tell, seen) = watch::channel(Seen::new());
        tokio::spawn(watch_rooms(base, owner.token().to_owned(), tell));
        let speakers = [(Way::Bare, bare), (Way::Appservice, ghosts), (Way::Bridged, contacts)];
        Self { seen, speakers: speakers.into(), _processes: processes, _directory: directory }
    }

    /// Those who speak in the first so many rooms.
    pub(crate) fn take(&mut self, way: Way, rooms: usize) -> Vec<Speaker> {
        let all = self.speakers.get_mut(&way).expect("somebody speaks");
        all.drain(..rooms).collect()
    }

    /// Gives them back: they speak first the next time too.
    pub(crate) fn put_back(&mut self, way: Way, speakers: Vec<Speaker>) {
        let all = self.speakers.get_mut(&way).expect("somebody speaks");
        all.splice(0..0, speakers);
    }

    /// When this was seen.
    pub(crate) async fn seen(&self, words: &str) -> Instant {
        let mut seen = self.seen.clone();
        within(words, async {
            let seen = seen.wait_for(|seen| seen.contains_key(words)).await.expect("somebody watches");
            seen[words]
        })
        .await
    }
}
