//! A server of HTTP/1 on one port, within [`Limits`].
//!
//! Knows connections, time-outs and who is trusted. Refuses to know routes: the owner of the port brings those.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{ServiceExt, service_fn};

use super::peers::{Connection, Limits, Peers};

/// How long a client may read nothing.
const STALLED: Duration = Duration::from_secs(60);
/// What is being answered when the server stops may go on so long.
const GRACE: Duration = Duration::from_secs(5);
/// Pause after a connection could not be accepted: others have to end first.
const REFUSED: Duration = Duration::from_millis(200);
/// The same trouble is logged this often.
const REMIND: Duration = Duration::from_secs(60);

/// Why a connection was not accepted, for whoever runs the bridge.
pub fn describe_accept(error: &io::Error) -> String {
    let errno = rustix::io::Errno::from_io_error(error);
    match errno {
        Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
            "no file descriptors are left: raise LimitNOFILE (ulimit -n)".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Serves until stopped.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, cancel: CancellationToken) {
    let peers = Peers::new(limits);
    let connections = TaskTracker::new();
    let mut told: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = cancel.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(connection) = peers.enter(peer.ip()) else { continue };
                let task = serve_one(stream, peer, connection, router.clone(), limits, cancel.clone());
                connections.spawn(task);
            }
            Err(error) => {
                if told.is_none_or(|at| at.elapsed() >= REMIND) {
                    told = Some(Instant::now());
                    tracing::error!(reason = describe_accept(&error), "a connection was not accepted");
                }
                tokio::time::sleep(REFUSED).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
}

/// The client's own address: behind a proxy on this machine, the last that it adds.
fn forwarded(peer: SocketAddr, headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    let last = last.to_str().ok()?.rsplit(',').next()?.trim();
    peer.ip().to_canonical().is_loopback().then(|| last.parse().ok()).flatten()
}

/// Serves one connection until it ends, is too slow, or has to make room.
async fn serve_one(
    stream: TcpStream,
    peer: SocketAddr,
    connection: Connection,
    router: Router,
    limits: Limits,
    cancel: CancellationToken,
) {
    let known = connection.clone();
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (router, connection) = (router.clone(), known.clone());
        async move { Ok::<_, std::convert::Infallible>(answer(peer, &connection, router, request).await) }
    });
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(STALLED));
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(limits.idle.unwrap_or(limits.head));
    server.keep_alive(limits.idle.is_some()).max_buf_size(64 * 1024);
    let served = server.serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(service));
    let mut served = std::pin::pin!(served);
    let mut head_due = std::pin::pin!(tokio::time::sleep(limits.head));
    let mut over = std::pin::pin!(tokio::time::sleep(limits.lasting));
    loop {
        tokio::select! {
            result = served.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%peer, %error, "a connection ended");
                }
                return;
            }
            () = connection.ended() => return tracing::debug!(%peer, "a connection made room for another"),
            () = head_due.as_mut(), if !head_due.is_elapsed() => {
                if connection.is_waiting() {
                    return tracing::debug!(%peer, "no request came");
                }
            }
            () = over.as_mut(), if !connection.is_trusted() => return,
            () = cancel.cancelled() => break,
        }
    }
    served.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(GRACE, served).await; // it was told
}

/// Answers one request, with its bounds.
async fn answer(
    peer: SocketAddr,
    connection: &Connection,
    router: Router,
    request: http::Request<Incoming>,
) -> Response {
    connection.asked();
    if let Some(address) = forwarded(peer, request.headers())
        && !connection.is_for(address)
    {
        let text = "Too much at once from your address. Try again in a moment.\n";
        return (StatusCode::TOO_MANY_REQUESTS, [(http::header::RETRY_AFTER, "10")], text).into_response();
    }
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(connection.clone());
    let answered = router.oneshot(request).await;
    answered.unwrap_or_else(|never: std::convert::Infallible| match never {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_33_the_address_is_what_a_proxy_on_this_machine_adds_and_nobody_elses_word() {
        let headers = |values: &[&'static str]| {
            let pair = |value: &&'static str| ("x-forwarded-for".parse().unwrap(), value.parse().unwrap());
            values.iter().map(pair).collect::<HeaderMap>()
        };
        let (proxy, stranger) = (["127.0.0.1:9", "[::1]:9", "[::ffff:127.0.0.1]:9"], "192.0.2.1:9");
        for (given, found) in [
            (&["203.0.113.9"][..], Some("203.0.113.9")),
            // What stands before it is what the client said of itself.
            (&["198.51.100.1, 203.0.113.9"], Some("203.0.113.9")),
            (&["198.51.100.1", " 203.0.113.9 "], Some("203.0.113.9")),
            (&["2001:db8::1"], Some("2001:db8::1")),
            (&["203.0.113.9, unknown"], None),
            (&[""], None),
            (&[], None),
        ] {
            let found = found.map(|text| text.parse().unwrap());
            for peer in proxy {
                assert_eq!(forwarded(peer.parse().unwrap(), &headers(given)), found, "{given:?} by {peer}");
            }
            assert_eq!(forwarded(stranger.parse().unwrap(), &headers(given)), None, "{given:?}");
        }
    }

    #[test]
    fn fault_33_descriptors_that_are_used_up_are_named_with_what_helps() {
        for errno in [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE] {
            let text = describe_accept(&errno.into());
            assert!(text.contains("no file descriptors are left: raise LimitNOFILE"), "{text}");
        }
        assert!(!describe_accept(&rustix::io::Errno::CONNABORTED.into()).contains("descriptors"));
    }
}
