//! Encrypted rooms, with Element's own SDK as the person: nothing that she sees bears a warning, and nothing is lost.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::chat::ACCOUNTS;
use crate::support::bridge::Bridge;
use crate::support::element::Element;
use crate::support::files::{self, Gift, Way, noise, noise_digest};
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, Wire, text};
use crate::support::service::MsnService;
use crate::support::synapse::{SERVER_NAME, Synapse};

pub(crate) const ENCRYPTED: &str = "encryption: {allow: true, default: true}\n";

pub(crate) struct World {
    pub(crate) service: MsnService,
    pub(crate) synapse: Synapse,
    pub(crate) bridge: Bridge,
    pub(crate) ann: Element,
    /// The same person by another client, that knows no encryption.
    pub(crate) plain: MatrixUser,
    pub(crate) management: String,
    /// The event in which she told her password.
    pub(crate) password: String,
    _directory: TempDir,
}

impl World {
    /// Ann starts an encrypted chat with the bot, and signs in there.
    pub(crate) async fn start(config: &str, trusts_signed_only: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let service = MsnService::start(directory.path(), ACCOUNTS).await;
        let mut bridge =
            Bridge::configure(directory.path(), "http://127.0.0.1:1", &service.notification, &service.nexus);
        let synapse = Synapse::start(&directory.path().join("synapse"), &bridge.registration()).await;
        bridge.append_config(config);
        bridge.set_homeserver(&synapse.url());
        bridge.start().await;
        let plain = MatrixUser::register(&synapse.url(), "ann").await;
        let mut ann = Element::log_in(&synapse.url(), "ann", trusts_signed_only).await;
        let management = ann.start_chat(&format!("@msnbot:{SERVER_NAME}")).await;
        ann.message("login").await;
        ann.send(&management, "login alice@example.com").await;
        ann.message("password").await;
        let password = ann.send(&management, "alice-pw").await;
        ann.message("Signed in").await;
        Self { service, synapse, bridge, ann, plain, management, password, _directory: directory }
    }
}

fn is_from(event: &Value, user: &str) -> bool {
    event["sender"] == format!("@{user}:{SERVER_NAME}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_chat_is_read_and_answered_without_a_warning() {
    for trusts_signed_only in [false, true] {
        let mut world = World::start(ENCRYPTED, trusts_signed_only).await;
        let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
        let mut call = bob.call("alice@example.com").await;
        call.say(&text("hello from MSN")).await;
        let shown = world.ann.message("hello from MSN").await;
        assert!(is_from(&shown, "msn_bob=40example.com"), "{shown}");
        let room = shown["room"].as_str().unwrap().to_owned();
        assert_ne!(room, world.management);
        world.ann.send(&room, "hello from Matrix").await;
        call.message("hello from Matrix").await;
        call.say(&text("and again")).await;
        world.ann.message("and again").await;
        assert!(world.bridge.stop().await.success());
        drop(world.synapse);
    }
}

/// Bob has written, and the room is there.
pub(crate) async fn talk(world: &mut World) -> (Peer, Wire, String) {
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("shall we?")).await;
    let room = world.ann.message("shall we?").await["room"].as_str().unwrap().to_owned();
    (bob, call, room)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_an_encrypted_room_are_encrypted_and_arrive_byte_for_byte() {
    let mut world = World::start(ENCRYPTED, true).await;
    let (_bob, mut call, room) = talk(&mut world).await;
    let picture = noise(0, 200_000);
    Gift::offer(&mut call, "holiday.bin", 200_000, "200 OK").await.send(&mut call, 200_000).await;
    let shown = world.ann.message("holiday.bin").await;
    assert!(shown["content"]["url"].is_null(), "no address without a key: {shown}");
    let file = &shown["content"]["file"];
    let opened = world.ann.order("open", json!({"file": file})).await;
    assert!(STANDARD.decode(opened["bytes"].as_str().unwrap()).unwrap() == picture);
    let there = world.plain.download(file["url"].as_str().unwrap()).await;
    assert!(there.len() == picture.len() && there != picture, "the homeserver has no plain file");

    let sent = noise(0, 150_000);
    let order = json!({"room": room, "name": "notes.bin", "type": "m.file", "bytes": STANDARD.encode(&sent)});
    world.ann.order("file", order).await;
    let offer = files::offered(&mut call).await;
    let came = offer.take(&mut call, Way::Board).await;
    assert_eq!(came, noise_digest(150_000));
}

/// Forty words each way, the bridge killed in the middle, keys rotated, and a device that the person did not have before.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_unreadable_over_a_kill_a_rotation_and_a_new_device() {
    let mut world = World::start(ENCRYPTED, true).await;
    let (mut bob, mut call, room) = talk(&mut world).await;
    for n in 0..20 {
        call.say(&text(&format!("from bob {n}."))).await;
        world.ann.send(&room, &format!("from ann {n}.")).await;
    }
    world.ann.message("from bob 19.").await;
    call.message("from ann 19.").await;
    world.bridge.kill().await;
    drop(call);
    world.ann.order("rotate", json!({"room": room})).await;
    world.ann.send(&room, "while it was away").await;
    world.bridge.start().await;
    let mut call = bob.answer().await;
    call.message("while it was away").await;
    let mut other = Element::log_in(&world.synapse.url(), "ann", true).await;
    for n in 20..40 {
        call.say(&text(&format!("from bob {n}."))).await;
        other.send(&room, &format!("from ann {n}.")).await;
    }
    for n in 20..40 {
        world.ann.message(&format!("from bob {n}.")).await;
        call.message(&format!("from ann {n}.")).await;
    }
    other.message("from bob 39.").await;
    for n in 0..20 {
        if n != 19 {
            world.ann.message(&format!("from bob {n}.")).await;
        }
    }
    // What her two clients keep from each other is theirs.
    let unreadable = world.ann.unreadable(&world.plain.id);
    assert!(unreadable.is_empty(), "{unreadable:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_sealed_at_rest_and_in_no_log_and_no_export() {
    let mut world = World::start(&format!("{ENCRYPTED}log: {{filter: trace}}\n"), false).await;
    let (_bob, _call, _room) = talk(&mut world).await;
    let export = world.bridge.file("export");
    assert!(world.bridge.stop().await.success());
    let (ok, said) = world.bridge.run(&["export", export.to_str().unwrap()]);
    assert!(ok, "{said}");
    let keys = world.bridge.file("store.keys");
    let files = std::fs::read_dir(&keys).unwrap().flatten().flat_map(|device| {
        std::fs::read_dir(device.path()).unwrap().flatten().map(|file| file.path()).collect::<Vec<_>>()
    });
    let sled = std::fs::read_dir(world.bridge.store()).unwrap().flatten().map(|file| file.path());
    let all: Vec<_> = files.chain(sled.filter(|path| path.is_file())).chain([export]).collect();
    assert!(all.len() > 3, "{all:?}");
    for file in all {
        let bytes = std::fs::read(&file).unwrap();
        for secret in ["pickle", "private_identity", "one_time_keys", "self_signing"] {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{secret} is in {}", file.display());
        }
    }
    let log = world.bridge.log();
    for secret in ["pickle", "hello from", "shall we?", "alice-pw"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
