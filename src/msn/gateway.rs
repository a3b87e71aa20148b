//! The HTTP gateway: a notification or switchboard connection carried in the bodies of POST requests (§10).
//!
//! Knows when a request may go, what stands in it, and what an answer means for the next one. Refuses to know HTTP
//! itself: who drives this brings the header and hands the body to the framer like any bytes.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use thiserror::Error;

/// The path of a gateway.
pub const PATH: &str = "/gateway/gateway.dll";
/// The header that names the session in every answer.
pub const HEADER: &str = "X-MSN-Messenger";
/// What bodies are.
pub const CONTENT_TYPE: &str = "application/x-msn-messenger";
/// Without anything to send, it is asked this often whether something came.
pub const POLL: Duration = Duration::from_secs(2);
/// Bytes that may wait for the answer before them.
const MAX_OUTGOING: usize = 1024 * 1024;
/// Longest name of a session or a gateway that is taken.
const MAX_TOKEN: usize = 256;

/// Why a session over HTTP cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GatewayError {
    #[error("the gateway's answer does not name the session")]
    NoSession,
    #[error("the gateway's answer holds an odd name: {0:?}")]
    BadToken(String),
    #[error("the gateway does not answer, and too much waits for it")]
    Stuck,
    #[error("the request names no known action or server")]
    BadRequest,
}

/// Where a session leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    Notification,
    Switchboard,
}

impl Destination {
    fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "NS",
            Self::Switchboard => "SB",
        }
    }
}

/// The value of [`HEADER`]: `SessionID=…; GW-IP=…[; Session=close]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionHeader {
    /// Any text: Microsoft's has a dot in it, others have none.
    pub session: String,
    /// Where the next request goes; may be empty.
    pub gateway: String,
    /// The connection behind the session has ended.
    pub close: bool,
}

/// Names go into the next address: nothing but what can stand there.
fn token(text: &str) -> Result<String, GatewayError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if text.len() <= MAX_TOKEN && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err(GatewayError::BadToken(text.chars().take(40).collect()))
    }
}

impl FromStr for SessionHeader {
    type Err = GatewayError;

    fn from_str(value: &str) -> Result<Self, GatewayError> {
        let field = |name: &str| {
            let mut pairs = value.split(';').filter_map(|part| part.trim().split_once('='));
            pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, v)| v.trim())
        };
        let session = field("SessionID").filter(|session| !session.is_empty());
        Ok(Self {
            session: token(session.ok_or(GatewayError::NoSession)?)?,
            gateway: token(field("GW-IP").unwrap_or_default())?,
            close: field("Session").is_some_and(|word| word.eq_ignore_ascii_case("close")),
        })
    }
}

impl fmt::Display for SessionHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionID={}; GW-IP={}", self.session, self.gateway)?;
        if self.close { f.write_str("; Session=close") } else { Ok(()) }
    }
}

/// What a request asks of a gateway, from its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayAction {
    /// The body holds the first commands.
    Open {
        destination: Destination,
        ip: String,
    },
    Send {
        session: String,
    },
    Poll {
        session: String,
    },
}

impl FromStr for GatewayAction {
    type Err = GatewayError;

    fn from_str(query: &str) -> Result<Self, GatewayError> {
        let field = |name: &str| {
            let mut pairs = query.split('&').filter_map(|part| part.split_once('='));
            pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let session = || field("SessionID").ok_or(GatewayError::BadRequest).and_then(token);
        match field("Action").map(str::to_ascii_lowercase).as_deref() {
            Some("open") => {
                let destination = match field("Server") {
                    Some("NS") => Destination::Notification,
                    Some("SB") => Destination::Switchboard,
                    _ => return Err(GatewayError::BadRequest),
                };
                Ok(Self::Open { destination, ip: token(field("IP").unwrap_or_default())? })
            }
            Some("poll") => Ok(Self::Poll { session: session()? }),
            None => Ok(Self::Send { session: session()? }),
            Some(_) => Err(GatewayError::BadRequest),
        }
    }
}

/// A request to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayRequest {
    /// The host that the last answer named, with a port if it named one; `None` for the configured gateway.
    pub gateway: Option<String>,
    pub query: String,
    pub body: Vec<u8>,
}

