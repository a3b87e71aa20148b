//! The network's own penalty model (RFC 2813, 5.8): each line costs some seconds, and a client may be at most ten
//! seconds ahead of the clock. Keeping to it, no line is ever held back or punished by the server.
//!
//! Knows what a line costs on one network, and learns that it costs more. Refuses to know what is said.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How far ahead of the clock a client may be.
const AHEAD: Duration = Duration::from_secs(10);
/// What a line costs at least on a network that found us too fast.
const LEAST: Duration = Duration::from_millis(500);
/// What a line costs at most.
const MOST: Duration = Duration::from_secs(10);
/// Complaints in this time are one: several connections of ours may hear of it.
const ONE_COMPLAINT: Duration = Duration::from_secs(5);

/// What a line of so many bytes costs.
pub(super) fn cost(per_line: Duration, bytes: usize) -> Duration {
    per_line + per_line / 2 * u32::try_from(bytes / 200).unwrap_or(2)
}

/// What one line costs on one network: all connections to it share what one of them learns.
#[derive(Debug, Clone)]
pub(super) struct Tempo(Arc<Mutex<Learnt>>);

#[derive(Debug)]
struct Learnt {
    per_line: Duration,
    complained_at: Option<Instant>,
    /// When the next connection may be made.
    entry_at: Option<Instant>,
}

impl Tempo {
    /// As it is configured.
    pub(super) fn new(per_line: Duration) -> Self {
        Self(Arc::new(Mutex::new(Learnt { per_line, complained_at: None, entry_at: None })))
    }

    /// What one line costs.
    pub(super) fn per_line(&self) -> Duration {
        // Nothing that holds the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).per_line
    }

    /// How long somebody waits until they may connect: connections of a network are made one after the other.
    pub(super) fn entry(&self, gap: Duration) -> Duration {
        let (now, mut learnt) = (Instant::now(), self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let at = learnt.entry_at.map_or(now, |at| at.max(now));
        learnt.entry_at = Some(at + gap);
        at - now
    }

    /// The network says that we are too fast: from now on a line costs twice as much.
    pub(super) fn too_fast(&self) {
        let (now, mut learnt) = (Instant::now(), self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if learnt.complained_at.is_some_and(|at| now.duration_since(at) < ONE_COMPLAINT) {
            return;
        }
        learnt.complained_at = Some(now);
        learnt.per_line = (learnt.per_line * 2).clamp(LEAST, MOST);
        tracing::warn!(line_penalty = ?learnt.per_line, "the IRC network finds us too fast");
    }
}

/// When the next line may go: the network's own penalties, counted as servers do.
#[derive(Debug)]
pub(super) struct Pace {
    tempo: Tempo,
    /// When everything sent so far is paid for.
    paid_at: Instant,
}

impl Pace {
    /// Nothing was sent yet.
    pub(super) fn new(tempo: Tempo) -> Self {
        Self { tempo, paid_at: Instant::now() }
    }

    /// When the next line may go.
    pub(super) fn next_at(&self) -> Instant {
        (self.paid_at + self.tempo.per_line()).checked_sub(AHEAD).unwrap_or_else(Instant::now)
    }

    /// A line of so many bytes went.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.paid_at = self.paid_at.max(Instant::now()) + cost(self.tempo.per_line(), bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_then_one_line_every_two_seconds() {
        let begun = Instant::now();
        let mut pace = Pace::new(Tempo::new(Duration::from_secs(2)));
        let mut at = Vec::new();
        for _ in 0..8 {
            tokio::time::sleep_until(pace.next_at()).await;
            at.push(begun.elapsed().as_secs());
            pace.sent(100);
        }
        assert_eq!(at, [0, 0, 0, 0, 0, 2, 4, 6]);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_are_made_one_after_the_other() {
        let (tempo, gap) = (Tempo::new(Duration::ZERO), Duration::from_millis(200));
        let waits: Vec<u128> = (0..5).map(|_| tempo.clone().entry(gap).as_millis()).collect();
        assert_eq!(waits, [0, 200, 400, 600, 800]);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(tempo.entry(gap), Duration::ZERO, "nobody pays for an hour without connections");
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_that_complains_gets_half_as_many_lines() {
        let tempo = Tempo::new(Duration::ZERO);
        // Each of twenty connections that are sent away says so.
        (0..20).for_each(|_| tempo.too_fast());
        assert_eq!(tempo.per_line(), LEAST);
        tokio::time::advance(ONE_COMPLAINT).await;
        tempo.clone().too_fast();
        assert_eq!(tempo.per_line(), LEAST * 2);
        for _ in 0..20 {
            tokio::time::advance(ONE_COMPLAINT).await;
            tempo.too_fast();
        }
        assert_eq!(tempo.per_line(), MOST);
    }
}
