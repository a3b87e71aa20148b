//! What a channel shows besides words, as one compact line now and then.
//!
//! Knows which kinds are wanted, and collects what comes together; time is an argument. Refuses to know who hears of it.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::irc::config::{Happening, RelayKinds};

/// What comes within this time is one line.
const TOGETHER: Duration = Duration::from_secs(2);
/// Between two lines of one channel.
const GAP: Duration = Duration::from_secs(10);
/// Parts of one line; the rest is counted.
const MAX_PARTS: usize = 8;

#[derive(Default)]
struct Collected {
    parts: Vec<String>,
    more: usize,
    due_at: Option<Instant>,
    said_at: Option<Instant>,
}

/// What has happened and was not said yet, by channel.
pub(super) struct Happenings {
    wanted: RelayKinds,
    channels: HashMap<String, Collected>,
}

impl Happenings {
    /// Nothing has happened yet.
    pub(super) fn new(wanted: RelayKinds) -> Self {
        Self { wanted, channels: HashMap::new() }
    }

    /// Something happened in one of our channels.
    pub(super) fn note(&mut self, channel: &str, kind: Happening, text: String, now: Instant) {
        if !self.wanted.has(kind) {
            return;
        }
        let collected = self.channels.entry(channel.to_owned()).or_default();
        let free_at = collected.said_at.map_or(now, |said_at| said_at + GAP);
        let due_at = (now + TOGETHER).max(free_at);
        collected.due_at.get_or_insert(due_at);
        if collected.parts.contains(&text) {
            return;
        }
        match collected.parts.len() < MAX_PARTS {
            true => collected.parts.push(text),
            false => collected.more += 1,
        }
    }

    /// When [`Happenings::due`] has something.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.channels.values().filter_map(|collected| collected.due_at).min()
    }

    /// The lines to say now, with their channels.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        for (channel, collected) in &mut self.channels {
            if collected.due_at.take_if(|at| *at <= now).is_none() {
                continue;
            }
            collected.said_at = Some(now);
            let mut text = std::mem::take(&mut collected.parts).join("; ");
            let more = std::mem::take(&mut collected.more);
            if more > 0 {
                text.push_str(&format!("; and {more} more"));
            }
            lines.push((channel.clone(), text));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_comes_together_is_one_line_and_a_flood_is_counted() {
        let mut happenings = Happenings::new(RelayKinds { joins: true, ..RelayKinds::default() });
        let mut lines = Vec::new();
        for second in 0..60 {
            for n in 0..5 {
                let text = format!("p{second}.{n} joined");
                happenings.note("#a", Happening::Join, text, Instant::now());
            }
            happenings.note("#a", Happening::Part, "nobody left".into(), Instant::now());
            tokio::time::advance(Duration::from_secs(1)).await;
            lines.extend(happenings.due(Instant::now()));
        }
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert!(lines[1].1.ends_with("; and 42 more"), "{lines:?}");
        assert!(lines.iter().all(|(channel, text)| channel == "#a" && !text.contains("nobody")));
        happenings.note("#b", Happening::Topic, "eve set the topic: x".into(), Instant::now());
        tokio::time::advance(TOGETHER).await;
        let due = happenings.due(Instant::now());
        assert!(due.contains(&("#b".into(), "eve set the topic: x".into())), "{due:?}");
        assert_eq!(happenings.due(Instant::now()), []);
    }
}
