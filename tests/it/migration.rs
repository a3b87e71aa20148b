//! Stores and configurations of earlier versions: this version goes on with all that is in them.
//!
//! A fixture is an archive of one directory: `bridge.yaml`, `registration.yaml`, `store.key`, `store/`, an export, and
//! every key of the configuration in `bridge.example.yaml`. A change of a stored form adds the next one.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::chat::{ACCOUNTS, World};
use crate::support::bridge::Bridge;
use crate::support::files::{Gift, noise};
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, text};
use crate::support::service::MsnService;
use crate::support::synapse::{SERVER_NAME, Synapse};

/// Every fixture there is, the oldest first.
const FIXTURES: [&str; 1] = ["schema-1"];
/// What is put into an archive.
const PARTS: [&str; 6] =
    ["bridge.yaml", "bridge.example.yaml", "registration.yaml", "store.key", "store", "all.export"];

fn tar(arguments: &[&str], directory: &Path) {
    let made = Command::new("tar").args(arguments).current_dir(directory).output().expect("tar runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn unpack(fixture: &str, directory: &Path) {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(fixture);
    tar(&["-xzf", archive.with_extension("tar.gz").to_str().expect("a path")], directory);
}

/// Plays what a fixture holds, and packs it: contacts, rooms, a group, a second account that is signed out with words
/// that wait for it, a dead letter, a question that nobody has answered, words and a file that wait for the homeserver.
#[tokio::test]
#[ignore = "makes a fixture of this version: tests/run --long"]
async fn a_fixture_of_this_version_can_be_made() {
    let mut world = World::start_with_friends().await;
    world.bridge.stop().await;
    world.bridge.add_to_section("msn", "offline", "fail");
    world.bridge.start().await;
    let management = world.management.clone();
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut carol = Peer::sign_in(&world.service, "carol@example.com", "carol-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hello from Bob")).await;
    world.user.message("hello from Bob").await;
    call.send("CAL", "carol@example.com").await;
    let mut carols = carol.answer().await;
    call.line("JOI carol").await;
    carols.say(&text("three of us")).await;
    world.user.message("three of us").await;
    world.user.send(&management, "font Verdana #ff0000 bold").await;
    world.user.message_with("Verdana").await;

    // Erin is nobody's contact and not there: a dead letter.
    world.user.send(&management, "chat erin@example.com").await;
    let invited = world.user.message_with("conversation with erin@example.com. What").await;
    world.user.send(invited["room_id"].as_str().unwrap(), "are you there?").await;
    world.user.message_with("was not delivered").await;
    // Fay asks to be let in.
    let mut fay = Peer::sign_in(&world.service, "fay@example.com", "fay-pw").await;
    fay.wire.send("ADC", "FL N=alice@example.com F=alice@example.com").await;
    world.user.message_with("has added alice@example.com").await;

    // Dave's account is bridged too, and then signs in elsewhere.
    world.user.sign_in(&management, "dave@example.com", "dave-pw").await;
    world.user.send(&management, "chat bob@example.com --login=dave@example.com").await;
    let daves = world.user.message_with("conversation with bob@example.com. What").await;
    let _dave = Peer::sign_in(&world.service, "dave@example.com", "dave-pw").await;
    world.user.message_with("dave@example.com is signed out of MSN").await;
    for words in ["waits for MSN 1", "waits for MSN 2"] {
        world.user.send(daves["room_id"].as_str().unwrap(), words).await;
    }
    world.bridge.wait_for_log("of dave@example.com}: msnbridge::bridge::portal: journaling sequence=3").await;
    world.bridge.wait_for_log("this side is down").await;

    world.synapse.kill().await;
    let mut call = bob.call("alice@example.com").await;
    for words in ["waits for Matrix 1", "waits for Matrix 2"] {
        call.say(&text(words)).await;
    }
    Gift::offer(&mut call, "waiting.bin", 5000, "200 OK").await.send(&mut call, 5000).await;
    call.message("BYE MSNMSGR:bob@example.com").await;
    call.say(&text("waits for Matrix 3")).await;
    world.bridge.wait_for_log("not delivered, trying again").await;
    assert!(world.bridge.stop().await.success());
    let (ok, said) = world.bridge.run(&["export", "all.export"]);
    assert!(ok, "{said}");

    let directory = world.bridge.file("");
    std::fs::copy("bridge.example.yaml", directory.join("bridge.example.yaml")).expect("the example");
    let archive = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("fixture.tar.gz");
    let mut arguments = vec!["-czf", archive.to_str().expect("a path")];
    arguments.extend(PARTS);
    tar(&arguments, &directory);
    println!("a fixture of this version is in {}", archive.display());
}

