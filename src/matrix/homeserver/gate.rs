//! How many requests are under way at a time.
//!
//! Knows that what nobody waits for has a share of its own, so that messages never stand behind it. Refuses to know what a
//! request says. Source: measured, a homeserver that is asked more at once answers each of them later.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Requests of all kinds.
const MAX_REQUESTS: usize = 64;
/// Those among them that nobody waits for.
const MAX_LESSER: usize = 12;
/// Files going up.
const MAX_UPLOADS: usize = 16;

/// Parts of paths of what nobody waits for.
const LESSER: [&str; 5] =
    ["/presence/", "/typing/", "/receipt/", "/profile/", "/send/com.beeper.message_send_status/"];

/// Bounds what is under way.
#[derive(Debug)]
pub(super) struct Gate {
    requests: Semaphore,
    lesser: Semaphore,
    uploads: Semaphore,
}

/// The right to have something under way, until dropped.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    _request: SemaphorePermit<'a>,
    _lesser: Option<SemaphorePermit<'a>>,
}

impl Default for Gate {
    fn default() -> Self {
        let [requests, lesser, uploads] = [MAX_REQUESTS, MAX_LESSER, MAX_UPLOADS].map(Semaphore::new);
        Self { requests, lesser, uploads }
    }
}

/// A place; `None` never comes, for no gate is closed.
async fn place(places: &Semaphore) -> Option<SemaphorePermit<'_>> {
    places.acquire().await.ok()
}

impl Gate {
    /// Waits until a request of this path may begin; in turn among those of its kind.
    pub(super) async fn enter(&self, path: &str) -> Option<Pass<'_>> {
        let is_lesser = LESSER.iter().any(|part| path.contains(part));
        let lesser = if is_lesser { place(&self.lesser).await } else { None };
        Some(Pass { _request: place(&self.requests).await?, _lesser: lesser })
    }

    /// Waits until a file may begin to go up.
    pub(super) async fn upload(&self) -> Option<SemaphorePermit<'_>> {
        place(&self.uploads).await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const PRESENCE: &str = "/_matrix/client/v3/presence/@msn_bob:x/status";
    const MESSAGE: &str = "/_matrix/client/v3/rooms/!a:x/send/m.room.message/1";

    #[test]
    fn messages_never_stand_behind_what_nobody_waits_for() {
        let gate = Gate::default();
        let lesser: Vec<_> = (0..MAX_LESSER).map(|_| gate.enter(PRESENCE).now_or_never().unwrap()).collect();
        let next = gate.enter(PRESENCE);
        tokio::pin!(next);
        assert!(next.as_mut().now_or_never().is_none(), "no more of those");
        let messages: Vec<_> = (MAX_LESSER..MAX_REQUESTS)
            .map(|_| gate.enter(MESSAGE).now_or_never().expect("a message enters"))
            .collect();
        assert!(gate.enter(MESSAGE).now_or_never().is_none(), "no more of anything");
        drop(messages);
        assert!(gate.enter(MESSAGE).now_or_never().is_some());
        drop(lesser);
        assert!(next.now_or_never().is_some());
    }
}
