//! One Synapse and one ngircd with two bridges between them, each with a channel and a room of its own, and one user of both.
//!
//! Knows how each bridge is set up. Refuses to know what is measured.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::contender::Contender;
use crate::support::bridge::Bridge;
use crate::support::free_port;
use crate::support::irc::Person;
use crate::support::irc_servers::{Family, Limits, Server};
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, text};
use crate::support::process::Process;
use crate::support::service::MsnService;
use crate::support::synapse::{SERVER_NAME, Synapse};
use crate::watch::Seen;

const ACCOUNTS: &str = "alice@example.com,alice-pw,Alice\nbob@example.com,bob-pw,Bob\n";

pub(crate) struct Scene {
    /// This bridge, and the other.
    pub(crate) contenders: [Contender; 2],
    seen: Seen,
    user: MatrixUser,
    /// The contact hears everything, as one whose client is open.
    _contact: JoinHandle<()>,
    _session: Peer,
    /// These end before their files go.
    _processes: (Bridge, Process, Synapse, MsnService, Server),
    _directory: TempDir,
}

fn heisenbridge() -> PathBuf {
    let home = std::env::var("HOME").unwrap_or_default();
    let tools = std::env::var("MSNBRIDGE_TOOLS").unwrap_or_else(|_| format!("{home}/.cache/msnbridge"));
    let program = Path::new(&tools).join("heisenbridge/bin/heisenbridge");
    assert!(program.exists(), "no heisenbridge in {tools}: «deploy/tools heisenbridge» installs it");
    program
}

/// Has the other bridge write its registration.
fn register(file: &Path, port: u16) {
    let made = std::process::Command::new(heisenbridge())
        .arg("-c")
        .arg(file)
        .args(["-l", "127.0.0.1", "-p", &port.to_string(), "--generate"])
        .output()
        .expect("heisenbridge runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// The room that the user comes into when they have said something, by an event that is seen there.
async fn room_with(user: &mut MatrixUser, words: &str) -> String {
    user.message_with(words).await["room_id"].as_str().expect("a room").to_owned()
}

/// The other bridge joins a channel for the user; gives the room.
async fn join_theirs(user: &mut MatrixUser, port: u16, person: &mut Person) -> String {
    let control = room_with(user, "Howdy, stranger!").await;
    for command in
        ["ADDNETWORK test".to_owned(), format!("ADDSERVER test 127.0.0.1 {port}"), "OPEN test".into()]
    {
        user.send(&control, &command).await;
    }
    let network = room_with(user, "Welcome to the network room").await;
    for command in ["NICK theirs", "CONNECT"] {
        user.send(&network, command).await;
    }
    // The server says that when somebody is in.
    user.message_with("Welcome to the Internet Relay Network").await;
    user.send(&network, "JOIN #theirs").await;
    person.line(":theirs!").await;
    person.say("#theirs", "hello from the channel").await;
    room_with(user, "hello from the channel").await
}

/// This bridge has its channel as an end of a conversation with Bob; gives the room, his session and his call.
async fn join_ours(
    user: &mut MatrixUser,
    service: &MsnService,
    watcher: &mut Person,
) -> (String, Peer, JoinHandle<()>) {
    let management = user.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
    user.sign_in(&management, "alice@example.com", "alice-pw").await;
    let mut bob = Peer::sign_in(service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hello from Bob")).await;
    watcher.line("hello from Bob").await;
    let room = room_with(user, "hello from Bob").await;
    let listens = tokio::spawn(async move { while call.read().await.is_some() {} });
    (room, bob, listens)
}

impl Scene {
    pub(crate) async fn set() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (server, idle) = (Server::start(Family::Ngircd, Limits::Lifted).await, ["--idle-call", "86400"]);
        let service = MsnService::start_with(directory.path(), ACCOUNTS, &idle).await;
        let mut bridge =
            Bridge::configure(directory.path(), "http://127.0.0.1:1", &service.notification, &service.nexus);
        let (theirs, port) = (directory.path().join("heisenbridge.yaml"), free_port());
        register(&theirs, port);
        let more = format!(
            "rc_room_creation: {{per_second: 1000, burst_count: 1000}}\napp_service_config_files: ['{}', '{}']\n",
            bridge.registration().display(),
            theirs.display()
        );
        let synapse =
            Synapse::start_with(&directory.path().join("synapse"), &bridge.registration(), &more).await;
        bridge.append_config(&format!(
            "matrix: {{status_events: false}}\nirc:\n  nick: '{{local}}[m]'\n  networks:\n    test: {{server: 127.0.0.1, \
             port: {}, tls: false, nick: msnbot, line_penalty_ms: 0}}\n  relays:\n  - {{network: test, channel: '#ours', \
             login: alice@example.com, contact: bob@example.com}}\n",
            server.port
        ));
        bridge.set_homeserver(&synapse.url());
        bridge.spawn_with(|command| command.env("RUST_LOG", "msnbridge=info"));
        bridge.wait_for_log("both ways").await;
        let mut user = MatrixUser::register(&synapse.url(), "ann").await;
        let mut command = Command::new(heisenbridge());
        command.arg("-c").arg(&theirs).args(["-o", &user.id]).arg(synapse.url());
        let other = Process::start("heisenbridge", command, &directory.path().join("heisenbridge.log"));
        let mut person = Person::join(server.port, "ouruser", "#ours").await;
        let (room, session, contact) = join_ours(&mut user, &service, &mut person).await;
        let ours = Contender { name: "msnbridge", pid: bridge.pid(), channel: "#ours", room, person };
        let mut person = Person::join(server.port, "theiruser", "#theirs").await;
        let room = join_theirs(&mut user, server.port, &mut person).await;
        let theirs = Contender { name: "heisenbridge", pid: other.pid(), channel: "#theirs", room, person };
        let seen = Seen::watch(synapse.url(), user.token().to_owned());
        Self {
            contenders: [ours, theirs],
            seen,
            user,
            _contact: contact,
            _session: session,
            _processes: (bridge, other, synapse, service, server),
            _directory: directory,
        }
    }

    /// One of the two, and what the user sees.
    pub(crate) fn contender(&mut self, of: usize) -> (&mut Contender, Seen) {
        (&mut self.contenders[of], self.seen.clone())
    }

    /// The user writes into the room of one of the two.
    pub(crate) async fn write(&mut self, of: usize, words: &str) {
        let room = self.contenders[of].room.clone();
        self.user.send(&room, words).await;
    }
}
