//! Files as large as people send, both ways: whole, with memory flat, and nobody's words held up. Takes minutes:
//! `tests/run --long`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::chat::World;
use crate::direct::met;
use crate::support::files::{Gift, Way, noise, noise_digest, offered};
use crate::support::msn::{Wire, text};

const CONFIG: &str = "files:\n  max_bytes: 1000000000\n  ask_above: 1000000000\n  direct: {allow: [127.0.0.0/8], announce: [127.0.0.1], ports: '0'}\n";
const MEGA: u64 = 1 << 20;
/// What the daemon's memory may grow by, in kB.
const GROWTH: u64 = 32 * 1024;
const HELD_UP: Duration = Duration::from_secs(1);

/// The daemon's memory, in kB.
fn memory(world: &World) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.bridge.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Looks at the daemon's memory until the future ends; gives the most it saw.
async fn watched<T>(world_pid: u32, future: impl Future<Output = T>) -> (T, u64) {
    let mut most = 0;
    let mut future = std::pin::pin!(future);
    let mut pulse = tokio::time::interval(Duration::from_millis(50));
    loop {
        tokio::select! {
            done = &mut future => return (done, most),
            _ = pulse.tick() => {
                let status = std::fs::read_to_string(format!("/proc/{world_pid}/status")).unwrap_or_default();
                let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
                most = most.max(line.trim().trim_end_matches(" kB").parse().unwrap_or(0));
            }
        }
    }
}

/// A body of noise.
fn body(size: u64) -> reqwest::Body {
    let parts = (0..size.div_ceil(MEGA)).map(move |at| {
        let length = (size - at * MEGA).min(MEGA);
        Ok::<_, std::io::Error>(noise(at * MEGA, usize::try_from(length).unwrap()))
    });
    reqwest::Body::wrap_stream(futures_util::stream::iter(parts))
}

/// Bytes a second of a plain copy over loopback.
async fn plain_copy(size: u64) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let begun = Instant::now();
    let sending = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let part = vec![7; 64 * 1024];
        for _ in 0..size / part.len() as u64 {
            stream.write_all(&part).await.unwrap();
        }
    };
    let reading = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut part = vec![0; 64 * 1024];
        while stream.read(&mut part).await.unwrap() > 0 {}
    };
    tokio::join!(sending, reading);
    size as f64 / begun.elapsed().as_secs_f64()
}

/// Says something each way; gives how long the slower took.
async fn chat(world: &mut World, call: &mut Wire, room: &str, number: usize) -> Duration {
    let begun = Instant::now();
    world.user.send(room, &format!("down {number}")).await;
    call.message(&format!("down {number}")).await;
    let down = begun.elapsed();
    let begun = Instant::now();
    call.say(&text(&format!("up {number}"))).await;
    world.user.message(&format!("up {number}")).await;
    down.max(begun.elapsed())
}

async fn post(world: &mut World, room: &str, name: &str, size: u64) {
    let uri = world.user.upload_stream(size, body(size)).await;
    world.user.send_content(room, json!({"msgtype": "m.file", "body": name, "url": uri})).await;
}

/// Waits for the file to be shown, and compares it.
async fn shown(world: &mut World, name: &str, size: u64) {
    let is_it = |event: &Value| event["content"]["body"] == name && event["content"]["url"].is_string();
    let event = tokio::time::timeout(Duration::from_secs(600), world.user.event_at_last(is_it)).await;
    let event = event.expect("it is shown");
    let got = world.user.download_digest(event["content"]["url"].as_str().unwrap()).await;
    assert_eq!(got, (noise_digest(size), size));
}

