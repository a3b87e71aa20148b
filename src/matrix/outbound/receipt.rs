//! Who has what was said: read receipts of ghosts.
//!
//! Knows the newest event of each room that was acknowledged and not yet shown as such; the newest says all before it.
//! Refuses to try again: the next one says the same. Source: the receipts module of the client-server API.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ruma::api::client::receipt::create_receipt::v3::{ReceiptType, Request};
use ruma::events::receipt::ReceiptThread;
use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::matrix::homeserver::{Homeserver, tell_as};

/// Rooms that wait; with more, those that are new are passed over.
const MAX_WAITING: usize = 10_000;

/// Shows that contacts have what was said.
pub(crate) struct ReceiptPublisher {
    homeserver: Homeserver,
    is_wanted: bool,
    waiting: Mutex<HashMap<OwnedRoomId, (OwnedUserId, OwnedEventId)>>,
    news: Notify,
}

impl ReceiptPublisher {
    pub(crate) fn new(homeserver: Homeserver, is_wanted: bool) -> Self {
        Self { homeserver, is_wanted, waiting: Mutex::default(), news: Notify::new() }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<OwnedRoomId, (OwnedUserId, OwnedEventId)>> {
        // Nothing that holds the lock panics.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A ghost has this event, and all before it.
    pub(crate) fn put(&self, room: OwnedRoomId, ghost: OwnedUserId, event: OwnedEventId) {
        let mut waiting = self.waiting();
        if self.is_wanted && (waiting.len() < MAX_WAITING || waiting.contains_key(&room)) {
            waiting.insert(room, (ghost, event));
            self.news.notify_one();
        }
    }

    /// Shows what waits, one after the other, until stopped.
    pub(crate) async fn run(&self, cancel: CancellationToken) {
        let shows = async {
            loop {
                let next = self.waiting().keys().next().cloned();
                let next = next.and_then(|room| self.waiting().remove_entry(&room));
                match next {
                    Some((room, (ghost, event))) => self.show(room, &ghost, event).await,
                    None => self.news.notified().await,
                }
            }
        };
        tokio::select! {
            () = shows => {}
            () = cancel.cancelled() => {}
        }
    }

    async fn show(&self, room: OwnedRoomId, ghost: &OwnedUserId, event: OwnedEventId) {
        let mut request = Request::new(room, ReceiptType::Read, event);
        request.thread = ReceiptThread::Unthreaded;
        if let Err(error) = tell_as!(self.homeserver, ghost, request) {
            tracing::debug!(%error, "a receipt was not shown");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::matrix::testkit::{self, BOB, FakeHomeserver};

    async fn publisher(server: &FakeHomeserver, is_wanted: bool) -> Arc<ReceiptPublisher> {
        let homeserver = Homeserver::new(&testkit::config(&server.url())).await.unwrap();
        Arc::new(ReceiptPublisher::new(homeserver, is_wanted))
    }

    fn put(receipts: &ReceiptPublisher, room: &str, event: &str) {
        receipts.put(room.try_into().unwrap(), BOB.try_into().unwrap(), event.try_into().unwrap());
    }

    #[tokio::test]
    async fn the_newest_receipt_of_a_room_says_all_before_it() {
        let server = FakeHomeserver::start().await;
        let receipts = publisher(&server, true).await;
        for event in ["$1", "$2", "$3"] {
            put(&receipts, "!a:x", event);
        }
        let cancel = CancellationToken::new();
        let running = tokio::spawn({
            let (receipts, cancel) = (receipts.clone(), cancel.clone());
            async move { receipts.run(cancel).await }
        });
        server.until_asked("!a:x/receipt/m.read/$3").await;
        put(&receipts, "!b:x", "$4");
        server.until_asked("!b:x/receipt/m.read/$4").await;
        cancel.cancel();
        running.await.unwrap();
        assert_eq!(server.asked().len(), 2, "{:?}", server.asked());
    }

    #[tokio::test]
    async fn where_nobody_wants_receipts_none_waits() {
        let server = FakeHomeserver::start().await;
        let receipts = publisher(&server, false).await;
        put(&receipts, "!a:x", "$1");
        assert!(receipts.waiting().is_empty());
    }
}
