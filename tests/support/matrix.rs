//! A Matrix user who watches by `/sync` and speaks by plain HTTP.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::within;

/// `{"room":{"timeline":{"limit":500}}}`
const FILTER: &str = "%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A500%7D%7D%7D";

pub(crate) struct MatrixUser {
    http: Client,
    base: String,
    token: String,
    pub(crate) id: String,
    since: Option<String>,
    /// Timeline events that were synced and not yet asked for.
    seen: Vec<Value>,
    /// Where among them the last one that was asked for stood.
    found_at: usize,
    transactions: u64,
}

impl MatrixUser {
    pub(crate) async fn register(base: &str, name: &str) -> Self {
        let http = Client::new();
        let body =
            json!({"username": name, "password": "a password of a test", "auth": {"type": "m.login.dummy"}});
        let response = http.post(format!("{base}/_matrix/client/v3/register")).json(&body).send().await;
        let answer: Value = response.expect("the homeserver answers").json().await.expect("JSON");
        let text = |key: &str| answer[key].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        Self {
            http,
            base: base.to_owned(),
            token: text("access_token"),
            id: text("user_id"),
            since: None,
            seen: Vec::new(),
            found_at: 0,
            transactions: 0,
        }
    }

    /// The access token of this user's only device.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.http.request(method, format!("{}/_matrix/client/v3/{path}", self.base));
        request = request.bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("the homeserver answers");
        response.json().await.unwrap_or(Value::Null)
    }

    /// Uploads bytes; gives their `mxc://`.
    pub(crate) async fn upload(&self, bytes: &[u8]) -> String {
        let url = format!("{}/_matrix/media/v3/upload", self.base);
        let request = self.http.post(url).bearer_auth(&self.token).header("Content-Length", bytes.len());
        let request = request.body(bytes.to_vec());
        let answer: Value = request.send().await.expect("the homeserver answers").json().await.expect("JSON");
        answer["content_uri"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Uploads a body of a stream of this size; gives its `mxc://`.
    pub(crate) async fn upload_stream(&self, size: u64, body: reqwest::Body) -> String {
        let url = format!("{}/_matrix/media/v3/upload", self.base);
        let request = self.http.post(url).bearer_auth(&self.token).header("Content-Length", size).body(body);
        let answer: Value = request.send().await.expect("the homeserver answers").json().await.expect("JSON");
        answer["content_uri"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The SHA-256 of what is behind an `mxc://`, and how many bytes that are.
    pub(crate) async fn download_digest(&self, uri: &str) -> (String, u64) {
        let media = uri.strip_prefix("mxc://").expect("a media URI");
        let url = format!("{}/_matrix/client/v1/media/download/{media}", self.base);
        let mut answer =
            self.http.get(url).bearer_auth(&self.token).send().await.expect("the homeserver answers");
        let (mut digest, mut size) = (Sha256::new(), 0);
        while let Some(bytes) = answer.chunk().await.expect("a file") {
            digest.update(&bytes);
            size += bytes.len() as u64;
        }
        (super::files::hex(&digest.finalize()), size)
    }

    /// The bytes behind an `mxc://`.
    pub(crate) async fn download(&self, uri: &str) -> Vec<u8> {
        let media = uri.strip_prefix("mxc://").expect("a media URI");
        let url = format!("{}/_matrix/client/v1/media/download/{media}", self.base);
        let answer =
            self.http.get(url).bearer_auth(&self.token).send().await.expect("the homeserver answers");
        assert_eq!(answer.status().as_u16(), 200);
        answer.bytes().await.expect("a file").to_vec()
    }

    /// One round of syncing; joins what the user is invited to.
    async fn sync(&mut self) {
        // A homeserver leaves out what is more than ten events of a room at once, unless it is told otherwise.
        let mut path = format!("sync?timeout=5000&filter={FILTER}");
        if let Some(since) = &self.since {
            path.push_str(&format!("&since={since}"));
        }
        let answer = self.call(Method::GET, &path, None).await;
        let Some(next) = answer["next_batch"].as_str() else {
            // The homeserver may be away in this test.
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            return;
        };
        self.since = Some(next.to_owned());
        let invites = answer["rooms"]["invite"].as_object().into_iter().flatten();
        for (room, _) in invites {
            self.call(Method::POST, &format!("rooms/{room}/join"), Some(json!({}))).await;
        }
        let joined = answer["rooms"]["join"].as_object().into_iter().flatten();
        for (room, update) in joined {
            let kinds = ["timeline", "ephemeral"];
            for event in kinds.iter().flat_map(|kind| update[kind]["events"].as_array().into_iter().flatten())
            {
                let mut event = event.clone();
                event["room_id"] = json!(room);
                self.seen.push(event);
            }
        }
        for event in answer["presence"]["events"].as_array().into_iter().flatten() {
            self.seen.push(event.clone());
        }
    }

    /// The first event that `wanted` accepts, among those not asked for before; earlier ones stay.
    pub(crate) async fn event(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        within(what, self.event_at_last(wanted)).await
    }

    /// The same, however long it takes.
    pub(crate) async fn event_at_last(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        {
            loop {
                if let Some(at) = self.seen.iter().position(&wanted) {
                    self.found_at = at;
                    return self.seen.remove(at);
                }
                self.sync().await;
            }
        }
    }

    /// The same, and what `stale` accepts among the earlier ones is forgotten: the next is one that came later.
    pub(crate) async fn event_after(
        &mut self,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
        stale: impl Fn(&Value) -> bool,
    ) -> Value {
        let found = self.event(what, &wanted).await;
        let mut earlier = std::mem::take(&mut self.seen);
        let later = earlier.split_off(self.found_at);
        earlier.retain(|event| !stale(event));
        self.seen = [earlier, later].concat();
        found
    }

    /// A message whose body is exactly this.
    pub(crate) async fn message(&mut self, body: &str) -> Value {
        self.event(&format!("the message {body:?}"), |event| event["content"]["body"] == body).await
    }

    /// How many events synced so far, and not asked for, are like this.
    pub(crate) fn seen_so_far(&self, wanted: impl Fn(&Value) -> bool) -> usize {
        self.seen.iter().filter(|event| wanted(event)).count()
    }

    /// A message whose body contains this.
    pub(crate) async fn message_with(&mut self, part: &str) -> Value {
        let has = |event: &Value| event["content"]["body"].as_str().is_some_and(|body| body.contains(part));
        self.event(&format!("a message with {part:?}"), has).await
    }

    pub(crate) async fn send(&mut self, room: &str, text: &str) -> String {
        self.send_content(room, json!({"msgtype": "m.text", "body": text})).await
    }

    pub(crate) async fn send_content(&mut self, room: &str, content: Value) -> String {
        self.transactions += 1;
        let path = format!("rooms/{room}/send/m.room.message/t{}", self.transactions);
        let answer = self.call(Method::PUT, &path, Some(content)).await;
        answer["event_id"].as_str().unwrap_or_else(|| panic!("not sent: {answer}")).to_owned()
    }

    /// Opens a room with the bot, as a person would, and waits for its greeting.
    pub(crate) async fn open_management(&mut self, bot: &str) -> String {
        let body = json!({"invite": [bot], "is_direct": true, "preset": "trusted_private_chat"});
        let answer = self.call(Method::POST, "createRoom", Some(body)).await;
        let room = answer["room_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        self.message_with("lists what else I can do").await;
        room
    }

    /// Signs in to MSN by talking to the bot.
    pub(crate) async fn sign_in(&mut self, management: &str, account: &str, password: &str) {
        self.send(management, &format!("login {account}")).await;
        self.message_with("Now send the password").await;
        self.send(management, password).await;
        self.message_with("Signed in to MSN").await;
    }

    /// Every message body in a room, in the order of the room.
    pub(crate) async fn history(&self, room: &str) -> Vec<Value> {
        let mut events = Vec::new();
        let mut from = String::new();
        loop {
            let path = format!("rooms/{room}/messages?dir=f&limit=500{from}");
            let answer = self.call(Method::GET, &path, None).await;
            let chunk = answer["chunk"].as_array().cloned().unwrap_or_default();
            events.extend(chunk.iter().filter(|event| event["type"] == "m.room.message").cloned());
            match answer["end"].as_str() {
                Some(end) if !chunk.is_empty() => from = format!("&from={end}"),
                _ => return events,
            }
        }
    }

    pub(crate) async fn joined_rooms(&self) -> Vec<String> {
        let answer = self.call(Method::GET, "joined_rooms", None).await;
        let rooms = answer["joined_rooms"].as_array().cloned().unwrap_or_default();
        rooms.iter().filter_map(|room| room.as_str().map(str::to_owned)).collect()
    }
}
