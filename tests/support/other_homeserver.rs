//! A homeserver of another kind, as far as one can be played: two proxies around Synapse that hide its extensions and answer
//! as other homeservers do. It stands in for those, since none of them can be had from the package registries.
//!
//! Towards the bridge: no `ts`, older `/versions`, no fields of profiles, no authenticated media, `M_UNRECOGNIZED` for what is
//! not there, refusals without words, pauses that are asked for in the head alone, slow pings, odd members and events in
//! answers. Towards the appservice: the older paths, the token in the address, names of transactions that are no numbers,
//! the unstable name of ephemeral events, no MSC3202, and things among the events that are none.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Every so many messages one is asked to wait.
const BUSY_EVERY: usize = 5;

#[derive(Default)]
struct Played {
    http: reqwest::Client,
    target: String,
    /// Presence is none of its features.
    lacks_presence: AtomicBool,
    /// Nothing is changed, and requests are only counted.
    is_same: AtomicBool,
    sent: AtomicUsize,
    /// Method and path of each request.
    asked: Mutex<Vec<String>>,
}

/// The proxy between the bridge and Synapse.
pub(crate) struct OtherHomeserver {
    port: u16,
    played: Arc<Played>,
}

impl OtherHomeserver {
    pub(crate) async fn start(synapse: String) -> Self {
        let played = Arc::new(Played { target: synapse, ..Played::default() });
        let port = serve(Router::new().fallback(to_homeserver).with_state(played.clone())).await;
        Self { port, played }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn without_presence(&self) {
        self.played.lacks_presence.store(true, Ordering::SeqCst);
    }

    /// Synapse as it is, with its requests counted.
    pub(crate) fn unchanged(&self) {
        self.played.is_same.store(true, Ordering::SeqCst);
    }

    /// Counts anew.
    pub(crate) fn forget(&self) {
        self.played.asked.lock().expect("the requests").clear();
    }

    /// How often each kind of request was made: its method and path without names, the most frequent first.
    pub(crate) fn kinds(&self) -> Vec<(String, usize)> {
        let mut kinds = std::collections::BTreeMap::<String, usize>::new();
        for asked in self.played.asked.lock().expect("the requests").iter() {
            let is_name = |part: &str| part.contains(['@', '!', '$', '%', ':']) || part.len() > 30;
            let parts = asked.split('/').map(|part| if is_name(part) { "…" } else { part });
            *kinds.entry(parts.collect::<Vec<_>>().join("/")).or_default() += 1;
        }
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        kinds
    }

    /// How many requests so far had this in their method and path.
    pub(crate) fn count(&self, part: &str) -> usize {
        let asked = self.played.asked.lock().expect("the requests");
        asked.iter().filter(|asked| asked.contains(part)).count()
    }
}

/// The proxy between Synapse and the bridge at this address; gives its own.
pub(crate) async fn way_back(bridge: String) -> String {
    let played = Arc::new(Played { target: bridge, ..Played::default() });
    format!("http://127.0.0.1:{}", serve(Router::new().fallback(to_bridge).with_state(played)).await)
}

async fn serve(router: Router) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

fn refusal(status: StatusCode, code: &str) -> Response {
    (status, axum::Json(json!({"errcode": code}))).into_response()
}

/// A homeserver that was built before this was thought of.
fn is_unknown(played: &Played, path: &str) -> bool {
    let field =
        path.split_once("/profile/").and_then(|(_, rest)| rest.split_once('/')).map(|(_, field)| field);
    path.contains("/client/unstable/")
        || path.contains("/client/v1/media/")
        || path.contains("/_synapse/")
        || field.is_some_and(|field| !matches!(field, "displayname" | "avatar_url"))
        || path.contains("/presence/") && played.lacks_presence.load(Ordering::SeqCst)
}

/// Asks for a pause in the head alone.
fn busy() -> Response {
    let mut busy = refusal(StatusCode::TOO_MANY_REQUESTS, "M_LIMIT_EXCEEDED");
    busy.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    busy
}

async fn to_homeserver(State(played): State<Arc<Played>>, request: Request) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let readable = percent_encoding::percent_decode_str(&path).decode_utf8_lossy();
    played.asked.lock().expect("the requests").push(format!("{method} {readable}"));
    if played.is_same.load(Ordering::SeqCst) {
        let url = format!("{}{}", played.target, request.uri());
        return match pass(&played, method, &url, request).await {
            Ok((status, headers, body)) => {
                let kind = headers.get(header::CONTENT_TYPE).cloned();
                let mut answer = (status, Body::from(body)).into_response();
                kind.into_iter()
                    .for_each(|kind| drop(answer.headers_mut().insert(header::CONTENT_TYPE, kind)));
                answer
            }
            Err(_) => refusal(StatusCode::BAD_GATEWAY, "M_UNKNOWN"),
        };
    }
    if path.ends_with("/client/versions") {
        return axum::Json(json!({"versions": ["r0.6.1", "v1.1", "v1.4"]})).into_response();
    }
    if is_unknown(&played, &path) {
        return refusal(StatusCode::NOT_FOUND, "M_UNRECOGNIZED");
    }
    if path.ends_with("/ping") {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let is_message = path.contains("/send/m.room.message/");
    if is_message && played.sent.fetch_add(1, Ordering::SeqCst) % BUSY_EVERY == BUSY_EVERY - 1 {
        return busy();
    }
    let pairs = request.uri().query().unwrap_or_default().split('&');
    let query: Vec<&str> = pairs.filter(|pair| !pair.is_empty() && !pair.starts_with("ts=")).collect();
    // Its own downloads need no token; the one behind it asks for one.
    let path = path.replace("/_matrix/media/v3/download/", "/_matrix/client/v1/media/download/");
    let url = format!("{}{path}?{}", played.target, query.join("&"));
    match pass(&played, method, &url, request).await {
        Ok((status, headers, body)) => altered(&path, status, &headers, body),
        Err(_) => refusal(StatusCode::BAD_GATEWAY, "M_UNKNOWN"),
    }
}

async fn pass(
    played: &Played,
    method: Method,
    url: &str,
    request: Request,
) -> reqwest::Result<(StatusCode, HeaderMap, Bytes)> {
    let mut headers = request.headers().clone();
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
    let answer = played.http.request(method, url).headers(headers).body(body).send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    Ok((status, headers, answer.bytes().await?))
}

/// The answer as another homeserver gives it.
fn altered(path: &str, status: StatusCode, headers: &HeaderMap, body: Bytes) -> Response {
    let mut answer = match serde_json::from_slice::<Value>(&body) {
        Ok(value) if !status.is_success() => {
            let mut refusal = json!({"errcode": value["errcode"]});
            if let Some(pause) = value.get("retry_after_ms") {
                refusal["retry_after_ms"] = pause.clone();
            }
            (status, axum::Json(refusal)).into_response()
        }
        Ok(mut value) => {
            make_odd(path, &mut value);
            (status, axum::Json(value)).into_response()
        }
        Err(_) => (status, Body::from(body)).into_response(),
    };
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        answer.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
    }
    answer
}

