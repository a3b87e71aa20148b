//! The server: which path leads to what the page does.
//!
//! Knows paths and bounds. Refuses to know what a request may do.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, Form, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::refusal::Refusal;
use super::server::{LeaveForm, SignInForm, SignInServer, SignOutForm};
use super::{headers, html};
use crate::web::{Connection, Limits};

/// Bytes of a form: an address and a password, many times.
const MAX_FORM: usize = 8 * 1024;
/// Said at the root, so that somebody can see where an address leads.
pub const GREETING: &str = "msnbridge: say «login» to its bot for a link to sign in with.\n";

type Server = State<Arc<SignInServer>>;

/// Where a request came from.
fn address(connection: Option<Extension<Connection>>) -> IpAddr {
    connection.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(connection)| connection.address())
}

type Peer = Option<Extension<Connection>>;

async fn landing(State(server): Server, Path(secret): Path<String>, peer: Peer) -> Response {
    match server.invitation(server.links.invitations.look_up(&secret), address(peer)) {
        Ok(invitation) => {
            Html(html::landing(&server.base, server.wording, &secret, &invitation.user)).into_response()
        }
        Err(refusal) => server.refuse(refusal),
    }
}

async fn enter(
    State(server): Server,
    Path(secret): Path<String>,
    peer: Peer,
    headers: HeaderMap,
) -> Response {
    if !headers::is_own_form(&headers, &server.origin) {
        return server.refuse(Refusal::foreign_form());
    }
    match server.invitation(server.links.invitations.spend(&secret), address(peer)) {
        Ok(invitation) => server.enter(invitation),
        Err(refusal) => server.refuse(refusal),
    }
}

async fn account(State(server): Server, peer: Peer, headers: HeaderMap) -> Response {
    let page = server.account_page(&headers, address(peer)).await;
    page.unwrap_or_else(|refusal| server.refuse(refusal))
}

async fn sign_in(
    State(server): Server,
    peer: Peer,
    headers: HeaderMap,
    Form(form): Form<SignInForm>,
) -> Response {
    let done = server.try_password(&headers, address(peer), form).await;
    done.unwrap_or_else(|refusal| server.refuse(refusal))
}

async fn sign_out(
    State(server): Server,
    peer: Peer,
    headers: HeaderMap,
    Form(form): Form<SignOutForm>,
) -> Response {
    let done = server.sign_out(&headers, address(peer), form).await;
    done.unwrap_or_else(|refusal| server.refuse(refusal))
}

async fn leave(
    State(server): Server,
    peer: Peer,
    headers: HeaderMap,
    Form(form): Form<LeaveForm>,
) -> Response {
    server.leave(&headers, address(peer), &form).unwrap_or_else(|refusal| server.refuse(refusal))
}

async fn nowhere(State(server): Server) -> Response {
    let text = "Say «login» to the bridge's bot for a link to sign in with.";
    server.refuse(Refusal::new(StatusCode::NOT_FOUND, "There is nothing here", text))
}

/// Every path of the page.
pub fn router(server: Arc<SignInServer>) -> Router {
    let style = [(header::CONTENT_TYPE, "text/css; charset=utf-8")];
    Router::new()
        .route("/", get(|| async { GREETING }))
        .route("/style.css", get(move || async move { (style, html::STYLE) }))
        .route("/sign-in/{secret}", get(landing).post(enter))
        .route("/account", get(account))
        .route("/account/sign-in", post(sign_in))
        .route("/account/sign-out", post(sign_out))
        .route("/account/leave", post(leave))
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(middleware::from_fn(headers::guard))
        .with_state(server)
}

/// Serves until stopped.
pub async fn serve(listener: TcpListener, router: Router, cancel: CancellationToken) {
    crate::web::serve(listener, router, Limits::PUBLIC, cancel).await;
}
