//! What ghosts show, what of it is still to be said, and who may be looking.
//!
//! Knows that a homeserver forgets presence after some seconds, so it is said again for as long as it holds, within a budget.
//! Refuses to know how something is said: its caller does that, and says what became of it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ruma::presence::PresenceState;
use ruma::{OwnedUserId, UserId};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bridge::event::Ghost;
use crate::bridge::ids::LoginId;
use crate::matrix::cache::Cache;
use crate::retry::Retry;

/// An online user who is not heard of goes offline after half a minute.
const REFRESH: Duration = Duration::from_secs(25);
/// Time between two requests: at most twenty a second.
const BUDGET: Duration = Duration::from_millis(50);
/// Nobody looks at presence who did nothing for so long.
const ACTIVE: Duration = Duration::from_secs(15 * 60);
/// People of whom it is known when they did something. For one who is evicted nothing is said until they do something.
const MAX_ACTIVE: usize = 20_000;
/// Pauses after the homeserver did not take one.
const RETRY_DELAYS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(10)];

/// What became of one ghost's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// There was nothing to ask the homeserver.
    Nothing,
    /// With so many requests.
    Asked(u32),
    /// It waits again.
    Failed,
}

/// What a ghost shows.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) receiver: LoginId,
    pub(crate) ghost: Ghost,
    pub(crate) state: PresenceState,
    pub(crate) text: String,
    /// Waits among what changed.
    pub(crate) changed: bool,
}

#[derive(Default)]
struct Entries {
    shown: HashMap<OwnedUserId, Shown>,
    /// Changed and not yet said, oldest first.
    changed: VecDeque<OwnedUserId>,
}

/// What was shown last and who may be looking.
pub(crate) struct PresenceBoard {
    entries: Mutex<Entries>,
    changed: Notify,
    /// When people were last seen to do something.
    active: Cache<OwnedUserId, Instant>,
    since: Instant,
}

impl Default for PresenceBoard {
    fn default() -> Self {
        let (entries, changed) = Default::default();
        Self { entries, changed, active: Cache::new(MAX_ACTIVE), since: Instant::now() }
    }
}

impl PresenceBoard {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        // Nothing that holds the lock panics.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody did something.
    pub(crate) fn seen(&self, user: &UserId) {
        self.active.insert(user.to_owned(), Instant::now());
    }

    /// Nobody has been seen yet by a bridge that has just started: everybody may be looking.
    pub(crate) fn is_active(&self, user: &UserId) -> bool {
        self.since.elapsed() < ACTIVE || self.was_seen(user)
    }

    /// Somebody did something lately.
    pub(crate) fn was_seen(&self, user: &UserId) -> bool {
        self.active.get(user).is_some_and(|at| at.elapsed() < ACTIVE)
    }

    /// What is to be said of a ghost now, and whether it is news; that somebody is offline is said once.
    pub(crate) fn take(&self, user: &UserId) -> Option<Shown> {
        let mut entries = self.entries();
        let shown = entries.shown.get_mut(user)?;
        let taken = shown.clone();
        shown.changed = false;
        if taken.state == PresenceState::Offline {
            entries.shown.remove(user);
        }
        Some(taken)
    }

    /// What a ghost shows and the homeserver knows: it is said again with others, and is no news.
    pub(crate) fn keep(&self, user: OwnedUserId, shown: Shown) {
        let mut entries = self.entries();
        match shown.state {
            PresenceState::Offline => entries.shown.remove(&user),
            _ => entries.shown.insert(user, Shown { changed: false, ..shown }),
        };
    }

    /// What could not be said waits again, unless something newer does. That somebody is offline is said once, so nothing
    /// else would ever say it.
    pub(crate) fn put_back(&self, user: &UserId, shown: Shown) {
        let mut entries = self.entries();
        let newer = entries.shown.get(user).is_some_and(|now| now.changed);
        if !newer {
            entries.shown.insert(user.to_owned(), Shown { changed: true, ..shown });
            entries.changed.push_back(user.to_owned());
        }
    }

