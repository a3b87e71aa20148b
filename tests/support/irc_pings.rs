//! Stands between the bridge and an IRC server, asks each connection of the bridge for a sign of life twice a second, as a
//! server does every other minute, and measures how long that takes. Everything else passes as it is.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Between two questions.
const GAP: Duration = Duration::from_millis(500);
/// Names the questions that are ours.
const TOKEN: &str = "sign-of-life-";

#[derive(Debug, Default)]
struct Measured {
    answers: usize,
    longest: Duration,
}

pub(crate) struct PingingProxy {
    pub(crate) port: u16,
    measured: Arc<Mutex<Measured>>,
}

impl PingingProxy {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let measured = Arc::<Mutex<Measured>>::default();
        let of_all = measured.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, of_all.clone()));
            }
        });
        Self { port, measured }
    }

    /// How many were answered, and the longest that one took.
    pub(crate) fn measured(&self) -> (usize, Duration) {
        let measured = self.measured.lock().unwrap();
        (measured.answers, measured.longest)
    }
}

async fn pass(client: TcpStream, server: u16, measured: Arc<Mutex<Measured>>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let ((from_client, mut to_client), (from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let (mut up, mut down) = (BufReader::new(from_client), BufReader::new(from_server));
    let mut ticks = tokio::time::interval(GAP);
    // One question at a time.
    let mut asked: Option<(u64, Instant)> = None;
    let (mut number, mut is_welcome) = (0, false);
    let (mut said, mut heard) = (Vec::new(), Vec::new());
    loop {
        tokio::select! {
            read = up.read_until(b'\n', &mut said) => {
                if read.is_err() || said.is_empty() { return }
                let line = String::from_utf8_lossy(&said);
                let answer = line.contains(TOKEN) && line.starts_with("PONG ");
                if let (true, Some((_, at))) = (answer, asked.take_if(|(number, _)| line.contains(&format!("{TOKEN}{number}")))) {
                    let mut measured = measured.lock().unwrap();
                    measured.answers += 1;
                    measured.longest = measured.longest.max(at.elapsed());
                } else if to_server.write_all(&said).await.is_err() {
                    return;
                }
                said.clear();
            }
            read = down.read_until(b'\n', &mut heard) => {
                if read.is_err() || heard.is_empty() { return }
                is_welcome |= String::from_utf8_lossy(&heard).contains(" 001 ");
                if to_client.write_all(&heard).await.is_err() { return }
                heard.clear();
            }
            _ = ticks.tick(), if is_welcome && asked.is_none() && heard.is_empty() => {
                number += 1;
                asked = Some((number, Instant::now()));
                if to_client.write_all(format!("PING :{TOKEN}{number}\r\n").as_bytes()).await.is_err() { return }
            }
        }
    }
}
