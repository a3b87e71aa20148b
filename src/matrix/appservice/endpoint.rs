//! The HTTP endpoint of an appservice.
//!
//! Knows that a transaction is on disk before it is answered, and that an answer which is an error has it sent again. Refuses
//! to know what is in it, beyond the names of events. Source: the application service API.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::pacing::AnswerPacing;
use super::strand::Strands;
use crate::bridge::inbox::{Inbox, Item};
use crate::measure;
use crate::web::{Connection, Limits};

/// Bytes of a transaction. Homeservers send a hundred events of 64 KiB, some of them with state as large beside each, and
/// whatever was read and typed: 18 MB were seen. One that is refused would come again for ever.
const MAX_BODY: usize = 128 * 1024 * 1024;

/// Nobody but the homeserver has business here: others may ask once, at once.
const LIMITS: Limits = Limits {
    connections: 256,
    per_address: 32,
    head: Duration::from_secs(15),
    // Longer than the homeserver keeps a connection that it does not use.
    idle: Some(Duration::from_secs(300)),
    lasting: Duration::from_secs(60),
};

/// What the endpoint works with.
pub struct Appservice {
    pub hs_token: SecretString,
    pub inbox: Arc<Inbox>,
    /// Called with each ephemeral event; nothing is kept of it.
    pub ephemeral: Box<dyn Fn(Value) + Send + Sync>,
    /// Called when the homeserver has pinged.
    pub pinged: Box<dyn Fn() + Send + Sync>,
    /// Whether a user is one of ours: what they say comes back, and says nothing new.
    pub is_own: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// Called with each transaction: how many events are in it, none in one that cannot be read.
    pub heard: Box<dyn Fn(usize) + Send + Sync>,
    /// How often the homeserver was seen to come back.
    pub restarts: Box<dyn Fn() -> u64 + Send + Sync>,
}

struct Endpoint {
    appservice: Appservice,
    strands: Strands,
    pacing: AnswerPacing,
}

type Shared = Arc<Endpoint>;

/// The part of a transaction that is read here; events stay as they came.
struct Transaction {
    events: Vec<Box<RawValue>>,
    ephemeral: Vec<Value>,
    /// It holds nothing that would be lost if it were sent a second time.
    only_events: bool,
}

/// Names of the part that holds ephemeral events, the newest first.
const EPHEMERAL: [&str; 2] = ["ephemeral", "de.sorunome.msc2409.ephemeral"];

/// What a list holds; nothing where there is none.
fn items(list: Option<&RawValue>) -> Vec<Box<RawValue>> {
    list.and_then(|list| serde_json::from_str(list.get()).ok()).unwrap_or_default()
}

impl Transaction {
    /// Reads a body. A part that is no list has nothing in it, and what cannot be read of ephemeral events costs each alone.
    fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        let mut parts: HashMap<String, Box<RawValue>> = serde_json::from_slice(body)?;
        let events = items(parts.remove("events").as_deref());
        let only_events = parts.values().all(|raw| matches!(raw.get().trim(), "[]" | "{}" | "null"));
        let ephemeral = EPHEMERAL.iter().find_map(|name| parts.get(*name));
        let ephemeral = items(ephemeral.map(|raw| &**raw));
        let ephemeral = ephemeral.iter().filter_map(|raw| serde_json::from_str(raw.get()).ok()).collect();
        Ok(Self { events, ephemeral, only_events })
    }
}

/// Serves until stopped.
pub async fn serve(listener: TcpListener, appservice: Appservice, cancel: CancellationToken) {
    let shared =
        Arc::new(Endpoint { appservice, strands: Strands::default(), pacing: AnswerPacing::default() });
    let router = Router::new()
        .route("/_matrix/app/v1/transactions/{transaction}", put(transaction))
        .route("/_matrix/app/v1/ping", post(ping))
        .route("/_matrix/app/v1/users/{user}", get(unknown))
        .route("/_matrix/app/v1/rooms/{alias}", get(unknown))
        // As homeservers asked that follow the older form of the API, or fall back to it.
        .route("/transactions/{transaction}", put(transaction))
        .route("/users/{user}", get(unknown))
        .route("/rooms/{alias}", get(unknown))
        .route_layer(middleware::from_fn_with_state(shared.clone(), authenticate))
        .fallback(unrecognized)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shared);
    crate::web::serve(listener, router, LIMITS, cancel).await;
}

fn error(status: StatusCode, code: &str, text: &str) -> Response {
    (status, Json(json!({"errcode": code, "error": text}))).into_response()
}

