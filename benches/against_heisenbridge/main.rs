//! This bridge beside heisenbridge on one Synapse and one ngircd: latency each way, a burst of lines, many lines without a
//! pause, memory, CPU time a message. `cargo bench --bench against_heisenbridge`; `deploy/tools synapse ngircd heisenbridge`
//! installs what it runs.
//!
//! The two take turns message by message, so that both have the same machine. Towards IRC heisenbridge sends no more than a
//! line in a second and a half once it is behind, and that cannot be changed: that way only latency is compared, at a pace
//! that it keeps. This bridge has the work of a third network all the while: a contact on MSN hears every line.

#[path = "../../tests/support/mod.rs"]
mod support;

mod contender;
mod scene;
#[path = "../to_matrix/summary.rs"]
mod summary;
#[path = "../to_matrix/sync.rs"]
mod sync;
mod watch;

use std::time::{Duration, Instant};

use contender::Contender;
use scene::Scene;
use summary::{Summary, median, percentile};

/// Messages for the latency of each way.
const SINGLES: usize = 100;
/// Between two messages towards IRC of one bridge: heisenbridge counts whole seconds.
const PAUSE: Duration = Duration::from_millis(1_100);
/// Between two measurements: nothing of the one before is under way.
const SETTLE: Duration = Duration::from_secs(1);
/// Lines of a burst, and bursts.
const BURST: usize = 200;
const BURSTS: usize = 7;
/// Lines without a pause, and how often.
const MANY: usize = 2_000;
const MANIES: usize = 3;

/// What was measured of one bridge.
#[derive(Default)]
struct Figures {
    /// Latencies, and lines a second of bursts.
    to_matrix: Summary,
    to_irc: Vec<Duration>,
    /// Lines a second.
    sustained: Vec<f64>,
    /// CPU milliseconds a message: said one by one towards Matrix, towards IRC, and without a pause.
    cpu: [f64; 3],
    memory_kb: u64,
}

/// Somebody says so many lines at once in the channel; gives how many there were a second until the last was seen in the room.
async fn lines(scene: &mut Scene, of: usize, label: &str, count: usize) -> f64 {
    let begun = Instant::now();
    let last = format!("{label} {}", count - 1);
    let (contender, seen) = scene.contender(of);
    let speaking = contender.say_all(label, count);
    let seeing = seen.line(&last);
    let ((), at) = tokio::join!(speaking, seeing);
    count as f64 / (at - begun).as_secs_f64()
}

/// CPU milliseconds a message of each bridge while something is done.
fn cpu_since(before: &[Duration], contenders: &[Contender], messages: usize) -> Vec<f64> {
    let spent = contenders.iter().zip(before).map(|(contender, before)| contender.cpu() - *before);
    spent.map(|spent| spent.as_secs_f64() * 1_000.0 / messages as f64).collect()
}

