//! What strangers, a homeserver gone mad and idle clients may take of the bridge: little, and nothing of what is others'.

use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::chat::World;
use crate::support::bridge::Bridge;
use crate::support::{free_port, within};

/// Holds connections on which only this much is said.
async fn hold(port: u16, count: usize, said: &str) -> Vec<TcpStream> {
    let mut held = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the port is open");
        let _ = stream.write_all(said.as_bytes()).await; // it may have made room for another already
        held.push(stream);
    }
    held
}

fn descriptors(bridge: &Bridge) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", bridge.pid())).map_or(0, Iterator::count)
}

fn peak_memory(bridge: &Bridge) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", bridge.pid())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse().ok()).unwrap_or(0)
}

/// A homeserver that answers every request with this head and then so many times these bytes; `None` for ever.
async fn mad_homeserver(head: &'static str, times: Option<usize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 16 * 1024]).await;
                let _ = stream.write_all(head.as_bytes()).await;
                let piece = vec![b' '; 64 * 1024];
                for _ in 0..times.unwrap_or(usize::MAX) {
                    if stream.write_all(&piece).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn fault_33_an_endless_answer_of_the_homeserver_is_not_read_to_its_end() {
    let plain = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
    let failing = "HTTP/1.1 500 Oh\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n";
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n";
    for head in [plain, failing, announced] {
        let directory = TempDir::new().unwrap();
        let homeserver = mad_homeserver(head, None).await;
        let mut bridge =
            Bridge::configure(directory.path(), &homeserver, "127.0.0.1:1", "http://127.0.0.1:1/rdr");
        bridge.spawn();
        bridge.wait_for_log_times("its answer is longer than", 3).await;
        assert!(peak_memory(&bridge) < 300_000, "{} kB", peak_memory(&bridge));
        bridge.kill().await;
    }
}

#[tokio::test]
async fn fault_33_whoever_holds_connections_to_the_endpoint_keeps_the_homeserver_from_nothing() {
    let mut world = World::start_up(TempDir::new().unwrap(), "").await;
    let before = descriptors(&world.bridge);
    let mut held = Vec::new();
    for said in ["", "PUT /_matrix/app/v1/transactions/1 HTTP/1.1\r\nhost: x\r\n", "G"] {
        held.extend(hold(world.bridge.port, 200, said).await);
    }
    world.user.send(&world.management.clone(), "status").await;
    world.user.message_with("not signed in").await;
    assert!(descriptors(&world.bridge) < before + 100, "{before} and {}", descriptors(&world.bridge));
    // None of them stays, though they never end themselves.
    within("all of them to be closed", async {
        for stream in &mut held {
            while stream.read(&mut [0; 512]).await.is_ok_and(|read| read > 0) {}
        }
    })
    .await;
    // One without the token asks once, and the homeserver's own connections go on.
    let url = format!("http://127.0.0.1:{}/_matrix/app/v1/ping", world.bridge.port);
    let answer = Client::new().post(url).bearer_auth("wrong").send().await.unwrap();
    assert_eq!(
        (answer.status(), answer.headers()["connection"].to_str().unwrap()),
        (StatusCode::FORBIDDEN, "close")
    );
    world.user.send(&world.management.clone(), "help").await;
    world.user.message_with("In a conversation, write !msn").await;
}

/// What the kernel says of a bridge's descriptors: how many it may have, and how many it could.
fn descriptor_limits(bridge: &Bridge) -> Vec<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", bridge.pid())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[tokio::test]
async fn fault_33_descriptors_are_raised_at_the_start_and_named_in_the_log_when_they_end() {
    let directory = TempDir::new().unwrap();
    let (homeserver, nobody) = ("http://127.0.0.1:1", "127.0.0.1:1");
    let mut bridge = Bridge::configure(directory.path(), homeserver, nobody, "http://127.0.0.1:1/rdr");
    bridge.spawn_with(|command| {
        let program = command.as_std().get_program().to_owned();
        let arguments: Vec<_> = command.as_std().get_args().map(std::ffi::OsStr::to_owned).collect();
        *command = tokio::process::Command::new("bash");
        command.args(["-c", "ulimit -S -n 128; exec \"$@\"", "bash"]).arg(program).args(arguments)
    });
    bridge.wait_for_log("the homeserver did not call the bridge").await;
    let limits = descriptor_limits(&bridge);
    assert!(limits[0] == limits[1] && limits[0] > 128, "{limits:?}");
    let left = format!("--nofile={}:", descriptors(&bridge) + 2);
    let mut limit = std::process::Command::new("prlimit");
    assert!(limit.args(["--pid", &bridge.pid().to_string(), &left]).status().unwrap().success());
    let _held = hold(bridge.port, 20, "").await;
    bridge.wait_for_log("no file descriptors are left: raise LimitNOFILE").await;
}

#[tokio::test]
async fn fault_33_half_requests_to_the_link_server_make_nobody_wait() {
    let port = free_port();
    let config =
        format!("files:\n  links: {{url: 'http://127.0.0.1:{port}/', listen: '127.0.0.1:{port}'}}\n");
    let world = World::start_up(TempDir::new().unwrap(), &config).await;
    let _held = hold(port, 300, "GET / HTTP/1.1\r\nhost: x\r\n").await;
    for _ in 0..5 {
        let asked = Instant::now();
        let answer = Client::new().get(format!("http://127.0.0.1:{port}/")).send().await.expect("an answer");
        assert_eq!(answer.text().await.unwrap(), "Files of msnbridge.\n");
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    }
    assert!(descriptors(&world.bridge) < 150, "{}", descriptors(&world.bridge));
}

/// Puts a transaction as a homeserver does; gives the status.
async fn put(bridge: &Bridge, number: &str, body: serde_json::Value) -> StatusCode {
    let text = std::fs::read_to_string(bridge.file("bridge.yaml")).unwrap();
    let token = text.lines().find_map(|line| line.trim().strip_prefix("hs_token: ")).unwrap().to_owned();
    let url = format!("http://127.0.0.1:{}/_matrix/app/v1/transactions/{number}", bridge.port);
    Client::new().put(url).bearer_auth(token).json(&body).send().await.unwrap().status()
}

#[tokio::test]
async fn fault_31_after_a_restart_on_either_side_one_transaction_behind_a_gap_is_sent_back_once() {
    let mut world = World::start_up(TempDir::new().unwrap(), "").await;
    let events = || json!({"events": []});
    // What the homeserver wrote down in the moment in which it noted that the bridge is back, it does not send by itself.
    let refused = StatusCode::INTERNAL_SERVER_ERROR;
    assert_eq!(put(&world.bridge, "1000000", events()).await, refused, "the bridge was started");
    assert_eq!(put(&world.bridge, "1000000", events()).await, StatusCode::OK, "once for a start");
    assert_eq!(put(&world.bridge, "1000400", events()).await, StatusCode::OK, "no restart was seen");
    world.synapse.kill().await;
    world.bridge.wait_for_log("the homeserver did not call the bridge").await;
    world.synapse.restart().await;
    world.bridge.wait_for_log_times("both ways", 2).await;
    let typing = json!({"events": [], "ephemeral": [{"type": "m.typing", "room_id": "!a:b", "content": {"user_ids": []}}]});
    assert_eq!(put(&world.bridge, "2000000", typing).await, StatusCode::OK, "something would be lost");
    assert_eq!(put(&world.bridge, "m3000000", events()).await, StatusCode::OK, "that is no number");
    assert_eq!(put(&world.bridge, "3000000", events()).await, StatusCode::OK, "nothing is known before it");
    let behind = json!({"events": [], "ephemeral": [], "de.sorunome.msc2409.to_device": []});
    assert_eq!(put(&world.bridge, "3000100", behind).await, refused);
    assert_eq!(put(&world.bridge, "3000001", events()).await, StatusCode::OK, "the one that was stranded");
    assert_eq!(put(&world.bridge, "3000100", events()).await, StatusCode::OK, "once for a restart");
    assert_eq!(put(&world.bridge, "3000200", events()).await, StatusCode::OK);
}

/// A homeserver under load: it calls the bridge when it is asked to, and a proxy before it answers 502.
#[tokio::test]
async fn fault_26_a_ping_that_arrives_and_is_answered_with_502_is_not_repeated_without_a_pause() {
    let directory = TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let homeserver = format!("http://{}", listener.local_addr().unwrap());
    let mut bridge =
        Bridge::configure(directory.path(), &homeserver, "127.0.0.1:1", "http://127.0.0.1:1/rdr");
    let text = std::fs::read_to_string(bridge.file("bridge.yaml")).unwrap();
    let token = text.lines().find_map(|line| line.trim().strip_prefix("hs_token: ")).unwrap().to_owned();
    let ping = format!("http://127.0.0.1:{}/_matrix/app/v1/ping", bridge.port);
    bridge.spawn();
    let mut asked = Vec::new();
    let client = Client::new();
    while asked.len() < 6 {
        let (mut stream, _) = within("the bridge to ask", listener.accept()).await.unwrap();
        let mut head = vec![0; 16 * 1024];
        let read = stream.read(&mut head).await.unwrap();
        if String::from_utf8_lossy(&head[..read]).contains("/appservice/") {
            asked.push(Instant::now());
            let called = client.post(&ping).bearer_auth(&token).json(&json!({})).send().await.unwrap();
            assert_eq!(called.status(), StatusCode::OK);
        }
        let _ = stream
            .write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await;
    }
    let pauses: Vec<Duration> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().all(|pause| *pause >= Duration::from_millis(900)), "{pauses:?}");
}
