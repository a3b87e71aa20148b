//! Ways to a server that are not a plain connection: a SOCKS5 proxy, the HTTP gateway, sign-in pages over TLS.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::chat::World;
use crate::support::msn::{Peer, text};
use crate::support::process::Process;
use crate::support::service::MsnService;
use crate::support::{free_port, within};

/// A world whose bridge is told these things about `msn`, and nothing else.
async fn world(more: impl FnOnce(&MsnService) -> Vec<(&'static str, String)>) -> World {
    let mut world = World::start_up(tempfile::tempdir().unwrap(), "").await;
    assert!(world.bridge.stop().await.success());
    for (key, value) in more(&world.service) {
        world.bridge.add_to_section("msn", key, &value);
    }
    world.bridge.start().await;
    let management = world.management.clone();
    world.user.sign_in(&management, "alice@example.com", "alice-pw").await;
    world
}

/// One line each way, in a call of Bob's and in one of ours.
async fn chat(world: &mut World) {
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hello there")).await;
    let room = world.user.message("hello there").await["room_id"].as_str().unwrap().to_owned();
    world.user.send(&room, "hello here").await;
    call.message("hello here").await;
    drop(call);
    world.user.send(&room, "and again").await;
    bob.answer().await.message("and again").await;
}

/// A real SOCKS5 proxy that wants to know who comes.
async fn proxy(directory: &Path) -> (Process, u16) {
    let port = free_port();
    let mut command = Command::new("microsocks");
    command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-u", "us", "-P", "secret"]);
    let process = Process::start("microsocks", command, &directory.join("microsocks.log"));
    within("microsocks to listen", async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    (process, port)
}

#[tokio::test]
async fn everything_goes_through_a_socks5_proxy() {
    let directory = tempfile::tempdir().unwrap();
    let (mut process, port) = proxy(directory.path()).await;
    let mut world = world(|_| {
        let proxy = format!("socks5://127.0.0.1:{port}");
        vec![("proxy", proxy), ("proxy_user", "us".into()), ("proxy_password", "secret".into())]
    })
    .await;
    chat(&mut world).await;
    // Without the proxy there is no way: nothing went around it.
    process.kill().await;
    let management = world.management.clone();
    world.user.send(&management, "reconnect").await;
    world.bridge.wait_for_log("state=Waiting").await;
    assert!(!process.log().is_empty());
}

#[tokio::test]
async fn the_http_gateway_carries_sessions_and_calls() {
    let mut world =
        world(|service| vec![("transport", "http".into()), ("gateway", service.gateway.clone())]).await;
    chat(&mut world).await;
}

#[tokio::test]
async fn where_the_port_is_blocked_the_gateway_is_taken_by_itself() {
    let mut world = world(|service| {
        // Nobody listens there: what a firewall that refuses looks like.
        vec![("server", format!("127.0.0.1:{}", free_port())), ("gateway", service.gateway.clone())]
    })
    .await;
    world.bridge.wait_for_log("trying the HTTP gateway instead").await;
    chat(&mut world).await;
}

/// Sends bytes and gives what comes until the other side closes.
async fn exchange(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(bytes).await.expect("written");
    let mut answer = Vec::new();
    within("an answer", stream.read_to_end(&mut answer)).await.expect("read");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn conf_101_a_gateway_session_is_asked_one_thing_at_a_time_and_an_unknown_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), "a@example.com,pw,A\n").await;
    let address = service.gateway.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let post = |query: &str, body: &str| {
        format!(
            "POST http://gw/gateway/gateway.dll?{query} HTTP/1.1\r\nHost: gw\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let opened =
        exchange(&address, post("Action=open&Server=NS&IP=ms.example", "VER 1 MSNP11 CVR0\r\n").as_bytes())
            .await;
    assert!(opened.contains("GW-IP=ms.example\r\n"), "{opened}");
    assert!(opened.ends_with("VER 1 MSNP11 CVR0\r\n"), "{opened}");
    let name = opened.split("SessionID=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    assert!(name.contains('.'), "an old client needs a dot: {name}");
    // Two at once: the second finds the session taken.
    let (slow, poll) =
        (post(&format!("SessionID={name}"), "XXX 1\r\n"), post(&format!("Action=poll&SessionID={name}"), ""));
    let late = async {
        tokio::time::sleep(Duration::from_millis(40)).await;
        exchange(&address, poll.as_bytes()).await
    };
    let (first, second) = tokio::join!(exchange(&address, slow.as_bytes()), late);
    assert!(first.starts_with("HTTP/1.1 200") && second.starts_with("HTTP/1.1 400"), "{first} {second}");
    assert!(
        exchange(&address, post("SessionID=1.2", "PNG\r\n").as_bytes()).await.starts_with("HTTP/1.1 400")
    );
}

#[tokio::test]
async fn sign_in_pages_speak_to_old_clients_over_tls_and_without_a_version() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=login.example"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let more = [
        "--https",
        "127.0.0.1:0",
        "--certificate",
        certificate.to_str().unwrap(),
        "--key",
        key.to_str().unwrap(),
    ];
    let service = MsnService::start_with(directory.path(), "a@example.com,pw,A\n", &more).await;
    let http = service.nexus.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    // As libpurple's MSNP9 asks: no version, no header.
    let nexus = exchange(&http, b"GET /rdr/pprdr.asp\r\n\r\n").await;
    assert!(nexus.contains("PassportURLs: DALogin=http://"), "{nexus}");
    let https = service.https();
    let ask = |request: &'static str| {
        let https = https.clone();
        async move {
            let mut client = Command::new("openssl");
            client.args(["s_client", "-quiet", "-connect", &https]).stdin(std::process::Stdio::piped());
            let mut client = client
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            let mut stdin = client.stdin.take().unwrap();
            stdin.write_all(request.as_bytes()).await.unwrap();
            let output = within("an answer over TLS", client.wait_with_output()).await.unwrap();
            drop(stdin);
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
    };
    let nexus = ask("GET /rdr/pprdr.asp HTTP/1.1\r\nHost: login.example\r\nConnection: close\r\n\r\n").await;
    assert!(nexus.contains("DALogin=login.example/login2.srf,DAReg="), "no scheme, a comma behind: {nexus}");
    let login = ask(
        "GET /login2.srf HTTP/1.1\r\nAuthorization: Passport1.4 OrgVerb=GET,sign-in=a%40example.com,pwd=pw,lc=1033\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(login.starts_with("HTTP/1.1 200 OK\r\n"), "{login}");
    assert!(login.contains("\r\nAuthentication-Info: ") && login.contains("from-PP='t="), "{login}");
}
