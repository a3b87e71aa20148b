//! Plays the client's side of a recording to our service, and keeps what either server said.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::rules::{Place, RULES, words_fit};
use super::unit::{Line, Unit, bare, decoded, units};
use crate::support::service::MsnService;
use crate::support::transcript::{Step, steps};

const ACCOUNTS: &str = "alice@example.com,alicepw,Alice
bob@example.com,bobpw,Bob
carol@example.com,carolpw,Carol
dave@example.com,davepw,Dave
";

/// Turns of five milliseconds in which nothing comes before ours is taken to have said everything; and of a sign-in page,
/// which is never left out.
const ROUNDS: usize = 50;
const PAGE_ROUNDS: usize = 600;

pub(crate) struct Player {
    service: MsnService,
    /// What the recorded server called things, and what ours calls them.
    names: BTreeMap<String, String>,
    pub(crate) lines: BTreeMap<String, Line>,
    pub(crate) file: String,
    /// Which rules were needed.
    pub(crate) used: Vec<bool>,
}

impl Player {
    pub(crate) async fn new(directory: &Path) -> Self {
        let service = MsnService::start_with(directory, ACCOUNTS, &["--no-challenge"]).await;
        let used = vec![false; RULES.len()];
        Self { service, names: BTreeMap::new(), lines: BTreeMap::new(), file: String::new(), used }
    }

    /// Plays a recording to its end.
    pub(crate) async fn play(&mut self, file: &str) {
        self.file = file.to_owned();
        let mut said = false;
        for step in steps(file) {
            match step {
                Step::Connected(tag) => {
                    self.listen().await;
                    self.connect(&tag).await;
                }
                Step::Client(tag, bytes) => {
                    if said {
                        self.listen().await;
                        said = false;
                    }
                    self.hear_of(&bytes).await;
                    self.send(&tag, &bytes).await;
                }
                Step::Server(tag, bytes) => {
                    said = true;
                    if let Some(line) = self.lines.get_mut(&tag) {
                        if is_page(&tag) {
                            self.listen_http(&tag, &bytes).await;
                        } else {
                            line.recorded_rest.extend(bytes);
                            let cut = units(&mut line.recorded_rest);
                            line.recorded.extend(cut);
                        }
                    }
                }
                Step::ServerClosed(tag) => {
                    said = true;
                    if let Some(line) = self.lines.get_mut(&tag) {
                        line.recorded.push(Unit::closed());
                    }
                }
                Step::ClientClosed(tag) => {
                    self.listen().await;
                    if let Some(line) = self.lines.get_mut(&tag) {
                        line.stream = None;
                    }
                }
            }
        }
        self.listen().await;
    }

    pub(crate) fn renamed(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
    }

