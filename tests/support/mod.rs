//! What tests across borders need: a real Synapse, the programs under test as processes, and observers that share no
//! code with what they observe.
#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod boards;
pub(crate) mod bridge;
pub(crate) mod browser;
pub(crate) mod cable;
pub(crate) mod chromium;
pub(crate) mod element;
pub(crate) mod files;
pub(crate) mod irc;
pub(crate) mod irc_pings;
pub(crate) mod irc_script;
pub(crate) mod irc_servers;
pub(crate) mod irc_services;
pub(crate) mod matrix;
pub(crate) mod msn;
pub(crate) mod other_homeserver;
pub(crate) mod plain;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod scripted;
pub(crate) mod sdk;
pub(crate) mod service;
pub(crate) mod stage;
pub(crate) mod synapse;
pub(crate) mod transcript;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A test's own deadline is so many times what is promised: other builds may keep every core busy. Nothing waits for it to
/// pass, and a promise itself is measured where it is tested.
pub(crate) const LENIENCE: u32 = 30;

/// The longest that the product promises for one step of a conversation: a contact writes within 10 s, presence and words
/// are seen within 2 s.
const PROMISE: Duration = Duration::from_secs(10);

/// How long anything may take before a test fails, where nothing longer is promised.
pub(crate) const PATIENCE: Duration = Duration::from_secs(PROMISE.as_secs() * LENIENCE as u64);

/// Below the ports that Linux gives to outgoing connections and to listeners on port 0 (32768 and up): between the choice of
/// a port here and the start of the program that listens there, nobody else is given the port.
const CHOSEN_PORTS: std::ops::Range<u16> = 10_000..32_000;

/// A port that nobody listens on now, for a program that must be told its port before it starts.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Each process of tests begins elsewhere, so that two runs beside each other seldom try the same port.
    let begin = std::process::id().wrapping_mul(97);
    let candidates = std::iter::repeat_with(|| {
        let step = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        CHOSEN_PORTS.start + (step % u32::from(CHOSEN_PORTS.end - CHOSEN_PORTS.start)) as u16
    });
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    candidates.take(CHOSEN_PORTS.len()).find(free).expect("a free port")
}

/// Fails the test when `future` takes too long for a step.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    within_promise(PROMISE, what, future).await
}

/// Fails the test when `future` takes too long for what is promised of it.
pub(crate) async fn within_promise<T>(promise: Duration, what: &str, future: impl Future<Output = T>) -> T {
    let deadline = promise * LENIENCE;
    match tokio::time::timeout(deadline, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {deadline:?} for {what}"),
    }
}
