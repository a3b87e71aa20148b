//! Peers that mean harm: the others are answered as fast as before, and memory comes back. Takes long and measures, so it
//! runs in `tests/run --long` alone.

use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::chat::ACCOUNTS;
use crate::support::bridge::Bridge;
use crate::support::msn::Peer;
use crate::support::service::MsnService;
use crate::support::synapse::{SERVER_NAME, Synapse};
use crate::support::within;

/// Resident memory of a process, in bytes.
pub(crate) fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// The slowest but one in a hundred.
fn p99(mut taken: Vec<Duration>) -> Duration {
    taken.sort();
    taken[taken.len() * 99 / 100 - 1]
}

/// `PNG` to `QNG`, again and again for as long as `during` takes, at a pace that no quota slows.
async fn pings(peer: &mut Peer, during: Duration) -> Duration {
    let (begun, mut taken) = (Instant::now(), Vec::new());
    while begun.elapsed() < during {
        let asked = Instant::now();
        peer.wire.raw(b"PNG\r\n").await;
        peer.wire.line("QNG").await;
        taken.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(6)).await;
    }
    assert!(taken.len() > 50, "{} pings", taken.len());
    p99(taken)
}

/// Writes until the other side closes or the time is over.
async fn pour(stream: &mut (impl AsyncWriteExt + Unpin), bytes: &[u8], until: Instant) {
    while Instant::now() < until {
        match tokio::time::timeout(Duration::from_millis(200), stream.write_all(bytes)).await {
            Ok(Err(_)) => return, // closed: as it should
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

/// What one peer does to the service.
async fn attack(service: &MsnService, kind: &str, until: Instant) {
    match kind {
        "a slow reader" => {
            let mut bob = Peer::sign_in(service, "bob@example.com", "bob-pw").await;
            let mut dave = Peer::sign_in(service, "dave@example.com", "dave-pw").await;
            dave.wire.send("XFR", "SB").await;
            let answer = dave.wire.line("XFR").await.line;
            let words: Vec<&str> = answer.split(' ').map(str::trim).collect();
            let mut call = crate::support::msn::Wire::connect(words[3]).await;
            call.send("USR", &format!("dave@example.com {}", words[5])).await;
            call.line("USR").await;
            call.send("CAL", "bob@example.com").await;
            let deaf = bob.answer().await;
            let body = "x".repeat(1600);
            let message = format!("MSG 9 U {}\r\n{body}", body.len());
            while Instant::now() < until {
                let sent = tokio::time::timeout(Duration::from_millis(200), call.try_raw(message.as_bytes()));
                if matches!(sent.await, Ok(false)) {
                    break;
                }
            }
            drop(deaf);
        }
        "rings" => {
            let mut dave = Peer::sign_in(service, "dave@example.com", "dave-pw").await;
            let _erin = Peer::sign_in(service, "erin@example.com", "erin-pw").await;
            dave.wire.send("XFR", "SB").await;
            let answer = dave.wire.line("XFR").await.line;
            let words: Vec<&str> = answer.split(' ').map(str::trim).collect();
            let mut stream = TcpStream::connect(words[3]).await.expect("the switchboard listens");
            let hello = format!("USR 1 dave@example.com {}\r\n", words[5]);
            stream.write_all(hello.as_bytes()).await.expect("write");
            pour(&mut stream, "CAL 2 erin@example.com\r\n".repeat(10).as_bytes(), until).await;
        }
        kind => {
            let mut dave = Peer::sign_in(service, "dave@example.com", "dave-pw").await;
            let bytes = match kind {
                "a length of 4 GB" => b"UUX 9 4294967295\r\n".to_vec(),
                "a line without an end" => vec![b'A'; 4096],
                _ => (0..=255).cycle().take(4096).collect(),
            };
            while Instant::now() < until {
                if !dave.wire.try_raw(&bytes).await {
                    dave = Peer::sign_in(service, "dave@example.com", "dave-pw").await;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: tests/run --long"]
async fn the_service_answers_others_while_a_peer_means_harm() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let mut carol = Peer::sign_in(&service, "carol@example.com", "carol-pw").await;
    let idle = pings(&mut carol, Duration::from_secs(4)).await;
    for kind in [
        "a slow reader",
        "a length of 4 GB",
        "a line without an end",
        "rings",
        "a payload in place of a command",
    ] {
        let before = memory(service.pid());
        let until = Instant::now() + Duration::from_secs(4);
        let (_, busy) =
            tokio::join!(attack(&service, kind, until), pings(&mut carol, Duration::from_secs(4)));
        let grown = memory(service.pid()).saturating_sub(before);
        println!("the service, {kind}: {busy:?} (idle {idle:?}), {} kB more", grown / 1024);
        assert!(busy < idle * 10, "{kind}: {busy:?}, idle {idle:?}");
        assert!(grown < 50 << 20, "{kind}: {grown} bytes more");
    }
}

/// A server that signs in whoever comes. Bob is challenged again and again, and how long his answer takes is told; what
/// Alice gets is the harm. A fake, since no real server does this.
async fn serve(stream: TcpStream, harm: Vec<u8>, tells: mpsc::UnboundedSender<Duration>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let (mut email, mut asked) = (String::new(), None::<Instant>);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        let number = words.get(1).copied().unwrap_or_default();
        if matches!(words[0], "MSG" | "UUX" | "QRY") {
            let mut bytes = vec![0; words.last().and_then(|n| n.parse().ok()).unwrap_or(0)];
            if reader.read_exact(&mut bytes).await.is_err() {
                return;
            }
        }
        let challenge = "CHL 0 22210219642164014968\r\n";
        let answer = match (words[0], words.get(3).copied()) {
            ("VER", _) => format!("VER {number} MSNP11\r\n"),
            ("CVR", _) => format!("CVR {number} 1 1 1 http://x http://x\r\n"),
            ("USR", Some("I")) => {
                email = words.last().map(ToString::to_string).unwrap_or_default();
                format!("USR {number} TWN S lc=1033\r\n")
            }
            ("USR", _) => format!("USR {number} OK {email} 1 0\r\n"),
            ("SYN", _) => format!("SYN {number} 1 1 0 0\r\n"),
            ("PNG", _) => "QNG 50\r\n".to_owned(),
            ("CHG", _) if email.starts_with("bob") => {
                asked = Some(Instant::now());
                format!("CHG {number} NLN 0\r\n{challenge}")
            }
            ("QRY", _) => {
                if let Some(asked) = asked.replace(Instant::now()) {
                    let _ = tells.send(asked.elapsed()); // the test may be over
                }
                tokio::time::sleep(Duration::from_millis(6)).await;
                asked = Some(Instant::now());
                format!("QRY {number}\r\n{challenge}")
            }
            ("CHG", _) => {
                let answer = format!("CHG {number} NLN 0\r\n");
                if writer.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
                pour(&mut writer, &harm, Instant::now() + Duration::from_secs(4)).await;
                String::new()
            }
            _ => String::new(),
        };
        if writer.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// How long Bob's answers take while Alice's server does this to her for four seconds; and what the bridge grew by.
async fn harmed(directory: &std::path::Path, harm: Vec<u8>) -> (Duration, u64) {
    let service = MsnService::start(directory, ACCOUNTS).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    let (tells, mut told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, harm.clone(), tells.clone()));
        }
    });
    let mut bridge = Bridge::configure(directory, "http://127.0.0.1:1", &address, &service.nexus);
    let login = |name: &str| {
        format!("  - {{account: {name}@example.com, owner: '@ann:{SERVER_NAME}', password: {name}-pw}}\n")
    };
    bridge.append_config(&format!("logins:\n{}{}", login("bob"), login("alice")));
    let synapse = Synapse::start(&directory.join("synapse"), &bridge.registration()).await;
    bridge.set_homeserver(&synapse.url());
    bridge.start().await;
    within("Bob's first answer", told.recv()).await.expect("the server runs");
    let before = memory(bridge.pid());
    let (begun, mut taken) = (Instant::now(), Vec::new());
    while begun.elapsed() < Duration::from_secs(6) {
        taken.push(within("an answer of Bob's", told.recv()).await.expect("the server runs"));
    }
    let grown = memory(bridge.pid()).saturating_sub(before);
    assert!(bridge.stop().await.success());
    (p99(taken), grown)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes long: tests/run --long"]
async fn the_bridge_answers_for_others_while_one_login_is_harmed() {
    let harms: [(&str, Vec<u8>); 6] = [
        ("nothing", Vec::new()),
        ("a length of 4 GB", b"MSG Hotmail Hotmail 4294967295\r\n".to_vec()),
        ("a line without an end", vec![b'A'; 4096]),
        ("rings", "RNG 7 127.0.0.1:9 CKI 17 eve@example.com Eve\r\n".repeat(10).into_bytes()),
        ("a payload in place of a command", (0..=255).cycle().take(4096).collect()),
        // Each is answered, and nobody reads the answers.
        ("a reader who does not read", "CHL 0 22210219642164014968\r\n".repeat(50).into_bytes()),
    ];
    let mut idle = Duration::MAX;
    for (kind, harm) in harms {
        let directory = tempfile::tempdir().unwrap();
        let (busy, grown) = harmed(directory.path(), harm).await;
        println!("the bridge, {kind}: {busy:?}, {} kB more", grown / 1024);
        if kind == "nothing" {
            idle = busy;
        }
        assert!(busy < idle.saturating_mul(10), "{kind}: {busy:?}, idle {idle:?}");
        assert!(grown < 50 << 20, "{kind}: {grown} bytes more");
    }
}