    pub(crate) fn put(&self, user: OwnedUserId, shown: Shown) {
        let mut entries = self.entries();
        let waits = entries.shown.insert(user.clone(), shown).is_some_and(|old| old.changed);
        if !waits {
            entries.changed.push_back(user);
        }
        drop(entries);
        self.changed.notify_one();
    }

    /// What is said again is said under this name.
    pub(crate) fn rename(&self, user: &UserId, name: &str) {
        if let Some(shown) = self.entries().shown.get_mut(user) {
            name.clone_into(&mut shown.ghost.name);
        }
    }

    /// Has what a ghost shows said again at once: somebody who has not seen it may be looking now.
    pub(crate) fn again(&self, user: &UserId) {
        let mut entries = self.entries();
        let Some(shown) = entries.shown.get_mut(user).filter(|shown| !shown.changed) else { return };
        shown.changed = true;
        entries.changed.push_back(user.to_owned());
        drop(entries);
        self.changed.notify_one();
    }

    /// Has what changed said at once, and again and again what is still so, until stopped.
    pub(crate) async fn run<F>(&self, say: impl Fn(OwnedUserId) -> F, cancel: CancellationToken)
    where
        F: Future<Output = Said>,
    {
        let mut round: VecDeque<OwnedUserId> = VecDeque::new();
        let mut next_round = Instant::now() + REFRESH;
        let [shortest, longest] = RETRY_DELAYS;
        let mut retry = Retry::new(shortest, longest);
        loop {
            let now = Instant::now();
            if now >= next_round && round.is_empty() {
                next_round = now + REFRESH;
                round = self.entries().shown.keys().cloned().collect();
            }
            let changed = self.entries().changed.pop_front();
            let due = changed.or_else(|| round.pop_front());
            let idle = due.is_none();
            let said = match due {
                Some(user) => say(user).await,
                None => Said::Nothing,
            };
            if matches!(said, Said::Asked(_)) {
                retry.reset();
            }
            let pause = async {
                match said {
                    Said::Nothing if idle => tokio::select! {
                        () = self.changed.notified() => {}
                        () = tokio::time::sleep_until(next_round) => {}
                    },
                    Said::Nothing => tokio::task::yield_now().await,
                    Said::Asked(requests) => tokio::time::sleep(BUDGET * requests).await,
                    Said::Failed => retry.pause().await,
                }
            };
            tokio::select! {
                () = pause => {}
                () = cancel.cancelled() => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ruma::user_id;
    use tokio::sync::mpsc;

    use super::*;
    use crate::bridge::ids::GhostId;

    fn shown(state: PresenceState) -> Shown {
        let ghost = Ghost { id: GhostId::new("bob@example.com"), name: "Bob".into() };
        let receiver = LoginId::new("alice@example.com");
        Shown { receiver, ghost, state, text: String::new(), changed: true }
    }

    #[test]
    fn what_the_homeserver_did_not_take_waits_again_unless_something_newer_does() {
        let (board, bob) = (PresenceBoard::default(), user_id!("@msn_bob:test.localhost"));
        board.put(bob.to_owned(), shown(PresenceState::Offline));
        assert_eq!(board.entries().changed.pop_front().as_deref(), Some(bob));
        let taken = board.take(bob).unwrap();
        assert!(board.entries().shown.is_empty(), "that somebody is offline is said once");
        board.put_back(bob, taken.clone());
        assert_eq!(board.entries().changed.pop_front().as_deref(), Some(bob));
        assert_eq!(board.take(bob).unwrap().state, PresenceState::Offline);
        // They came back while it was tried: that is what is said next, and once.
        board.put(bob.to_owned(), shown(PresenceState::Online));
        board.put_back(bob, taken);
        assert_eq!(board.entries().changed.len(), 1);
        assert_eq!(board.take(bob).unwrap().state, PresenceState::Online);
    }

    /// A running board: each ghost that is said arrives with the time, and is taken unless `fails` says otherwise.
    fn running(fails: fn(usize) -> bool) -> (Arc<PresenceBoard>, mpsc::UnboundedReceiver<Instant>) {
        let board = Arc::new(PresenceBoard::default());
        let (sender, receiver) = mpsc::unbounded_channel();
        let (own, count) = (board.clone(), std::sync::atomic::AtomicUsize::new(0));
        tokio::spawn(async move {
            let say = |user: OwnedUserId| {
                let Some(shown) = own.take(&user) else { return std::future::ready(Said::Nothing) };
                let _ = sender.send(Instant::now()); // the test is over
                let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                if fails(number) {
                    own.put_back(&user, shown);
                    return std::future::ready(Said::Failed);
                }
                std::future::ready(Said::Asked(1))
            };
            own.run(say, CancellationToken::new()).await;
        });
        (board, receiver)
    }

    #[tokio::test(start_paused = true)]
    async fn what_still_holds_is_said_again_before_the_homeserver_forgets_it() {
        let (board, mut said) = running(|_| false);
        board.put(user_id!("@msn_bob:test.localhost").to_owned(), shown(PresenceState::Online));
        let start = Instant::now();
        for round in 0..4 {
            let at = said.recv().await.unwrap() - start;
            assert!(at <= REFRESH * round + BUDGET, "round {round} at {at:?}");
            assert!(at + BUDGET >= REFRESH * round, "round {round} at {at:?}");
        }
        board.put(user_id!("@msn_bob:test.localhost").to_owned(), shown(PresenceState::Offline));
        said.recv().await.unwrap();
        let more = tokio::time::timeout(10 * REFRESH, said.recv()).await;
        assert!(more.is_err(), "that somebody is offline is said once");
    }

    #[test]
    fn what_the_homeserver_knows_is_no_news_and_takes_the_place_of_what_waited() {
        let (board, bob) = (PresenceBoard::default(), user_id!("@msn_bob:test.localhost"));
        board.keep(bob.to_owned(), shown(PresenceState::Online));
        assert!(board.entries().changed.is_empty());
        assert!(!board.take(bob).unwrap().changed);
        board.put(bob.to_owned(), shown(PresenceState::Unavailable));
        board.keep(bob.to_owned(), shown(PresenceState::Online));
        let taken = board.take(bob).unwrap();
        assert!(!taken.changed && taken.state == PresenceState::Online);
        board.keep(bob.to_owned(), shown(PresenceState::Offline));
        assert!(board.take(bob).is_none(), "nothing is to be said of somebody who is known to be offline");
    }

    #[tokio::test(start_paused = true)]
    async fn many_ghosts_are_said_within_the_budget() {
        let (board, mut said) = running(|_| false);
        let start = Instant::now();
        for number in 0..100 {
            let user = UserId::parse(format!("@msn_{number}:test.localhost")).unwrap();
            board.put(user, shown(PresenceState::Online));
        }
        for number in 0..100 {
            let at = said.recv().await.unwrap() - start;
            assert!(at >= BUDGET * number, "ghost {number} at {at:?}");
        }
        assert!(start.elapsed() < BUDGET * 110);
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_is_tried_again_after_pauses_that_grow_to_their_bound() {
        let (board, mut said) = running(|number| number < 12);
        board.put(user_id!("@msn_bob:test.localhost").to_owned(), shown(PresenceState::Online));
        let mut before = said.recv().await.unwrap();
        let [shortest, longest] = RETRY_DELAYS;
        for number in 1..=12 {
            let at = said.recv().await.unwrap();
            let pause = at - before;
            let least = if number < 8 { shortest } else { longest };
            assert!(pause >= least && pause <= 2 * longest, "{number}: {pause:?}");
            before = at;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn everybody_may_be_looking_at_first_and_then_who_did_something_lately() {
        let (board, ann) = (PresenceBoard::default(), user_id!("@ann:test.localhost"));
        assert!(board.is_active(ann), "a bridge that has just started has seen nobody yet");
        tokio::time::advance(ACTIVE).await;
        assert!(!board.is_active(ann));
        board.seen(ann);
        assert!(board.is_active(ann));
        tokio::time::advance(ACTIVE).await;
        assert!(!board.is_active(ann));
    }
}
