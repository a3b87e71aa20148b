//! The gateway's side of HTTP sessions: each is a connection like any other, only that its bytes come in requests (§10).
//!
//! Knows requests, and how long a session may be silent. Refuses to know what the bytes say.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::feed::{LIMITS, feed};
use super::http::{Request, Response};
use super::ids::{ConnId, Door};
use super::input::Input;
use super::outgoing::{Batch, Carrier, Outlet, outbox};
use super::quota::Quota;
use crate::msn::command::Link;
use crate::msn::gateway::{CONTENT_TYPE, Destination, GatewayAction, HEADER, SessionHeader};
use crate::msn::wire::{Direction, Framer};

/// A session that asks nothing for so long is over.
const POLL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an answer waits for what its request brings about.
const GATHER: Duration = Duration::from_millis(150);
/// How long it waits for more once something has come.
const PAUSE: Duration = Duration::from_millis(10);
/// Bytes of one answer, but for its last unit; the rest comes with the next.
const MAX_ANSWER: usize = 1024 * 1024;
/// How often silent sessions are looked for.
const ROUND: Duration = Duration::from_secs(1);
/// Most sessions at once.
const MAX_SESSIONS: usize = 4096;

/// One HTTP session. Its bytes come in requests, and what it is sent leaves in their answers.
struct Session {
    conn: ConnId,
    link: Link,
    /// What the client named when it opened the session, and is told to go on with.
    gateway: String,
    framer: Framer,
    quota: Quota,
    outlet: Outlet,
    last_seen: Instant,
}

/// The sessions of one service. A session that is being asked is taken out, so that a second request finds none.
#[derive(Clone)]
pub(super) struct Gateway {
    sessions: Arc<Mutex<HashMap<String, Option<Session>>>>,
    inputs: mpsc::Sender<Input>,
}

impl Gateway {
    /// A gateway without sessions, whose commands go to the owner.
    pub(super) fn new(inputs: mpsc::Sender<Input>) -> Self {
        Self { sessions: Arc::default(), inputs }
    }

