//! What others on the machine, in the log or in the room could read, and must not.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::chat::World;
use crate::support::synapse::SERVER_NAME;

/// Every file and directory below, with its mode.
fn modes(directory: &Path, out: &mut Vec<(String, u32)>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let mode = entry.metadata().map_or(0, |metadata| metadata.permissions().mode() & 0o777);
        out.push((entry.path().display().to_string(), mode));
        if entry.path().is_dir() {
            modes(&entry.path(), out);
        }
    }
}

/// Runs the same command with a mask that hides nothing.
fn unmasked(command: &mut Command) -> &mut Command {
    let program = command.as_std().get_program().to_owned();
    let arguments: Vec<_> = command.as_std().get_args().map(std::ffi::OsStr::to_owned).collect();
    *command = Command::new("bash");
    command
        .args(["-c", "umask 0; ulimit -S -c $(ulimit -H -c); exec \"$@\"", "bash"])
        .arg(program)
        .args(arguments)
        .env("RUST_LOG", "trace")
}

#[tokio::test]
async fn fault_34_a_password_that_was_asked_for_before_a_kill_is_known_and_removed_after_it() {
    let mut world = World::start_up(TempDir::new().unwrap(), "").await;
    let management = world.management.clone();
    world.user.send(&management, "login alice@example.com").await;
    world.user.message_with("Now send the password").await;
    world.bridge.kill().await;
    // Said while the bridge is away: the homeserver brings it after the start.
    let secret = world.user.send(&management, "alice-pw").await;
    world.bridge.start().await;
    let redacted = |event: &Value| event["type"] == "m.room.redaction" && event["redacts"] == secret.as_str();
    world.user.event("the redaction", redacted).await;
    world.user.message_with("Signed in to MSN").await;
    // It was asked for once: what is said now is a command, after another restart too.
    assert!(world.bridge.stop().await.success());
    world.bridge.start().await;
    world.user.send(&management, "status").await;
    world.user.message_with("alice@example.com: connected").await;
}

#[tokio::test]
async fn fault_34_whoever_cancels_before_a_restart_is_not_asked_after_it() {
    let mut world = World::start_up(TempDir::new().unwrap(), "").await;
    let management = world.management.clone();
    world.user.send(&management, "login alice@example.com").await;
    world.user.message_with("Now send the password").await;
    world.user.send(&management, "cancel").await;
    world.user.message_with("Nothing waits for a password").await;
    world.bridge.kill().await;
    world.bridge.start().await;
    world.user.send(&management, "status").await;
    world.user.message_with("not signed in").await;
}

#[tokio::test]
async fn fault_34_what_the_bridge_makes_is_for_its_user_alone_and_no_dump_is_made() {
    let mut world = World::start_up(TempDir::new().unwrap(), "").await;
    assert!(world.bridge.stop().await.success());
    std::fs::remove_dir_all(world.bridge.store()).unwrap();
    let key = world.bridge.file("store.key");
    std::fs::remove_file(&key).unwrap();
    world.bridge.spawn_with(unmasked);
    world.bridge.wait_for_log_times("both ways", 2).await;
    // It knows nobody any more.
    let management = world.user.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", world.bridge.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let words: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{core}");
    assert!(world.bridge.stop().await.success());
    let export = world.bridge.file("all.export");
    std::fs::write(&export, "an older one").unwrap();
    std::fs::set_permissions(&export, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (ok, said) = world.bridge.run(&["export", "all.export"]);
    assert!(ok, "{said}");
    let mut found = Vec::new();
    modes(&world.bridge.store(), &mut found);
    for own in [world.bridge.store(), export, key] {
        found
            .push((own.display().to_string(), std::fs::metadata(&own).unwrap().permissions().mode() & 0o777));
    }
    assert!(found.len() > 5 && found.iter().all(|(_, mode)| mode & 0o077 == 0), "{found:?}");
    // Everything was logged that any part logs, and no password is there.
    let log = world.bridge.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("alice-pw")).collect();
    assert!(log.contains("DEBUG") && told.is_empty(), "{told:#?}");
}

#[tokio::test]
async fn fault_34_neither_check_nor_an_error_shows_who_an_address_is_for() {
    let world = World::start_up(TempDir::new().unwrap(), "").await;
    for (key, address) in
        [("homeserver", "http://ann:hunter2@127.0.0.1:1"), ("homeserver", "ftp://ann:hunter2@host")]
    {
        world.bridge.add_to_section(key, "url", address);
        let (ok, said) = world.bridge.run(&["check"]);
        assert!(!ok && !said.contains("hunter2") && !said.contains("ann:"), "{said}");
    }
    for (key, address) in [
        ("nexus", "http://ann:hunter2@127.0.0.1:1/rdr"),
        ("gateway", "http://ann:hunter2@127.0.0.1:1/g"),
        ("proxy", "socks5://ann:hunter2@127.0.0.1:1"),
    ] {
        world.bridge.add_to_section("msn", key, address);
        for command in ["check", "run"] {
            let (ok, said) = world.bridge.run(&[command]);
            assert!(!ok && !said.contains("hunter2") && !said.contains("ann:"), "{key}, {command}: {said}");
        }
    }
}
