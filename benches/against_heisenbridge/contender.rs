//! A bridge that is measured: its process, its channel with somebody in it, and its room.
//!
//! Knows what it costs the machine. Refuses to know which bridge it is.

use std::time::{Duration, Instant};

use crate::support::irc::Person;

/// Lines said before the server is asked whether it has read them: nobody is sent away for being ahead of it.
const AHEAD: usize = 50;

pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) pid: u32,
    pub(crate) channel: &'static str,
    pub(crate) room: String,
    /// Somebody in its channel.
    pub(crate) person: Person,
}

impl Contender {
    pub(crate) async fn say(&mut self, words: &str) {
        self.person.say(self.channel, words).await;
    }

    /// Says so many lines, each with its number, as fast as the server takes them.
    pub(crate) async fn say_all(&mut self, label: &str, count: usize) {
        for number in 0..count {
            self.person.say(self.channel, &format!("{label} {number}")).await;
            if number % AHEAD == AHEAD - 1 {
                self.person.raw("PING :read\r\n").await;
                self.person.line(" PONG ").await;
            }
        }
    }

    /// When these words came to the channel.
    pub(crate) async fn heard(&mut self, words: &str) -> Instant {
        self.person.line_that(words, |line| line.ends_with(words)).await;
        Instant::now()
    }

    /// CPU time that the process has used so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).expect("it runs");
        // Behind the name, which may hold anything.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        // A hundred a second, wherever Linux runs.
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory.
    pub(crate) fn memory_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches("kB").trim().parse().expect("a number")
    }
}