/// The token of a request: in its head, or in its address, as homeservers did before the head had one.
fn given_token(request: &Request) -> Option<String> {
    let head = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(token) = head.and_then(|value| value.strip_prefix("Bearer ")) {
        return Some(token.to_owned());
    }
    let query = request.uri().query()?;
    let token = query.split('&').find_map(|pair| pair.strip_prefix("access_token="))?;
    Some(percent_encoding::percent_decode_str(token).decode_utf8_lossy().into_owned())
}

async fn authenticate(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let given = given_token(&request);
    let expected = shared.appservice.hs_token.expose_secret().as_bytes();
    match given {
        None => last(error(StatusCode::UNAUTHORIZED, "M_MISSING_TOKEN", "no token")),
        Some(given) if bool::from(given.as_bytes().ct_eq(expected)) => {
            if let Some(connection) = request.extensions().get::<Connection>() {
                connection.trust();
            }
            next.run(request).await
        }
        Some(_) => last(error(StatusCode::FORBIDDEN, "M_FORBIDDEN", "wrong token")),
    }
}

/// Whoever is not the homeserver asks once on a connection.
fn last(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn transaction(State(shared): State<Shared>, Path(name): Path<String>, body: Bytes) -> Response {
    let began = Instant::now();
    let response = take(&shared, &name, &body).await;
    let outcome = if response.status().is_success() { "ok" } else { "refused" };
    measure::took(measure::TRANSACTION, ("outcome", outcome), began.elapsed());
    response
}

/// Writes a transaction down and answers it, in this order.
async fn take(shared: &Shared, name: &str, body: &[u8]) -> Response {
    // A body that makes no sense is never answered with an error: the homeserver would repeat it for ever, and nothing
    // behind it would arrive.
    let Ok(transaction) = Transaction::parse(body) else {
        tracing::error!(
            transaction = name,
            bytes = body.len(),
            "dropped a transaction that is not JSON of the known form"
        );
        (shared.appservice.heard)(0);
        return Json(json!({})).into_response();
    };
    (shared.appservice.heard)(transaction.events.len());
    tracing::debug!(transaction = name, events = transaction.events.len(), "transaction");
    if shared.strands.sends_back(name, transaction.only_events, (shared.appservice.restarts)()) {
        tracing::info!(
            transaction = name,
            "the homeserver may have stranded an older transaction: asking for that first"
        );
        return error(StatusCode::INTERNAL_SERVER_ERROR, "M_UNKNOWN", "send the oldest transaction first");
    }
    let own = &shared.appservice.is_own;
    let items: Vec<Item> = transaction.events.iter().filter_map(|event| item(event, own)).collect();
    if items.is_empty() {
        // Nothing is to be kept, so nothing is written, and nobody waits for a disk.
        shared.strands.taken(name);
        transaction.ephemeral.into_iter().for_each(|event| (shared.appservice.ephemeral)(event));
        if !transaction.events.is_empty() {
            shared.pacing.answer().await;
        }
        return Json(json!({})).into_response();
    }
    match shared.appservice.inbox.accept(name, items).await {
        Ok(_) => {
            shared.strands.taken(name);
            transaction.ephemeral.into_iter().for_each(|event| (shared.appservice.ephemeral)(event));
            Json(json!({})).into_response()
        }
        Err(failure) => {
            tracing::error!(%failure, "a transaction could not be written down; the homeserver will send it again");
            shared.strands.refused();
            error(StatusCode::INTERNAL_SERVER_ERROR, "M_UNKNOWN", "the bridge's disk failed")
        }
    }
}

/// What of an event is read here.
#[derive(serde::Deserialize)]
struct Named {
    event_id: String,
    #[serde(default)]
    sender: Value,
    #[serde(default)]
    state_key: Value,
}

/// Something to be kept: not what our own users said, which the core would read from the disk only to drop it. What they did
/// to a room's state is kept, because rooms are known by it.
fn item(event: &RawValue, is_own: &dyn Fn(&str) -> bool) -> Option<Item> {
    match serde_json::from_str::<Named>(event.get()) {
        Ok(named) if named.state_key.is_null() && named.sender.as_str().is_some_and(is_own) => None,
        Ok(named) => Some(Item { name: named.event_id, raw: event.get().as_bytes().to_vec() }),
        Err(error) => {
            tracing::warn!(%error, "dropped something in a transaction that is not an event");
            None
        }
    }
}

async fn ping(State(shared): State<Shared>) -> Response {
    (shared.appservice.pinged)();
    Json(json!({})).into_response()
}

/// Ghosts and rooms are made when the network brings them, not when the homeserver asks.
async fn unknown() -> Response {
    error(StatusCode::NOT_FOUND, "M_NOT_FOUND", "not known")
}

async fn unrecognized() -> Response {
    error(StatusCode::NOT_FOUND, "M_UNRECOGNIZED", "not an endpoint of this appservice")
}

#[cfg(test)]
mod tests;
