//! An IRC server that takes lines as fast as they come and fails when told to: for what ngircd does not do, or takes
//! minutes to. It imitates a network without flood protection (as Ergo with `fakelag: off`) and, if wanted, with
//! IRCv3 echo-message; its failures are those of a server that is killed, of one behind a dead NAT entry that reads and
//! never answers, and of a filter that takes a line without showing it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::within;

type Clients = Mutex<HashMap<String, mpsc::UnboundedSender<String>>>;

#[derive(Default)]
struct Script {
    /// Whether it offers echo-message.
    echoes: bool,
    /// After so many lines more the connection is closed, and what came with the last is not answered.
    hang_up_after: AtomicUsize,
    /// While set, nobody is let in.
    is_closed: AtomicBool,
    /// The channel in which nobody may speak now.
    is_moderated: AtomicBool,
    clients: Clients,
}

pub(crate) struct ScriptedIrc {
    pub(crate) port: u16,
    said: mpsc::UnboundedReceiver<String>,
    script: Arc<Script>,
}

impl ScriptedIrc {
    pub(crate) async fn start(echoes: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let (says, said) = mpsc::unbounded_channel();
        let script =
            Arc::new(Script { echoes, hang_up_after: AtomicUsize::new(usize::MAX), ..Script::default() });
        let own = script.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, own.clone(), says.clone()));
            }
        });
        Self { port, said, script }
    }

    /// The next line that somebody says: `nick target text`.
    pub(crate) async fn said(&mut self) -> String {
        within("something said on IRC", self.said.recv()).await.expect("the server runs")
    }

    /// The texts that are said from now on, up to the one that contains this, without the name that the bot puts before
    /// them.
    pub(crate) async fn said_until(&mut self, last: &str) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let line = self.said().await;
            let is_last = line.contains(last);
            let text = line.splitn(3, ' ').nth(2).unwrap_or_default();
            all.push(text.trim_start_matches("<ann> ").to_owned());
            if is_last {
                return all;
            }
        }
    }

    pub(crate) fn hang_up_after(&self, lines: usize) {
        self.script.hang_up_after.store(lines, Ordering::SeqCst);
    }

    /// Sends everybody away and lets nobody in until this is said again.
    pub(crate) fn close(&self, closed: bool) {
        self.script.is_closed.store(closed, Ordering::SeqCst);
        self.script.clients.lock().unwrap().clear();
    }

    pub(crate) fn moderate(&self, moderated: bool) {
        self.script.is_moderated.store(moderated, Ordering::SeqCst);
    }

    /// Writes to the client of this nick, as many lines as it takes, in one piece.
    pub(crate) fn write(&self, nick: &str, lines: &str) {
        let clients = self.script.clients.lock().unwrap();
        clients.get(nick).expect("a client of that nick").send(lines.to_owned()).expect("it is connected");
    }
}

async fn serve(stream: TcpStream, script: Arc<Script>, says: mpsc::UnboundedSender<String>) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let (sender, mut injected) = mpsc::unbounded_channel();
    let mut own = Some(sender);
    let mut client = Client { nick: String::new(), echoes: false };
    loop {
        let answer = tokio::select! {
            line = lines.next_line() => {
                let Ok(Some(line)) = line else { return };
                if script.is_closed.load(Ordering::SeqCst) { return }
                let Some(answer) = client.answer(&line, &script, &says) else { return };
                if line.starts_with("USER ") && let Some(sender) = own.take() {
                    script.clients.lock().unwrap().insert(client.nick.clone(), sender);
                }
                answer
            }
            lines = injected.recv() => match lines {
                Some(lines) => lines,
                None if own.is_none() => return,
                None => continue,
            },
        };
        if writer.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

struct Client {
    nick: String,
    echoes: bool,
}

impl Client {
    /// What is answered to a line; `None` closes the connection.
    fn answer(
        &mut self,
        line: &str,
        script: &Script,
        says: &mpsc::UnboundedSender<String>,
    ) -> Option<String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let nick = self.nick.clone();
        Some(match word {
            "NICK" => {
                self.nick = rest.to_owned();
                String::new()
            }
            "USER" => format!(":irc.test 001 {nick} :Welcome\r\n:irc.test 422 {nick} :No MOTD\r\n"),
            "CAP" if rest.starts_with("LS") && script.echoes => {
                format!(":irc.test CAP {nick} LS :multi-prefix echo-message\r\n")
            }
            "CAP" if rest.starts_with("LS") => format!(":irc.test CAP {nick} LS :multi-prefix\r\n"),
            "CAP" if rest.starts_with("REQ") => {
                self.echoes = true;
                format!(":irc.test CAP {nick} ACK :echo-message\r\n")
            }
            "JOIN" => format!(":{nick}!u@h JOIN {rest}\r\n:irc.test 366 {nick} {rest} :End\r\n"),
            "PING" => format!(":irc.test PONG irc.test {rest}\r\n"),
            "PRIVMSG" | "NOTICE" => return self.speech(word, rest, script, says),
            "QUIT" => return None,
            _ => String::new(),
        })
    }

    fn speech(
        &self,
        word: &str,
        rest: &str,
        script: &Script,
        says: &mpsc::UnboundedSender<String>,
    ) -> Option<String> {
        let (target, text) = rest.split_once(' ')?;
        let text = text.strip_prefix(':').unwrap_or(text);
        let nick = &self.nick;
        if script.is_moderated.load(Ordering::SeqCst) {
            return Some(format!(":irc.test 404 {nick} {target} :Cannot send to channel\r\n"));
        }
        let left = script.hang_up_after.fetch_sub(1, Ordering::SeqCst);
        if text.contains("filtered") {
            return Some(String::new());
        }
        let _ = says.send(format!("{nick} {target} {text}")); // the test may be over
        if left == 1 {
            script.hang_up_after.store(usize::MAX, Ordering::SeqCst);
            return None;
        }
        let echo = || format!(":{nick}!u@h {word} {target} :{text}\r\n");
        Some(if self.echoes { echo() } else { String::new() })
    }
}
