//! MSN servers of other people's: redirects, refusals, and sign-in pages, played by scripts where the embedded service
//! cannot be made to misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use msnbridge::connector::{
    DirectConfig, MsnConfig, OfflinePolicy, OimConfig, Passport, RelayFormat, TicketError, Transport,
};
use msnbridge::msn::dialect::Dialect;
use msnbridge::msn::ids::Email;
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::chat::ACCOUNTS;
use crate::support::bridge::Bridge;
use crate::support::msn::Peer;
use crate::support::service::MsnService;

/// A bridge with one login and no homeserver: enough to watch it sign in.
fn bridge_alone(directory: &std::path::Path, server: &str, nexus: &str) -> Bridge {
    let bridge = Bridge::configure(directory, "http://127.0.0.1:1", server, nexus);
    bridge.append_config(
        "logins:\n  - {account: alice@example.com, owner: '@ann:test.localhost', password: alice-pw}\n",
    );
    bridge
}

#[tokio::test]
async fn conf_020_a_dispatch_server_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start_with(directory.path(), ACCOUNTS, &["--dispatch", "127.0.0.1:0"]).await;
    let mut bridge = bridge_alone(directory.path(), &service.dispatch(), &service.nexus);
    bridge.spawn();
    bridge.wait_for_log("sent on to another server").await;
    bridge.wait_for_log("state=Connected").await;
}

/// A server that sends everybody back to itself; counts who came.
async fn circle() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (came, here) = (Arc::new(AtomicUsize::new(0)), address.clone());
    let counter = came.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let (reader, mut writer) = stream.into_split();
            let mut lines = BufReader::new(reader).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let answer = match line.get(..3) {
                    Some("VER") => "VER 1 MSNP11\r\n".to_owned(),
                    Some("CVR") => "CVR 2 1 1 1 x y\r\n".to_owned(),
                    _ => format!("XFR 3 NS {here} 0 {here}\r\n"),
                };
                if writer.write_all(answer.as_bytes()).await.is_err() {
                    break;
                }
            }
        }
    });
    (address, came)
}

#[tokio::test]
async fn conf_020_a_circle_of_redirects_is_left_after_five() {
    let directory = tempfile::tempdir().unwrap();
    let (address, came) = circle().await;
    let mut bridge = bridge_alone(directory.path(), &address, "http://127.0.0.1:1/rdr/pprdr.asp");
    bridge.spawn();
    bridge.wait_for_log("from one address to the next 5 times").await;
    assert_eq!(came.load(Ordering::SeqCst), 6, "the first server and five more");
}

#[tokio::test]
async fn conf_034_signed_in_elsewhere_is_final_and_a_restart_does_not_change_that() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let mut bridge = bridge_alone(directory.path(), &service.notification, &service.nexus);
    bridge.spawn();
    bridge.wait_for_log("state=Connected").await;
    let mut elsewhere = Peer::sign_in(&service, "alice@example.com", "alice-pw").await;
    bridge.wait_for_log("stays signed out until somebody asks").await;
    bridge.kill().await;
    let before = bridge.log().matches("state=").count();
    let started = bridge.log().matches("did not call the bridge").count();
    bridge.spawn();
    bridge.wait_for_log_times("did not call the bridge", started + 1).await;
    assert_eq!(bridge.log().matches("state=").count(), before, "it signed in again by itself");
    // The other client was not thrown out.
    elsewhere.wire.raw(b"PNG\r\n").await;
    elsewhere.wire.line("QNG").await;
}

/// A sign-in page that answers each path by this; gives its address.
pub(crate) async fn pages(answer: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            let mut buffer = [0; 1024];
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut buffer).await {
                    Ok(n) if n > 0 => request.extend_from_slice(&buffer[..n]),
                    _ => break,
                }
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            let reply = format!("{}Content-Length: 0\r\nConnection: close\r\n\r\n", answer(&path, &request));
            let _ = stream.write_all(reply.as_bytes()).await; // the client may have seen enough
        }
    });
    address
}

fn passport(address: &str) -> Passport {
    Passport::new(&MsnConfig {
        transport: Transport::Direct,
        proxy: None,
        gateway: None,
        server: "127.0.0.1:1".parse().unwrap(),
        nexus: format!("http://{address}/rdr/pprdr.asp"),
        token_service: None,
        address_book: None,
        allow_insecure_login: false,
        dialects: vec![Dialect::Msnp11],
        client: "MSNMSGR".into(),
        client_version: "7".into(),
        locale: "0x0409".into(),
        product: None,
        ask_above: u64::MAX,
        ffmpeg: None,
        offline: OfflinePolicy::Hold,
        oim: OimConfig::default(),
        relay: RelayFormat::default(),
        groups: Vec::new(),
        direct: DirectConfig { dial: false, allow: Vec::new(), announce: Vec::new(), ports: 0..=0 },
    })
    .unwrap()
}

async fn ticket(passport: &Passport) -> Result<String, TicketError> {
    let email = Email::parse("alice@example.com").unwrap();
    let ticket = passport.ticket(&email, &SecretString::from("a,'% ü"), "lc=1033,tw=40").await?;
    Ok(ticket.expose().to_owned())
}

fn address_of(request: &str) -> String {
    let host =
        request.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("host: ").map(str::to_owned));
    host.unwrap_or_default()
}

