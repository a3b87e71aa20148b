//! The embedded MSN service as a process of its own.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;

use super::process::Process;
use super::within;

pub(crate) struct MsnService {
    pub(crate) notification: String,
    pub(crate) nexus: String,
    pub(crate) gateway: String,
    process: Process,
}

impl MsnService {
    /// `accounts` are lines of account, password, display name.
    pub(crate) async fn start(directory: &Path, accounts: &str) -> Self {
        Self::start_with(directory, accounts, &[]).await
    }

    pub(crate) async fn start_with(directory: &Path, accounts: &str, more: &[&str]) -> Self {
        let file = directory.join("accounts.txt");
        std::fs::write(&file, accounts).expect("accounts");
        let mut command = Command::new(env!("CARGO_BIN_EXE_msnbridge"));
        let any = "127.0.0.1:0";
        command
            .args(["service", "--ns", any, "--sb", any, "--http", any, "--accounts"])
            .arg(&file)
            .args(more);
        let process = Process::start("the MSN service", command, &directory.join("service.log"));
        let (notification, nexus, gateway) = within("the MSN service to start", async {
            loop {
                let log = process.log();
                let field =
                    |name: &str| log.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                if let (Some(ns), Some(nexus), Some(gateway)) =
                    (field("notification server "), field("nexus "), field("gateway "))
                {
                    return (ns, nexus, gateway);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        Self { notification, nexus, gateway, process }
    }

    /// Where the dispatch server listens, if there is one.
    pub(crate) fn dispatch(&self) -> String {
        let log = self.process.log();
        let found = log.lines().find_map(|line| line.strip_prefix("dispatch server "));
        found.expect("a dispatch server").to_owned()
    }

    /// Where the sign-in pages over TLS listen.
    pub(crate) fn https(&self) -> String {
        let log = self.process.log();
        let found = log.lines().find_map(|line| line.strip_prefix("nexus over TLS https://"));
        found.and_then(|rest| rest.split('/').next()).expect("pages over TLS").to_owned()
    }

    pub(crate) fn switchboard(&self) -> String {
        let log = self.process.log();
        let found = log.lines().find_map(|line| line.strip_prefix("switchboard "));
        found.expect("a switchboard").to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) async fn kill(&mut self) {
        self.process.kill().await;
    }

    pub(crate) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }
}