    pub(crate) fn renamed_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.renamed(text).into_bytes(),
            Err(_) => bytes.to_vec(),
        }
    }

    async fn connect(&mut self, tag: &str) {
        let address = match tag {
            tag if tag.contains(".SB") => self.service.switchboard(),
            tag if tag.contains(".NS") => self.service.notification.clone(),
            _ => self
                .service
                .nexus
                .trim_start_matches("http://")
                .split('/')
                .next()
                .unwrap_or_default()
                .to_owned(),
        };
        let stream = TcpStream::connect(address).await.expect("the service listens");
        stream.set_nodelay(true).expect("nodelay");
        let line = self.lines.entry(tag.to_owned()).or_default();
        (line.stream, line.closed) = (Some(stream), false);
    }

    async fn send(&mut self, tag: &str, bytes: &[u8]) {
        // Their login page has another path than ours.
        let bytes = match is_page(tag) && bytes.starts_with(b"GET /login ") {
            true => b"GET /login2.srf HTTP/1.1\r\n".to_vec(),
            false => self.renamed_bytes(bytes),
        };
        let Some(line) = self.lines.get_mut(tag) else { return };
        if let Some(stream) = &mut line.stream {
            let _ = stream.write_all(&bytes).await; // it may have been closed
        }
    }

    /// Takes what comes on every connection until ours has said as much as the recorded server had; where it says less,
    /// for a moment, and from then on that much less is expected.
    async fn listen(&mut self) {
        let lag = |line: &Line| line.recorded.len().saturating_sub(line.actual.len());
        let mut rounds = 0;
        // A page always comes, and a machine with much else to do takes its time over one.
        let lags = |(tag, line): (&String, &Line)| is_page(tag) && lag(line) > line.owing;
        while rounds < if self.lines.iter().any(lags) { PAGE_ROUNDS } else { ROUNDS } {
            let heard = self.take();
            if !heard && rounds > 0 && self.lines.values().all(|line| lag(line) <= line.owing) {
                return;
            }
            rounds = if heard { 1 } else { rounds + 1 };
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.lines.values_mut().for_each(|line| line.owing = lag(line));
    }

    /// Takes what has come by now; whether something had.
    fn take(&mut self) -> bool {
        let mut heard = false;
        for line in self.lines.values_mut() {
            let Some(stream) = &mut line.stream else { continue };
            let mut buffer = [0; 16_384];
            while let Ok(read) = stream.try_read(&mut buffer) {
                if read == 0 {
                    line.stream = None;
                    line.closed = true;
                    break;
                }
                heard = true;
                line.actual_rest.extend_from_slice(&buffer[..read]);
            }
            line.actual.extend(units(&mut line.actual_rest));
            if std::mem::take(&mut line.closed) {
                line.actual.push(Unit::closed());
            }
        }
        heard
    }

    /// Waits until ours has named what these bytes speak of. What it never names it is asked for by their name.
    async fn hear_of(&mut self, bytes: &[u8]) {
        for _ in 0..20 {
            self.learn();
            let text = String::from_utf8_lossy(bytes);
            if !self.named().iter().any(|name| text.contains(name) && !self.names.contains_key(name)) {
                return;
            }
            self.take();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What the recorded server has named so far.
    fn named(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (tag, line) in &self.lines {
            for recorded in &line.recorded {
                for rule in RULES.iter().filter(|rule| rule.theirs.contains('@')) {
                    let pattern = Place { file: &self.file, tag }
                        .fitting(rule.theirs, &recorded.line)
                        .unwrap_or_default();
                    let words = recorded.line.split(' ').zip(pattern.split(' '));
                    names.extend(words.filter(|(_, p)| *p == "@").map(|(word, _)| bare(word)));
                }
            }
        }
        names
    }

    /// Learns what our service calls things, from lines that say the same of them.
    fn learn(&mut self) {
        let (mut learned, mut used) = (Vec::new(), Vec::new());
        for (tag, line) in &self.lines {
            let place = Place { file: &self.file, tag };
            for recorded in &line.recorded {
                for (at, rule) in RULES.iter().enumerate().filter(|(_, rule)| rule.theirs.contains('@')) {
                    let Some(pattern) = place.fitting(rule.theirs, &recorded.line) else { continue };
                    let Some(own_pattern) = place.holds(rule.ours) else { continue };
                    let own_pattern = if rule.ours == rule.theirs { pattern } else { own_pattern };
                    let heard = self.renamed(&recorded.line);
                    let alike = |unit: &&Unit| {
                        words_fit(own_pattern, &unit.line)
                            && at_mark(&unit.line, own_pattern, "_") == at_mark(&heard, pattern, "_")
                    };
                    let Some(own) = line.actual.iter().rev().find(alike) else { continue };
                    let theirs = at_mark(&recorded.line, pattern, "@");
                    for (theirs, own) in theirs.iter().zip(at_mark(&own.line, own_pattern, "@")) {
                        used.push(at);
                        learned.push((bare(theirs), bare(&own)));
                    }
                }
            }
        }
        used.into_iter().for_each(|at| self.used[at] = true);
        for (theirs, own) in learned {
            self.names.entry(theirs).or_insert(own);
        }
    }
}

impl Player {
    /// Sign-in pages: the ticket is ours from then on.
    async fn listen_http(&mut self, tag: &str, recorded: &[u8]) {
        let text = String::from_utf8_lossy(recorded).into_owned();
        let Some(theirs) = text.split("from-PP='").nth(1).and_then(|rest| rest.split('\'').next()) else {
            return;
        };
        for _ in 0..100 {
            self.listen_raw(tag).await;
            let answer = String::from_utf8_lossy(&self.lines[tag].actual_rest).into_owned();
            let ticket = answer.split("from-PP='").last().filter(|rest| rest.len() < answer.len());
            if let Some(ticket) = ticket.and_then(|rest| rest.split('\'').next()) {
                self.names.insert(theirs.to_owned(), ticket.to_owned());
                return;
            }
        }
    }

    async fn listen_raw(&mut self, tag: &str) {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let Some(line) = self.lines.get_mut(tag) else { return };
        let Some(stream) = &mut line.stream else { return };
        let mut buffer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_millis(50), stream.read_to_end(&mut buffer)).await;
        line.actual_rest.extend(buffer);
    }
}

/// A page of the sign-in, in whatever name the recording has for it.
fn is_page(tag: &str) -> bool {
    [".login", ".nexus", ".TLS"].iter().any(|kind| tag.contains(kind))
}

/// The words of a line that stand where its pattern has this mark.
fn at_mark(line: &str, pattern: &str, mark: &str) -> Vec<String> {
    let words = line.split(' ').zip(pattern.split(' ')).filter(|(_, p)| *p == mark);
    words.map(|(word, _)| decoded(word)).collect()
}
