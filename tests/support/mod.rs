//! What tests across borders need: a real Synapse, the programs under test as processes, and observers that share no
//! code with what they observe.
#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod boards;
pub(crate) mod bridge;
pub(crate) mod cable;
pub(crate) mod files;
pub(crate) mod irc;
pub(crate) mod irc_script;
pub(crate) mod matrix;
pub(crate) mod msn;
pub(crate) mod plain;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod scripted;
pub(crate) mod service;
pub(crate) mod stage;
pub(crate) mod synapse;
pub(crate) mod transcript;

use std::time::Duration;

/// How long anything may take before a test fails. Nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Fails the test when `future` takes too long.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}
