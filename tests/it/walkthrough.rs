//! The client's side of two long recordings, played against our service: it answers as the recorded server did, line for
//! line, but for differences that are written down as rules.

mod rules;
mod unit;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::service::MsnService;
use crate::support::transcript::{Step, steps};
use rules::{Place, RULES, masked, words_fit};
use unit::{Line, Side, Unit, bare, decoded, pair, units};

const ACCOUNTS: &str = "alice@example.com,alicepw,Alice
bob@example.com,bobpw,Bob
carol@example.com,carolpw,Carol
dave@example.com,davepw,Dave
";

struct Player {
    service: MsnService,
    /// What the recorded server called things, and what ours calls them.
    names: BTreeMap<String, String>,
    lines: BTreeMap<String, Line>,
}

impl Player {
    fn renamed(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
    }

    fn renamed_bytes(&self, bytes: &[u8]) -> Vec<u8> {
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
        let bytes = match tag.ends_with(".login") && bytes.starts_with(b"GET /login ") {
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
        while rounds < 50 {
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
    async fn hear_of(&mut self, bytes: &[u8], file: &str, used: &mut [bool]) {
        for _ in 0..20 {
            self.learn(file, used);
            let text = String::from_utf8_lossy(bytes);
            if !self.named(file).iter().any(|name| text.contains(name) && !self.names.contains_key(name)) {
                return;
            }
            self.take();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What the recorded server has named so far.
    fn named(&self, file: &str) -> Vec<String> {
        let mut names = Vec::new();
        for (tag, line) in &self.lines {
            for recorded in &line.recorded {
                for rule in RULES.iter().filter(|rule| rule.theirs.contains('@')) {
                    let pattern =
                        Place { file, tag }.fitting(rule.theirs, &recorded.line).unwrap_or_default();
                    let words = recorded.line.split(' ').zip(pattern.split(' '));
                    names.extend(words.filter(|(_, p)| *p == "@").map(|(word, _)| bare(word)));
                }
            }
        }
        names
    }

    /// Learns what our service calls things, from lines that say the same of them.
    fn learn(&mut self, file: &str, used: &mut [bool]) {
        let mut learned = Vec::new();
        for (tag, line) in &self.lines {
            let place = Place { file, tag };
            for recorded in &line.recorded {
                for (at, rule) in RULES.iter().enumerate().filter(|(_, rule)| rule.theirs.contains('@')) {
                    let Some(pattern) = place.fitting(rule.theirs, &recorded.line) else { continue };
                    let fixed = |line: &str| {
                        let words = line.split(' ').zip(pattern.split(' '));
                        let words = words.filter(|(_, p)| !matches!(*p, "@" | "*" | "**"));
                        words.map(|(word, _)| decoded(word)).collect::<Vec<_>>()
                    };
                    let alike = |unit: &&Unit| {
                        words_fit(pattern, &unit.line)
                            && fixed(&unit.line) == fixed(&self.renamed(&recorded.line))
                    };
                    let Some(own) = line.actual.iter().rev().find(alike) else { continue };
                    let pairs = recorded.line.split(' ').zip(own.line.split(' ')).zip(pattern.split(' '));
                    for ((theirs, own), _) in pairs.filter(|(_, pattern)| *pattern == "@") {
                        used[at] = true;
                        learned.push((bare(theirs), bare(own)));
                    }
                }
            }
        }
        for (theirs, own) in learned {
            self.names.entry(theirs).or_insert(own);
        }
    }
}

/// Plays a recording; gives the differences that no rule covers.
async fn play(file: &str, used: &mut [bool]) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let service = MsnService::start_with(directory.path(), ACCOUNTS, &["--no-challenge"]).await;
    let mut player = Player { service, names: BTreeMap::new(), lines: BTreeMap::new() };
    let mut said = false;
    for step in steps(file) {
        match step {
            Step::Connected(tag) => {
                player.listen().await;
                player.connect(&tag).await;
            }
            Step::Client(tag, bytes) => {
                if said {
                    player.listen().await;
                    said = false;
                }
                player.hear_of(&bytes, file, used).await;
                player.send(&tag, &bytes).await;
            }
            Step::Server(tag, bytes) => {
                said = true;
                if let Some(line) = player.lines.get_mut(&tag) {
                    if tag.ends_with(".login") || tag.ends_with(".nexus") {
                        player.listen_http(&tag, &bytes).await;
                    } else {
                        line.recorded_rest.extend(bytes);
                        let cut = units(&mut line.recorded_rest);
                        line.recorded.extend(cut);
                    }
                }
            }
            Step::ServerClosed(tag) => {
                said = true;
                if let Some(line) = player.lines.get_mut(&tag) {
                    line.recorded.push(Unit::closed());
                }
            }
            Step::ClientClosed(tag) => {
                player.listen().await;
                if let Some(line) = player.lines.get_mut(&tag) {
                    line.stream = None;
                }
            }
        }
    }
    player.listen().await;
    player.compare(file, used)
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

    fn compare(&self, file: &str, used: &mut [bool]) -> Vec<String> {
        let mut wrong = Vec::new();
        for (tag, line) in &self.lines {
            if !tag.contains(".NS") && !tag.contains(".SB") {
                continue;
            }
            let place = Place { file, tag };
            let mut side = |units: &[Unit]| {
                let rename = |unit: &Unit| Unit {
                    line: self.renamed(&unit.line),
                    payload: self.renamed_bytes(&unit.payload),
                };
                let units = units.iter().map(|unit| masked(&rename(unit), place, used)).collect();
                Side { units, paired: Vec::new() }
            };
            let (mut theirs, mut ours) = (side(&line.recorded), side(&line.actual));
            (theirs.paired, ours.paired) = pair(&theirs.units, &ours.units);
            for (at, rule) in RULES.iter().enumerate().filter(|(_, rule)| rule.theirs != rule.ours) {
                while let Some((left, right)) = place.excused(rule, &theirs, &ours) {
                    left.into_iter().for_each(|left| theirs.paired[left] = true);
                    right.into_iter().for_each(|right| ours.paired[right] = true);
                    used[at] = true;
                }
            }
            let tell = |who: &str, side: &Side| {
                let odd = side.units.iter().zip(&side.paired).filter(|(_, paired)| !**paired);
                odd.map(|(unit, _)| format!("{file} [{tag}] {who}: {}", unit.line)).collect::<Vec<_>>()
            };
            wrong.extend(tell("only the recorded server", &theirs));
            wrong.extend(tell("only ours", &ours));
        }
        wrong
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_service_answers_the_recorded_walks_line_for_line() {
    let mut used = vec![false; RULES.len()];
    let mut wrong = play("msnp8", &mut used).await;
    wrong.extend(play("msnp11", &mut used).await);
    assert!(wrong.is_empty(), "{} differences without a rule:\n{}", wrong.len(), wrong.join("\n"));
    let idle = RULES.iter().zip(&used).filter(|(_, used)| !**used);
    let idle: Vec<&str> =
        idle.map(|(rule, _)| if rule.theirs.is_empty() { rule.ours } else { rule.theirs }).collect();
    assert!(idle.is_empty(), "rules that nothing needs: {idle:#?}");
    assert!(RULES.len() <= 25, "{} rules", RULES.len());
    assert!(RULES.iter().all(|rule| !rule.source.is_empty() && !rule.reason.is_empty()));
}
