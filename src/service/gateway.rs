//! The gateway's side of HTTP sessions: each is a connection like any other, only that its bytes come in requests (§10).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::http::{Request, Response};
use super::listener::{Input, LIMITS, OUTBOX, feed};
use super::outgoing::{Outgoing, Receipt};
use super::quota::Quota;
use super::world::{ConnId, Door};
use crate::msn::command::Link;
use crate::msn::gateway::{CONTENT_TYPE, Destination, GatewayAction, HEADER, SessionHeader};
use crate::msn::wire::{Direction, Framer};

/// A session that asks nothing for so long is over.
const SILENCE: Duration = Duration::from_secs(60);
/// How long an answer waits for what its request brings about.
const GATHER: Duration = Duration::from_millis(150);
/// What may wait for a client that does not ask.
const MAX_WAITING: usize = 512 * 1024;
/// Most sessions at once.
const MAX_SESSIONS: usize = 4096;

/// What a session has for its client.
#[derive(Default)]
struct Inbox {
    bytes: Mutex<(BytesMut, bool)>,
    arrived: Notify,
}

impl Inbox {
    /// Waiting bytes, and whether more can come.
    fn state(&self) -> MutexGuard<'_, (BytesMut, bool)> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Session {
    conn: ConnId,
    link: Link,
    /// What the client named when it opened the session, and is told to go on with.
    gateway: String,
    framer: Framer,
    quota: Quota,
    inbox: Arc<Inbox>,
    last_seen: Instant,
}

/// The sessions of one service. A session that is being asked is taken out, so that a second request finds none.
#[derive(Clone)]
pub(super) struct Gateway {
    sessions: Arc<Mutex<HashMap<String, Option<Session>>>>,
    inputs: mpsc::Sender<Input>,
}

impl Gateway {
    pub(super) fn new(inputs: mpsc::Sender<Input>) -> Self {
        Self { sessions: Arc::default(), inputs }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Option<Session>>> {
        // Nothing that holds the lock panics.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn answer(&self, peer: SocketAddr, request: &Request) -> Response {
        let bad = || Response::new(400, "Bad Request");
        let Ok(action) = request.query.parse::<GatewayAction>() else { return bad() };
        self.forget_silent().await;
        let (name, session) = match action {
            GatewayAction::Open { destination, ip } => {
                let Some(session) = self.open(peer, destination, ip).await else {
                    return Response::new(503, "Service Unavailable");
                };
                (format!("{:016x}.{}", rand::random::<u64>(), rand::random::<u16>()), session)
            }
            GatewayAction::Send { session } | GatewayAction::Poll { session } => {
                match self.sessions().get_mut(&session).and_then(Option::take) {
                    Some(taken) => (session, taken),
                    None => return bad(),
                }
            }
        };
        self.exchange(name, session, request).await
    }

    async fn open(&self, peer: SocketAddr, destination: Destination, gateway: String) -> Option<Session> {
        if self.sessions().len() >= MAX_SESSIONS {
            return None;
        }
        let (door, link) = match destination {
            Destination::Notification => (Door::Notification, Link::Notification),
            Destination::Switchboard => (Door::Switchboard, Link::Switchboard),
        };
        let (outbox, outgoing) = mpsc::channel(OUTBOX);
        let (id, conn) = oneshot::channel();
        // Nobody can be reached on the port that a request came from.
        let peer = Some(SocketAddr::new(peer.ip(), 0));
        self.inputs.send(Input::Connected { door, peer, outbox, id }).await.ok()?;
        let (conn, inbox) = (conn.await.ok()?, Arc::new(Inbox::default()));
        tokio::spawn(collect(outgoing, inbox.clone()));
        let framer = Framer::new(Direction::FromClient, LIMITS);
        let (quota, last_seen) = (Quota::new(), Instant::now());
        Some(Session { conn, link, gateway, framer, quota, inbox, last_seen })
    }

    async fn exchange(&self, name: String, mut session: Session, request: &Request) -> Response {
        // Known from now on, as one that is being asked.
        self.sessions().insert(name.clone(), None);
        session.last_seen = Instant::now();
        session.framer.push(&request.body);
        let Session { framer, quota, conn, link, .. } = &mut session;
        let broken = feed(framer, *conn, *link, &self.inputs, quota).await.is_err();
        if !request.body.is_empty() && !broken {
            gather(&session.inbox).await;
        }
        let (body, ended) = {
            let mut state = session.inbox.state();
            (state.0.split().to_vec(), state.1)
        };
        let close = ended || broken;
        let header = SessionHeader { session: name.clone(), gateway: session.gateway.clone(), close };
        if close {
            self.sessions().remove(&name);
            let _ = self.inputs.send(Input::Disconnected(session.conn)).await; // the owner may have stopped
        } else {
            self.sessions().insert(name, Some(session));
        }
        let response = Response::new(200, "OK").with(HEADER, header.to_string());
        Response { body, ..response.with("Content-Type", CONTENT_TYPE) }
    }

    /// Ends the sessions whose clients have not asked for a while.
    async fn forget_silent(&self) {
        let silent: Vec<ConnId> = {
            let mut sessions = self.sessions();
            let is_silent =
                |s: &Option<Session>| s.as_ref().is_some_and(|s| s.last_seen.elapsed() >= SILENCE);
            let names: Vec<String> =
                sessions.iter().filter(|(_, s)| is_silent(s)).map(|(name, _)| name.clone()).collect();
            names.iter().filter_map(|name| Some(sessions.remove(name)??.conn)).collect()
        };
        for conn in silent {
            let _ = self.inputs.send(Input::Disconnected(conn)).await; // the owner may have stopped
        }
    }
}

/// Waits for what commands bring about, as long as it keeps coming, for a moment.
async fn gather(inbox: &Inbox) {
    let until = Instant::now() + GATHER;
    let mut seen = 0;
    loop {
        let (waiting, ended) = {
            let state = inbox.state();
            (state.0.len(), state.1)
        };
        if ended || (waiting > 0 && waiting == seen) {
            return;
        }
        seen = waiting;
        // Once something has come, the rest is only milliseconds behind.
        let patience =
            if waiting > 0 { (Instant::now() + Duration::from_millis(10)).min(until) } else { until };
        if tokio::time::timeout_at(patience, inbox.arrived.notified()).await.is_err() && waiting == 0 {
            return;
        }
    }
}

/// Keeps what the service sends until the client asks for it. A client that never asks loses its session.
async fn collect(mut outgoing: mpsc::Receiver<Outgoing>, inbox: Arc<Inbox>) {
    while let Some(Outgoing { dialect, command, receipt }) = outgoing.recv().await {
        let mut state = inbox.state();
        state.0.extend_from_slice(&command.encode(dialect));
        if state.0.len() > MAX_WAITING {
            break;
        }
        drop(state);
        receipt.into_iter().for_each(Receipt::sign);
        inbox.arrived.notify_one();
    }
    inbox.state().1 = true;
    inbox.arrived.notify_one();
}
