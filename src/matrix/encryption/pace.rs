//! When the bot's device looks for news next, and whether the homeserver is to wait until there is some.
//!
//! Knows how much happens in the bot's rooms, and whether an event waits for its key. Refuses to know what comes. While the
//! homeserver waits, it looks through the bot's rooms with every event in any of them (measured: 5 to 10 reads of its
//! database a message): in busy rooms that costs as much as the message. So the bot asks once a second there, and lets the
//! homeserver wait where rooms are quiet, and wherever somebody waits for a key.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::waiting::WaitingEvents;
use crate::matrix::homeserver::Traffic;

/// How long the homeserver waits for news: rooms that become busy meanwhile are noticed after it.
const POLL: Duration = Duration::from_secs(10);
/// So many events between two looks make rooms busy.
const BUSY: u64 = 5;
/// How long nothing is asked in busy rooms. A device that somebody adds is known that much later.
const REST: Duration = Duration::from_secs(1);

/// Between two looks.
pub(super) struct Pace {
    traffic: Arc<Traffic>,
    waiting: Arc<WaitingEvents>,
    /// Events that had come at the last look.
    seen: u64,
    is_busy: bool,
}

impl Pace {
    pub(super) fn new(traffic: Arc<Traffic>, waiting: Arc<WaitingEvents>) -> Self {
        Self { seen: traffic.count(), traffic, waiting, is_busy: false }
    }

    /// Comes back when it is time for the next look: how long the homeserver is to wait in it.
    pub(super) async fn next(&mut self) -> Duration {
        let seen = self.traffic.count();
        let came = seen - std::mem::replace(&mut self.seen, seen);
        // Rooms that were busy are quiet when nothing at all has come.
        self.is_busy = came >= if self.is_busy { 1 } else { BUSY };
        // From here on, whoever is held up is noticed.
        let held = pin!(self.waiting.held());
        if !self.is_busy || self.waiting.holds_any() {
            return POLL;
        }
        tokio::select! {
            () = tokio::time::sleep(REST) => Duration::ZERO,
            () = held => POLL,
        }
    }
}

#[cfg(test)]
mod tests {
    use ruma::EventId;
    use tokio::time::Instant;

    use super::*;
    use crate::bridge::testkit::SimStorage;

    fn pace() -> (Pace, Arc<Traffic>, Arc<WaitingEvents>) {
        let waiting = Arc::new(WaitingEvents::new(Arc::new(SimStorage::default())));
        let traffic = Arc::<Traffic>::default();
        (Pace::new(traffic.clone(), waiting.clone()), traffic, waiting)
    }

    /// How long the homeserver waits in the next look, and how long nothing was asked before it.
    async fn next(pace: &mut Pace) -> (Duration, Duration) {
        let began = Instant::now();
        (pace.next().await, began.elapsed())
    }

    const WAITS: (Duration, Duration) = (POLL, Duration::ZERO);
    const RESTS: (Duration, Duration) = (Duration::ZERO, REST);

    #[tokio::test(start_paused = true)]
    async fn the_homeserver_waits_while_rooms_are_quiet_and_is_asked_once_a_second_while_they_are_not() {
        let (mut pace, traffic, _) = pace();
        assert_eq!(next(&mut pace).await, WAITS);
        traffic.came(4);
        assert_eq!(next(&mut pace).await, WAITS);
        traffic.came(5);
        assert_eq!(next(&mut pace).await, RESTS);
        traffic.came(1);
        assert_eq!(next(&mut pace).await, RESTS, "still");
        assert_eq!(next(&mut pace).await, WAITS, "nothing came in a second");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_key_waits_for_no_pause() {
        let (mut pace, traffic, waiting) = pace();
        let event = <&EventId>::try_from("$1").unwrap();
        traffic.came(100);
        let (comes, ()) = tokio::join!(next(&mut pace), async {
            tokio::time::sleep(REST / 4).await;
            waiting.has_waited(event);
        });
        assert_eq!(comes, (POLL, REST / 4));
        traffic.came(100);
        assert_eq!(next(&mut pace).await, WAITS, "it waits yet");
        waiting.done(event);
        traffic.came(100);
        assert_eq!(next(&mut pace).await, RESTS);
    }
}
