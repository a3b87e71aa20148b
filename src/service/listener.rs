//! The listeners of the service: each binds its address, accepts, and bounds how many connections there are.
//!
//! Knows addresses and tasks. Refuses to know the rules, which [`super::owner`] applies.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gateway::Gateway;
use super::ids::Door;
use super::input::Input;
use super::owner::own;
use super::passport::Pages;
use super::socket::serve;
use super::world::{Servers, World};
use super::{Addresses, ServiceConfig, ServiceError, http, robot, tls};
use crate::msn::ids::{Email, HostPort};

/// Commands of all connections waiting for the owner; full, the readers wait.
const MAILBOX: usize = 1024;
/// Most connections at once on one listener.
const MAX_CONNECTIONS: usize = 20_000;
/// How long TLS may take to begin.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// Binds every address, then starts the owner, the listeners and the robots.
///
/// # Errors
/// The first address that cannot be bound, or the certificate that cannot be used.
pub(super) async fn start(
    config: ServiceConfig,
    cancel: &CancellationToken,
    tasks: &TaskTracker,
) -> Result<Addresses, ServiceError> {
    let dispatch = match config.dispatch {
        Some(address) => Some(bind("dispatch server", address).await?),
        None => None,
    };
    let notification = bind("notification server", config.notification).await?;
    let switchboard = bind("switchboard", config.switchboard).await?;
    let http = bind("sign-in pages", config.http).await?;
    let https = match &config.https {
        Some(https) => Some((bind("sign-in pages over TLS", https.address).await?, tls::acceptor(https)?)),
        None => None,
    };
    let local = |listener: &TcpListener, fallback| listener.local_addr().unwrap_or(fallback);
    let addresses = Addresses {
        dispatch: dispatch.as_ref().map(|l| local(l, config.notification)),
        notification: local(&notification, config.notification),
        switchboard: local(&switchboard, config.switchboard),
        http: local(&http, config.http),
        https: https.as_ref().map(|(listener, _)| local(listener, config.http)),
    };
    let accounts = config.accounts.into_iter().chain(config.robots.iter().cloned()).collect();
    let public_host = config.public_host;
    let named = |address: SocketAddr| {
        if public_host.is_none() && address.ip().is_unspecified() {
            tracing::warn!(%address, "clients on other machines are told an address that they cannot reach: name --public-host");
        }
        let host = public_host.clone().unwrap_or_else(|| address.ip().to_string());
        HostPort { host, port: address.port() }
    };
    let (ns, sb) = (named(addresses.notification), named(addresses.switchboard));
    let servers = Servers { notification: config.dispatch_to.unwrap_or(ns), switchboard: sb };
    let mut world = World::new(config.rules, accounts, servers, rand::random());
    let robots: Arc<[Email]> = config.robots.iter().map(|line| line.email.clone()).collect();
    world.befriend(&robots);

    let (inputs, mailbox) = mpsc::channel(MAILBOX);
    tasks.spawn(own(world, mailbox, cancel.clone()));
    if let Some(listener) = dispatch {
        tasks.spawn(accept(listener, Door::Dispatch, inputs.clone(), cancel.clone(), tasks.clone()));
    }
    tasks.spawn(accept(notification, Door::Notification, inputs.clone(), cancel.clone(), tasks.clone()));
    tasks.spawn(accept(switchboard, Door::Switchboard, inputs.clone(), cancel.clone(), tasks.clone()));
    let gateway = Gateway::new(inputs.clone());
    tasks.spawn(gateway.clone().forget_silent(cancel.clone()));
    let pages = |address, is_secure| {
        let (public_host, gateway) = (public_host.clone(), gateway.clone());
        Pages { address, public_host, is_secure, gateway, inputs: inputs.clone() }
    };
    let plain = pages(addresses.http, false);
    tasks.spawn(serve_pages(http, None, plain, cancel.clone(), tasks.clone()));
    if let (Some((listener, acceptor)), Some(address)) = (https, addresses.https) {
        let secure = pages(address, true);
        tasks.spawn(serve_pages(listener, Some(acceptor), secure, cancel.clone(), tasks.clone()));
    }
    for line in config.robots {
        tasks.spawn(robot::run(line, robots.clone(), inputs.clone(), cancel.clone()));
    }
    Ok(addresses)
}

/// Binds one address; `what` names it in the error.
async fn bind(what: &'static str, address: SocketAddr) -> Result<TcpListener, ServiceError> {
    TcpListener::bind(address).await.map_err(|source| ServiceError::Listen { what, address, source })
}

/// Serves every client of one server until the service stops; a client more than [`MAX_CONNECTIONS`] is let go at once.
async fn accept(
    listener: TcpListener,
    door: Door,
    inputs: mpsc::Sender<Input>,
    cancel: CancellationToken,
    tasks: TaskTracker,
) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = cancel.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                // More than that, and the newest are let go at once.
                let Ok(permit) = room.clone().try_acquire_owned() else { continue };
                let served = serve(stream, peer, door, inputs.clone());
                tasks.spawn(async move {
                    served.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Sign-in pages and gateway on one listener.
async fn serve_pages(
    listener: TcpListener,
    acceptor: Option<tokio_rustls::TlsAcceptor>,
    pages: Pages,
    cancel: CancellationToken,
    tasks: TaskTracker,
) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = cancel.cancelled() => return,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        // More than that, and the newest are let go at once.
        let Ok(permit) = room.clone().try_acquire_owned() else { continue };
        let (pages, acceptor, cancel) = (pages.clone(), acceptor.clone(), cancel.clone());
        tasks.spawn(async move {
            let answer = |request| {
                let pages = pages.clone();
                async move { pages.answer(peer, request).await }
            };
            let served = async {
                match acceptor {
                    None => http::serve(stream, answer).await,
                    Some(acceptor) => match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                        Ok(Ok(stream)) => http::serve(stream, answer).await,
                        Ok(Err(error)) => tracing::info!(%peer, %error, "no TLS with a client"),
                        Err(_) => {}
                    },
                }
            };
            tokio::select! {
                () = served => {}
                () = cancel.cancelled() => {}
            }
            drop(permit);
        });
    }
}
