//! `msnbridge check` on setups that are broken, one way each; and what systemd is told.

use std::os::unix::net::UnixDatagram;

use crate::chat::ACCOUNTS;
use crate::support::bridge::Bridge;
use crate::support::free_port;
use crate::support::service::MsnService;
use crate::support::synapse::Synapse;

/// Replaces text in one of the bridge's files, runs the check, and puts the text back.
fn broken(bridge: &Bridge, file: &str, from: &str, to: &str) -> String {
    let path = bridge.file(file);
    let whole = std::fs::read_to_string(&path).unwrap();
    assert!(whole.contains(from), "{from} is not in {file}");
    std::fs::write(&path, whole.replace(from, to)).unwrap();
    let (ok, said) = bridge.run(&["check"]);
    std::fs::write(&path, whole).unwrap();
    assert!(!ok, "{said}");
    said
}

fn value(bridge: &Bridge, key: &str) -> String {
    let text = std::fs::read_to_string(bridge.file("bridge.yaml")).unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix(&format!("{key}: ")).map(str::to_owned));
    line.unwrap().trim_matches('\'').to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_broken_setup_is_named_with_a_cure() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let mut bridge =
        Bridge::configure(directory.path(), "http://127.0.0.1:1", &service.notification, &service.nexus);
    let synapse = Synapse::start(&directory.path().join("synapse"), &bridge.registration()).await;
    bridge.set_homeserver(&synapse.url());
    let (ok, said) = bridge.run(&["check"]);
    assert!(ok && said.contains("everything is in order"), "{said}");

    let (as_token, hs_token) = (value(&bridge, "as_token"), value(&bridge, "hs_token"));
    let listen = value(&bridge, "listen");
    let elsewhere = format!("127.0.0.1:{}", free_port());
    let nobody = format!("127.0.0.1:{}", free_port());
    let irc = "permissions:\n";
    let port = free_port();
    let links =
        |url: &str| format!("files: {{links: {{url: '{url}', listen: '127.0.0.1:{port}'}}}}\npermissions:\n");
    let no_links = links("http://127.0.0.1:1");
    let irc_refused = format!(
        "irc: {{networks: {{test: {{server: 127.0.0.1, port: {}, tls: false}}}}}}\npermissions:\n",
        free_port()
    );
    bridge.append_config(&links(&format!("http://127.0.0.1:{port}")).replace(irc, ""));
    let (ok, said) = bridge.run(&["check"]);
    assert!(ok && said.contains("links to files, under"), "{said}");
    bridge.cut_config("files:");
    for (from, to, cause, cure) in [
        (as_token.as_str(), "wrong", "has not loaded that file", "app_service_config_files"),
        (hs_token.as_str(), "wrong", "another token: hs_token", "make hs_token the same"),
        (&synapse.url(), "http://127.0.0.1:1", "cannot be reached", "start the homeserver"),
        (&listen, &elsewhere, "cannot reach the bridge", "correct the url in registration.yaml"),
        ("hs_token:", "ghost_prefix: other_\n  hs_token:", "do not cover the ghosts", "regex"),
        (&service.notification, &nobody, "MSN server", "correct msn.server"),
        (&service.nexus, "http://192.0.2.1/rdr/pprdr.asp", "not be encrypted", "https://"),
        (irc, &no_links, "links to files would lead to http://127.0.0.1:1,", "correct files.links.url"),
        (irc, &irc_refused, "IRC network «test»", "irc.networks.test"),
        (irc, "store: {directory: accounts.txt/store}\npermissions:\n", "cannot be made", "store.directory"),
        ("hs_token:", "colour: red\n  hs_token:", "colour", "bridge.example.yaml"),
    ] {
        let said = broken(&bridge, "bridge.yaml", from, to);
        assert!(said.contains(cause) && said.contains(cure), "{cause}, {cure}:\n{said}");
        assert!(said.contains("1 problem"), "{said}");
    }
    // Looking has made nothing, and a directory that somebody made is no obstacle.
    assert!(!bridge.store().exists() && !bridge.file("store.key").exists());
    std::fs::create_dir(bridge.store()).unwrap();
    bridge.start().await;
    assert!(bridge.file("store.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_09_the_addresses_of_offline_messages_are_tried() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let bridge =
        Bridge::configure(directory.path(), "http://127.0.0.1:1", &service.notification, &service.nexus);
    let nobody = format!("http://127.0.0.1:{}/rsi/rsi.asmx", free_port());
    let oim = format!("\nmsn:\n  oim: {{rsi: '{nobody}', store: '{}'}}\n", service.nexus);
    let said = broken(&bridge, "bridge.yaml", "\nmsn:\n", &oim);
    assert!(said.contains("msn.oim.rsi: nobody answers there: "), "{said}");
    assert!(said.contains("correct msn.oim.rsi, or leave it empty"), "{said}");
    assert!(said.contains("offline messages (msn.oim.store)"), "{said}");
    let said = broken(&bridge, "bridge.yaml", "\nmsn:\n", "\nmsn:\n  locale: '0x0407'\n");
    assert!(!said.contains("msn.oim"), "empty is off: {said}");
}

/// What arrives on a socket that stands for systemd's, until it contains this.
pub(crate) async fn told(socket: &std::sync::Arc<UnixDatagram>, wanted: &'static str) {
    let socket = socket.clone();
    let heard = tokio::task::spawn_blocking(move || {
        let mut buffer = [0; 4096];
        loop {
            let read = socket.recv(&mut buffer).expect("the bridge says something");
            if String::from_utf8_lossy(&buffer[..read]).contains(wanted) {
                return;
            }
        }
    });
    crate::support::within(wanted, heard).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_hears_ready_watchdog_and_stopping() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = std::sync::Arc::new(UnixDatagram::bind(&path).unwrap());
    socket.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    let mut bridge =
        Bridge::configure(directory.path(), "http://127.0.0.1:1", "127.0.0.1:1", "http://127.0.0.1:1/x");
    let begun = std::time::Instant::now();
    bridge.spawn_with(|command| command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "3000000"));
    told(&socket, "STATUS=waiting for the homeserver").await;
    told(&socket, "WATCHDOG=1").await;
    // The homeserver never calls: ready all the same, with what is waited for.
    told(&socket, "READY=1").await;
    assert!(begun.elapsed().as_secs() >= 9);
    let stopping = std::time::Instant::now();
    assert!(bridge.stop().await.success());
    told(&socket, "STOPPING=1").await;
    assert!(stopping.elapsed().as_secs() < 10);
}

