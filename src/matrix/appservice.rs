//! The homeserver's side of the bridge: the HTTP endpoint of an appservice. A transaction is on disk before it is
//! answered.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, header};
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

use crate::bridge::inbox::{Inbox, Item};

/// The homeserver sends at most a hundred events of at most 64 KiB at once.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// What the endpoint works with.
pub struct Appservice {
    pub hs_token: SecretString,
    pub inbox: Arc<Inbox>,
    /// Called with each ephemeral event; nothing is kept of it.
    pub ephemeral: Box<dyn Fn(Value) + Send + Sync>,
    /// Called when the homeserver has pinged.
    pub pinged: Box<dyn Fn() + Send + Sync>,
}

type Shared = Arc<Appservice>;

/// The part of a transaction that is read here; events stay as they came.
#[derive(serde::Deserialize)]
struct Transaction {
    #[serde(default)]
    events: Vec<Box<RawValue>>,
    #[serde(default)]
    ephemeral: Vec<Value>,
}

/// Serves until stopped.
pub async fn serve(
    listener: TcpListener,
    appservice: Appservice,
    cancel: CancellationToken,
) -> std::io::Result<()> {
    let shared = Arc::new(appservice);
    let router = Router::new()
        .route("/_matrix/app/v1/transactions/{transaction}", put(transaction))
        .route("/_matrix/app/v1/ping", post(ping))
        .route("/_matrix/app/v1/users/{user}", get(unknown))
        .route("/_matrix/app/v1/rooms/{alias}", get(unknown))
        .route_layer(middleware::from_fn_with_state(shared.clone(), authenticate))
        .fallback(unrecognized)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(shared);
    axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await
}

fn error(status: StatusCode, code: &str, text: &str) -> Response {
    (status, Json(json!({"errcode": code, "error": text}))).into_response()
}

async fn authenticate(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer "));
    let expected = shared.hs_token.expose_secret().as_bytes();
    match given {
        None => error(StatusCode::UNAUTHORIZED, "M_MISSING_TOKEN", "no token"),
        Some(given) if bool::from(given.as_bytes().ct_eq(expected)) => next.run(request).await,
        Some(_) => error(StatusCode::FORBIDDEN, "M_FORBIDDEN", "wrong token"),
    }
}

async fn transaction(State(shared): State<Shared>, Path(name): Path<String>, body: Bytes) -> Response {
    // A body that makes no sense is never answered with an error: the homeserver would repeat it for ever, and nothing
    // behind it would arrive.
    let Ok(transaction) = serde_json::from_slice::<Transaction>(&body) else {
        tracing::error!(
            transaction = name,
            bytes = body.len(),
            "dropped a transaction that is not JSON of the known form"
        );
        return Json(json!({})).into_response();
    };
    tracing::debug!(transaction = name, events = transaction.events.len(), "transaction");
    let items = transaction.events.iter().filter_map(|event| item(event)).collect();
    match shared.inbox.accept(&name, items).await {
        Ok(_) => {
            transaction.ephemeral.into_iter().for_each(|event| (shared.ephemeral)(event));
            Json(json!({})).into_response()
        }
        Err(failure) => {
            tracing::error!(%failure, "a transaction could not be written down; the homeserver will send it again");
            error(StatusCode::INTERNAL_SERVER_ERROR, "M_UNKNOWN", "the bridge's disk failed")
        }
    }
}

fn item(event: &RawValue) -> Option<Item> {
    #[derive(serde::Deserialize)]
    struct Named {
        event_id: String,
    }
    match serde_json::from_str::<Named>(event.get()) {
        Ok(named) => Some(Item { name: named.event_id, raw: event.get().as_bytes().to_vec() }),
        Err(error) => {
            tracing::warn!(%error, "dropped something in a transaction that is not an event");
            None
        }
    }
}

async fn ping(State(shared): State<Shared>) -> Response {
    (shared.pinged)();
    Json(json!({})).into_response()
}

/// Ghosts and rooms are made when the network brings them, not when the homeserver asks.
async fn unknown() -> Response {
    error(StatusCode::NOT_FOUND, "M_NOT_FOUND", "not known")
}

async fn unrecognized() -> Response {
    error(StatusCode::NOT_FOUND, "M_UNRECOGNIZED", "not an endpoint of this appservice")
}
