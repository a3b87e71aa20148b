//! A homeserver with the bridge and the MSN service as processes, twenty conversations of one owner, twenty rooms without a
//! bridge, and somebody who watches all of them.
//!
//! Knows when each message was seen. Refuses to know what is measured.

use std::collections::HashMap;
use std::time::Instant;

use reqwest::Method;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::speaker::{Speaker, Way};
use crate::support::bridge::Bridge;
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, text};
use crate::support::service::MsnService;
use crate::support::synapse::{SERVER_NAME, Synapse};
use crate::support::within;
use crate::sync::sync;

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
        tokio::spawn(sync(base, owner.token().to_owned(), move |bodies, now| {
            tell.send_modify(|seen| {
                for body in bodies {
                    seen.entry((*body).to_owned()).or_insert(now);
                }
            });
        }));
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