fn report(what: &str, size: u64, took: Duration, copy: f64, growth: u64, held_up: Duration) {
    let speed = size as f64 / took.as_secs_f64();
    println!(
        "{what}: {} MB in {:.1} s, {:.1} MB/s, {:.4} of a plain copy; memory grew by {:.1} MB; words took {} ms at most",
        size / MEGA,
        took.as_secs_f64(),
        speed / MEGA as f64,
        speed / copy,
        growth as f64 / 1024.0,
        held_up.as_millis()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn half_a_gigabyte_goes_each_way_directly() {
    let copy = plain_copy(500 * MEGA).await;
    let mut world = World::start_in(tempfile::tempdir().unwrap(), CONFIG).await;
    let (_bob, mut call, room) = met(&mut world).await;
    // Everything that is made once is made.
    chat(&mut world, &mut call, &room, 0).await;
    let (before, pid) = (memory(&world), world.bridge.pid());
    let mut said = 0;

    // From MSN to Matrix, directly.
    let size = 500 * MEGA;
    let gift = Gift::offer(&mut call, "up.bin", size, "200 OK").await;
    let line = gift.connect(&mut call).await;
    let stream = line.open(&line.nonce).await.expect("a connection");
    let begun = Instant::now();
    let sending = async {
        gift.send_direct(stream, u64::MAX).await;
        begun.elapsed()
    };
    let mut slowest = Duration::ZERO;
    let talking = async {
        for _ in 0..5 {
            said += 1;
            slowest = slowest.max(chat(&mut world, &mut call, &room, said).await);
        }
    };
    let ((took, ()), most) = watched(pid, async { tokio::join!(sending, talking) }).await;
    let ((), later) = watched(pid, shown(&mut world, "up.bin", size)).await;
    let growth = most.max(later).saturating_sub(before);
    report("from MSN, directly", size, took, copy, growth, slowest);
    assert!(growth < GROWTH && slowest < HELD_UP, "{growth} kB, {slowest:?}");

    // From Matrix to MSN, directly.
    post(&mut world, &room, "down.bin", size).await;
    let offer = tokio::time::timeout(Duration::from_secs(300), offered(&mut call)).await.expect("an offer");
    let coming = offer.begin_direct(&mut call).await;
    let begun = Instant::now();
    let taking = async { (coming.take(u64::MAX).await, begun.elapsed()) };
    let mut slowest = Duration::ZERO;
    let talking = async {
        for _ in 0..5 {
            said += 1;
            slowest = slowest.max(chat(&mut world, &mut call, &room, said).await);
        }
    };
    let (((digest, took), ()), most) = watched(pid, async { tokio::join!(taking, talking) }).await;
    assert_eq!(digest, Some(noise_digest(size)));
    let growth = most.saturating_sub(before);
    report("to MSN, directly", size, took, copy, growth, slowest);
    assert!(growth < GROWTH && slowest < HELD_UP, "{growth} kB, {slowest:?}");
}

/// Where words share the way with what is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn fifty_megabytes_go_each_way_by_the_switchboard() {
    let copy = plain_copy(500 * MEGA).await;
    let mut world = World::start_in(tempfile::tempdir().unwrap(), "files:\n  max_bytes: 1000000000\n").await;
    let (_bob, mut call, room) = met(&mut world).await;
    chat(&mut world, &mut call, &room, 0).await;
    let (before, pid) = (memory(&world), world.bridge.pid());
    let size = 50 * MEGA;
    let gift = Gift::offer(&mut call, "board.bin", size, "200 OK").await;
    let begun = Instant::now();
    let sending = async {
        let half = gift.send_from(&mut call, 0, size / 2).await;
        call.payload("A", text("between").as_bytes()).await;
        let said = Instant::now();
        gift.send_from(&mut call, half, size).await;
        said
    };
    let hearing = async {
        let is_it = |event: &Value| event["content"]["body"] == "between";
        world.user.event_at_last(is_it).await;
        Instant::now()
    };
    let ((said_at, heard_at), most) = watched(pid, async { tokio::join!(sending, hearing) }).await;
    let took = begun.elapsed();
    shown(&mut world, "board.bin", size).await;
    let (growth, slowest) = (most.saturating_sub(before), heard_at.saturating_duration_since(said_at));
    report("from MSN, by the switchboard", size, took, copy, growth, slowest);
    assert!(growth < GROWTH && slowest < HELD_UP, "{growth} kB, {slowest:?}");

    post(&mut world, &room, "board.bin", size).await;
    let offer = tokio::time::timeout(Duration::from_secs(300), offered(&mut call)).await.expect("an offer");
    let begun = Instant::now();
    let taking = offer.take(&mut call, Way::Board);
    let saying = async {
        tokio::time::sleep(Duration::from_secs(5)).await; // in the middle of it
        let said = Instant::now();
        world.user.send(&room, "amid").await;
        said
    };
    let ((digest, said_at), most) = watched(pid, async { tokio::join!(taking, saying) }).await;
    let took = begun.elapsed();
    assert_eq!(digest, noise_digest(size));
    let slowest = call.message("amid").await.at.saturating_duration_since(said_at);
    let growth = most.saturating_sub(before);
    report("to MSN, by the switchboard", size, took, copy, growth, slowest);
    assert!(growth < GROWTH && slowest < HELD_UP, "{growth} kB, {slowest:?}");
}
