//! A disk that fails under a running bridge, and comes back: everybody is told, nothing that was acknowledged is gone.
//!
//! The failure is the kernel's own: a limit on the size of files (`prlimit --fsize`), which refuses every write behind it
//! just as a full disk does, and is lifted without the program's help. The log goes through a pipe, which has no size.

use std::os::unix::net::UnixDatagram;
use std::process::Command as Program;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::chat::World;
use crate::check::told;
use crate::support::bridge::Bridge;
use crate::support::msn::{Peer, text};
use crate::support::within;

/// Replaces a command with one that does the same and writes its output through a pipe.
pub(crate) fn piped(command: &mut Command) -> &mut Command {
    let program = command.as_std().get_program().to_owned();
    let arguments: Vec<_> = command.as_std().get_args().map(std::ffi::OsStr::to_owned).collect();
    let environment: Vec<_> = command
        .as_std()
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    *command = Command::new("bash");
    command.args(["-c", "exec \"$@\" > >(exec cat) 2>&1", "bash"]).arg(program).args(arguments);
    command.envs(environment)
}

pub(crate) fn limit_files(pid: u32, bytes: &str) {
    let limited =
        Program::new("prlimit").args(["--pid", &pid.to_string(), &format!("--fsize={bytes}:")]).status();
    assert!(limited.is_ok_and(|status| status.success()), "prlimit");
}

/// Bob is Alice's friend, and the bridge writes where its files can be limited.
async fn world() -> World {
    let mut world = World::start_with_friends_in(TempDir::new().unwrap(), "").await;
    world.bridge.stop().await;
    restart(&mut world.bridge).await;
    world
}

pub(crate) async fn restart(bridge: &mut Bridge) {
    let before = bridge.log().matches("both ways").count();
    bridge.spawn_with(piped);
    bridge.wait_for_log_times("both ways", before + 1).await;
}

async fn befriended(world: &World) -> Peer {
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    bob.wire.send("ADC", "FL N=alice@example.com F=alice").await;
    bob.wire.line("ADC").await;
    bob
}

#[tokio::test]
async fn fault_28_a_disk_that_was_full_once_loses_nothing_and_everybody_is_told() {
    let mut world = world().await;
    let mut bob = befriended(&world).await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("before")).await;
    let shown = world.user.message("before").await;
    let room = shown["room_id"].as_str().unwrap().to_owned();

    limit_files(world.bridge.pid(), "0");
    // Acknowledged until the bridge has left; each of these must be there in the end.
    let mut acknowledged = Vec::new();
    for n in 0.. {
        let ack = format!("ACK {}", call.payload("A", text(&format!("full {n}")).as_bytes()).await);
        let answer = call.until("an answer or an end", |unit| {
            unit.line == ack || unit.line.starts_with("NAK") || unit.line.starts_with("BYE")
        });
        if answer.await.line != ack {
            break;
        }
        acknowledged.push(format!("full {n}"));
    }
    bob.wire.line("FLN alice@example.com").await;
    let told = world.user.message_with("disk fails").await;
    assert_eq!(told["room_id"], world.management.as_str());
    assert!(told["content"]["body"].as_str().unwrap().contains("may not grow"), "{told}");
    // The homeserver keeps what is said here.
    world.user.send(&room, "said while it was full").await;
    world.bridge.wait_for_log("a transaction could not be written down").await;

    limit_files(world.bridge.pid(), "unlimited");
    world.user.message_with("disk works again").await;
    for body in &acknowledged {
        world.user.message(body).await;
    }
    let mut call = bob.answer().await;
    call.message("said while it was full").await;
    call.say(&text("after")).await;
    world.user.message("after").await;
    assert!(world.bridge.stop().await.success(), "nothing was lost");
    let history = world.user.history(&room).await;
    let once = |body: &str| history.iter().filter(|event| event["content"]["body"] == body).count() == 1;
    assert!(acknowledged.iter().all(|body| once(body)) && once("before") && once("after"));
}

#[tokio::test]
async fn fault_28_what_the_bridge_remembers_while_the_disk_is_full_is_there_after_a_kill() {
    let mut world = world().await;
    let mut bob = befriended(&world).await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("one")).await;
    let room = world.user.message("one").await["room_id"].as_str().unwrap().to_owned();
    for round in 0..3 {
        limit_files(world.bridge.pid(), "0");
        call.payload("U", text(&format!("in vain {round}")).as_bytes()).await;
        world.bridge.wait_for_log_times("leaving MSN", round + 1).await;
        let sent = format!("round {round}");
        world.user.send(&room, &sent).await;
        limit_files(world.bridge.pid(), "unlimited");
        world.bridge.wait_for_log_times("the disk works again", round + 1).await;
        call = bob.answer().await;
        call.message(&sent).await;
    }
    world.bridge.kill().await;
    restart(&mut world.bridge).await;
    world.user.send(&room, "still here").await;
    bob.answer().await.message("still here").await;
}

