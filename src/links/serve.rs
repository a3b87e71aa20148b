//! The server: what is signed and still shared is given, anything else is not there.
//!
//! Knows signatures, expiry and ranges of bytes. Refuses to know networks. An address that is wrong in any way is answered
//! as one that never was.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower_http::services::ServeFile;

use super::Signer;
use crate::bridge::link::{Links, Opened};
use crate::bridge::port::frontend::Frontend;
use crate::web::Limits;

/// Said at the root, so that somebody can see where an address leads.
pub const GREETING: &str = "Files of msnbridge.\n";

struct Shared {
    signer: Arc<Signer>,
    links: Arc<Links>,
    /// Where files lie that nobody has asked for yet.
    frontends: Vec<Arc<dyn Frontend>>,
}

/// Every path of the server.
pub fn router(signer: Arc<Signer>, links: Arc<Links>, frontends: Vec<Arc<dyn Frontend>>) -> Router {
    Router::new()
        .route("/", get(|| async { GREETING }))
        .route("/{media}/{expires}/{signature}/{name}", get(file))
        .with_state(Arc::new(Shared { signer, links, frontends }))
}

/// Serves until stopped.
pub async fn serve(listener: TcpListener, router: Router, cancel: CancellationToken) {
    crate::web::serve(listener, router, Limits::PUBLIC, cancel).await;
}

/// Serves one file, or a range of it, or 404 for everything that is not right.
async fn file(
    State(shared): State<Arc<Shared>>,
    Path((link, expires, signature, _name)): Path<(String, String, String, String)>,
    request: Request,
) -> Response {
    if !shared.signer.has_signed(&link, &expires, &signature) {
        let text = "There is nothing here. Is the address whole?\n";
        return (StatusCode::NOT_FOUND, text).into_response();
    }
    let (path, name) = match shared.links.open(&link, &shared.frontends).await {
        Ok(Opened::File { path, name }) => (path, name),
        Ok(Opened::Gone) => {
            let text = "This file is not here any more: its time is over, it was removed, or it cannot be had. Ask whoever sent it.\n";
            return (StatusCode::GONE, text).into_response();
        }
        Ok(Opened::NotYet) => {
            let text = "This file is still on its way here. Try again in a moment.\n";
            return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "10")], text).into_response();
        }
        Err(error) => {
            tracing::error!(%error, "a link cannot be read");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let kind = kind(&name, path.clone()).await;
    let served = ServeFile::new_with_mime(path, &kind).oneshot(request).await;
    let mut response = served.unwrap_or_else(|never: Infallible| match never {}).map(axum::body::Body::new);
    if response.status() == StatusCode::NOT_FOUND {
        tracing::error!(link, "a shared file is not on the disk any more");
    }
    guard(&mut response, &name, &kind);
    response
}

/// What it is by its name, or, where the name does not say, by how it begins.
async fn kind(name: &str, path: std::path::PathBuf) -> mime_guess::Mime {
    if let Some(named) = mime_guess::from_path(name).first() {
        return named;
    }
    let looked = tokio::task::spawn_blocking(move || infer::get_from_path(path)).await;
    let found = looked.ok().and_then(Result::ok).flatten();
    found.and_then(|kind| kind.mime_type().parse().ok()).unwrap_or(mime_guess::mime::APPLICATION_OCTET_STREAM)
}

/// What somebody sent must not act in the name of the place that it is served from.
fn guard(response: &mut Response, name: &str, kind: &mime_guess::Mime) {
    let headers = response.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; media-src 'self'; img-src 'self'; sandbox"),
        (header::REFERRER_POLICY, "no-referrer"),
        // It may be removed at any time.
        (header::CACHE_CONTROL, "private, no-cache"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("x-robots-tag", HeaderValue::from_static("noindex"));
    let encoded = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let shown = if is_harmless(kind) { "inline" } else { "attachment" };
    let disposition = format!("{shown}; filename=\"{}\"; filename*=UTF-8''{encoded}", super::plain(name));
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
}

/// Kinds that browsers show without running anything in them.
fn is_harmless(kind: &mime_guess::Mime) -> bool {
    match kind.type_().as_str() {
        "audio" | "video" => true,
        "image" => matches!(kind.subtype().as_str(), "png" | "jpeg" | "gif" | "webp" | "bmp"),
        "text" => kind.subtype() == "plain",
        _ => false,
    }
}