/// What homeservers let through that others' clients have sent.
fn make_odd(path: &str, value: &mut Value) {
    if path.ends_with("/joined_members") {
        value["joined"]["@odd:elsewhere"] = json!({"display_name": ["odd"], "avatar_url": 7});
        value["joined"]["no user"] = Value::Null;
    } else if path.ends_with("/messages") {
        let chunk = value["chunk"].as_array().cloned().unwrap_or_default();
        value["chunk"] = [vec![Value::Null, json!({"content": 7}), json!("odd")], chunk].concat().into();
        value["state"] = Value::Null;
    } else if value.is_object() {
        value["org.example.more"] = json!([1, {"deep": null}]);
    }
}

/// A request to the bridge, as homeservers of the older form make it.
async fn to_bridge(State(played): State<Arc<Played>>, request: Request) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let token = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = token.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
    let body = to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
    let (path, body) = match path.strip_prefix("/_matrix/app/v1/transactions/") {
        Some(name) => (format!("/transactions/t-{name}"), older(&body)),
        None => (path, body.to_vec()),
    };
    let url = format!("{}{path}?access_token={token}", played.target);
    match played.http.request(method, url).body(body).send().await {
        Ok(answer) => {
            let status = answer.status();
            (status, answer.bytes().await.unwrap_or_default()).into_response()
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// A transaction in the older form.
fn older(body: &[u8]) -> Vec<u8> {
    let Ok(whole) = serde_json::from_slice::<Value>(body) else { return body.to_vec() };
    let mut events = whole["events"].as_array().cloned().unwrap_or_default();
    for event in &mut events {
        event["redacts"] = event["redacts"].as_str().map_or_else(|| json!(7), Value::from);
        event["unsigned"] = Value::Null;
        event["age"] = json!(-1);
        event["user_id"] = event["sender"].clone();
    }
    events.insert(0, json!({"type": 7, "event_id": []}));
    let ephemeral = whole["ephemeral"].as_array().cloned();
    json!({"events": events, "ephemeral": null, "de.sorunome.msc2409.ephemeral": ephemeral})
        .to_string()
        .into()
}
