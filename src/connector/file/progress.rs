//! How far a file is, said now and then while it lasts, and only of files that last.
//!
//! Knows words and pauses. Refuses to know how a file travels.

use std::time::Duration;

use tokio::time::Instant;

use crate::bridge::event::Progress;
use crate::connector::size::bytes;

/// A file that is through in less needs no words; after that it is said this often.
const EVERY: Duration = Duration::from_secs(5);

/// What is told of one file.
#[derive(Debug)]
pub(in crate::connector) struct ProgressReporter {
    id: String,
    /// What is done, and with which file, in words.
    what: String,
    size: u64,
    due: Instant,
    told: bool,
}

impl ProgressReporter {
    /// Of a file that comes; `size` in bytes.
    pub(in crate::connector) fn receiving(name: &str, from: &str, size: u64) -> Self {
        Self::new(format!("Receiving «{name}» from {from}"), size)
    }

    /// Of a file that goes; `size` in bytes.
    pub(in crate::connector) fn sending(name: &str, to: &str, size: u64) -> Self {
        Self::new(format!("Sending «{name}» to {to}"), size)
    }

    fn new(what: String, size: u64) -> Self {
        let id = format!("{:016x}", rand::random::<u64>());
        Self { id, what, size, due: Instant::now() + EVERY, told: false }
    }

    /// So many bytes are through; gives what is to be said now, mostly nothing.
    pub(in crate::connector) fn at(&mut self, done: u64) -> Option<Progress> {
        let now = Instant::now();
        if now < self.due || done >= self.size {
            return None;
        }
        self.due = now + EVERY;
        self.told = true;
        let percent = u128::from(done) * 100 / u128::from(self.size.max(1));
        let text = format!("{}: {percent} % of {}", self.what, bytes(self.size));
        Some(Progress { id: self.id.clone(), text: Some(text) })
    }

    /// It is over, one way or another: what was said is taken back, for that is said otherwise.
    pub(in crate::connector) fn over(&self) -> Option<Progress> {
        self.told.then(|| Progress { id: self.id.clone(), text: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_lasts_is_said_and_what_was_said_is_taken_back() {
        let mut teller = ProgressReporter::receiving("a.bin", "Bob", 200 << 20);
        assert_eq!(teller.at(1), None);
        assert_eq!(teller.over(), None);
        tokio::time::advance(EVERY).await;
        let said = teller.at(50 << 20).unwrap();
        assert_eq!(said.text.as_deref(), Some("Receiving «a.bin» from Bob: 25 % of 200.0 MB"));
        assert_eq!(teller.at(60 << 20), None, "not at once again");
        tokio::time::advance(EVERY).await;
        assert_eq!(teller.at(200 << 20), None, "it is there");
        assert_eq!(teller.over(), Some(Progress { id: said.id, text: None }));
    }
}
