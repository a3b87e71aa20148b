//! A person with Element's own SDK: a process of its own, told what to do by lines of JSON.
//!
//! Shares no code with the bridge. `deploy/tools element-sdk` installs it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::within;

pub(crate) struct Element {
    _process: Child,
    orders: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it saw and nobody asked for yet.
    seen: Vec<Value>,
    number: u64,
}

fn modules() -> PathBuf {
    let home = std::env::var("HOME").unwrap_or_default();
    let tools = std::env::var("MSNBRIDGE_TOOLS").unwrap_or_else(|_| format!("{home}/.cache/msnbridge"));
    let modules = Path::new(&tools).join("element-sdk/node_modules");
    assert!(modules.exists(), "no Element SDK in {tools}: tests/run installs it");
    modules
}

impl Element {
    /// Another client of somebody who was registered. `trusts_signed_only`: devices that their owner has not signed are
    /// given no keys, and what those say is not read.
    pub(crate) async fn log_in(base: &str, name: &str, trusts_signed_only: bool) -> Self {
        let modules = modules();
        let mut process = Command::new(modules.join(".bin/node"))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/js/person.mjs"))
            .arg(&modules)
            .args([base, name, "a password of a test"])
            .args(trusts_signed_only.then_some("only"))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let (orders, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let lines = BufReader::new(output).lines();
        let mut element = Self { _process: process, orders, lines, seen: Vec::new(), number: 0 };
        within("Element's SDK to begin", async { while element.line().await.get("ready").is_none() {} })
            .await;
        element
    }

    async fn line(&mut self) -> Value {
        let line = self.lines.next_line().await.expect("a line").expect("the SDK still runs");
        serde_json::from_str(&line).expect("JSON")
    }

    /// Has it do something, and gives what came of it.
    pub(crate) async fn order(&mut self, deed: &str, mut order: Value) -> Value {
        self.number += 1;
        order["do"] = deed.into();
        order["number"] = self.number.into();
        self.orders.write_all(format!("{order}\n").as_bytes()).await.expect("the SDK listens");
        let number = self.number;
        within(deed, async {
            loop {
                let line = self.line().await;
                match line["done"] == number {
                    true if line["error"].is_null() => break line["answer"].clone(),
                    true => panic!("{deed}: {}", line["error"]),
                    false => self.seen.push(line),
                }
            }
        })
        .await
    }

    /// The first event like this among those not asked for before.
    pub(crate) async fn event(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        within(what, async {
            loop {
                if let Some(at) = self.seen.iter().position(&wanted) {
                    break self.seen.remove(at);
                }
                let line = self.line().await;
                self.seen.push(line);
            }
        })
        .await
    }

    /// The first message with these words in it, which is encrypted and without a warning.
    pub(crate) async fn message(&mut self, part: &str) -> Value {
        let has = |event: &Value| event["content"]["body"].as_str().is_some_and(|body| body.contains(part));
        let event = self.event(part, has).await;
        assert_eq!(event["encrypted"], true, "{event}");
        assert!(event["failure"].is_null() && event["shield"] == 0, "{event}");
        event
    }

    /// How many events came so far, and nobody asked for, that are like this.
    pub(crate) fn seen_so_far(&self, wanted: impl Fn(&Value) -> bool) -> usize {
        self.seen.iter().filter(|event| wanted(event)).count()
    }

    /// What others than this person said and it could not read, among all that nobody asked for.
    pub(crate) fn unreadable(&self, person: &str) -> Vec<&Value> {
        let is_read =
            |id: &Value| self.seen.iter().any(|event| event["id"] == *id && event["failure"].is_null());
        let is_lost = |event: &&Value| event["failure"].is_string() && event["sender"] != person;
        self.seen.iter().filter(is_lost).filter(|event| !is_read(&event["id"])).collect()
    }

    pub(crate) async fn send(&mut self, room: &str, body: &str) -> String {
        let content = json!({"msgtype": "m.text", "body": body});
        let sent = self.order("send", json!({"room": room, "content": content})).await;
        sent["id"].as_str().expect("an event id").to_owned()
    }

    /// Starts a conversation as Element does: direct, and encrypted.
    pub(crate) async fn start_chat(&mut self, user: &str) -> String {
        let made = self.order("direct", json!({"user": user})).await;
        made["room"].as_str().expect("a room").to_owned()
    }
}
