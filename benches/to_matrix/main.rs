//! What the bridge costs on the way from MSN to Matrix: throughput and latency through it, beside those of the same Synapse
//! without it, in turn, in one room and in twenty. `cargo bench --bench to_matrix`; Synapse comes from `tests/run`.
//!
//! Three ways are compared. *Bare*: people of the homeserver in rooms without a bridge. *Appservice*: the ghosts in their
//! rooms, sent by this program with the bridge's token, so the homeserver has the bridge's work and the bridge none.
//! *Bridged*: contacts say the same words on MSN. A client that syncs, the same for all, says when each is there.

#[path = "../../tests/support/mod.rs"]
mod support;

mod scene;
mod speaker;
mod summary;
mod sync;

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use scene::Scene;
use speaker::{Speaker, WAYS, Way};
use summary::{Summary, median, percentile};

/// How often each way is measured, in turn with the others.
const TURNS: usize = 5;

/// How much is said at once.
struct Load {
    rooms: usize,
    /// Messages in each room for the throughput, and for the latency.
    burst: usize,
    single: usize,
    /// Between the first words in one room and in the next.
    apart: Duration,
}

impl Load {
    const fn new(rooms: usize, burst: usize, single: usize, apart: u64) -> Self {
        Self { rooms, burst, single, apart: Duration::from_millis(apart) }
    }
}

/// Who begins in the same instant is answered in step ever after, and whoever watches is told of twenty messages in one
/// answer, or of ten in two if two groups arose: chance alone decides. People who begin one after the other do not meet.
const LOADS: [Load; 3] = [Load::new(1, 500, 100, 0), Load::new(20, 40, 10, 0), Load::new(20, 40, 10, 13)];

/// Everybody says so many messages without a pause; gives how many there were a second.
async fn throughput(scene: &Scene, speakers: &mut [Speaker], label: &str, load: &Load) -> f64 {
    let (begun, count) = (Instant::now(), load.burst);
    let ended = join_all(speakers.iter_mut().zip(0_u32..).map(async |(speaker, room)| {
        tokio::time::sleep(load.apart * room).await;
        for number in 1..=count {
            speaker.say(&format!("{label} {room} {number}")).await;
        }
        scene.seen(&format!("{label} {room} {count}")).await
    }))
    .await;
    let took = ended.into_iter().max().expect("somebody speaks") - begun;
    (count * speakers.len()) as f64 / took.as_secs_f64()
}

/// Everybody says so many messages, each when the one before was seen; gives how long each took.
async fn latencies(scene: &Scene, speakers: &mut [Speaker], label: &str, count: usize) -> Vec<Duration> {
    let all = join_all(speakers.iter_mut().enumerate().map(async |(room, speaker)| {
        let mut taken = Vec::new();
        for number in 1..=count {
            let (words, said) = (format!("{label} {room} {number}"), Instant::now());
            speaker.say(&words).await;
            taken.push(scene.seen(&words).await - said);
        }
        taken
    }))
    .await;
    all.concat()
}

/// One way under one load, once.
async fn measure(scene: &mut Scene, way: Way, load: usize, turn: usize, summary: &mut Summary) {
    let label = |what: &str| format!("{what} {way:?} {load} {turn}");
    let load = &LOADS[load];
    let mut speakers = scene.take(way, load.rooms);
    // What was not used for a while is not what is measured.
    latencies(scene, &mut speakers, &label("first"), 2).await;
    summary.rates.push(throughput(scene, &mut speakers, &label("burst"), load).await);
    summary.latencies.extend(latencies(scene, &mut speakers, &label("single"), load.single).await);
    scene.put_back(way, speakers);
}

fn print(load: &Load, summaries: &[Summary; 3]) {
    println!("\n{} room(s), begun {} ms after one another", load.rooms, load.apart.as_millis());
    for (way, summary) in WAYS.iter().zip(summaries) {
        let rates: Vec<String> = summary.rates.iter().map(|rate| format!("{rate:.1}")).collect();
        println!(
            "  {:10} {:6.1} messages/s (median of {}), latency p50 {:5.1} ms, p99 {:5.1} ms",
            format!("{way:?}"),
            median(&summary.rates),
            rates.join(" "),
            percentile(&summary.latencies, 50),
            percentile(&summary.latencies, 99),
        );
    }
    let bridged = &summaries[2];
    for (way, other) in WAYS.iter().zip(&summaries[..2]) {
        println!(
            "  bridged against {:10} throughput x {:.2}, added latency p50 {:+.1} ms, p99 {:+.1} ms",
            format!("{way:?}:"),
            median(&bridged.rates) / median(&other.rates),
            percentile(&bridged.latencies, 50) - percentile(&other.latencies, 50),
            percentile(&bridged.latencies, 99) - percentile(&other.latencies, 99),
        );
    }
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}

#[tokio::main]
async fn main() {
    // `cargo test --all-targets` runs it too, and asks for no measurement.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let build = if cfg!(debug_assertions) { "unoptimised" } else { "optimised" };
    println!("MSN to Matrix, {build} build, {TURNS} turns; load of the machine at the beginning: {}", load());
    let mut scene = Scene::set(LOADS.iter().map(|load| load.rooms).max().unwrap_or(1)).await;
    let mut summaries: [[Summary; 3]; 3] = Default::default();
    for turn in 0..TURNS {
        for (load, summaries) in summaries.iter_mut().enumerate() {
            for (way, summary) in WAYS.into_iter().zip(summaries) {
                measure(&mut scene, way, load, turn, summary).await;
            }
        }
        eprintln!("turn {} of {TURNS} is over; load {}", turn + 1, load());
    }
    for (load, summaries) in LOADS.iter().zip(&summaries) {
        print(load, summaries);
    }
    println!("\nload of the machine at the end: {}", load());
}
