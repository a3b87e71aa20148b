//! Transfers of each kind, cut at any point: a whole file or a clear notice, never half of one that is shown as whole, and
//! nothing left on the disk. Takes minutes: `tests/run --long`.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::broken_boards::met;
use crate::chat::World;
use crate::direct::{DIRECT, confirmed};
use crate::msnftp::{Stream, field, here, invite, offer};
use crate::support::files::{Gift, Way, noise, noise_digest, offered};
use crate::support::msn::{Peer, Wire, text};

const CUTS: u64 = 20;
const SIZE: u64 = 200_000;
/// What a user is promised.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

struct Scene {
    world: World,
    bob: Peer,
    room: String,
    file: String,
}

async fn scene(capabilities: &str) -> Scene {
    let mut world = World::start_with_friends_in(tempfile::tempdir().unwrap(), DIRECT).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    bob.wire.send("CHG", &format!("NLN {capabilities}")).await;
    bob.wire.line("CHG").await;
    let mut call = bob.call("alice@example.com").await;
    call.say(&text("hello")).await;
    let room = world.user.message("hello").await["room_id"].as_str().unwrap().to_owned();
    let file = world.user.upload(&noise(0, usize::try_from(SIZE).unwrap())).await;
    call.raw(b"OUT\r\n").await;
    Scene { world, bob, room, file }
}

impl Scene {
    async fn call(&mut self) -> Wire {
        self.bob.call("alice@example.com").await
    }

    async fn post(&mut self, name: &str) -> String {
        let content = json!({"msgtype": "m.file", "body": name, "url": self.file});
        self.world.user.send_content(&self.room, content).await
    }

    /// The file is shown whole, or its end is told; gives which, and how long it took.
    async fn end_of(&mut self, name: &str) -> (bool, Duration) {
        let cut = Instant::now();
        let told = format!("sent the file «{name}» (195.3 kB), which did not arrive: ");
        let body = |event: &Value| event["content"]["body"].as_str().unwrap_or_default().to_owned();
        let is_end = |event: &Value| body(event).starts_with(&told) || body(event) == name;
        let end = self.world.user.event(&format!("the end of {name}"), is_end).await;
        let took = cut.elapsed();
        let Some(uri) = end["content"]["url"].as_str() else { return (false, took) };
        assert_eq!(self.world.user.download_digest(uri).await, (noise_digest(SIZE), SIZE));
        (true, took)
    }

