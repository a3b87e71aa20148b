//! Sockets and tasks: one owner of the [`World`], one reader and one writer for each connection. The only I/O here.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gateway::Gateway;
use super::outgoing::{Outgoing, Receipt};
use super::passport::Pages;
use super::quota::Quota;
use super::world::{ConnId, Door, Effect, World};
use super::{Addresses, ServiceConfig, ServiceError, http, robot, tls};
use crate::msn::command::{ClientCommand, Context, Link};
use crate::msn::dialect::Dialect;
use crate::msn::ids::HostPort;
use crate::msn::wire::{DecodeError, Direction, Framer, Limits};

/// Commands of all connections waiting for the owner; full, the readers wait.
const MAILBOX: usize = 1024;
/// Units waiting for one slow reader; full, that connection is closed and nobody else waits for it.
pub(super) const OUTBOX: usize = 512;
/// The longest payload read: above what is relayed, so that the rule about it can be applied.
pub(super) const LIMITS: Limits = Limits { line: 8 * 1024, payload: 16 * 1024 };

/// Most connections at once on one listener.
const MAX_CONNECTIONS: usize = 20_000;
/// How long TLS may take to begin.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// What the owner of the world is told.
pub(super) enum Input {
    Connected {
        door: Door,
        peer: Option<SocketAddr>,
        outbox: mpsc::Sender<Outgoing>,
        id: oneshot::Sender<ConnId>,
    },
    Command(ConnId, Result<ClientCommand, DecodeError>),
    Disconnected(ConnId),
    Ticket {
        sign_in: String,
        password: String,
        reply: oneshot::Sender<Option<String>>,
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
    let named = |address: SocketAddr| HostPort { host: address.ip().to_string(), port: address.port() };
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
    let pages =
        |address, is_secure| Pages { address, is_secure, gateway: gateway.clone(), inputs: inputs.clone() };
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
    let mut outboxes: HashMap<ConnId, mpsc::Sender<Outgoing>> = HashMap::new();
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

fn handle(world: &mut World, outboxes: &mut HashMap<ConnId, mpsc::Sender<Outgoing>>, input: Input) {
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
    }
}

/// Hands effects to the writers. A writer that cannot keep up loses its connection.
fn perform(world: &mut World, outboxes: &mut HashMap<ConnId, mpsc::Sender<Outgoing>>) {
    loop {
        let effects = world.take_effects();
        if effects.is_empty() {
            return;
        }
        for effect in effects {
            match effect {
                Effect::Send(conn, dialect, command) => {
                    let Some(outbox) = outboxes.get(&conn) else { continue };
                    if outbox.try_send(Outgoing::new(dialect, command)).is_err() {
                        tracing::info!(conn = conn.0, "closing a connection that does not read");
                        outboxes.remove(&conn);
                        world.disconnected(conn);
                    }
                }
                Effect::Relay { to, message, sender: (conn, dialect), trid } => {
                    let Some(sender) = outboxes.get(&conn) else { continue };
                    let receipts = Receipt::for_each(to.len(), sender, dialect, trid);
                    for ((conn, dialect), receipt) in to.into_iter().zip(receipts) {
                        // Packets never fill what words need: who sends them faster than they are read hears it.
                        let outbox = outboxes.get(&conn).filter(|outbox| outbox.capacity() > OUTBOX / 2);
                        let Some(outbox) = outbox else { continue };
                        let (command, receipt) = (message.clone(), Some(receipt));
                        let _ = outbox.try_send(Outgoing { dialect, command, receipt }); // it hears that, too
                    }
                }
                // Dropping the sender lets the writer finish what it has, then close.
                Effect::Close(conn) => drop(outboxes.remove(&conn)),
            }
        }
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
    let (outbox, outgoing) = mpsc::channel(OUTBOX);
    let (id, conn) = oneshot::channel();
    if inputs.send(Input::Connected { door, peer: Some(peer), outbox, id }).await.is_err() {
        return;
    }
    let Ok(conn) = conn.await else { return };
    let (reader, writer) = stream.into_split();
    let written = write(writer, outgoing);
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
async fn write(mut writer: tokio::net::tcp::OwnedWriteHalf, mut outgoing: mpsc::Receiver<Outgoing>) {
    let mut buffer = BytesMut::new();
    let mut receipts = Vec::new();
    while let Some(first) = outgoing.recv().await {
        let more = std::iter::from_fn(|| outgoing.try_recv().ok());
        for Outgoing { dialect, command, receipt } in std::iter::once(first).chain(more) {
            buffer.extend_from_slice(&command.encode(dialect));
            receipts.extend(receipt);
        }
        while buffer.has_remaining() {
            if writer.write_buf(&mut buffer).await.is_err() {
                return;
            }
        }
        receipts.drain(..).for_each(Receipt::sign);
    }
    let _ = writer.shutdown().await; // the peer may have gone first
}
