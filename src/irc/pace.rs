//! The network's own penalty model (RFC 2813, 5.8): each line costs some seconds, and a client may be at most ten
//! seconds ahead of the clock. Keeping to it, no line is ever held back or punished by the server.

use std::time::Duration;

use tokio::time::Instant;

/// How far ahead of the clock a client may be.
const AHEAD: Duration = Duration::from_secs(10);

/// What a line of so many bytes costs.
pub(super) fn cost(per_line: Duration, bytes: usize) -> Duration {
    per_line + per_line / 2 * u32::try_from(bytes / 200).unwrap_or(2)
}

/// When the next line may go: the network's own penalties, counted as servers do.
#[derive(Debug)]
pub(super) struct Pace {
    per_line: Duration,
    /// When everything sent so far is paid for.
    paid_at: Instant,
}

impl Pace {
    /// Nothing was sent yet. `per_line`: what one line costs at the network.
    pub(super) fn new(per_line: Duration) -> Self {
        Self { per_line, paid_at: Instant::now() }
    }

    /// When the next line may go.
    pub(super) fn next_at(&self) -> Instant {
        (self.paid_at + self.per_line).checked_sub(AHEAD).unwrap_or_else(Instant::now)
    }

    /// A line of so many bytes went.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.paid_at = self.paid_at.max(Instant::now()) + cost(self.per_line, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_then_one_line_every_two_seconds() {
        let begun = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(2));
        let mut at = Vec::new();
        for _ in 0..8 {
            tokio::time::sleep_until(pace.next_at()).await;
            at.push(begun.elapsed().as_secs());
            pace.sent(100);
        }
        assert_eq!(at, [0, 0, 0, 0, 0, 2, 4, 6]);
    }
}
