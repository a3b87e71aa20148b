//! What people do on Matrix and is only worth something now: typing, reading, their presence.
//!
//! What they type is dropped while there is more of it than is read; of their presence the newest is kept for each, since
//! nobody says it again. Refuses to look at what the bridge's own ghosts do, which comes back in far greater number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, error::TrySendError};

/// Events waiting; more are dropped.
const WAITING: usize = 64;

/// What each user said last of their presence, by user.
type Newest = HashMap<String, Value>;

/// Where events are put.
#[derive(Clone)]
pub(super) struct Attention {
    events: mpsc::Sender<Value>,
    presence: Arc<Mutex<Newest>>,
    arrived: Arc<Notify>,
}

/// Where they are taken from.
pub(super) struct Attended {
    events: mpsc::Receiver<Value>,
    presence: Arc<Mutex<Newest>>,
    arrived: Arc<Notify>,
}

fn lock(presence: &Mutex<Newest>) -> MutexGuard<'_, Newest> {
    // Nothing that holds the lock panics.
    presence.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Both ends; the sender can be shared.
pub(super) fn channel() -> (Attention, Attended) {
    let (events, waiting) = mpsc::channel(WAITING);
    let (presence, arrived) = (Arc::new(Mutex::default()), Arc::new(Notify::new()));
    let sender = Attention { events, presence: presence.clone(), arrived: arrived.clone() };
    (sender, Attended { events: waiting, presence, arrived })
}

impl Attention {
    /// `is_ours` tells the bridge's own users.
    pub(super) fn put(&self, event: Value, is_ours: impl Fn(&str) -> bool) {
        if event["type"] != "m.presence" {
            if let Err(TrySendError::Full(_)) = self.events.try_send(event) {
                tracing::debug!("dropped what somebody typed or read");
            }
            return;
        }
        let Some(sender) = event["sender"].as_str().filter(|sender| !is_ours(sender)).map(str::to_owned)
        else {
            return;
        };
        lock(&self.presence).insert(sender, event);
        self.arrived.notify_one();
    }
}

impl Attended {
    /// The next event; none when nobody puts any more.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            let waiting = lock(&self.presence).keys().next().cloned();
            if let Some(event) = waiting.and_then(|sender| lock(&self.presence).remove(&sender)) {
                return Some(event);
            }
            tokio::select! {
                event = self.events.recv() => return event,
                () = self.arrived.notified() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn the_newest_presence_of_each_is_kept_however_much_else_comes() {
        let (sender, mut receiver) = channel();
        let ours = |user: &str| user.starts_with("@msn_");
        let presence = |sender: &str, word: &str| json!({"type": "m.presence", "sender": sender, "content": {"presence": word}});
        for n in 0..1000 {
            sender.put(presence(&format!("@msn_{n}:x"), "online"), ours);
            sender.put(json!({"type": "m.typing", "n": n}), ours);
        }
        sender.put(presence("@ann:x", "online"), ours);
        sender.put(presence("@ann:x", "unavailable"), ours);
        sender.put(presence("@bea:x", "offline"), ours);
        let mut seen = Vec::new();
        for _ in 0..2 {
            let event = receiver.next().await.unwrap();
            seen.push(format!("{} {}", event["sender"], event["content"]["presence"]));
        }
        seen.sort();
        assert_eq!(seen, [r#""@ann:x" "unavailable""#, r#""@bea:x" "offline""#]);
        for n in 0..WAITING {
            assert_eq!(receiver.next().await.unwrap()["n"], n);
        }
        drop(sender);
        assert_eq!(receiver.next().await, None);
    }
}
