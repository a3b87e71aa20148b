//! The Debian package, in a root of its own: installed, configured, run, upgraded under a conversation, purged.
//!
//! The root is a bare Debian; it shares the network with the test, so the homeserver and the MSN service are those of every
//! other test. What systemd would do is read from the unit and done by hand. Needs root, so it belongs to `--long`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::chat::ACCOUNTS;
use crate::support::matrix::MatrixUser;
use crate::support::msn::{Peer, text};
use crate::support::service::MsnService;
use crate::support::synapse::{SERVER_NAME, Synapse};
use crate::support::{PATIENCE, free_port, within};

/// Lines said while one version follows the other.
const LINES: usize = 200;

/// Says what failed, with what it said.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = said(&output);
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A bare Debian that is thrown away.
struct Root {
    directory: TempDir,
}

impl Root {
    fn make() -> Self {
        let directory = TempDir::with_prefix("msnbridge-root").expect("a directory");
        std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
        run(Command::new("mmdebstrap")
            .args(["--variant=minbase", "--include=adduser,ca-certificates,debconf", "--quiet", "bookworm"])
            .arg(directory.path()));
        Self { directory }
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.directory.path().join(inside.trim_start_matches('/'))
    }

    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("chroot");
        command.arg(self.directory.path()).arg(program);
        command.env("DEBIAN_FRONTEND", "noninteractive").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    fn shell(&self, script: &str) -> String {
        run(self.inside("/bin/sh").args(["-ec", script]))
    }

    fn install(&self, package: &Path) {
        let inside = "/tmp/msnbridge.deb";
        std::fs::copy(package, self.path(inside)).expect("the package");
        run(self.inside("dpkg").args(["--install", inside]));
    }

    /// What systemd would start, as the user whom it would start it as.
    fn start(&self) -> std::process::Child {
        let unit = std::fs::read_to_string(self.path("/lib/systemd/system/msnbridge.service"))
            .or_else(|_| std::fs::read_to_string(self.path("/usr/lib/systemd/system/msnbridge.service")))
            .expect("the unit");
        let value = |key: &str| {
            let line = unit.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap_or_else(|| panic!("{key} in {unit}")).to_owned()
        };
        let (user, start) = (value("User="), value("ExecStart="));
        let log = std::fs::File::options().create(true).append(true).open(self.log_file()).unwrap();
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={user}")).arg(self.directory.path()).args(start.split_whitespace());
        for line in unit.lines().filter_map(|line| line.strip_prefix("Environment=")) {
            let (name, value) = line.split_once('=').expect("an assignment");
            command.env(name, value.replace("%S", "/var/lib"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("the bridge")
    }

    fn log_file(&self) -> PathBuf {
        self.path("/tmp/log")
    }
}

/// Packs the program as it is built for the tests, under this version.
fn package(version: &str) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target =
        Path::new(env!("CARGO_BIN_EXE_msnbridge")).parent().and_then(Path::parent).expect("a target");
    run(Command::new(sources.join("deploy/release"))
        .args(["--profile", "dev", "--package-version", version, "deb"])
        .env("CARGO_TARGET_DIR", target)
        .current_dir(sources));
    let dist = std::fs::read_dir(target.join("dist")).expect("what was packed");
    let named = |file: &PathBuf| file.to_string_lossy().contains(&format!("_{version}_"));
    dist.flatten().map(|entry| entry.path()).find(named).expect("the package")
}

/// The bridge as systemd would run it.
struct Running(std::process::Child);

impl Running {
    fn signal(&self, name: &str) {
        run(Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]));
    }

    /// Ends it and gives how long that took.
    async fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.signal("TERM");
        let ended = tokio::task::spawn_blocking(move || self.0.wait().expect("it ends"));
        let status = within("the bridge to end", ended).await.expect("it ends");
        assert!(status.success(), "{status}");
        began.elapsed()
    }
}

