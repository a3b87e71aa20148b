//! People who have just come into an encrypted room: what a ghost says waits a moment until their clients know the ghost.
//!
//! Knows who was asked in and has not come, and since when somebody is there. Refuses to know what is said. A client asks for
//! the devices of a room's members when its person has come. With Element's SDK, a message that comes with the room, before
//! the answer, is one of an unsigned device, and where those are isolated it is not tried again (measured: in up to 16 of 50
//! rooms that were made at once).

use std::sync::Arc;
use std::time::Duration;

use ruma::{OwnedRoomId, RoomId};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::rooms::Readers;
use crate::matrix::cache::Cache;

/// How long somebody who was asked in is waited for. Whoever comes later finds what was said meanwhile.
const ENTRY: Duration = Duration::from_secs(10);
/// How long a client has at least to ask who is in a room.
const ACQUAINTANCE: Duration = Duration::from_secs(2);
/// It has so many times as long as the homeserver took for what we asked of it last, at most as long as [`ENTRY`]: a
/// homeserver with too much to do keeps clients waiting too.
const SLOWNESS: u32 = 3;
/// Rooms that are remembered. For one that is evicted, somebody who was asked in is waited for once more.
const MAX_ROOMS: usize = 20_000;

/// When somebody was found to be missing in a room, or came there; and when they came.
struct Arrival {
    since: Instant,
    came: watch::Sender<Option<Instant>>,
}

/// Arrivals in encrypted rooms.
pub(super) struct Arrivals {
    rooms: Cache<OwnedRoomId, Option<Arc<Arrival>>>,
}

impl Arrivals {
    pub(super) fn new() -> Self {
        Self { rooms: Cache::new(MAX_ROOMS) }
    }

    fn of(&self, room: &RoomId) -> Arc<Arrival> {
        let begin = || Arc::new(Arrival { since: Instant::now(), came: watch::Sender::new(None) });
        let mut found = None;
        self.rooms.update(room.to_owned(), |arrival| found = Some(arrival.get_or_insert_with(begin).clone()));
        found.unwrap_or_else(begin)
    }

    /// A person has come into a room.
    pub(super) fn note(&self, room: &RoomId) {
        self.of(room).came.send_replace(Some(Instant::now()));
    }

    /// Comes back when what a ghost says in a room can be sent. `took`: how long it took to give the readers its key.
    pub(super) async fn settled(&self, room: &RoomId, readers: &Readers, took: Duration) {
        if readers.is_one_awaited {
            let arrival = self.of(room);
            let mut came = arrival.came.subscribe();
            // Who does not come in time is not waited for any longer.
            let _ = timeout_at(arrival.since + ENTRY, came.wait_for(Option::is_some)).await;
        }
        let heard = self.rooms.get(room).flatten().and_then(|arrival| *arrival.came.borrow());
        if let Some(came) = heard.max(readers.last_came) {
            sleep_until(came + (SLOWNESS * took).clamp(ACQUAINTANCE, ENTRY)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> &'static RoomId {
        <&RoomId>::try_from("!a:x").unwrap()
    }

    /// How long a ghost waits where nobody is awaited, or one is.
    async fn waited(arrivals: &Arrivals, is_one_awaited: bool) -> Duration {
        let readers = Readers { all: Arc::default(), is_one_awaited, last_came: None };
        let begun = Instant::now();
        arrivals.settled(room(), &readers, Duration::ZERO).await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_where_everybody_has_long_been() {
        let arrivals = Arrivals::new();
        assert_eq!(waited(&arrivals, false).await, Duration::ZERO);
        arrivals.note(room());
        tokio::time::advance(ACQUAINTANCE).await;
        assert_eq!(waited(&arrivals, false).await, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn somebody_who_has_just_come_is_given_a_moment() {
        let arrivals = Arrivals::new();
        arrivals.note(room());
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(waited(&arrivals, false).await, ACQUAINTANCE - Duration::from_millis(500));
    }

    #[tokio::test(start_paused = true)]
    async fn somebody_whose_coming_was_not_heard_of_yet_is_given_a_moment_too() {
        let arrivals = Arrivals::new();
        let (begun, last_came) = (Instant::now(), Some(Instant::now()));
        let readers = Readers { all: Arc::default(), is_one_awaited: false, last_came };
        arrivals.settled(room(), &readers, Duration::ZERO).await;
        assert_eq!(begun.elapsed(), ACQUAINTANCE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_moment_is_longer_where_the_homeserver_is_slow_and_never_long() {
        for (took, wanted) in [(100, ACQUAINTANCE), (1_500, Duration::from_millis(4_500)), (60_000, ENTRY)] {
            let (begun, last_came) = (Instant::now(), Some(Instant::now()));
            let readers = Readers { all: Arc::default(), is_one_awaited: false, last_came };
            Arrivals::new().settled(room(), &readers, Duration::from_millis(took)).await;
            assert_eq!(begun.elapsed(), wanted);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn somebody_who_was_asked_in_is_waited_for_and_given_a_moment() {
        let arrivals = Arrivals::new();
        let come = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            arrivals.note(room());
        };
        let (waited, ()) = tokio::join!(waited(&arrivals, true), come);
        assert_eq!(waited, Duration::from_secs(3) + ACQUAINTANCE);
    }

    #[tokio::test(start_paused = true)]
    async fn somebody_who_does_not_come_is_waited_for_once() {
        let arrivals = Arrivals::new();
        assert_eq!(waited(&arrivals, true).await, ENTRY);
        assert_eq!(waited(&arrivals, true).await, Duration::ZERO);
    }
}
