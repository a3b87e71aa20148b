//! The Matrix user, by `/sync`.

use anyhow::{Context, bail};
use reqwest::{Client, Method};
use serde_json::{Value, json};

pub(crate) struct Watcher {
    http: Client,
    base: String,
    token: String,
    since: String,
    sent: u32,
}

impl Watcher {
    pub(crate) async fn log_in(base: &str, user: &str, password: &str) -> anyhow::Result<Self> {
        let mut watcher = Self {
            http: Client::new(),
            base: format!("{base}/_matrix/client/v3"),
            token: String::new(),
            since: String::new(),
            sent: 0,
        };
        let login = json!({
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": password,
        });
        let answer = watcher.call(Method::POST, "login", Some(login)).await?;
        watcher.token = answer["access_token"].as_str().context("no token")?.to_owned();
        Ok(watcher)
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let mut request = self.http.request(method, format!("{}/{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status();
        let answer: Value = response.json().await?;
        if !status.is_success() {
            bail!("the homeserver answered {answer}");
        }
        Ok(answer)
    }

    /// Waits for these words; gives the room and who said them.
    pub(crate) async fn see(&mut self, words: &str) -> anyhow::Result<(String, String)> {
        loop {
            let answer = self.call(Method::GET, &format!("sync?timeout=5000{}", self.since), None).await?;
            self.since = format!("&since={}", answer["next_batch"].as_str().context("no batch")?);
            for (room, update) in answer["rooms"]["join"].as_object().into_iter().flatten() {
                for event in update["timeline"]["events"].as_array().into_iter().flatten() {
                    let body = event["content"]["body"].as_str().unwrap_or_default();
                    if body.contains(words) {
                        return Ok((room.clone(), event["sender"].as_str().unwrap_or_default().to_owned()));
                    }
                }
            }
        }
    }

    pub(crate) async fn say(&mut self, room: &str, words: &str) -> anyhow::Result<()> {
        self.sent += 1;
        let path = format!("rooms/{room}/send/m.room.message/{:x}-{}", rand::random::<u64>(), self.sent);
        self.call(Method::PUT, &path, Some(json!({"msgtype": "m.text", "body": words}))).await?;
        Ok(())
    }
}
