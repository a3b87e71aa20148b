//! Servers that take a connection and say nothing, wherever one is asked over HTTP or dialled: nothing waits for them for
//! ever, and somebody is told why.

use std::net::TcpListener;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::connector::login::oim;
use crate::connector::login::oim::{Fetching, LeaveError, Outbox, Tickets};
use crate::connector::net::gateway;
use crate::connector::tests::*;
use crate::msn::gateway::Destination;
use crate::msn::ids::Ticket;
use crate::msn::oim::MailData;

/// Takes every connection, says this on it and no more. On a thread of its own: the clock of the tests is not its.
fn mute(said: &'static str) -> HostPort {
    use std::io::Write;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = HostPort { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept() {
            stream.write_all(said.as_bytes()).unwrap();
            kept.push(stream);
        }
    });
    here
}

/// What comes of something, and after how long.
async fn ends<T>(bound: u64, what: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let ended = tokio::time::timeout(Duration::from_secs(bound), what).await;
    ended.unwrap_or_else(|_| panic!("it still waits after {:?}", begun.elapsed()))
}

#[tokio::test(start_paused = true)]
async fn fault_07_mute_sign_in_pages_end_a_sign_in_within_a_minute() {
    for head in ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"] {
        let page = mute(head);
        let mut config = config();
        config.nexus = format!("http://{page}/rdr/pprdr.asp");
        let passport = Passport::new(&config).unwrap();
        let password = SecretString::from("pw".to_owned());
        let refused = ends(61, passport.ticket(&email("alice"), &password, "ct=1")).await.unwrap_err();
        assert!(matches!(refused, TicketError::Unreachable(_)), "{refused}");
        assert!(!ConnectError::from(refused).needs_owner(), "it is tried again by itself");
    }
}

#[tokio::test(start_paused = true)]
async fn fault_07_a_mute_server_of_offline_messages_is_given_up_and_told_of() {
    let (bridge, mut core) = Bridge::channel();
    let shared = shared(bridge, config(), []);
    let url: reqwest::Url = format!("http://{}/x.asmx", mute("")).parse().unwrap();
    let password = || SecretString::from("pw".to_owned());
    let tickets = Tickets::new(shared.passport.clone(), email("alice"), password(), "ct=1".into());
    tickets.set(Ticket::new("t=1&p=2"));
    assert!(ends(21, oim::answers(&shared.passport, &url)).await.is_err());
    // To leave one: the words wait here then.
    let client = shared.passport.client();
    let mut outbox = Outbox::new(client, url.clone(), tickets.clone(), None).unwrap();
    let left = ends(21, outbox.leave(&email("alice"), "Al", &email("bob"), "hi")).await;
    assert!(matches!(left, Err(LeaveError::Failed(_))), "{left:?}");
    // To fetch some: five times, with pauses.
    let fetching = Fetching { shared: shared.clone(), login: alice(), tickets, url };
    let waiting = MailData::Messages(vec!["id-1".into()]);
    ends(5 * 20 + 2 * 15 + 1, fetching.run(waiting, &Semaphore::new(1))).await;
    let RemoteKind::Notice { text } = ends(1, next(&mut core)).await else { panic!("a notice") };
    assert!(text.contains("could not be fetched"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn fault_07_a_mute_gateway_ends_its_session() {
    let head = "HTTP/1.1 200 OK\r\nX-MSN-Messenger: SessionID=1.2; GW-IP=\r\nContent-Length: 10\r\n\r\n";
    // Before an answer, and within one.
    for said in ["", head] {
        let url = format!("http://{}/gateway/gateway.dll", mute(said)).parse().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let server = HostPort { host: "msn.invalid".into(), port: 1863 };
        let mut stream = gateway::open(client, url, Destination::Notification, &server);
        stream.write_all(b"VER 1 MSNP11\r\n").await.unwrap();
        let mut read = Vec::new();
        ends(41, stream.read_to_end(&mut read)).await.unwrap();
        assert!(read.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn fault_07_a_mute_proxy_is_not_waited_for() {
    let mut config = config();
    config.proxy = Some(Proxy { server: mute(""), credentials: None });
    let dialler = Dialler::new(&config, reqwest::Client::new());
    let opened = ends(16, dialler.open(Destination::Switchboard, &config.server)).await;
    let error = opened.err().expect("nobody answers");
    assert!(matches!(error, ConnectError::NoAnswer { .. }), "{error}");
}