/// The client's side of one session.
#[derive(Debug)]
pub struct GatewaySession {
    destination: Destination,
    /// The server behind the gateway, without a port.
    target: String,
    answered: Option<SessionHeader>,
    outgoing: Vec<u8>,
    in_flight: bool,
    poll_at: Option<Instant>,
}

impl GatewaySession {
    /// A session that nobody asked for yet. `target`: host of the server behind the gateway.
    pub fn new(destination: Destination, target: impl Into<String>) -> Self {
        let (target, answered, poll_at) = (target.into(), None, None);
        Self { destination, target, answered, outgoing: Vec::new(), in_flight: false, poll_at }
    }

    /// Bytes for the server behind.
    ///
    /// # Errors
    /// [`GatewayError::Stuck`] where more than one MiB would wait for an answer.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), GatewayError> {
        if self.outgoing.len() + bytes.len() > MAX_OUTGOING {
            return Err(GatewayError::Stuck);
        }
        self.outgoing.extend_from_slice(bytes);
        Ok(())
    }

    /// Whether the session has ended over there.
    pub fn is_closed(&self) -> bool {
        self.answered.as_ref().is_some_and(|header| header.close)
    }

    /// Whether everything that was to be sent has been.
    pub fn is_idle(&self) -> bool {
        self.outgoing.is_empty() && !self.in_flight
    }

    /// The next request; `None` while one is under way, or there is nothing to say yet. One goes at a time.
    pub fn poll_request(&mut self, now: Instant) -> Option<GatewayRequest> {
        if self.in_flight || self.is_closed() {
            return None;
        }
        let query = match &self.answered {
            None if self.outgoing.is_empty() => return None,
            None => format!("Action=open&Server={}&IP={}", self.destination.as_str(), self.target),
            Some(header) if !self.outgoing.is_empty() => format!("SessionID={}", header.session),
            Some(header) if self.poll_at.is_none_or(|at| at <= now) => {
                format!("Action=poll&SessionID={}", header.session)
            }
            Some(_) => return None,
        };
        let gateway = self.answered.as_ref().map(|h| h.gateway.clone()).filter(|gateway| !gateway.is_empty());
        self.in_flight = true;
        Some(GatewayRequest { gateway, query, body: std::mem::take(&mut self.outgoing) })
    }

    /// The answer to the request under way: its header names what the next one must name.
    ///
    /// # Errors
    /// The header names no session, or one with odd characters: the session is lost.
    pub fn handle_answer(&mut self, now: Instant, header: &str) -> Result<(), GatewayError> {
        self.in_flight = false;
        self.answered = Some(header.parse()?);
        self.poll_at = Some(now + POLL);
        Ok(())
    }

    /// When [`GatewaySession::poll_request`] has something even if nothing is sent.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.poll_at.filter(|_| !self.in_flight && !self.is_closed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn session() -> GatewaySession {
        GatewaySession::new(Destination::Notification, "messenger.example.org")
    }

    #[test]
    fn conf_101_one_request_at_a_time_under_the_newest_names() {
        let now = Instant::now();
        let mut session = session();
        assert_eq!(session.poll_request(now), None, "there is nothing to open with");
        session.send(b"VER 1 MSNP11 CVR0\r\n").unwrap();
        let open = session.poll_request(now).unwrap();
        assert_eq!(open.query, "Action=open&Server=NS&IP=messenger.example.org");
        assert_eq!((open.gateway, &open.body[..]), (None, &b"VER 1 MSNP11 CVR0\r\n"[..]));
        session.send(b"CVR 2 x\r\n").unwrap();
        assert_eq!(session.poll_request(now), None, "one is under way");
        session.handle_answer(now, "SessionID=954547325.13160; GW-IP=192.0.2.1").unwrap();
        session.send(b"USR 3 y\r\n").unwrap();
        let sent = session.poll_request(now).unwrap();
        assert_eq!(
            (sent.query.as_str(), sent.gateway.as_deref()),
            ("SessionID=954547325.13160", Some("192.0.2.1"))
        );
        assert_eq!(sent.body, b"CVR 2 x\r\nUSR 3 y\r\n");
        session.handle_answer(now, "SessionID=954547325.4711; GW-IP=192.0.2.2").unwrap();
        let poll = session.poll_request(now + POLL).unwrap();
        assert_eq!(poll.query, "Action=poll&SessionID=954547325.4711");
        assert_eq!(poll.gateway.as_deref(), Some("192.0.2.2"));
        // The rule broken: an answer without a name leaves nothing to go on with.
        assert_eq!(session.handle_answer(now, "GW-IP=192.0.2.2"), Err(GatewayError::NoSession));
    }

    #[test]
    fn conf_102_a_name_without_a_dot_works_and_close_is_the_end() {
        let now = Instant::now();
        let mut session = session();
        session.send(b"x").unwrap();
        session.poll_request(now).unwrap();
        session.handle_answer(now, "SessionID=d7a2459e-1d8a-4ed3-97d1-450358094fa7; GW-IP=h").unwrap();
        session.send(b"y").unwrap();
        assert!(session.poll_request(now).unwrap().query.ends_with("450358094fa7"));
        session.handle_answer(now, "sessionid=d7; gw-ip=h; Session=close").unwrap();
        assert!(session.is_closed());
        session.send(b"z").unwrap();
        assert_eq!(session.poll_request(now + POLL), None);
        assert_eq!(session.poll_timeout(), None);
        for odd in ["SessionID=a b; GW-IP=x", "SessionID=a&b=c; GW-IP=x", "SessionID=; GW-IP=x", ""] {
            assert!(odd.parse::<SessionHeader>().is_err(), "{odd}");
        }
    }

    #[test]
    fn conf_103_polls_come_every_two_seconds_and_not_before() {
        let now = Instant::now();
        let mut session = session();
        session.send(b"x").unwrap();
        session.poll_request(now).unwrap();
        assert_eq!(session.poll_timeout(), None);
        session.handle_answer(now, "SessionID=1; GW-IP=").unwrap();
        assert_eq!(session.poll_timeout(), Some(now + POLL));
        assert_eq!(session.poll_request(now + POLL - Duration::from_millis(1)), None);
        assert!(session.poll_request(now + POLL).is_some());
    }

    #[test]
    fn requests_are_read_as_old_clients_write_them() {
        let read = |query: &str| query.parse::<GatewayAction>();
        assert_eq!(
            read("Action=open&Server=SB&IP=207.46.108.13"),
            Ok(GatewayAction::Open { destination: Destination::Switchboard, ip: "207.46.108.13".into() })
        );
        let poll = Ok(GatewayAction::Poll { session: "9.1".into() });
        assert_eq!(read("Action=poll&Lifespan=5&SessionID=9.1"), poll);
        assert_eq!(read("SessionID=9.1"), Ok(GatewayAction::Send { session: "9.1".into() }));
        for odd in
            ["", "Action=open&Server=XX&IP=1", "Action=poll", "Action=dance&SessionID=1", "SessionID=%00"]
        {
            assert!(read(odd).is_err(), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn headers_round_trip(session in "[0-9a-f.-]{1,40}", gateway in "[a-z0-9.:-]{0,40}", close: bool) {
            let header = SessionHeader { session, gateway, close };
            prop_assert_eq!(header.to_string().parse(), Ok(header));
        }

        #[test]
        fn any_text_is_survived(text in "\\PC{0,120}") {
            let _ = (text.parse::<SessionHeader>(), text.parse::<GatewayAction>());
        }
    }
}
