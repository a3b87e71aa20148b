//! Somebody who syncs without end.
//!
//! Knows when each text came. Refuses to know what is looked for in it.

use std::time::Instant;

use reqwest::Client;
use serde_json::Value;

/// `{"room":{"timeline":{"limit":1000}}}`
const FILTER: &str = "%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A1000%7D%7D%7D";

/// Syncs until the homeserver ends; `saw` is told of the texts of each answer.
pub(crate) async fn sync(base: String, token: String, mut saw: impl FnMut(&[&str], Instant)) {
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
        saw(&bodies, now);
    }
}
