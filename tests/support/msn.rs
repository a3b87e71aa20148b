//! An MSN client of plain text lines: what a contact sees and says. Knows nothing of the code under test.

use std::time::Instant;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::service::MsnService;
use super::within;

/// A line and what follows it.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub(crate) line: String,
    pub(crate) payload: String,
    /// The payload as it came.
    pub(crate) bytes: Vec<u8>,
    /// When it was read.
    pub(crate) at: Instant,
}

/// One connection.
pub(crate) struct Wire {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    number: u32,
    /// Units read while waiting for another.
    unread: Vec<Unit>,
}

impl Wire {
    pub(crate) async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("the MSN service listens");
        stream.set_nodelay(true).expect("nodelay");
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::new(reader), writer, number: 0, unread: Vec::new() }
    }

    /// Sends `VERB number rest`; gives the number.
    pub(crate) async fn send(&mut self, verb: &str, rest: &str) -> u32 {
        self.number += 1;
        self.raw(format!("{verb} {} {rest}\r\n", self.number).as_bytes()).await;
        self.number
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).await.expect("the MSN service reads");
    }

    /// The same where the other side may have closed; whether it had not.
    pub(crate) async fn try_raw(&mut self, bytes: &[u8]) -> bool {
        self.writer.write_all(bytes).await.is_ok()
    }

    /// `None` at the end of the connection.
    pub(crate) async fn read(&mut self) -> Option<Unit> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).await.unwrap_or(0) == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        let verb = line.get(..3).unwrap_or_default();
        let mut bytes = Vec::new();
        if matches!(verb, "MSG" | "UBX" | "NOT" | "GCF" | "UUX") {
            let length = line.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            bytes = vec![0; length];
            self.reader.read_exact(&mut bytes).await.ok()?;
        }
        let payload = String::from_utf8_lossy(&bytes).into_owned();
        Some(Unit { line, payload, bytes, at: Instant::now() })
    }

    /// The next unit that `wanted` accepts; the others are kept.
    pub(crate) async fn until(&mut self, what: &str, wanted: impl Fn(&Unit) -> bool) -> Unit {
        if let Some(at) = self.unread.iter().position(&wanted) {
            return self.unread.remove(at);
        }
        within(what, async {
            loop {
                let unit = self.read().await.unwrap_or_else(|| panic!("the connection ended before {what}"));
                if wanted(&unit) {
                    return unit;
                }
                self.unread.push(unit);
            }
        })
        .await
    }

    /// How many units read so far and not asked for contain this.
    pub(crate) fn kept(&self, part: &str) -> usize {
        self.unread.iter().filter(|unit| unit.payload.contains(part)).count()
    }

    /// How many lines read so far and not asked for begin so.
    pub(crate) fn heard(&self, start: &str) -> usize {
        self.unread.iter().filter(|unit| unit.line.starts_with(start)).count()
    }

    pub(crate) async fn line(&mut self, start: &str) -> Unit {
        self.until(start, |unit| unit.line.starts_with(start)).await
    }

    /// A message whose payload contains this.
    pub(crate) async fn message(&mut self, part: &str) -> Unit {
        self.until(&format!("a message with {part:?}"), |u| {
            u.line.starts_with("MSG ") && u.payload.contains(part)
        })
        .await
    }
}

/// Somebody signed in.
pub(crate) struct Peer {
    pub(crate) email: String,
    pub(crate) wire: Wire,
}

/// Gets a ticket the way an old client does, over a bare socket.
async fn ticket(nexus: &str, email: &str, password: &str) -> String {
    let page = header(nexus, "", "passporturls").await;
    let login =
        page.split("DALogin=").nth(1).expect("a login page").split(',').next().unwrap_or_default().to_owned();
    let user = email.replace('@', "%40");
    let authorization =
        format!("Authorization: Passport1.4 OrgVerb=GET,sign-in={user},pwd={password},lc=1033\r\n");
    let info = header(&login, &authorization, "authentication-info").await;
    info.split("from-PP='").nth(1).expect("a ticket").split('\'').next().unwrap_or_default().to_owned()
}

async fn header(url: &str, extra: &str, wanted: &str) -> String {
    let rest = url.strip_prefix("http://").expect("plain HTTP");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).await.expect("the sign-in pages answer");
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n{extra}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("write");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("read");
    let found = answer.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
    });
    found.unwrap_or_else(|| panic!("no {wanted} in {answer}"))
}

impl Peer {
    pub(crate) async fn sign_in(service: &MsnService, email: &str, password: &str) -> Self {
        let mut wire = Wire::connect(&service.notification).await;
        wire.send("VER", "MSNP11 CVR0").await;
        wire.line("VER").await;
        wire.send("CVR", &format!("0x0409 winnt 5.1 i386 MSNMSGR 7.0.0777 MSMSGS {email}")).await;
        wire.line("CVR").await;
        wire.send("USR", &format!("TWN I {email}")).await;
        wire.line("USR").await;
        let ticket = ticket(&service.nexus, email, password).await;
        wire.send("USR", &format!("TWN S {ticket}")).await;
        wire.line("USR").await;
        wire.send("SYN", "0 0").await;
        wire.line("SYN").await;
        wire.send("CHG", "NLN 1073741856").await;
        wire.line("CHG").await;
        Self { email: email.to_owned(), wire }
    }

    /// Calls somebody and waits until they are there.
    pub(crate) async fn call(&mut self, other: &str) -> Wire {
        self.wire.send("XFR", "SB").await;
        let answer = self.wire.line("XFR").await.line;
        let words: Vec<&str> = answer.split(' ').collect();
        let mut call = Wire::connect(words[3]).await;
        call.send("USR", &format!("{} {}", self.email, words[5])).await;
        call.line("USR").await;
        call.send("CAL", other).await;
        call.line("JOI").await;
        call
    }

    /// Waits for a call and answers it.
    pub(crate) async fn answer(&mut self) -> Wire {
        let ring = self.wire.line("RNG").await.line;
        let words: Vec<&str> = ring.split(' ').collect();
        let mut call = Wire::connect(words[2]).await;
        call.send("ANS", &format!("{} {} {}", self.email, words[4], words[1])).await;
        call.line("ANS").await;
        call
    }
}

pub(crate) fn text(body: &str) -> String {
    formatted(body, "FN=Arial; EF=; CO=0; CS=0; PF=22")
}

pub(crate) fn formatted(body: &str, format: &str) -> String {
    format!(
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nX-MMS-IM-Format: {format}\r\n\r\n{body}"
    )
}

impl Wire {
    /// Sends a message with this letter, and waits for nothing; gives its number.
    pub(crate) async fn payload(&mut self, letter: &str, payload: &[u8]) -> u32 {
        self.number += 1;
        let head = format!("MSG {} {letter} {}\r\n", self.number, payload.len());
        self.raw(&[head.as_bytes(), payload].concat()).await;
        self.number
    }

    /// Sends a message and waits for its acknowledgement.
    pub(crate) async fn say(&mut self, payload: &str) {
        let ack = format!("ACK {}", self.payload("A", payload.as_bytes()).await);
        self.until(&ack, |unit| unit.line == ack).await;
    }
}
