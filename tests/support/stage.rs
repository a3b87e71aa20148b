//! An MSN server that a test directs line by line: it signs in whoever comes, as servers of other people do, and from
//! then on says on each connection what the test says. For what a server or the other people on it may say that the
//! embedded service never does.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};

use super::within;

/// What a stage is like.
#[derive(Clone)]
pub(crate) struct Scenery {
    pub(crate) dialect: &'static str,
    /// What follows the answer to `SYN`: as many lines as it announces.
    pub(crate) lists: Vec<String>,
    /// The answer to other commands, by their verb; `{n}` is the number, `{rest}` what stood behind it.
    pub(crate) answers: Vec<(&'static str, &'static str)>,
}

impl Default for Scenery {
    fn default() -> Self {
        Self { dialect: "MSNP11", lists: Vec::new(), answers: Vec::new() }
    }
}

/// The server writes answers there, and the test what it says.
type Shared = Arc<Mutex<OwnedWriteHalf>>;

/// The server.
pub(crate) struct Stage {
    pub(crate) address: String,
    scenery: Arc<std::sync::Mutex<Scenery>>,
    notification: mpsc::UnboundedReceiver<Shared>,
    /// The connection of whoever signed in last.
    current: Option<Shared>,
    boards: mpsc::UnboundedReceiver<Board>,
    said: mpsc::UnboundedReceiver<String>,
    rings: u32,
}

/// One switchboard connection of the client.
pub(crate) struct Board {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// The line that it began with.
    pub(crate) first: String,
}

impl Stage {
    pub(crate) async fn start(scenery: Scenery) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let (signs_in, notification) = mpsc::unbounded_channel();
        let (rings, boards) = mpsc::unbounded_channel();
        let (says, said) = mpsc::unbounded_channel();
        let scenery = Arc::new(std::sync::Mutex::new(scenery));
        let (own, played) = (address.clone(), scenery.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (own, scenery) = (own.clone(), played.clone());
                tokio::spawn(serve(stream, own, scenery, signs_in.clone(), rings.clone(), says.clone()));
            }
        });
        Self { address, scenery, notification, current: None, boards, said, rings: 0 }
    }

    /// The lists that the next sign-in is told.
    pub(crate) fn set_lists(&self, lists: &[&str]) {
        self.scenery.lock().expect("the scenery").lists = lists.iter().map(|&line| line.to_owned()).collect();
    }

    /// Says something on the notification connection: whole lines, without their ends.
    pub(crate) async fn say(&mut self, line: &str) {
        while let Ok(newer) = self.notification.try_recv() {
            self.current = Some(newer);
        }
        if self.current.is_none() {
            self.current = within("somebody to sign in", self.notification.recv()).await;
        }
        let writer = self.current.as_ref().expect("somebody signed in");
        writer.lock().await.write_all(format!("{line}\r\n").as_bytes()).await.expect("they read");
    }

    /// The next words go to the next session: those of sessions that are over are forgotten.
    pub(crate) fn begin_anew(&mut self) {
        self.current = None;
        // Of sessions that are over.
        while self.notification.try_recv().is_ok() {}
        while self.boards.try_recv().is_ok() {}
    }

    /// Says something for which the client closes the connection; what is said next is said to whoever signs in then.
    pub(crate) async fn say_the_last(&mut self, line: &str) {
        if let Some(writer) = self.current.take() {
            let _ = writer.lock().await.write_all(format!("{line}\r\n").as_bytes()).await; // closed before its end
        }
    }

    /// The next line that the client says on the notification connection and that begins so, once signed in.
    pub(crate) async fn heard(&mut self, start: &str) -> String {
        within(start, async {
            loop {
                let line = self.said.recv().await.expect("the server runs");
                if line.starts_with(start) {
                    return line;
                }
            }
        })
        .await
    }

    /// Somebody rings, and these are in the call when it is answered: `account name` each.
    pub(crate) async fn ring(&mut self, account: &str, name: &str, present: &[&str]) -> Board {
        self.rings += 1;
        let (own, session) = (self.address.clone(), self.rings);
        self.say(&format!("RNG {session} {own} CKI 17 {account} {name}")).await;
        let mut board = self.board().await;
        assert!(board.first.starts_with("ANS "), "{}", board.first);
        let number = board.first.split(' ').nth(1).unwrap_or_default().to_owned();
        for (at, member) in (1..).zip(present) {
            board.say(&format!("IRO {number} {at} {} {member}", present.len())).await;
        }
        board.say(&format!("ANS {number} OK")).await;
        board
    }

    /// The client asks for a board and enters it; nobody is called yet.
    pub(crate) async fn called(&mut self) -> Board {
        let mut board = self.board().await;
        assert!(board.first.starts_with("USR "), "{}", board.first);
        let number = board.first.split(' ').nth(1).unwrap_or_default().to_owned();
        board.say(&format!("USR {number} OK alice@example.com Alice")).await;
        board
    }

    async fn board(&mut self) -> Board {
        within("a connection to a board", self.boards.recv()).await.expect("the server runs")
    }
}

