//! An IRC server that takes lines as fast as they come and fails when told to: for what ngircd does not do, or takes
//! minutes to. It imitates a network without flood protection (as Ergo with `fakelag: off`) and, if wanted, with
//! IRCv3 echo-message and SASL (SCRAM-SHA-256, which Debian's services do not have; PLAIN for its failures). Its failures
//! are those of a server that is killed, of one behind a dead NAT entry that reads and never answers, of a filter that
//! takes a line without showing it, and any numeric as the answer to a JOIN.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::within;

type Clients = Mutex<HashMap<String, mpsc::UnboundedSender<String>>>;

/// A connection refuses a channel with this answer: nick, channel, and what follows the numeric.
type Refusal = (String, String, String);

#[derive(Default)]
struct Script {
    /// Capabilities that it offers.
    offers: String,
    /// The password of every account.
    password: String,
    /// Connections that have asked for capabilities.
    attempts: AtomicUsize,
    refusals: Mutex<Vec<Refusal>>,
    /// After so many lines more the connection is closed, and what came with the last is not answered.
    hang_up_after: AtomicUsize,
    /// While set, nobody is let in.
    is_closed: AtomicBool,
    /// What is said before that.
    parting: Mutex<String>,
    /// What is answered to words for a channel, besides showing them to nobody.
    mutes: Mutex<HashMap<String, String>>,
    /// Messages of several lines that were said.
    messages: AtomicUsize,
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
        Self::start_offering(if echoes { "multi-prefix echo-message" } else { "multi-prefix" }, "").await
    }

    /// `offers` are its capabilities, `password` that of every account.
    pub(crate) async fn start_offering(offers: &str, password: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        let (says, said) = mpsc::unbounded_channel();
        let (offers, password) = (offers.to_owned(), password.to_owned());
        let hang_up_after = AtomicUsize::new(usize::MAX);
        let script = Arc::new(Script { offers, password, hang_up_after, ..Script::default() });
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

    /// How many connections were begun.
    pub(crate) fn attempts(&self) -> usize {
        self.script.attempts.load(Ordering::SeqCst)
    }

    /// How many messages of several lines were said (IRCv3 draft/multiline).
    pub(crate) fn messages(&self) -> usize {
        self.script.messages.load(Ordering::SeqCst)
    }

    /// Answers JOINs of a channel with a numeric and what follows the nick, for this nick or, where empty, for all.
    pub(crate) fn refuse(&self, nick: &str, channel: &str, numeric: &str) {
        let refusal = (nick.to_owned(), channel.to_owned(), numeric.to_owned());
        self.script.refusals.lock().unwrap().push(refusal);
    }

    /// Lets everybody in everywhere.
    pub(crate) fn refuse_nobody(&self) {
        self.script.refusals.lock().unwrap().clear();
    }

    pub(crate) fn hang_up_after(&self, lines: usize) {
        self.script.hang_up_after.store(lines, Ordering::SeqCst);
    }

    /// The last words of a connection that is closed.
    pub(crate) fn say_at_parting(&self, words: &str) {
        words.clone_into(&mut self.script.parting.lock().unwrap());
    }

    /// Answers words for a channel with a numeric and what follows the nick, or with a NOTICE; `None` shows them again.
    pub(crate) fn mute(&self, channel: &str, answer: Option<&str>) {
        let mut mutes = self.script.mutes.lock().unwrap();
        match answer {
            Some(answer) => drop(mutes.insert(channel.to_owned(), answer.to_owned())),
            None => drop(mutes.remove(channel)),
        }
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
    let mut client = Client::default();
    loop {
        let answer = tokio::select! {
            line = lines.next_line() => {
                let Ok(Some(line)) = line else { return };
                if script.is_closed.load(Ordering::SeqCst) { return }
                let Some(answer) = client.answer(&line, &script, &says) else {
                    let parting = format!("{}\r\n", script.parting.lock().unwrap());
                    let _ = writer.write_all(parting.as_bytes()).await; // the client may be gone
                    return;
                };
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

#[derive(Default)]
struct Client {
    nick: String,
    echoes: bool,
    has_user: bool,
    /// In the middle of negotiating capabilities.
    negotiates: bool,
    account: Option<Account>,
}

impl Client {
    /// What is answered to a line, with its label where it has one; `None` closes the connection.
    fn answer(
        &mut self,
        line: &str,
        script: &Script,
        says: &mpsc::UnboundedSender<String>,
    ) -> Option<String> {
        let Some((tags, line)) = line.strip_prefix('@').and_then(|line| line.split_once(' ')) else {
            return self.answer_plain(line, script, says);
        };
        let answer = self.answer_plain(line, script, says)?;
        Some(match tags.split(';').find_map(|tag| tag.strip_prefix("label=")) {
            Some(label) if answer.is_empty() => format!("@label={label} :irc.test ACK\r\n"),
            Some(label) => format!("@label={label} {answer}"),
            None => answer,
        })
    }

    fn answer_plain(
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
            "USER" => {
                self.has_user = true;
                self.welcome()
            }
            "CAP" => self.capability(rest, script),
            "AUTHENTICATE" => return self.authenticate(rest, script),
            "JOIN" => {
                let channels = rest.split(' ').next().unwrap_or_default().split(',');
                channels.map(|channel| self.join(channel, script)).collect()
            }
            "PING" => format!(":irc.test PONG irc.test {rest}\r\n"),
            "PRIVMSG" | "NOTICE" => return self.speech(word, rest, script, says),
            "BATCH" => {
                script.messages.fetch_add(usize::from(rest.starts_with('+')), Ordering::SeqCst);
                String::new()
            }
            "QUIT" => return None,
            "USERHOST" => format!(":irc.test 302 {nick} :\r\n"),
            _ => String::new(),
        })
    }

    fn welcome(&self) -> String {
        let nick = &self.nick;
        if self.negotiates || !self.has_user {
            return String::new();
        }
        format!(
            ":irc.test 001 {nick} :Welcome\r\n:irc.test 005 {nick} NICKLEN=16 CASEMAPPING=rfc1459 :are supported\r\n\
             :irc.test 422 {nick} :No MOTD\r\n"
        )
    }

    /// Lists in two lines, as servers with many capabilities do.
    fn capability(&mut self, rest: &str, script: &Script) -> String {
        if rest.starts_with("LS") {
            self.negotiates = true;
            script.attempts.fetch_add(1, Ordering::SeqCst);
            return format!(
                ":irc.test CAP * LS * :extended-join\r\n:irc.test CAP * LS :{}\r\n",
                script.offers
            );
        }
        if let Some(names) = rest.strip_prefix("REQ ") {
            let names = names.trim_start_matches(':');
            self.echoes = names.contains("echo-message");
            return format!(":irc.test CAP * ACK :{names}\r\n");
        }
        self.negotiates = false;
        self.welcome()
    }

    fn join(&self, channel: &str, script: &Script) -> String {
        let nick = &self.nick;
        let refusals = script.refusals.lock().unwrap();
        let refusal = refusals.iter().find(|(who, of, _)| (who.is_empty() || who == nick) && of == channel);
        if let Some((_, _, numeric)) = refusal {
            let (number, rest) = numeric.split_once(' ').unwrap();
            return format!(":irc.test {number} {nick} {rest}\r\n");
        }
        format!(":{nick}!u@h JOIN {channel}\r\n:irc.test 366 {nick} {channel} :End\r\n")
    }

    fn authenticate(&mut self, rest: &str, script: &Script) -> Option<String> {
        let failed = ":irc.test 904 * :SASL authentication failed\r\n".to_owned();
        let Some(account) = &mut self.account else {
            self.account = Some(Account::new(rest));
            return Some("AUTHENTICATE +\r\n".into());
        };
        match account.answer(rest, &script.password) {
            Some(Answer::More) => Some(String::new()),
            Some(Answer::Challenge(text)) => Some(format!("AUTHENTICATE {text}\r\n")),
            Some(Answer::Yes(name)) => {
                self.account = None;
                Some(format!(":irc.test 900 * * {name} :You are {name}\r\n:irc.test 903 * :Success\r\n"))
            }
            None => {
                self.account = None;
                Some(failed)
            }
        }
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
        if let Some(answer) = script.mutes.lock().unwrap().get(target) {
            return Some(match answer.split_once(' ') {
                Some(("NOTICE", _)) => format!(":irc.test {answer}\r\n"),
                Some((number, rest)) => format!(":irc.test {number} {nick} {rest}\r\n"),
                None => String::new(),
            });
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

enum Answer {
    More,
    Challenge(String),
    Yes(String),
}

/// The other side of SASL, by RFC 5802 and RFC 4616.
struct Account {
    is_scram: bool,
    taken: String,
    /// What was said in SCRAM so far: the client's first message without its header, and our answer.
    said: Option<(String, String)>,
    signature: String,
    name: String,
}

impl Account {
    fn new(mechanism: &str) -> Self {
        let [taken, signature, name] = Default::default();
        Self { is_scram: mechanism == "SCRAM-SHA-256", taken, said: None, signature, name }
    }

    fn answer(&mut self, piece: &str, password: &str) -> Option<Answer> {
        if piece != "+" {
            self.taken.push_str(piece);
        }
        if piece.len() == 400 {
            return Some(Answer::More);
        }
        let said = STANDARD.decode(std::mem::take(&mut self.taken)).ok()?;
        let said = String::from_utf8(said).ok()?;
        match self.is_scram {
            true => self.scram(&said, password),
            false => {
                let mut parts = said.split('\0');
                let (name, theirs) = (parts.nth(1)?.to_owned(), parts.next()?);
                (theirs == password).then_some(Answer::Yes(name))
            }
        }
    }

    fn scram(&mut self, said: &str, password: &str) -> Option<Answer> {
        if !self.signature.is_empty() {
            return said.is_empty().then(|| Answer::Yes(self.name.clone()));
        }
        let Some((first, challenge)) = self.said.take() else {
            let first = said.strip_prefix("n,,")?.to_owned();
            let (name, nonce) = first.strip_prefix("n=")?.split_once(",r=")?;
            self.name = name.to_owned();
            let challenge = format!("r={nonce}srv,s={},i=4096", STANDARD.encode("some salt"));
            let encoded = STANDARD.encode(&challenge);
            self.said = Some((first, challenge));
            return Some(Answer::Challenge(encoded));
        };
        let (last, proof) = said.split_once(",p=")?;
        let salted = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), b"some salt", 4096);
        let all = format!("{first},{challenge},{last}");
        let client = keyed(&salted, b"Client Key");
        let sign = keyed(&Sha256::digest(client), all.as_bytes());
        let expected: Vec<u8> = client.iter().zip(sign).map(|(key, sign)| key ^ sign).collect();
        if STANDARD.decode(proof).ok()? != expected {
            return None;
        }
        self.signature = STANDARD.encode(keyed(&keyed(&salted, b"Server Key"), all.as_bytes()));
        Some(Answer::Challenge(STANDARD.encode(format!("v={}", self.signature))))
    }
}

fn keyed(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().into()
}
