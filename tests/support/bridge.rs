//! The bridge as a process: configured as an administrator would, killed as a power cut would.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::process::Process;
use super::synapse::SERVER_NAME;
use super::{free_port, within};

pub(crate) struct Bridge {
    pub(crate) port: u16,
    directory: PathBuf,
    process: Option<Process>,
}

impl Bridge {
    /// Writes configuration and registration with the program itself; does not start it.
    pub(crate) fn configure(directory: &Path, homeserver: &str, msn: &str, nexus: &str) -> Self {
        Self::configure_with(directory, homeserver, msn, nexus, &[])
    }

    /// The same with more options.
    pub(crate) fn configure_with(
        directory: &Path,
        homeserver: &str,
        msn: &str,
        nexus: &str,
        more: &[&str],
    ) -> Self {
        let port = free_port();
        let made = std::process::Command::new(env!("CARGO_BIN_EXE_msnbridge"))
            .args(["init", "--server-name", SERVER_NAME, "--homeserver", homeserver])
            .args(["--listen", &format!("127.0.0.1:{port}"), "--msn-server", msn, "--nexus", nexus])
            .args(more)
            .args(["--allow", SERVER_NAME, "-c"])
            .arg(directory.join("bridge.yaml"))
            .output()
            .expect("msnbridge runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self { port, directory: directory.to_owned(), process: None }
    }

    /// Takes up a directory that a bridge was configured in before, on another port than it had then.
    pub(crate) fn adopt(directory: &Path) -> Self {
        let bridge = Self { port: free_port(), directory: directory.to_owned(), process: None };
        let address = format!("127.0.0.1:{}", bridge.port);
        bridge.set("listen", &address);
        let registration = std::fs::read_to_string(bridge.registration()).expect("registration.yaml");
        let url = |line: &str| match line.starts_with("url:") {
            true => format!("url: 'http://{address}'"),
            false => line.to_owned(),
        };
        let moved: Vec<String> = registration.lines().map(url).collect();
        std::fs::write(bridge.registration(), moved.join("\n") + "\n").expect("registration.yaml");
        bridge
    }

    pub(crate) fn registration(&self) -> PathBuf {
        self.directory.join("registration.yaml")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    pub(crate) fn append_config(&self, text: &str) {
        let file = self.directory.join("bridge.yaml");
        let old = std::fs::read_to_string(&file).expect("bridge.yaml");
        std::fs::write(&file, format!("{old}{text}")).expect("bridge.yaml");
    }

    /// Removes the last section, which begins so.
    pub(crate) fn cut_config(&self, section: &str) {
        let file = self.directory.join("bridge.yaml");
        let whole = std::fs::read_to_string(&file).expect("bridge.yaml");
        let at = whole.rfind(&format!("\n{section}")).expect("the section");
        std::fs::write(&file, &whole[..=at]).expect("bridge.yaml");
    }

    pub(crate) fn set_homeserver(&self, url: &str) {
        self.set("url", url);
    }

    pub(crate) fn set_msn_server(&self, address: &str) {
        self.set("server", address);
    }

    pub(crate) fn set_nexus(&self, url: &str) {
        self.set("nexus", url);
    }

    /// Adds a key to a section, in place of one that is there.
    pub(crate) fn add_to_section(&self, section: &str, key: &str, value: &str) {
        let file = self.directory.join("bridge.yaml");
        let old = std::fs::read_to_string(&file).expect("bridge.yaml");
        let mut lines: Vec<String> = Vec::new();
        let mut here = false;
        for line in old.lines() {
            here = if line.starts_with(' ') { here } else { line == format!("{section}:") };
            if !(here && line.trim_start().starts_with(&format!("{key}:"))) {
                lines.push(line.to_owned());
            }
            if line == format!("{section}:") {
                lines.push(format!("  {key}: '{value}'"));
            }
        }
        std::fs::write(&file, lines.join("\n") + "\n").expect("bridge.yaml");
    }

    /// Sets the key of this name, wherever it stands.
    fn set(&self, key: &str, value: &str) {
        let file = self.directory.join("bridge.yaml");
        let old = std::fs::read_to_string(&file).expect("bridge.yaml");
        let lines = old.lines().map(|line| match line.trim_start().starts_with(&format!("{key}:")) {
            true => format!("  {key}: '{value}'"),
            false => line.to_owned(),
        });
        std::fs::write(&file, lines.collect::<Vec<_>>().join("\n") + "\n").expect("bridge.yaml");
    }

    /// Runs another of the program's commands to its end; gives both outputs and whether it went well.
    pub(crate) fn run(&self, arguments: &[&str]) -> (bool, String) {
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_msnbridge"))
            .arg("-c")
            .arg(self.directory.join("bridge.yaml"))
            .args(arguments)
            .current_dir(&self.directory)
            .output()
            .expect("msnbridge runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (ran.status.success(), format!("{}{}", text(&ran.stdout), text(&ran.stderr)))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_msnbridge"));
        command.arg("-c").arg(self.directory.join("bridge.yaml")).arg("run");
        command.env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "msnbridge=debug,info".into()));
        command
    }

    /// Starts it without waiting for anything.
    pub(crate) fn spawn(&mut self) {
        self.spawn_with(|command| command);
    }

    pub(crate) fn spawn_with(&mut self, change: impl FnOnce(&mut Command) -> &mut Command) {
        let mut command = self.command();
        change(&mut command);
        self.process = Some(Process::start("the bridge", command, &self.directory.join("bridge.log")));
    }

    /// Starts it and waits until the homeserver and it have met.
    pub(crate) async fn start(&mut self) {
        let before = self.log().matches("both ways").count();
        self.spawn();
        within("the bridge to meet the homeserver", async {
            while self.log().matches("both ways").count() == before {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }

    /// Changes the configuration, and has the running bridge read it again.
    pub(crate) fn reload(&self, change: impl FnOnce(String) -> String) {
        let file = self.file("bridge.yaml");
        let text = std::fs::read_to_string(&file).expect("bridge.yaml");
        std::fs::write(&file, change(text)).expect("bridge.yaml");
        let pid = self.pid().to_string();
        let hung_up = std::process::Command::new("kill").args(["-HUP", &pid]).status();
        assert!(hung_up.expect("kill").success());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").pid()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("bridge.log")).unwrap_or_default()
    }

    pub(crate) async fn wait_for_log(&self, text: &str) {
        self.wait_for_log_times(text, 1).await;
    }

    /// Waits until something was logged so many times in all.
    pub(crate) async fn wait_for_log_times(&self, text: &str, times: usize) {
        within(&format!("{text:?} in the log"), async {
            while self.log().matches(text).count() < times {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }

    pub(crate) async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await;
        }
    }

    /// SIGTERM, and the exit.
    pub(crate) async fn stop(&mut self) -> std::process::ExitStatus {
        let mut process = self.process.take().expect("it runs");
        process.signal("TERM");
        process.wait().await
    }
}
