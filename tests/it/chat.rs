//! One conversation, end to end: a real homeserver, the bridge and the MSN service as processes, plain observers.

use tempfile::TempDir;

use crate::support::bridge::Bridge;
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, text};
use crate::support::service::MsnService;
use crate::support::synapse::{SERVER_NAME, Synapse};

pub(crate) const ACCOUNTS: &str = "alice@example.com,alice-pw,Alice
bob@example.com,bob-pw,Bob
carol@example.com,carol-pw,Carol
dave@example.com,dave-pw,Dave
erin@example.com,erin-pw,Erin
fay@example.com,fay-pw,Fay
";

/// Everything of a working set-up.
pub(crate) struct World {
    pub(crate) service: MsnService,
    pub(crate) synapse: Synapse,
    pub(crate) bridge: Bridge,
    pub(crate) user: MatrixUser,
    pub(crate) management: String,
    /// Last: the others end before their files go.
    #[expect(dead_code, reason = "kept for its end")]
    directory: TempDir,
}

impl World {
    /// Of parts that were started one by one.
    pub(crate) fn assemble(
        service: MsnService,
        synapse: Synapse,
        bridge: Bridge,
        user: MatrixUser,
        management: String,
        directory: TempDir,
    ) -> Self {
        Self { service, synapse, bridge, user, management, directory }
    }

    /// A Matrix user signed in to MSN as Alice.
    pub(crate) async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), "").await
    }

    /// Alice has listed Bob and Carol, with a client of her own, before she came to the bridge.
    pub(crate) async fn start_with_friends() -> Self {
        Self::start_with_friends_in(tempfile::tempdir().unwrap(), "").await
    }

    pub(crate) async fn start_with_friends_in(directory: TempDir, config: &str) -> Self {
        Self::befriend(Self::start_up(directory, config).await).await
    }

    /// The same, and the MSN service is given more options.
    pub(crate) async fn start_with_friends_at(directory: TempDir, service: &[&str], config: &str) -> Self {
        let service = MsnService::start_with(directory.path(), ACCOUNTS, service).await;
        let notification = service.notification.clone();
        Self::befriend(Self::start_at(service, directory, &notification, config).await).await
    }

    async fn befriend(mut world: Self) -> Self {
        let mut alice = Peer::sign_in(&world.service, "alice@example.com", "alice-pw").await;
        for friend in ["bob@example.com", "carol@example.com"] {
            alice.wire.send("ADC", &format!("FL N={friend} F={friend}")).await;
            alice.wire.line("ADC").await;
        }
        drop(alice);
        let management = world.management.clone();
        world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
        world
    }

    /// The same with more of a configuration.
    pub(crate) async fn start_in(directory: TempDir, config: &str) -> Self {
        let mut world = Self::start_up(directory, config).await;
        let management = world.management.clone();
        world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
        world
    }

    /// Nobody is signed in to MSN yet.
    pub(crate) async fn start_up(directory: TempDir, config: &str) -> Self {
        let service = MsnService::start(directory.path(), ACCOUNTS).await;
        let notification = service.notification.clone();
        Self::start_at(service, directory, &notification, config).await
    }

    /// Nobody is signed in to MSN yet, and the bridge finds its server there.
    pub(crate) async fn start_at(
        service: MsnService,
        directory: TempDir,
        notification: &str,
        config: &str,
    ) -> Self {
        let mut bridge =
            Bridge::configure(directory.path(), "http://127.0.0.1:1", notification, &service.nexus);
        let synapse = Synapse::start(&directory.path().join("synapse"), &bridge.registration()).await;
        bridge.append_config(config);
        bridge.set_homeserver(&synapse.url());
        bridge.start().await;
        let mut user = MatrixUser::register(&synapse.url(), "ann").await;
        let management = user.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
        Self { service, synapse, bridge, user, management, directory }
    }
}

#[tokio::test]
async fn one_line_goes_each_way_and_is_confirmed() {
    let mut world = World::start().await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hello from MSN")).await;
    let shown = world.user.message("hello from MSN").await;
    assert_eq!(shown["sender"], format!("@msn_bob=40example.com:{SERVER_NAME}"));
    let room = shown["room_id"].as_str().unwrap().to_owned();

    let sent = world.user.send(&room, "hello from Matrix").await;
    call.message("hello from Matrix").await;
    let status = world
        .user
        .event("the delivery status", |event| event["type"] == "com.beeper.message_send_status")
        .await;
    assert_eq!(status["content"]["status"], "SUCCESS");
    assert_eq!(status["content"]["m.relates_to"]["event_id"], sent);
    assert!(world.bridge.stop().await.success());
}