async fn singles_to_matrix(scene: &mut Scene, figures: &mut [Figures]) {
    let before: Vec<Duration> = scene.contenders.iter().map(Contender::cpu).collect();
    for number in 0..SINGLES {
        for (of, figures) in figures.iter_mut().enumerate() {
            let words = format!("up {of} {number}");
            let (contender, seen) = scene.contender(of);
            let said = Instant::now();
            contender.say(&words).await;
            figures.to_matrix.latencies.push(seen.line(&words).await - said);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let cpu = cpu_since(&before, &scene.contenders, SINGLES);
    figures.iter_mut().zip(cpu).for_each(|(figures, cpu)| figures.cpu[0] = cpu);
}

async fn singles_to_irc(scene: &mut Scene, figures: &mut [Figures]) {
    let before: Vec<Duration> = scene.contenders.iter().map(Contender::cpu).collect();
    for number in 0..SINGLES {
        let round = Instant::now();
        for (of, figures) in figures.iter_mut().enumerate() {
            let words = format!("down {of} {number}");
            let said = Instant::now();
            scene.write(of, &words).await;
            figures.to_irc.push(scene.contenders[of].heard(&words).await - said);
        }
        tokio::time::sleep(PAUSE.saturating_sub(round.elapsed())).await;
    }
    let cpu = cpu_since(&before, &scene.contenders, SINGLES);
    figures.iter_mut().zip(cpu).for_each(|(figures, cpu)| figures.cpu[1] = cpu);
}

/// One number of all that was measured.
type Figure = fn(&Figures) -> f64;

fn print(names: [&str; 2], figures: &[Figures; 2]) {
    let rows: [(&str, Figure); 10] = [
        ("IRC to Matrix, p50, ms", |figures| percentile(&figures.to_matrix.latencies, 50)),
        ("IRC to Matrix, p99, ms", |figures| percentile(&figures.to_matrix.latencies, 99)),
        ("Matrix to IRC, p50, ms", |figures| percentile(&figures.to_irc, 50)),
        ("Matrix to IRC, p99, ms", |figures| percentile(&figures.to_irc, 99)),
        ("burst of 200, lines/s", |figures| median(&figures.to_matrix.rates)),
        ("2,000 lines, lines/s", |figures| median(&figures.sustained)),
        ("memory after start, MB", |figures| figures.memory_kb as f64 / 1_024.0),
        ("CPU to Matrix, ms/message", |figures| figures.cpu[0]),
        ("CPU to IRC, ms/message", |figures| figures.cpu[1]),
        ("CPU of 2,000 lines, ms/line", |figures| figures.cpu[2]),
    ];
    println!("\n{:30} {:>12} {:>13} {:>7}", "", names[0], names[1], "ratio");
    for (what, of) in &rows {
        let (ours, theirs) = (of(&figures[0]), of(&figures[1]));
        println!("{what:30} {ours:12.2} {theirs:13.2} {:7.2}", ours / theirs);
    }
    for (name, figures) in names.iter().zip(figures) {
        let all = |rates: &[f64]| rates.iter().map(|rate| format!("{rate:.0}")).collect::<Vec<_>>().join(" ");
        println!("{name}: bursts {}; 2,000 lines {}", all(&figures.to_matrix.rates), all(&figures.sustained));
    }
}

#[tokio::main]
async fn main() {
    // `cargo test --all-targets` runs it too, and asks for no measurement.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let build = if cfg!(debug_assertions) { "unoptimised" } else { "optimised" };
    let load = || std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned();
    println!(
        "this bridge ({build} build) and heisenbridge; load of the machine at the beginning: {}",
        load()
    );
    let mut scene = Scene::set().await;
    let mut figures: [Figures; 2] = Default::default();
    for (contender, figures) in scene.contenders.iter().zip(&mut figures) {
        figures.memory_kb = contender.memory_kb();
    }
    // What was not used for a while is not what is measured.
    for of in 0..2 {
        lines(&mut scene, of, &format!("first {of}"), 5).await;
    }
    singles_to_matrix(&mut scene, &mut figures).await;
    singles_to_irc(&mut scene, &mut figures).await;
    for turn in 0..BURSTS {
        for (of, figures) in figures.iter_mut().enumerate() {
            tokio::time::sleep(SETTLE).await;
            figures.to_matrix.rates.push(lines(&mut scene, of, &format!("burst {of} {turn}"), BURST).await);
        }
    }
    let before: Vec<Duration> = scene.contenders.iter().map(Contender::cpu).collect();
    for turn in 0..MANIES {
        for (of, figures) in figures.iter_mut().enumerate() {
            tokio::time::sleep(SETTLE).await;
            figures.sustained.push(lines(&mut scene, of, &format!("many {of} {turn}"), MANY).await);
        }
    }
    let cpu = cpu_since(&before, &scene.contenders, MANY * MANIES);
    figures.iter_mut().zip(cpu).for_each(|(figures, cpu)| figures.cpu[2] = cpu);
    print(["msnbridge", "heisenbridge"], &figures);
    for contender in &scene.contenders {
        println!("{}: memory at the end {:.1} MB", contender.name, contender.memory_kb() as f64 / 1_024.0);
    }
    println!("load of the machine at the end: {}", load());
}