#[tokio::test]
async fn conf_024_redirects_of_the_login_page_keep_the_authorization() {
    let address = pages(|path, request| {
        let here = address_of(request);
        let authorized =
            request.contains("sign-in=alice%40example%2Ecom,pwd=a%2C%27%25%20%C3%BC,lc=1033,tw=40");
        match path {
            "/rdr/pprdr.asp" => {
                format!("HTTP/1.1 200 OK\r\npassporturls: DALogin=http://{here}/first,X=y\r\n")
            }
            "/first" if authorized => format!("HTTP/1.1 302 Found\r\nLocation: http://{here}/second\r\n"),
            "/second" if authorized => {
                "HTTP/1.1 200 OK\r\nAuthentication-Info: Passport1.4 from-PP='t=1&p=$*!2',x\r\n".to_owned()
            }
            _ => "HTTP/1.1 500 Wrong\r\n".to_owned(),
        }
    })
    .await;
    assert_eq!(ticket(&passport(&address)).await.unwrap(), "t=1&p=$*!2");
}

#[tokio::test]
async fn conf_024_more_than_five_redirects_fail() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let address = pages(move |path, request| {
        let here = address_of(request);
        match path {
            "/rdr/pprdr.asp" => format!("HTTP/1.1 200 OK\r\nPassportURLs: DALogin=http://{here}/0\r\n"),
            _ => format!("HTTP/1.1 302 Found\r\nLocation: /{}\r\n", count.fetch_add(1, Ordering::SeqCst) + 1),
        }
    })
    .await;
    assert!(matches!(ticket(&passport(&address)).await, Err(TicketError::TooManyRedirects(5))));
    assert_eq!(asked.load(Ordering::SeqCst), 6);
}

#[tokio::test]
async fn conf_026_a_refusal_is_final_and_says_why() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let address = pages(move |path, request| {
        let here = address_of(request);
        match path {
            "/rdr/pprdr.asp" => format!("HTTP/1.1 200 OK\r\nPassportURLs: DALogin=http://{here}/login\r\n"),
            _ => {
                count.fetch_add(1, Ordering::SeqCst);
                "HTTP/1.1 401 No\r\nWWW-Authenticate: Passport1.4 da-status=failed,cbtxt=Wrong%20word\r\n"
                    .to_owned()
            }
        }
    })
    .await;
    let refused = ticket(&passport(&address)).await.unwrap_err();
    assert!(refused.to_string().ends_with(": Wrong word"), "{refused}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// Some revival servers answer 200 whatever was said, and put the refusal into the header.
#[tokio::test]
async fn fault_23_a_refusal_with_200_is_final_and_nothing_is_signed_in_with() {
    for header in [
        "Authentication-Info: Passport1.4 da-status=failed,from-PP='',cbtxt=Wrong%20word.",
        "Authentication-Info: Passport1.4 da-status=failed,cbtxt=Wrong%20word.",
        "WWW-Authenticate: Passport1.4 da-status=failed,srealm=Passport.NET,ts=-3,cbtxt=Wrong%20word.",
    ] {
        let address = pages(move |path, request| match path {
            "/rdr/pprdr.asp" => {
                format!("HTTP/1.1 200 OK\r\nPassportURLs: DALogin=http://{}/login\r\n", address_of(request))
            }
            _ => format!("HTTP/1.1 200 OK\r\n{header}\r\n"),
        })
        .await;
        let refused = ticket(&passport(&address)).await.unwrap_err();
        assert!(matches!(refused, TicketError::Rejected { .. }), "{header}: {refused}");
        assert!(refused.to_string().ends_with(": Wrong word."), "{refused}");
    }
}

/// A nexus that names a page without encryption on another machine, and later one that is right: the password was never
/// in question, so the login is held and goes on by itself.
#[tokio::test]
async fn fault_36_a_page_that_is_not_safe_holds_the_login_and_does_not_sign_it_out() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, right) = (asked.clone(), service.nexus.replace("/rdr/pprdr.asp", "/login2.srf"));
    let nexus = pages(move |_, _| {
        let page = match count.fetch_add(1, Ordering::SeqCst) {
            0 => "http://192.0.2.1/login",
            1 => "http://login.example.com:8080/login2.srf",
            _ => &right,
        };
        format!("HTTP/1.1 200 OK\r\nPassportURLs: DALogin={page}\r\n")
    })
    .await;
    let nexus = format!("http://{nexus}/rdr/pprdr.asp");
    let mut bridge = bridge_alone(directory.path(), &service.notification, &nexus);
    bridge.spawn();
    bridge.wait_for_log("would carry the password unencrypted").await;
    bridge.wait_for_log("state=Connected").await;
    let log = bridge.log();
    assert!(log.contains("state=Waiting") && !log.contains("state=SignedOut"), "{log}");
    assert!(asked.load(Ordering::SeqCst) >= 3);
}

#[tokio::test]
async fn passwords_do_not_leave_this_machine_unencrypted() {
    let address =
        pages(|_, _| "HTTP/1.1 200 OK\r\nPassportURLs: DALogin=http://192.0.2.1/login\r\n".to_owned()).await;
    let refused = ticket(&passport(&address)).await.unwrap_err();
    assert!(matches!(refused, TicketError::Insecure { .. }), "{refused}");
}
