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
        let (room, sender, _) = self.find(words).await?;
        Ok((room, sender))
    }

    async fn find(&mut self, words: &str) -> anyhow::Result<(String, String, Value)> {
        loop {
            let answer = self.call(Method::GET, &format!("sync?timeout=5000{}", self.since), None).await?;
            self.since = format!("&since={}", answer["next_batch"].as_str().context("no batch")?);
            for (room, update) in answer["rooms"]["join"].as_object().into_iter().flatten() {
                for event in update["timeline"]["events"].as_array().into_iter().flatten() {
                    let body = event["content"]["body"].as_str().unwrap_or_default();
                    if body.contains(words) {
                        let sender = event["sender"].as_str().unwrap_or_default().to_owned();
                        return Ok((room.clone(), sender, event.clone()));
                    }
                }
            }
        }
    }

    /// Waits for a file of this name; gives its bytes.
    pub(crate) async fn take(&mut self, name: &str) -> anyhow::Result<Vec<u8>> {
        let event = self.find(name).await?.2;
        let uri = event["content"]["url"].as_str().context("no file")?;
        let media = uri.strip_prefix("mxc://").context("no medium")?;
        let url = format!("{}/media/download/{media}", self.base.replace("client/v3", "client/v1"));
        let answer = self.http.get(url).bearer_auth(&self.token).send().await?.error_for_status()?;
        Ok(answer.bytes().await?.to_vec())
    }

    pub(crate) async fn give(&mut self, room: &str, name: &str, file: &[u8]) -> anyhow::Result<()> {
        let url = format!("{}/upload", self.base.replace("client/v3", "media/v3"));
        let request = self.http.post(url).bearer_auth(&self.token).body(file.to_vec());
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        let info = json!({"size": file.len()});
        self.send(
            room,
            json!({"msgtype": "m.file", "body": name, "url": answer["content_uri"], "info": info}),
        )
        .await
    }

    pub(crate) async fn say(&mut self, room: &str, words: &str) -> anyhow::Result<()> {
        self.send(room, json!({"msgtype": "m.text", "body": words})).await
    }

    async fn send(&mut self, room: &str, content: Value) -> anyhow::Result<()> {
        self.sent += 1;
        let path = format!("rooms/{room}/send/m.room.message/{:x}-{}", rand::random::<u64>(), self.sent);
        self.call(Method::PUT, &path, Some(content)).await?;
        Ok(())
    }
}
