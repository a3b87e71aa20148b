//! The server: what is signed and still shared is given, anything else is not there.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tower_http::services::ServeFile;

use super::Signer;
use crate::bridge::link::{Links, SharedFile};
use crate::bridge::media::Media;

/// Connections at once; others wait to be accepted.
const MAX_CONNECTIONS: usize = 128;
/// How long a client may take over the head of a request, or be silent between two.
const HEAD: Duration = Duration::from_secs(15);
/// How long a connection may last: a large file by a slow line.
const CONNECTION: Duration = Duration::from_secs(2 * 3600);
/// Said at the root, so that somebody can see where an address leads.
pub const GREETING: &str = "Files of msnbridge.\n";

struct Shared {
    signer: Arc<Signer>,
    links: Arc<Links>,
    media: Arc<dyn Media>,
}

/// Serves until stopped.
pub async fn serve(
    listener: TcpListener,
    signer: Arc<Signer>,
    links: Arc<Links>,
    media: Arc<dyn Media>,
    cancel: CancellationToken,
) {
    let router = Router::new()
        .route("/", get(|| async { GREETING }))
        .route("/{media}/{expires}/{signature}/{name}", get(file))
        .with_state(Arc::new(Shared { signer, links, media }));
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let accepted = async {
            let permit = permits.clone().acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (stream, permit) = tokio::select! {
            accepted = accepted => accepted,
            () = cancel.cancelled() => break,
        };
        match stream {
            Ok((stream, _)) => {
                let (router, cancel) = (router.clone(), cancel.clone());
                connections.spawn(async move {
                    tokio::select! {
                        _ = tokio::time::timeout(CONNECTION, connection(stream, router)) => {}
                        () = cancel.cancelled() => {}
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of descriptors, mostly: others have to end first.
                tracing::warn!(%error, "a connection for a file was not accepted");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, router: Router) {
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(16 * 1024);
    let service = TowerToHyperService::new(router);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection for a file ended");
    }
}

async fn file(
    State(shared): State<Arc<Shared>>,
    Path((media, expires, signature, _name)): Path<(String, String, String, String)>,
    request: Request,
) -> Response {
    let not_there = (StatusCode::NOT_FOUND, "There is nothing here. Is the address whole?\n");
    let Some(media) = shared.signer.signed(&media, &expires, &signature) else {
        return not_there.into_response();
    };
    let file = match shared.links.find(&media) {
        Ok(Some(file)) => file,
        Ok(None) => {
            let text =
                "This file is not here any more: its time is over, or it was removed. Ask whoever sent it.\n";
            return (StatusCode::GONE, text).into_response();
        }
        Err(error) => {
            tracing::error!(%error, "a link cannot be read");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let kind = kind(&file, shared.media.path(&media)).await;
    let served = ServeFile::new_with_mime(shared.media.path(&media), &kind).oneshot(request).await;
    let mut response = served.unwrap_or_else(|never: Infallible| match never {}).map(axum::body::Body::new);
    if response.status() == StatusCode::NOT_FOUND {
        tracing::error!(%media, "a shared file is not on the disk any more");
    }
    guard(&mut response, &file, &kind);
    response
}

/// What it is by its name, or, where the name does not say, by how it begins.
async fn kind(file: &SharedFile, path: std::path::PathBuf) -> mime_guess::Mime {
    if let Some(named) = mime_guess::from_path(&file.name).first() {
        return named;
    }
    let looked = tokio::task::spawn_blocking(move || infer::get_from_path(path)).await;
    let found = looked.ok().and_then(Result::ok).flatten();
    found.and_then(|kind| kind.mime_type().parse().ok()).unwrap_or(mime_guess::mime::APPLICATION_OCTET_STREAM)
}

/// What somebody sent must not act in the name of the place that it is served from.
fn guard(response: &mut Response, file: &SharedFile, kind: &mime_guess::Mime) {
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
    let name = utf8_percent_encode(&file.name, NON_ALPHANUMERIC);
    let shown = if is_harmless(kind) { "inline" } else { "attachment" };
    let disposition = format!("{shown}; filename=\"{}\"; filename*=UTF-8''{name}", super::plain(&file.name));
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
