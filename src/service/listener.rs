//! Sockets and tasks: one owner of the [`World`], one reader and one writer for each connection. The only I/O here.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gateway::Gateway;
use super::offline::{OfflineError, Retrieval, Retrieved, StoreRequest};
use super::outgoing::{Carrier, Outbox, Outlet, Receipt, Stuck, outbox};
use super::passport::Pages;
use super::quota::Quota;
use super::world::{ConnId, Door, Effect, World};
use super::{Addresses, ServiceConfig, ServiceError, http, robot, tls};
use crate::msn::command::{Acknowledge, ClientCommand, Context, Link};
use crate::msn::dialect::Dialect;
use crate::msn::ids::HostPort;
use crate::msn::wire::{DecodeError, Direction, Framer, Limits};

/// Commands of all connections waiting for the owner; full, the readers wait.
const MAILBOX: usize = 1024;
/// The longest payload read: above what is relayed, so that the rule about it can be applied.
pub(super) const LIMITS: Limits = Limits { line: 8 * 1024, payload: 16 * 1024 };

/// Bytes that are written together.
const BATCH: usize = 64 * 1024;
/// How long a write may take: a peer that lets nothing through for so long keeps no socket.
const STALL: Duration = Duration::from_secs(120);
/// Most connections at once on one listener.
const MAX_CONNECTIONS: usize = 20_000;
/// How long TLS may take to begin.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// What the owner of the world is told.
pub(super) enum Input {
    Connected {
        door: Door,
        peer: Option<SocketAddr>,
        outbox: Outbox,
        id: oneshot::Sender<ConnId>,
    },
    Command(ConnId, Result<ClientCommand, DecodeError>),
    Disconnected(ConnId),
    Ticket {
        sign_in: String,
        password: String,
        reply: oneshot::Sender<Option<String>>,
    },
    /// Words for somebody who may not be there.
    Store {
        request: StoreRequest,
        reply: oneshot::Sender<Result<(), OfflineError>>,
    },
    /// What somebody asks about words that were left for them.
    Retrieve {
        ticket: String,
        retrieval: Retrieval,
        reply: oneshot::Sender<Result<Retrieved, OfflineError>>,
    },
}

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
    let mut world = World::new(config.rules, accounts, ns, sb, rand::random());
    world.dispatch_to = config.dispatch_to;
    let robots: Vec<_> = config.robots.iter().map(|line| line.email.clone()).collect();
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
        tasks.spawn(robot::run(line, inputs.clone(), cancel.clone()));
    }
    Ok(addresses)
}

async fn bind(what: &'static str, address: SocketAddr) -> Result<TcpListener, ServiceError> {
    TcpListener::bind(address).await.map_err(|source| ServiceError::Listen { what, address, source })
}

async fn own(mut world: World, mut mailbox: mpsc::Receiver<Input>, cancel: CancellationToken) {
    let mut outboxes: HashMap<ConnId, Outbox> = HashMap::new();
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            input = mailbox.recv() => match input {
                Some(input) => handle(&mut world, &mut outboxes, input),
                None => break,
            },
            _ = clock.tick() => world.tick(now()),
            () = cancel.cancelled() => {
                world.shut_down();
                perform(&mut world, &mut outboxes);
                break;
            }
        }
        perform(&mut world, &mut outboxes);
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn handle(world: &mut World, outboxes: &mut HashMap<ConnId, Outbox>, input: Input) {
    match input {
        Input::Connected { door, peer, outbox, id } => {
            let conn = world.connected(now(), door, peer);
            outboxes.insert(conn, outbox);
            let _ = id.send(conn); // the connection may be gone again
        }
        Input::Command(conn, command) => world.command(now(), conn, command),
        Input::Disconnected(conn) => {
            outboxes.remove(&conn);
            world.disconnected(conn);
        }
        Input::Ticket { sign_in, password, reply } => {
            let _ = reply.send(world.issue_ticket(now(), &sign_in, &password));
        }
        Input::Store { request, reply } => {
            let _ = reply.send(world.store_offline(request)); // whoever asked may have gone
        }
        Input::Retrieve { ticket, retrieval, reply } => {
            let _ = reply.send(world.retrieve_offline(&ticket, retrieval)); // whoever asked may have gone
        }
    }
}

