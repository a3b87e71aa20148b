//! An MSN server that plays one scene: it signs in whoever comes, rings them, and says what the script says. For what
//! servers of other people do and the embedded one does not.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::within;

pub(crate) struct ScriptedServer {
    pub(crate) address: String,
    /// What the client says in calls, and whom it calls.
    heard: mpsc::UnboundedReceiver<String>,
}

impl ScriptedServer {
    /// `scene` is written into the call once it is answered.
    pub(crate) async fn start(scene: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let (hears, heard) = mpsc::unbounded_channel();
        let own = address.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, own.clone(), scene.clone(), hears.clone()));
            }
        });
        Self { address, heard }
    }

    /// The next message that the client sends, or the line of its next call.
    pub(crate) async fn heard(&mut self) -> String {
        within("something in a call", self.heard.recv()).await.expect("the server runs")
    }
}

async fn serve(stream: TcpStream, own: String, scene: String, hears: mpsc::UnboundedSender<String>) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        let number = words.get(1).copied().unwrap_or_default();
        let mut payload = String::new();
        if matches!(words[0], "MSG" | "UUX" | "QRY") {
            let mut bytes = vec![0; words.last().and_then(|n| n.parse().ok()).unwrap_or(0)];
            reader.read_exact(&mut bytes).await.expect("the payload");
            payload = String::from_utf8_lossy(&bytes).into_owned();
        }
        let answer = match (words[0], words.get(3).copied()) {
            ("USR", _) if words[2] != "TWN" => format!("USR {number} OK alice@example.com Alice\r\n"),
            ("XFR", _) => format!("XFR {number} SB {own} CKI 18\r\n"),
            ("CAL", _) => {
                let _ = hears.send(line.trim_end().to_owned()); // the test may be over
                format!("CAL {number} RINGING 2\r\nJOI {} Somebody\r\n", words[2])
            }
            ("VER", _) => format!("VER {number} MSNP11\r\n"),
            ("CVR", _) => format!("CVR {number} 1 1 1 http://x http://x\r\n"),
            ("USR", Some("I")) => format!("USR {number} TWN S lc=1033\r\n"),
            ("USR", _) => format!("USR {number} OK alice@example.com 1 0\r\n"),
            ("SYN", _) => format!("SYN {number} 1 1 0 0\r\n"),
            ("CHG", _) => format!("CHG {number} NLN 0\r\nRNG 1 {own} CKI 17 bob@example.com Bob\r\n"),
            ("ANS", _) => format!("IRO {number} 1 1 bob@example.com Bob\r\nANS {number} OK\r\n{scene}"),
            ("MSG", _) => {
                let _ = hears.send(payload); // the test may be over
                format!("ACK {number}\r\n")
            }
            _ => String::new(),
        };
        if writer.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
