//! A real IRC server, and a person on it who is a bare socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::Command;

use super::process::Process;
use super::{free_port, within};

pub(crate) struct Ngircd {
    pub(crate) port: u16,
    directory: PathBuf,
    process: Process,
}

fn spawn(directory: &Path) -> Process {
    let program = ["/usr/sbin/ngircd", "/usr/bin/ngircd"].into_iter().find(|path| Path::new(path).exists());
    let program = program.expect("no ngircd: tests/run installs it");
    let mut command = Command::new(program);
    command.arg("-n").arg("-f").arg(directory.join("ngircd.conf"));
    Process::start("ngircd", command, &directory.join("ngircd.log"))
}

impl Ngircd {
    pub(crate) async fn start(directory: &Path, connections_per_address: u32) -> Self {
        let port = free_port();
        let config = format!(
            "[Global]\nName = irc.test.localhost\nInfo = test\nListen = 127.0.0.1\nPorts = {port}\n\
             [Limits]\nMaxConnectionsIP = {connections_per_address}\nMaxNickLength = 16\n\
             [Options]\nDNS = no\nIdent = no\nPAM = no\n"
        );
        std::fs::write(directory.join("ngircd.conf"), config).expect("ngircd.conf");
        let server = Self { port, directory: directory.to_owned(), process: spawn(directory) };
        server.wait_until_ready().await;
        server
    }

    async fn wait_until_ready(&self) {
        within("ngircd to listen", async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }

    pub(crate) async fn kill(&mut self) {
        self.process.kill().await;
    }

    pub(crate) async fn restart(&mut self) {
        self.process = spawn(&self.directory);
        self.wait_until_ready().await;
    }
}

/// Somebody in a channel.
pub(crate) struct Person {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    unread: Vec<String>,
}

impl Person {
    pub(crate) async fn join(port: u16, nick: &str, channel: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("ngircd listens");
        let (reader, writer) = stream.into_split();
        let mut person = Self { reader: BufReader::new(reader), writer, unread: Vec::new() };
        // Not every letter of a nick is one of a user's name.
        let user: String = nick.chars().filter(char::is_ascii_alphanumeric).collect();
        person.raw(&format!("NICK {nick}\r\nUSER {user} 0 * :{nick}\r\n")).await;
        person.line(" 001 ").await;
        person.raw(&format!("JOIN {channel}\r\n")).await;
        person.line(" 366 ").await;
        person
    }

    pub(crate) async fn raw(&mut self, line: &str) {
        self.writer.write_all(line.as_bytes()).await.expect("ngircd reads");
    }

    pub(crate) async fn say(&mut self, channel: &str, text: &str) {
        self.raw(&format!("PRIVMSG {channel} :{text}\r\n")).await;
    }

    /// What was heard and not asked for, up to the end of the connection.
    pub(crate) async fn rest(mut self) -> Vec<String> {
        let mut line = String::new();
        while self.reader.read_line(&mut line).await.is_ok_and(|read| read > 0) {
            self.unread.push(std::mem::take(&mut line));
        }
        self.unread
    }

    /// How many lines heard and not asked for contain this.
    pub(crate) fn unread(&self, part: &str) -> usize {
        self.unread.iter().filter(|line| line.contains(part)).count()
    }

    /// The next line that contains this; earlier ones are kept.
    pub(crate) async fn line(&mut self, part: &str) -> String {
        self.line_that(&format!("{part:?} on IRC"), |line| line.contains(part)).await
    }

    /// The next line that `wanted` accepts; earlier ones are kept.
    pub(crate) async fn line_that(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        if let Some(at) = self.unread.iter().position(|line| wanted(line)) {
            return self.unread.remove(at);
        }
        within(what, async {
            loop {
                let mut line = String::new();
                let read = self.reader.read_line(&mut line).await.expect("a line");
                assert!(read > 0, "the connection ended before {what}");
                if let Some(token) = line.strip_prefix("PING ") {
                    let pong = format!("PONG {token}");
                    self.raw(&pong).await;
                } else if wanted(line.trim_end()) {
                    return line.trim_end().to_owned();
                } else {
                    self.unread.push(line.trim_end().to_owned());
                }
            }
        })
        .await
    }
}