    /// Locked for a moment only: never while a request waits.
    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Option<Session>>> {
        // Nothing that holds the lock panics.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one request: it opens a session, says something in one, or asks what has come (§10). 400 for a session that is not
    /// there or is being asked by another request, 503 for one too many.
    pub(super) async fn answer(&self, peer: SocketAddr, request: &Request) -> Response {
        let bad = || Response::new(400, "Bad Request");
        let Ok(action) = request.query.parse::<GatewayAction>() else { return bad() };
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

    /// A new connection to the server that the client names; `None` for one too many, and while the service stops.
    async fn open(&self, peer: SocketAddr, destination: Destination, gateway: String) -> Option<Session> {
        if self.sessions().len() >= MAX_SESSIONS {
            return None;
        }
        let (door, link) = match destination {
            Destination::Notification => (Door::Notification, Link::Notification),
            Destination::Switchboard => (Door::Switchboard, Link::Switchboard),
        };
        let (outbox, outlet) = outbox(Carrier::Gateway);
        let (id, conn) = oneshot::channel();
        // Nobody can be reached on the port that a request came from.
        let peer = Some(SocketAddr::new(peer.ip(), 0));
        self.inputs.send(Input::Connected { door, peer, outbox, id }).await.ok()?;
        let conn = conn.await.ok()?;
        let framer = Framer::new(Direction::FromClient, LIMITS);
        let (quota, last_seen) = (Quota::new(), Instant::now());
        Some(Session { conn, link, gateway, framer, quota, outlet, last_seen })
    }

    /// Hands on what the request holds, and gathers what has come: an empty request does not wait for it.
    async fn exchange(&self, name: String, mut session: Session, request: &Request) -> Response {
        // Known from now on, as one that is being asked.
        self.sessions().insert(name.clone(), None);
        session.last_seen = Instant::now();
        session.framer.push(&request.body);
        let Session { framer, quota, conn, link, outlet, .. } = &mut session;
        let broken = feed(framer, *conn, *link, &self.inputs, quota).await.is_err();
        let mut batch = outlet.batch();
        let waits = !request.body.is_empty() && !broken;
        let ended = gather(outlet, &mut batch, if waits { GATHER } else { Duration::ZERO }).await;
        let close = ended || broken;
        let header = SessionHeader { session: name.clone(), gateway: session.gateway.clone(), close };
        if close {
            self.sessions().remove(&name);
            let _ = self.inputs.send(Input::Disconnected(session.conn)).await; // the owner may have stopped
        } else {
            self.sessions().insert(name, Some(session));
        }
        // What is in the answer is read once the answer is written; what is left when the session ends was not.
        let response = Response::new(200, "OK").with(HEADER, header.to_string());
        Response { batch: Some(batch), ..response.with("Content-Type", CONTENT_TYPE) }
    }

    /// Ends the sessions whose clients have not asked for a while, until the service stops.
    pub(super) async fn forget_silent(self, cancel: CancellationToken) {
        let mut round = tokio::time::interval(ROUND);
        while cancel.run_until_cancelled(round.tick()).await.is_some() {
            for conn in self.take_silent() {
                let _ = self.inputs.send(Input::Disconnected(conn)).await; // the owner may have stopped
            }
        }
    }

    /// Forgets the sessions that have not asked for a while, but for those that are being asked.
    fn take_silent(&self) -> Vec<ConnId> {
        let is_silent =
            |s: &Option<Session>| s.as_ref().is_some_and(|s| s.last_seen.elapsed() >= POLL_TIMEOUT);
        let mut sessions = self.sessions();
        let silent = sessions.extract_if(|_, session| is_silent(session));
        silent.filter_map(|(_, session)| Some(session?.conn)).collect()
    }
}

/// Takes what waits, and what commands bring about within `patience`, as long as it keeps coming. True if no more can come.
async fn gather(outlet: &mut Outlet, batch: &mut Batch, patience: Duration) -> bool {
    let until = Instant::now() + patience;
    while batch.bytes.len() < MAX_ANSWER {
        match outlet.try_next() {
            Ok(unit) => batch.push(unit),
            Err(TryRecvError::Disconnected) => return true,
            Err(TryRecvError::Empty) => {
                // Once something has come, the rest is only milliseconds behind.
                let soon = (Instant::now() + PAUSE).min(until);
                let patience = if batch.bytes.is_empty() { until } else { soon };
                match tokio::time::timeout_at(patience, outlet.next()).await {
                    Ok(Some(unit)) => batch.push(unit),
                    Ok(None) => return true,
                    Err(_) => break,
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msn::command::{Acknowledge, ServerCommand};
    use crate::msn::dialect::Dialect;
    use crate::msn::ids::TrId;
    use crate::msn::wire::UrlText;
    use crate::service::outgoing::{Outbox, Receipt};

    const OPEN: &str = "Action=open&Server=SB&IP=127.0.0.1";

    /// A session, as the owner of the service sees it: what it is sent goes into the outbox.
    struct Opened {
        gateway: Gateway,
        inputs: mpsc::Receiver<Input>,
        outbox: Outbox,
        name: String,
        cancel: CancellationToken,
    }

    impl Opened {
        async fn new() -> Self {
            let (inputs, mut mailbox) = mpsc::channel(64);
            let (gateway, cancel) = (Gateway::new(inputs), CancellationToken::new());
            tokio::spawn(gateway.clone().forget_silent(cancel.clone()));
            let owner = async {
                let Some(Input::Connected { outbox, id, .. }) = mailbox.recv().await else {
                    panic!("a connection")
                };
                id.send(ConnId(7)).unwrap();
                outbox
            };
            let (outbox, answer) = tokio::join!(owner, ask(&gateway, OPEN));
            let (_, header) = answer.headers.iter().find(|(name, _)| *name == HEADER).unwrap();
            let header: SessionHeader = header.parse().unwrap();
            Self { gateway, inputs: mailbox, outbox, name: header.session, cancel }
        }

        async fn poll(&self) -> Response {
            ask(&self.gateway, &format!("Action=poll&SessionID={}", self.name)).await
        }

        /// Somebody sends this session a message; the other end of their connection.
        fn relay(&self, trid: u32, wanted: Acknowledge) -> Outlet {
            let (sender, answers) = outbox(Carrier::Socket);
            let receipts = Receipt::for_each(1, &sender, Dialect::Msnp11, TrId(trid), wanted);
            let payload = format!("words {trid}").into_bytes().into();
            let name = UrlText::from_wire("a");
            let message = ServerCommand::Msg { sender: "a@b.c".into(), name, payload };
            for receipt in receipts {
                self.outbox.push_words(Dialect::Msnp11, &message, receipt).unwrap();
            }
            // Their connection lives as long as the test: an answer to nobody would be lost.
            std::mem::forget(sender);
            answers
        }
    }

    impl Drop for Opened {
        fn drop(&mut self) {
            self.cancel.cancel();
        }
    }

    async fn ask(gateway: &Gateway, query: &str) -> Response {
        let mut request = Request::default();
        request.query = query.to_owned();
        gateway.answer("127.0.0.1:9".parse().unwrap(), &request).await
    }

    fn heard(answers: &mut Outlet) -> String {
        let units = std::iter::from_fn(|| answers.try_next().ok());
        units.map(|unit| String::from_utf8(unit.bytes.to_vec()).unwrap()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn fault_37_words_are_acknowledged_when_they_are_collected_and_not_before() {
        let session = Opened::new().await;
        let mut sent = [
            session.relay(1, Acknowledge::Always),
            session.relay(2, Acknowledge::Data),
            session.relay(3, Acknowledge::OnSuccess),
        ];
        tokio::time::sleep(POLL_TIMEOUT / 2).await;
        assert_eq!(sent.each_mut().map(heard), ["", "", ""], "nobody has asked for them");
        let answer = session.poll().await;
        let batch = answer.batch.unwrap();
        let collected = String::from_utf8(batch.bytes.clone()).unwrap();
        assert!(collected.contains("words 1") && collected.contains("words 3"), "{collected}");
        assert_eq!(sent.each_mut().map(heard), ["", "", ""], "the answer is not written yet");
        batch.written();
        assert_eq!(sent.each_mut().map(heard), ["ACK 1\r\n", "ACK 2\r\n", "ACK 3\r\n"]);
        // An answer that could not be written was not read.
        let mut lost = session.relay(4, Acknowledge::Always);
        drop(session.poll().await);
        assert_eq!(heard(&mut lost), "NAK 4\r\n");
    }

    #[tokio::test(start_paused = true)]
    async fn fault_37_what_nobody_collects_is_refused_when_the_session_ends_by_itself() {
        let mut session = Opened::new().await;
        let mut sent = [
            session.relay(1, Acknowledge::Always),
            session.relay(2, Acknowledge::OnFailure),
            session.relay(3, Acknowledge::Never),
        ];
        // No other request brings this about.
        tokio::time::sleep(POLL_TIMEOUT + ROUND).await;
        assert!(matches!(session.inputs.recv().await, Some(Input::Disconnected(ConnId(7)))));
        assert_eq!(sent.each_mut().map(heard), ["NAK 1\r\n", "NAK 2\r\n", ""]);
        assert_eq!(session.poll().await.status.0, 400, "the session is gone");
    }

    #[tokio::test(start_paused = true)]
    async fn fault_38_an_answer_is_bounded_and_the_rest_comes_with_the_next() {
        let session = Opened::new().await;
        let name = UrlText::from_wire("a");
        let payload = vec![b'x'; 1600].into();
        let message = ServerCommand::Msg { sender: "a@b.c".into(), name, payload };
        for _ in 0..2000 {
            session.outbox.push(Dialect::Msnp11, &message, None).unwrap();
        }
        let mut sizes = Vec::new();
        loop {
            let batch = session.poll().await.batch.unwrap();
            if batch.bytes.is_empty() {
                break;
            }
            sizes.push(batch.bytes.len());
            batch.written();
        }
        assert!(sizes.iter().all(|size| *size < MAX_ANSWER + 4096), "{sizes:?}");
        assert_eq!(sizes.iter().sum::<usize>(), 2000 * message.encode(Dialect::Msnp11).len());
    }
}