impl Root {
    /// Waits until the log has a text so often.
    async fn logged(&self, text: &str, times: usize) {
        let began = Instant::now();
        let count = || std::fs::read_to_string(self.log_file()).unwrap_or_default().matches(text).count();
        while count() < times {
            let log = std::fs::read_to_string(self.log_file()).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "«{text}» was not logged {times} times: {log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Answers what the package asks for.
    fn answer(&self, answers: &[(&str, &str, &str)]) {
        let lines =
            answers.iter().map(|(name, kind, value)| format!("msnbridge msnbridge/{name} {kind} {value}\n"));
        std::fs::write(self.path("/tmp/answers"), lines.collect::<String>()).unwrap();
        self.shell("debconf-set-selections </tmp/answers");
    }

    /// A port of our own, in place of the one that every bridge begins with.
    fn move_to(&self, port: u16) {
        for file in ["bridge.yaml", "registration.yaml"] {
            let file = self.path("/etc/msnbridge").join(file);
            let text = std::fs::read_to_string(&file).expect("it was written");
            std::fs::write(&file, text.replace("127.0.0.1:29399", &format!("127.0.0.1:{port}"))).unwrap();
        }
    }

    fn check(&self) -> String {
        let mut command = Command::new("chroot");
        command.arg("--userspec=msnbridge").arg(self.directory.path()).args(["/usr/bin/msnbridge", "check"]);
        said(&command.output().expect("check runs"))
    }
}

#[tokio::test]
#[ignore = "needs root and makes a Debian of its own"]
async fn installed_upgraded_under_a_conversation_and_purged() {
    let (first, second) = (package("0.1.0-1"), package("0.1.0-2"));
    let (root, directory) = (Root::make(), TempDir::new().unwrap());
    // Without answers nothing is configured, and installing does not fail for that.
    root.install(&first);
    assert!(!root.path("/etc/msnbridge/bridge.yaml").exists());
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let homeserver = free_port();
    root.answer(&[
        ("server-name", "string", SERVER_NAME),
        ("homeserver", "string", &format!("http://127.0.0.1:{homeserver}")),
        ("msn-server", "string", &service.notification),
        ("nexus", "string", &service.nexus),
        ("allow", "string", SERVER_NAME),
    ]);
    root.shell("dpkg-reconfigure msnbridge");
    root.move_to(free_port());
    let modes = root.shell("stat -c '%U:%G %a %n' /etc/msnbridge/* /var/lib/msnbridge");
    assert!(modes.contains("root:msnbridge 640 /etc/msnbridge/bridge.yaml"), "{modes}");
    assert!(modes.contains("msnbridge:msnbridge 700 /var/lib/msnbridge"), "{modes}");
    let registration = root.path("/etc/msnbridge/registration.yaml");
    let synapse = Synapse::start_on(homeserver, &directory.path().join("synapse"), &registration).await;

    let running = Running(root.start());
    root.logged("both ways", 1).await;
    let checked = root.check();
    assert!(checked.contains("everything is in order"), "{checked}");

    let mut user = MatrixUser::register(&synapse.url(), "ann").await;
    let management = user.open_management(&format!("@msnbot:{SERVER_NAME}")).await;
    user.sign_in(&management, "alice@example.com", "alice-pw").await;
    let mut bob = Peer::sign_in(&service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("before the upgrade")).await;
    let room = user.message("before the upgrade").await["room_id"].as_str().unwrap().to_owned();

    // The second version comes while the user goes on talking.
    let config = std::fs::read(root.path("/etc/msnbridge/bridge.yaml")).unwrap();
    let mut stopped = None;
    let mut running = Some(running);
    for n in 0..LINES {
        user.send(&room, &format!("line {n}.")).await;
        if n == LINES / 4 {
            root.install(&second);
            assert_eq!(std::fs::read(root.path("/etc/msnbridge/bridge.yaml")).unwrap(), config);
            let began = Instant::now();
            let took = running.take().expect("it runs").stop().await;
            running = Some(Running(root.start()));
            stopped = Some((began, took));
        }
    }
    root.logged("both ways", 2).await;
    let (began, took) = stopped.expect("it was upgraded");
    println!("stopped in {took:.1?}; ready again {:.1?} after SIGTERM at most", began.elapsed());
    let heard = lines(&mut bob, call).await;
    assert_eq!(heard, (0..LINES).map(|n| format!("line {n}.")).collect::<Vec<_>>());

    // What can be read again is.
    let running = running.expect("it runs");
    let file = root.path("/etc/msnbridge/bridge.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&format!("'{SERVER_NAME}': user"), "'*': none")).unwrap();
    running.signal("HUP");
    root.logged("read the configuration again", 1).await;
    running.stop().await;

    // Removing keeps what is the administrator's; purging keeps the store, until it is asked for.
    root.shell("dpkg --remove msnbridge");
    assert!(file.exists() && !root.path("/usr/bin/msnbridge").exists());
    root.shell("dpkg --purge msnbridge");
    assert!(!root.path("/etc/msnbridge").exists() && root.path("/var/lib/msnbridge/store").exists());
    root.install(&second);
    root.answer(&[("purge-store", "boolean", "true")]);
    root.shell("dpkg --purge msnbridge");
    assert!(!root.path("/var/lib/msnbridge").exists());
}

/// What Bob hears until the last line, in this call and in those that follow it.
async fn lines(bob: &mut Peer, first: crate::support::msn::Wire) -> Vec<String> {
    let (mut call, mut heard) = (first, Vec::new());
    let last = format!("line {}.", LINES - 1);
    let all = async {
        while heard.last() != Some(&last) {
            match call.read().await {
                Some(unit) if unit.line.starts_with("MSG") => {
                    let payload = unit.payload;
                    heard.extend(
                        payload
                            .split("\r\n\r\n")
                            .nth(1)
                            .filter(|body| body.starts_with("line "))
                            .map(str::to_owned),
                    );
                }
                Some(unit) if !unit.line.starts_with("BYE") => {}
                _ => call = bob.answer().await,
            }
        }
    };
    within("every line", all).await;
    heard
}