/// Hands effects to the writers. A connection that does not read what it is sent is closed.
fn perform(world: &mut World, outboxes: &mut HashMap<ConnId, Outbox>) {
    loop {
        let effects = world.take_effects();
        if effects.is_empty() {
            return;
        }
        for effect in effects {
            match effect {
                Effect::Send(conn, dialect, command) => {
                    let Some(outbox) = outboxes.get(&conn) else { continue };
                    let pushed = outbox.push(dialect, &command, None);
                    close_if_stuck(pushed, world, outboxes, conn);
                }
                Effect::Relay { to, message, sender: (conn, dialect), trid, wanted } => {
                    let Some(sender) = outboxes.get(&conn) else { continue };
                    let receipts = Receipt::for_each(to.len(), sender, dialect, trid, wanted);
                    let is_packet = wanted == Acknowledge::Data;
                    for ((conn, dialect), receipt) in to.into_iter().zip(receipts) {
                        let Some(outbox) = outboxes.get(&conn) else { continue };
                        if is_packet && !outbox.has_room_for_packets() {
                            // A sender of packets that are not read as fast hears that they did not arrive.
                            continue;
                        }
                        let pushed = if is_packet {
                            outbox.push(dialect, &message, Some(receipt))
                        } else {
                            outbox.push_words(dialect, &message, receipt)
                        };
                        close_if_stuck(pushed, world, outboxes, conn);
                    }
                }
                // Dropping it lets the writer finish what it has, then close.
                Effect::Close(conn) => drop(outboxes.remove(&conn)),
            }
        }
    }
}

fn close_if_stuck(
    pushed: Result<(), Stuck>,
    world: &mut World,
    outboxes: &mut HashMap<ConnId, Outbox>,
    conn: ConnId,
) {
    if pushed.is_err() {
        tracing::info!(conn = conn.0, "closing a connection that does not read");
        outboxes.remove(&conn);
        world.disconnected(conn);
    }
}

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

async fn serve(stream: TcpStream, peer: SocketAddr, door: Door, inputs: mpsc::Sender<Input>) {
    let _ = stream.set_nodelay(true); // only latency depends on it
    let (outbox, outlet) = outbox(Carrier::Socket);
    let (id, conn) = oneshot::channel();
    if inputs.send(Input::Connected { door, peer: Some(peer), outbox, id }).await.is_err() {
        return;
    }
    let Ok(conn) = conn.await else { return };
    let (reader, writer) = stream.into_split();
    let written = write(writer, outlet);
    let link = if door == Door::Switchboard { Link::Switchboard } else { Link::Notification };
    tokio::select! {
        () = read(reader, conn, link, inputs.clone()) => {}
        () = written => {}
    }
    let _ = inputs.send(Input::Disconnected(conn)).await; // the owner may have stopped
}

async fn read(
    mut reader: tokio::net::tcp::OwnedReadHalf,
    conn: ConnId,
    link: Link,
    inputs: mpsc::Sender<Input>,
) {
    let mut framer = Framer::new(Direction::FromClient, LIMITS);
    let mut buffer = BytesMut::with_capacity(4096);
    let mut quota = Quota::new();
    while reader.read_buf(&mut buffer).await.is_ok_and(|n| n > 0) {
        framer.push(&buffer);
        buffer.clear();
        if feed(&mut framer, conn, link, &inputs, &mut quota).await.is_err() {
            return;
        }
    }
}

/// The connection is over: what came is not the protocol, or the service has stopped.
pub(super) struct Broken;

/// Hands every whole command on, as fast as the connection's allowance lets it.
pub(super) async fn feed(
    framer: &mut Framer,
    conn: ConnId,
    link: Link,
    inputs: &mpsc::Sender<Input>,
    quota: &mut Quota,
) -> Result<(), Broken> {
    // A client's commands have the same form in every dialect.
    let context = Context { link, dialect: Dialect::Msnp12 };
    loop {
        let input = match framer.next_frame() {
            Ok(Some(frame)) => ClientCommand::decode(&frame, context),
            Ok(None) => return Ok(()),
            Err(error) if error.is_fatal() => {
                tracing::info!(conn = conn.0, %error, "closing a connection");
                return Err(Broken);
            }
            Err(_) => continue,
        };
        quota.spend(&input).await;
        inputs.send(Input::Command(conn, input)).await.map_err(|_| Broken)?;
    }
}

/// Writes until the owner lets go, then flushes and closes.
async fn write(mut writer: tokio::net::tcp::OwnedWriteHalf, mut outlet: Outlet) {
    while let Some(first) = outlet.next().await {
        let mut batch = outlet.batch();
        batch.push(first);
        while batch.bytes.len() < BATCH
            && let Ok(unit) = outlet.try_next()
        {
            batch.push(unit);
        }
        let mut written = 0;
        while written < batch.bytes.len() {
            let some = writer.write(&batch.bytes[written..]);
            match tokio::time::timeout(STALL, some).await {
                Ok(Ok(count)) if count > 0 => written += count,
                _ => return,
            }
            batch.progressed();
        }
        batch.written();
    }
    let _ = writer.shutdown().await; // the peer may have gone first
}