#[tokio::test]
async fn fault_28_a_bridge_that_ends_while_the_disk_is_full_says_that_something_is_lost() {
    let mut world = world().await;
    assert!(world.bridge.stop().await.success());
    let path = world.bridge.file("notify");
    let socket = Arc::new(UnixDatagram::bind(&path).unwrap());
    socket.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    world.bridge.spawn_with(|command| piped(command.env("NOTIFY_SOCKET", &path)));
    told(&socket, "STATUS=connected to the homeserver").await;
    limit_files(world.bridge.pid(), "0");
    world.user.send(&world.management.clone(), "status").await;
    world.bridge.wait_for_log("leaving MSN").await;
    // Whoever asks the service manager reads why, and reads it only while it is so.
    told(&socket, "STATUS=the disk fails, nothing is taken").await;
    limit_files(world.bridge.pid(), "unlimited");
    told(&socket, "STATUS=connected to the homeserver").await;
    limit_files(world.bridge.pid(), "0");
    world.user.send(&world.management.clone(), "status").await;
    world.bridge.wait_for_log_times("leaving MSN", 2).await;
    let status = world.bridge.stop().await;
    assert!(!status.success());
    assert!(world.bridge.log().contains("the disk still fails"));
    // What was not acknowledged comes again.
    restart(&mut world.bridge).await;
    world.user.message_with("connected").await;
}

#[tokio::test]
async fn fault_28_a_store_that_vanished_beside_its_key_is_refused() {
    let mut world = world().await;
    assert!(world.bridge.stop().await.success());
    let (store, aside) = (world.bridge.store(), world.bridge.file("aside"));
    std::fs::rename(&store, &aside).unwrap();
    for prepare in ["missing", "empty", "files only"] {
        match prepare {
            "empty" => std::fs::create_dir(&store).unwrap(),
            "files only" => std::fs::create_dir(store.join("media")).unwrap(),
            _ => {}
        }
        let (fine, output) = world.bridge.run(&["run"]);
        assert!(!fine && output.contains("no store in"), "{prepare}: {output}");
        assert!(!store.join("db").exists(), "{prepare}: it was made anew");
        let (_, output) = world.bridge.run(&["check"]);
        assert!(output.contains("no store in"), "{prepare}: {output}");
    }
    std::fs::remove_dir_all(&store).unwrap();
    std::fs::rename(&aside, &store).unwrap();
    restart(&mut world.bridge).await;
    let answer = json!(world.management);
    world.user.send(&world.management.clone(), "status").await;
    assert_eq!(world.user.message_with("connected").await["room_id"], answer);
}

#[tokio::test]
async fn fault_28_a_store_that_is_moved_away_under_the_bridge_is_missed_and_taken_up_again() {
    let mut world = world().await;
    let mut bob = befriended(&world).await;
    let (store, aside) = (world.bridge.store(), world.bridge.file("aside"));
    std::fs::rename(&store, &aside).unwrap();
    bob.wire.line("FLN alice@example.com").await;
    world.user.message_with("store's directory is gone").await;
    std::fs::rename(&aside, &store).unwrap();
    within("Alice to come back", bob.wire.line("NLN")).await;
    world.user.message_with("disk works again").await;
}

/// A file system that the kernel keeps in memory, unmounted at its end.
struct Small(TempDir);

impl Small {
    fn mount(size: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let options = format!("size={size}");
        let mut mount = Program::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &options, "none"]).arg(folder.path()).status();
        assert!(mounted.is_ok_and(|status| status.success()), "mounting needs root");
        Self(folder)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Program::new("umount").arg("-l").arg(self.0.path()).status(); // it goes with the machine otherwise
    }
}

/// The store alone on a disk that is really full, again and again, wherever in the log that happens.
#[tokio::test]
#[ignore = "takes long, and mounts a file system"]
async fn fault_28_long_a_disk_that_fills_and_empties_keeps_all_that_was_acknowledged() {
    use msnbridge::bridge::port::storage::{Batch, Storage, Table, Urgency};
    use msnbridge::store::{SealingKey, Store};
    let disk = Small::mount("48m");
    let (directory, filler) = (disk.0.path().join("store"), disk.0.path().join("filler"));
    let key = SealingKey::generate();
    let mut store = Store::open(&directory, key.clone()).unwrap();
    let mut kept = std::collections::VecDeque::new();
    for round in 0..40u32 {
        // Fill what is left but for a part that differs each time.
        let _ = std::fs::write(&filler, vec![1; 48 * 1024 * 1024]);
        let filled = std::fs::metadata(&filler).unwrap().len();
        let room = u64::from(round * 7919 % 300) * 1024;
        std::fs::File::options()
            .write(true)
            .open(&filler)
            .unwrap()
            .set_len(filled.saturating_sub(room))
            .unwrap();
        for n in 0..250u32 {
            let name = format!("{round} {n}");
            let mut batch = Batch::default();
            batch.put(Table::Journal, name.as_str(), vec![7; (n as usize * 37) % 9000]);
            if kept.len() > 200 {
                let gone: String = kept.pop_front().unwrap();
                batch.remove(Table::Journal, gone);
            }
            match store.commit(batch, Urgency::Now).await {
                Ok(()) => kept.push_back(name),
                Err(_) => break,
            }
        }
        std::fs::remove_file(&filler).unwrap();
        if round % 5 == 4 {
            drop(store);
            store = Store::open_existing(&directory, key.clone()).unwrap();
        } else {
            within("the store to work again", store.works()).await;
        }
        for name in &kept {
            assert!(
                store.read(Table::Journal, name.as_bytes()).unwrap().is_some(),
                "{name} in round {round}"
            );
        }
    }
}