impl Board {
    pub(crate) async fn say(&mut self, line: &str) {
        self.raw(format!("{line}\r\n").as_bytes()).await;
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).await.expect("the client reads");
    }

    /// A message of somebody, with its payload.
    pub(crate) async fn message(&mut self, account: &str, name: &str, payload: &[u8]) {
        let head = format!("MSG {account} {name} {}\r\n", payload.len());
        self.raw(&[head.as_bytes(), payload].concat()).await;
    }

    /// A text of somebody.
    pub(crate) async fn text(&mut self, account: &str, name: &str, words: &str) {
        self.message(account, name, super::msn::text(words).as_bytes()).await;
    }

    /// The next thing that the client says here; `None` at its end.
    pub(crate) async fn next(&mut self) -> Option<(String, String)> {
        read_unit(&mut self.reader).await
    }

    /// The next line that begins so, with its payload.
    pub(crate) async fn until(&mut self, start: &str) -> (String, String) {
        within(start, async {
            loop {
                let unit = self.next().await.unwrap_or_else(|| panic!("the call ended before {start}"));
                if unit.0.starts_with(start) {
                    return unit;
                }
            }
        })
        .await
    }

    /// Answers the next call of somebody: they come, under this name. Gives who was called.
    pub(crate) async fn join(&mut self, name: &str) -> String {
        let (line, _) = self.until("CAL ").await;
        let words: Vec<&str> = line.split(' ').collect();
        self.say(&format!("CAL {} RINGING 2", words[1])).await;
        self.say(&format!("JOI {} {name}", words[2])).await;
        words[2].to_owned()
    }

    /// The next text of the client, acknowledged.
    pub(crate) async fn heard(&mut self, words: &str) {
        loop {
            let (line, payload) = self.until("MSG ").await;
            let number = line.split(' ').nth(1).unwrap_or_default();
            self.say(&format!("ACK {number}")).await;
            if payload.ends_with(words) {
                return;
            }
        }
    }
}

async fn read_unit(reader: &mut BufReader<OwnedReadHalf>) -> Option<(String, String)> {
    let mut line = String::new();
    if reader.read_line(&mut line).await.unwrap_or(0) == 0 {
        return None;
    }
    let line = line.trim_end().to_owned();
    let mut payload = Vec::new();
    if matches!(line.get(..3), Some("MSG" | "UUX" | "QRY" | "PGD")) {
        payload = vec![0; line.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)];
        reader.read_exact(&mut payload).await.ok()?;
    }
    Some((line, String::from_utf8_lossy(&payload).into_owned()))
}

async fn serve(
    stream: TcpStream,
    own: String,
    scenery: Arc<std::sync::Mutex<Scenery>>,
    signs_in: mpsc::UnboundedSender<Shared>,
    rings: mpsc::UnboundedSender<Board>,
    says: mpsc::UnboundedSender<String>,
) {
    let (reader, writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let Some((first, _)) = read_unit(&mut reader).await else { return };
    if !first.starts_with("VER ") {
        let _ = rings.send(Board { reader, writer, first }); // the test may be over
        return;
    }
    let writer = Arc::new(Mutex::new(writer));
    let mut unit = Some((first, String::new()));
    while let Some((line, _)) = unit {
        let answer = answer(&line, &own, &scenery.lock().expect("the scenery"));
        let is_signed_in = line.starts_with("CHG ");
        if writer.lock().await.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        if is_signed_in {
            let _ = signs_in.send(writer.clone()); // the test may be over
        }
        let _ = says.send(line); // the test may be over
        unit = read_unit(&mut reader).await;
    }
}

fn answer(line: &str, own: &str, scenery: &Scenery) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let number = words.get(1).copied().unwrap_or_default();
    let rest = words.get(2..).unwrap_or_default().join(" ");
    if let Some((_, form)) = scenery.answers.iter().find(|(verb, _)| *verb == words[0]) {
        return form.replace("{n}", number).replace("{rest}", &rest) + "\r\n";
    }
    match (words[0], words.get(3).copied()) {
        ("VER", _) => format!("VER {number} {}\r\n", scenery.dialect),
        ("CVR", _) => format!("CVR {number} 1 1 1 http://x http://x\r\n"),
        ("USR", Some("I")) => format!("USR {number} TWN S lc=1033\r\n"),
        ("USR", _) => format!("USR {number} OK alice@example.com Alice 1 0\r\n"),
        ("SYN", _) => {
            let groups = scenery.lists.iter().filter(|line| line.starts_with("LSG")).count();
            let contacts = scenery.lists.iter().filter(|line| line.starts_with("LST")).count();
            let stamp = if matches!(scenery.dialect, "MSNP8" | "MSNP9") { "1" } else { "1 1" };
            let lists: String = scenery.lists.iter().map(|line| format!("{line}\r\n")).collect();
            format!("SYN {number} {stamp} {contacts} {groups}\r\n{lists}")
        }
        ("CHG", _) => format!("CHG {number} {} 0\r\n", words[2]),
        ("XFR", _) => format!("XFR {number} SB {own} CKI 18\r\n"),
        ("UUX", _) => format!("UUX {number} 0\r\n"),
        ("PNG", _) => "QNG 50\r\n".to_owned(),
        _ => String::new(),
    }
}
