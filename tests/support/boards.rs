//! An MSN server whose switchboards behave as a script says: for what real servers do only now and then, such as closing a
//! window just before an acknowledgement, refusing a message, or falling silent. Signs in whoever comes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

use super::within;

/// One command of the client.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Which switchboard it was said on, counted from 1; 0 for the notification session.
    pub(crate) board: usize,
    pub(crate) verb: String,
    pub(crate) number: String,
    pub(crate) line: String,
    pub(crate) payload: String,
}

impl Asked {
    /// The words of a text message.
    pub(crate) fn text(&self) -> Option<&str> {
        let is_text = self.verb == "MSG" && self.payload.contains("Content-Type: text/plain");
        self.payload.split_once("\r\n\r\n").filter(|_| is_text).map(|(_, body)| body)
    }

    fn argument(&self, at: usize) -> &str {
        self.line.split(' ').nth(at).unwrap_or_default()
    }
}

/// What the script answers.
pub(crate) enum Answer {
    /// As a server does where nothing is wrong.
    Usual,
    Bytes(String),
    Nothing,
    Close,
}

type Script = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

pub(crate) struct BoardServer {
    pub(crate) address: String,
    pub(crate) nexus: String,
    heard: mpsc::UnboundedReceiver<Asked>,
    shared: Arc<Shared>,
}

struct Shared {
    address: String,
    script: Script,
    boards: AtomicUsize,
    hears: mpsc::UnboundedSender<Asked>,
    /// Nothing is read or answered while this holds, as of a machine that stands still.
    is_stopped: AtomicBool,
    writers: Mutex<HashMap<usize, Arc<AsyncMutex<OwnedWriteHalf>>>>,
}

impl BoardServer {
    pub(crate) async fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let (hears, heard) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            address: address.clone(),
            script: Arc::new(script),
            boards: AtomicUsize::new(0),
            hears,
            is_stopped: AtomicBool::new(false),
            writers: Mutex::default(),
        });
        let of_all = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, of_all.clone()));
            }
        });
        let nexus = format!("http://{}/rdr/pprdr.asp", sign_in_pages().await);
        Self { address, nexus, heard, shared }
    }

    /// The next text message, and which board it was said on.
    pub(crate) async fn text(&mut self) -> (String, usize) {
        within("a text on a board", async {
            loop {
                let asked = self.heard.recv().await.expect("the server runs");
                if let Some(text) = asked.text() {
                    return (text.to_owned(), asked.board);
                }
            }
        })
        .await
    }

    /// The next command of this kind.
    pub(crate) async fn asked(&mut self, verb: &str) -> Asked {
        within(verb, async {
            loop {
                let asked = self.heard.recv().await.expect("the server runs");
                if asked.verb == verb {
                    return asked;
                }
            }
        })
        .await
    }

    /// How many boards were entered.
    pub(crate) fn boards(&self) -> usize {
        self.shared.boards.load(Ordering::SeqCst)
    }

    /// Text messages that have come and were not asked for.
    pub(crate) fn texts_so_far(&mut self) -> Vec<(String, usize)> {
        let mut texts = Vec::new();
        while let Ok(asked) = self.heard.try_recv() {
            texts.extend(asked.text().map(|text| (text.to_owned(), asked.board)));
        }
        texts
    }

    /// Writes something of the server's own accord: on a board, or (0) on the notification session.
    pub(crate) async fn say(&self, board: usize, bytes: &str) {
        let writer = self.shared.writers.lock().unwrap().get(&board).cloned().expect("that connection");
        writer.lock().await.write_all(bytes.as_bytes()).await.expect("the client reads");
    }

    pub(crate) fn stop(&self, is_stopped: bool) {
        self.shared.is_stopped.store(is_stopped, Ordering::SeqCst);
    }
}

