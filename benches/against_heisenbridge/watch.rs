//! Somebody who syncs without end, and notes when each line was first seen.
//!
//! Knows that a message may hold several lines, with the name of who said them in front. Refuses to know which bridge brought
//! it.

use std::collections::HashMap;
use std::time::Instant;

use reqwest::Client;
use serde_json::Value;
use tokio::sync::watch;

use crate::support::within;

/// `{"room":{"timeline":{"limit":1000}}}`
const FILTER: &str = "%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A1000%7D%7D%7D";

/// When each line was first seen.
pub(crate) type Times = HashMap<String, Instant>;

/// What somebody has seen.
#[derive(Clone)]
pub(crate) struct Seen(watch::Receiver<Times>);

/// The words of a line, behind the name in front.
fn words(line: &str) -> &str {
    line.strip_prefix('<').and_then(|rest| rest.split_once("> ")).map_or(line, |(_, words)| words)
}

impl Seen {
    /// Watches all rooms of a user.
    pub(crate) fn watch(base: String, token: String) -> Self {
        let (tell, seen) = watch::channel(Times::new());
        tokio::spawn(sync(base, token, tell));
        Self(seen)
    }

    /// When this line was seen.
    pub(crate) async fn line(&self, line: &str) -> Instant {
        let mut times = self.0.clone();
        within(line, async {
            times.wait_for(|times| times.contains_key(line)).await.expect("somebody watches")[line]
        })
        .await
    }
}

async fn sync(base: String, token: String, tell: watch::Sender<Times>) {
    let http = Client::new();
    let mut since = String::new();
    loop {
        let url = format!("{base}/_matrix/client/v3/sync?timeout=5000&filter={FILTER}{since}");
        // With the last measurement the homeserver ends.
        let Ok(answer) = http.get(url).bearer_auth(&token).send().await else { return };
        let answer: Value = answer.json().await.expect("JSON");
        let now = Instant::now();
        since = format!("&since={}", answer["next_batch"].as_str().expect("a place"));
        let rooms = answer["rooms"]["join"].as_object().into_iter().flatten();
        let events = rooms.flat_map(|(_, room)| room["timeline"]["events"].as_array().into_iter().flatten());
        let bodies: Vec<&str> = events.filter_map(|event| event["content"]["body"].as_str()).collect();
        tell.send_modify(|times| {
            for line in bodies.iter().flat_map(|body| body.lines()) {
                times.entry(words(line).to_owned()).or_insert(now);
            }
        });
    }
}