/// A fixture under this version's program: the same tokens and store, a homeserver that has lost everything.
struct Revived {
    world: World,
}

impl Revived {
    async fn start(fixture: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        unpack(fixture, directory.path());
        let service = MsnService::start(directory.path(), ACCOUNTS).await;
        let mut bridge = Bridge::adopt(directory.path());
        let synapse = Synapse::start(&directory.path().join("synapse"), &bridge.registration()).await;
        bridge.set_homeserver(&synapse.url());
        bridge.set_msn_server(&service.notification);
        bridge.set_nexus(&service.nexus);
        let user = MatrixUser::register(&synapse.url(), "ann").await;
        bridge.start().await;
        let mut world = World::assemble(service, synapse, bridge, user, String::new(), directory);
        world.management = world.user.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
        Self { world }
    }
}

#[tokio::test]
async fn fault_00_what_waits_in_an_older_store_is_delivered_and_what_was_set_stays() {
    for fixture in FIXTURES {
        let Revived { mut world } = Revived::start(fixture).await;
        for words in ["waits for Matrix 1", "waits for Matrix 2", "waits for Matrix 3"] {
            let shown = world.user.message(words).await;
            assert_eq!(shown["sender"], format!("@msn_bob=40example.com:{SERVER_NAME}"));
        }
        let file = world.user.message("waiting.bin").await;
        let room = file["room_id"].as_str().unwrap().to_owned();
        assert_eq!(world.user.download(file["content"]["url"].as_str().unwrap()).await, noise(0, 5000));

        let management = world.management.clone();
        world.user.send(&management, "status").await;
        let status = world.user.message_with("alice@example.com: connected").await;
        let status = status["content"]["body"].as_str().unwrap();
        assert!(status.contains("dave@example.com: signed out: "), "{status}");

        // What was said to Bob in Dave's name is still there to be said.
        let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
        world.user.send(&management, "reconnect --login=dave@example.com").await;
        let mut call = bob.answer().await;
        for words in ["waits for MSN 1", "waits for MSN 2"] {
            call.message(words).await;
        }
        // The font that Alice had chosen.
        world.user.send(&room, "in red").await;
        let mut call = bob.answer().await;
        let heard = call.message("in red").await.payload;
        assert!(heard.contains("FN=Verdana; EF=B; CO=ff;"), "{heard}");
        // The question to Fay's request was asked, and is not asked again.
        let mut fay = Peer::sign_in(&world.service, "fay@example.com", "fay-pw").await;
        fay.wire.send("SYN", "0 0").await;
        world.user.send(&management, "accept fay@example.com --login=alice@example.com").await;
        world.user.message_with("fay@example.com can see you now").await;
        let asked = |event: &Value| {
            event["content"]["body"].as_str().is_some_and(|body| body.contains("has added alice@example.com"))
        };
        assert_eq!(world.user.seen_so_far(asked), 0);
        assert!(world.bridge.stop().await.success());
    }
}

#[tokio::test]
async fn fault_00_an_older_export_is_imported_into_a_new_store() {
    for fixture in FIXTURES {
        let directory = tempfile::tempdir().unwrap();
        unpack(fixture, directory.path());
        let bridge = Bridge::adopt(directory.path());
        std::fs::remove_dir_all(bridge.store()).unwrap();
        let (ok, said) = bridge.run(&["import", "all.export"]);
        assert!(ok, "{said}");
        let (ok, said) = bridge.run(&["export", "again.export"]);
        assert!(ok, "{said}");
        // The login and the rooms are the ones that were exported.
        let rows = |name: &str| {
            let text = std::fs::read_to_string(bridge.file(name)).unwrap();
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let rows = lines.filter(|line| line["table"].is_u64());
            rows.map(|row| json!([row["table"], row["key"]])).collect::<Vec<_>>()
        };
        let (before, after) = (rows("all.export"), rows("again.export"));
        assert!(before.len() > 10, "{}", before.len());
        assert_eq!(before, after);
    }
}

#[test]
fn fault_00_every_key_of_an_older_configuration_is_still_read() {
    for fixture in FIXTURES {
        let directory = tempfile::tempdir().unwrap();
        unpack(fixture, directory.path());
        let bridge = Bridge::adopt(directory.path());
        std::fs::copy(bridge.file("bridge.example.yaml"), bridge.file("bridge.yaml")).unwrap();
        // What stands in the example leads nowhere; what is said of the configuration itself comes before all that.
        let (_, said) = bridge.run(&["export", "none.export"]);
        for refused in ["is not allowed", "is missing", "cannot be read", "unknown"] {
            assert!(!said.contains(refused), "{said}");
        }
    }
}