/// What a server says where nothing is wrong. Bob is the one who is called.
fn usual(asked: &Asked, own: &str) -> String {
    let number = &asked.number;
    match (asked.verb.as_str(), asked.argument(3)) {
        ("USR", _) if asked.argument(2) != "TWN" => format!("USR {number} OK alice@example.com Alice\r\n"),
        ("ANS", _) => format!("IRO {number} 1 1 bob@example.com Bob\r\nANS {number} OK\r\n"),
        ("CAL", _) => format!("CAL {number} RINGING 2\r\nJOI {} Somebody\r\n", asked.argument(2)),
        ("MSG", _) if asked.argument(2) == "A" => format!("ACK {number}\r\n"),
        ("XFR", _) => format!("XFR {number} SB {own} CKI 18\r\n"),
        ("VER", _) => format!("VER {number} MSNP11\r\n"),
        ("CVR", _) => format!("CVR {number} 1 1 1 http://x http://x\r\n"),
        ("USR", "I") => format!("USR {number} TWN S lc=1033\r\n"),
        ("USR", _) => format!("USR {number} OK alice@example.com 1 0\r\n"),
        ("SYN", _) => format!(
            "SYN {number} 1 1 1 0\r\nLST N=bob@example.com F=Bob C=00000000-0000-0000-0000-000000000001 11\r\n"
        ),
        ("CHG", _) => format!("CHG {number} {} 0\r\n", asked.argument(2)),
        ("PNG", _) => "QNG 50\r\n".to_owned(),
        _ => String::new(),
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let (reader, writer) = stream.into_split();
    let writer = Arc::new(AsyncMutex::new(writer));
    let mut reader = BufReader::new(reader);
    let mut board = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        let mut payload = Vec::new();
        if matches!(words[0], "MSG" | "UUX" | "QRY") {
            payload = vec![0; words.last().and_then(|n| n.parse().ok()).unwrap_or(0)];
            if reader.read_exact(&mut payload).await.is_err() {
                return;
            }
        }
        if words[0] == "ANS" || words[0] == "USR" && words.get(2).is_some_and(|word| *word != "TWN") {
            board = shared.boards.fetch_add(1, Ordering::SeqCst) + 1;
        }
        shared.writers.lock().unwrap().insert(board, writer.clone());
        let asked = Asked {
            board,
            verb: words[0].to_owned(),
            number: words.get(1).copied().unwrap_or_default().to_owned(),
            line: line.trim_end().to_owned(),
            payload: String::from_utf8_lossy(&payload).into_owned(),
        };
        let answer = match shared.is_stopped.load(Ordering::SeqCst) {
            true => Answer::Nothing,
            false => (shared.script)(&asked),
        };
        let bytes = match answer {
            Answer::Usual => usual(&asked, &shared.address),
            Answer::Bytes(bytes) => bytes,
            Answer::Nothing => String::new(),
            Answer::Close => {
                shared.writers.lock().unwrap().remove(&board);
                return;
            }
        };
        let is_out = asked.verb == "OUT";
        let _ = shared.hears.send(asked); // the test may be over
        if writer.lock().await.write_all(bytes.as_bytes()).await.is_err() || is_out {
            return;
        }
    }
}

/// Sign-in pages that accept everybody; gives their address.
async fn sign_in_pages() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    let here = address.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let here = here.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut buffer = [0; 1024];
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    match stream.read(&mut buffer).await {
                        Ok(n @ 1..) => request.extend_from_slice(&buffer[..n]),
                        _ => return,
                    }
                }
                let header = match String::from_utf8_lossy(&request).contains("pprdr.asp") {
                    true => format!("PassportURLs: DALogin=http://{here}/login"),
                    false => {
                        "Authentication-Info: Passport1.4 da-status=success,from-PP='t=1&p=2'".to_owned()
                    }
                };
                let answer =
                    format!("HTTP/1.1 200 OK\r\n{header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await; // the client may have seen enough
            });
        }
    });
    address
}