    /// The sender of an event hears that it was not delivered, or that it was.
    async fn outcome(&mut self, sent: &str) -> (bool, Duration) {
        let cut = Instant::now();
        let is_end = |event: &Value| {
            let of = &event["content"]["m.relates_to"];
            let status = event["type"] == "com.beeper.message_send_status" && of["event_id"] == sent;
            status && event["content"]["status"] != "PENDING"
        };
        let end = self.world.user.event("the outcome", is_end).await;
        let arrived = end["content"]["status"] == "SUCCESS";
        if !arrived {
            let of_it = |event: &Value| event["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] == sent;
            let notice = self.world.user.event("a notice", of_it).await;
            let text = notice["content"]["body"].as_str().unwrap_or_default().to_owned();
            assert!(text.starts_with("Your file was not delivered: "), "{text}");
        }
        (arrived, cut.elapsed())
    }

    /// Nothing is left of what was cut.
    fn is_clean(&self) {
        let left: Vec<_> = std::fs::read_dir(self.world.bridge.file("store/media")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Twenty points, the same at every run.
fn points(seed: u64) -> Vec<u64> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..CUTS).map(|_| random.random_range(1..SIZE)).collect()
}

/// What came of all of them.
#[derive(Default)]
struct Tally {
    whole: usize,
    told: usize,
    slowest: Duration,
}

impl Tally {
    fn add(&mut self, (whole, took): (bool, Duration)) {
        assert!(took < TOLD_WITHIN, "told after {took:?}");
        if whole {
            self.whole += 1
        } else {
            self.told += 1
        }
        self.slowest = self.slowest.max(took);
    }

    fn print(&self, kind: &str) {
        println!(
            "{kind}: {} whole, {} told, the slowest after {:.1} s",
            self.whole,
            self.told,
            self.slowest.as_secs_f64()
        );
        assert!(self.told > 0, "no cut was one");
    }
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn peer_to_peer_files_that_are_cut_are_told_and_leave_nothing() {
    let mut scene = scene("1073741856").await;
    let (mut up, mut down, mut direct_up, mut direct_down) =
        (Tally::default(), Tally::default(), Tally::default(), Tally::default());
    for (number, at) in points(1).into_iter().enumerate() {
        let mut call = scene.call().await;
        let name = format!("up {number}.bin");
        Gift::offer(&mut call, &name, SIZE, "200 OK").await.send(&mut call, at).await;
        drop(call);
        up.add(scene.end_of(&name).await);
    }
    up.print("from MSN by the switchboard");
    for (number, at) in points(2).into_iter().enumerate() {
        let mut call = scene.call().await;
        let sent = scene.post(&format!("down {number}.bin")).await;
        let taken = offered(&mut call).await.take_until(&mut call, Way::Board, at).await;
        drop(call);
        let outcome = scene.outcome(&sent).await;
        assert_eq!(outcome.0, taken.is_some());
        down.add(outcome);
    }
    down.print("to MSN by the switchboard");
    for (number, at) in points(3).into_iter().enumerate() {
        let mut call = scene.call().await;
        let name = format!("direct up {number}.bin");
        let gift = Gift::offer(&mut call, &name, SIZE, "200 OK").await;
        let line = gift.connect(&mut call).await;
        let stream = line.open(&line.nonce).await.expect("a connection");
        gift.send_direct(stream, at).await;
        // The connection alone, or everything.
        if number % 5 != 0 {
            call.raw(b"OUT\r\n").await;
        }
        direct_up.add(scene.end_of(&name).await);
        if number % 5 == 0 {
            call.message("BYE MSNMSGR:bob@example.com").await;
        }
        drop(call);
    }
    direct_up.print("from MSN directly");
    for (number, at) in points(4).into_iter().enumerate() {
        let mut call = scene.call().await;
        let sent = scene.post(&format!("direct down {number}.bin")).await;
        let taken = offered(&mut call).await.begin_direct(&mut call).await.take(at).await;
        if number % 5 != 0 {
            call.raw(b"OUT\r\n").await;
        }
        let outcome = scene.outcome(&sent).await;
        assert_eq!(outcome.0, taken.is_some());
        direct_down.add(outcome);
        if number % 5 == 0 {
            call.message("BYE MSNMSGR:bob@example.com").await;
        }
        drop(call);
    }
    direct_down.print("to MSN directly");
    scene.is_clean();
}

#[tokio::test]
#[ignore = "takes minutes"]
async fn streams_that_are_cut_are_told_and_leave_nothing() {
    let mut scene = scene("0").await;
    let (mut up, mut down) = (Tally::default(), Tally::default());
    let file = noise(0, usize::try_from(SIZE).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut call = scene.call().await;
    for (number, at) in points(5).into_iter().enumerate() {
        let name = format!("stream up {number}.bin");
        offer(&mut call, &name, file.len(), "").await;
        call.message("Invitation-Command: ACCEPT").await;
        here(&mut call, &listener).await;
        let mut stream = Stream::accepted(&listener).await;
        stream.begin_sending(file.len(), "93301").await;
        stream.frames(&file[..usize::try_from(at).unwrap()], 2045).await;
        drop(stream);
        up.add(scene.end_of(&name).await);
    }
    up.print("from MSN by a stream");
    for (number, at) in points(6).into_iter().enumerate() {
        let sent = scene.post(&format!("stream down {number}.bin")).await;
        let offer = call.message("Invitation-Command: INVITE").await.payload;
        let yes = format!(
            "Invitation-Command: ACCEPT\r\nInvitation-Cookie: {}\r\nLaunch-Application: FALSE\r\nRequest-Data: IP-Address:",
            field(&offer, "Invitation-Cookie")
        );
        invite(&mut call, &yes).await;
        let there = call.message("AuthCookie: ").await.payload;
        let mut stream =
            Stream::connect(&format!("{}:{}", field(&there, "IP-Address"), field(&there, "Port"))).await;
        stream.say("VER MSNFTP").await;
        assert_eq!(stream.line().await, "VER MSNFTP");
        stream.say(&format!("USR bob@example.com {}", field(&there, "AuthCookie"))).await;
        assert_eq!(stream.line().await, format!("FIL {SIZE}"));
        stream.say("TFR").await;
        stream.take(usize::try_from(at).unwrap()).await;
        drop(stream);
        down.add(scene.outcome(&sent).await);
    }
    down.print("to MSN by a stream");
    scene.is_clean();
}

/// Slower than a board without a word lasts: 75 s here, 300 s and more elsewhere.
#[tokio::test]
#[ignore = "takes minutes"]
async fn a_slow_direct_transfer_outlives_a_board_on_which_nothing_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let mut world = World::start_with_friends_at(directory, &["--idle-call", "75"], DIRECT).await;
    let mut bob = Peer::sign_in(&world.service, "bob@example.com", "bob-pw").await;
    let mut call = bob.call("alice@example.com").await;
    let gift = Gift::offer(&mut call, "slow.bin", SIZE, "200 OK").await;
    let line = gift.connect(&mut call).await;
    let mut stream = line.open(&line.nonce).await.expect("a connection");
    let mut at = 0;
    for part in 1..=4 {
        at = gift.pour(&mut stream, at, SIZE * part / 4).await;
        if part < 4 {
            tokio::time::sleep(Duration::from_secs(40)).await; // the point of it
        }
    }
    let is_it = |event: &Value| event["content"]["body"] == "slow.bin" && event["content"]["url"].is_string();
    let shown = world.user.event("the file", is_it).await;
    let uri = shown["content"]["url"].as_str().unwrap();
    assert_eq!(world.user.download_digest(uri).await, (noise_digest(SIZE), SIZE));
    call.message("x-keepalive").await;
}

/// Here nobody leaves: the bridge's own line breaks, and Bob comes to the next board.
#[tokio::test]
#[ignore = "takes long: tests/run --long"]
async fn files_outlive_the_line_of_the_bridge_wherever_it_is_cut() {
    let (mut world, cable, mut bob, mut call, room) = met().await;
    let file = noise(0, usize::try_from(SIZE).unwrap());
    let uri = world.user.upload(&file).await;
    let mut random = StdRng::seed_from_u64(7);
    let mut slowest = Duration::ZERO;
    for round in 0..CUTS {
        let point = random.random_range(SIZE / 50..SIZE * 9 / 10);
        let name = format!("to {round}.bin");
        let sent =
            world.user.send_content(&room, json!({"msgtype": "m.file", "body": name, "url": uri})).await;
        let offer = offered(&mut call).await;
        offer.accept(&mut call).await;
        let mut came = Vec::new();
        offer.receive(&mut call, &mut came, point).await;
        cable.cut();
        let cut = Instant::now();
        offer.receive_what_comes(&mut call, &mut came, "BYE alice@example.com").await;
        call = bob.answer().await;
        offer.receive(&mut call, &mut came, SIZE).await;
        assert!(came == file, "{name}, cut at {point}");
        confirmed(&mut world, &sent).await;
        slowest = slowest.max(cut.elapsed());

        let name = format!("from {round}.bin");
        let gift = Gift::offer(&mut call, &name, SIZE, "200 OK").await;
        let at = gift.send_from(&mut call, 0, point).await;
        cable.cut();
        let cut = Instant::now();
        call.line("BYE alice@example.com").await;
        call = bob.answer().await;
        // He goes on from where he was, and is told where that really is.
        gift.send_from(&mut call, at, at + 1).await;
        let from = gift.asked_again(&mut call).await;
        gift.send_from(&mut call, from, SIZE).await;
        let shown = world.user.message(&name).await;
        let arrived = world.user.download_digest(shown["content"]["url"].as_str().unwrap()).await;
        assert_eq!(arrived, (noise_digest(SIZE), SIZE), "{name}, cut at {point}");
        call.message("BYE MSNMSGR:bob@example.com").await;
        slowest = slowest.max(cut.elapsed());
    }
    println!("our own line: {} whole, the slowest {:.1} s after the cut", 2 * CUTS, slowest.as_secs_f64());
    assert!(slowest < TOLD_WITHIN);
    assert_eq!(std::fs::read_dir(world.bridge.file("store/media")).unwrap().count(), 0);
}