/// A setting of the unit that is shipped.
fn in_the_unit(setting: &str) -> Option<String> {
    let unit = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/msnbridge.service");
    let text = std::fs::read_to_string(unit).unwrap();
    text.lines().find_map(|line| line.strip_prefix(setting)?.strip_prefix('=')).map(str::to_owned)
}

#[test]
fn fault_33_the_unit_gives_many_descriptors() {
    let descriptors: Option<u64> = in_the_unit("LimitNOFILE").and_then(|number| number.parse().ok());
    assert!(descriptors.is_some_and(|number| number >= 65_536), "{descriptors:?}");
}

#[test]
fn fault_34_the_unit_allows_no_dump_and_hides_what_is_made() {
    assert_eq!(in_the_unit("LimitCORE").as_deref(), Some("0"));
    assert_eq!(in_the_unit("UMask").as_deref(), Some("0077"));
}

#[test]
fn the_unit_is_one_that_systemd_accepts() {
    if std::process::Command::new("systemd-analyze").arg("--version").output().is_err() {
        // A machine without systemd has nothing to say about units.
        return;
    }
    let unit = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/msnbridge.service");
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("msnbridge.service");
    // The program is not installed where the unit looks for it: any program will do for this.
    let text = std::fs::read_to_string(unit).unwrap().replace("/usr/bin/msnbridge", "/bin/true");
    std::fs::write(&copy, text).unwrap();
    let said = std::process::Command::new("systemd-analyze").arg("verify").arg(&copy).output().unwrap();
    assert!(said.status.success() && said.stderr.is_empty(), "{}", String::from_utf8_lossy(&said.stderr));
}
