//! Passport: the nexus names the login page, the login page gives tickets (§2.6).

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::listener::Input;

#[derive(Clone)]
struct Pages {
    /// Where the login page is, with its scheme: this service speaks plain HTTP, on loopback.
    login: String,
    inputs: mpsc::Sender<Input>,
}

pub(super) async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    inputs: mpsc::Sender<Input>,
    cancel: CancellationToken,
) {
    let pages = Pages { login: format!("http://{address}/login2.srf"), inputs };
    let router =
        Router::new().route("/rdr/pprdr.asp", get(nexus)).route("/login2.srf", get(login)).with_state(pages);
    let served = axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the sign-in pages stopped");
    }
}

async fn nexus(State(pages): State<Pages>) -> Response {
    (StatusCode::OK, [("PassportURLs", format!("DALogin={}", pages.login))]).into_response()
}

async fn login(State(pages): State<Pages>, headers: HeaderMap) -> Response {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((sign_in, password)) = authorization.and_then(credentials) else { return refused() };
    let (reply, ticket) = oneshot::channel();
    if pages.inputs.send(Input::Ticket { sign_in, password, reply }).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match ticket.await {
        Ok(Some(ticket)) => {
            // The ticket comes last, as live servers send it: some clients read on to the end of the line.
            let info = format!("Passport1.4 da-status=success,tname=MSPAuth,from-PP='{ticket}'");
            (StatusCode::OK, [("Authentication-Info", info)]).into_response()
        }
        Ok(None) => refused(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// `sign-in` and `pwd`, wherever they stand in the list.
fn credentials(authorization: &str) -> Option<(String, String)> {
    let list = authorization.trim_start_matches("Passport1.4").trim();
    let field = |name: &str| {
        let value = list.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))?;
        Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
    };
    Some((field("sign-in")?, field("pwd")?))
}

fn refused() -> Response {
    let text = "The%20e-mail%20address%20or%20the%20password%20is%20not%20right.";
    let challenge = format!(
        "Passport1.4 da-status=failed,srealm=Passport.NET,ts=-3,prompt,cburl=http://messenger.invalid/,cbtxt={text}"
    );
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stand_anywhere_in_the_list() {
        let list =
            "Passport1.4 OrgVerb=GET,OrgURL=http%3A%2F%2Fx,sign-in=a%40b.c,pwd=p%2C%27%25%20%C3%A4,lc=1033";
        assert_eq!(credentials(list), Some(("a@b.c".into(), "p,'% ä".into())));
        assert_eq!(credentials("Passport1.4 pwd=x,sign-in=a@b.c"), Some(("a@b.c".into(), "x".into())));
        assert_eq!(credentials("Passport1.4 sign-in=a@b.c"), None);
    }
}
