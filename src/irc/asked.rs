//! Channels whose operators were asked whether they become an end of a conversation.
//!
//! Knows how long an answer is waited for, over restarts too. Refuses to know who is an operator.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::RelayConfig;
use super::relays::Plumbed;
use crate::bridge::event::Timestamp;
use crate::bridge::ids::UserId;
use crate::bridge::port::storage::{Batch, Storage, StorageError, Table, Urgency};

/// How long an answer is waited for.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
/// Questions that wait at a time.
const MAX_ASKED: usize = 100;
/// What their rows begin with: no conversation's does, whose login is an address.
const ROWS: &[u8] = b"asked\0";

/// One question.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) relay: RelayConfig,
    /// Who asks.
    pub(super) user: UserId,
    /// When, in milliseconds of the day's clock.
    pub(super) at: Timestamp,
}

impl Question {
    fn is_for(&self, network: &str, channel: &str) -> bool {
        self.relay.network == network && self.relay.is_at(channel)
    }

    /// How long an answer is still waited for.
    fn left(&self, now: Timestamp) -> Duration {
        ANSWER_TIMEOUT.saturating_sub(Duration::from_millis(now.saturating_sub(self.at)))
    }

    fn row(&self) -> Vec<u8> {
        let channel = self.relay.channel.to_ascii_lowercase();
        [ROWS, self.relay.network.as_bytes(), b"\0", channel.as_bytes()].concat()
    }
}

/// All questions that wait for an answer.
pub(super) struct AskedChannels {
    waiting: Mutex<Vec<Question>>,
    storage: Arc<dyn Storage>,
}

impl AskedChannels {
    /// Those that waited when the bridge ended.
    pub(super) fn load(storage: Arc<dyn Storage>) -> Self {
        let rows = storage.scan(Table::Channels, ROWS, None, MAX_ASKED).unwrap_or_else(|error| {
            tracing::error!(%error, "the channels whose operators were asked cannot be read");
            Vec::new()
        });
        let read = |(_, value): (Vec<u8>, Vec<u8>)| serde_json::from_slice::<Plumbed>(&value).ok();
        let question = |plumbed: Plumbed| {
            let (at, user) = (plumbed.asked_at?, plumbed.by.clone());
            Some(Question { relay: plumbed.into_relay(), user, at })
        };
        let waiting = rows.into_iter().filter_map(read).filter_map(question).collect();
        Self { waiting: Mutex::new(waiting), storage }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Question>> {
        // Nothing that holds the lock panics.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Question> {
        self.waiting().clone()
    }

    /// Waits for an answer from now on, over restarts too. False where one waits already in that channel, or too many do.
    ///
    /// # Errors
    /// The disk does not take it: nothing is asked.
    pub(super) async fn ask(&self, question: Question) -> Result<bool, StorageError> {
        {
            let mut waiting = self.waiting();
            let (network, channel) = (&question.relay.network, &question.relay.channel);
            if waiting.len() >= MAX_ASKED || waiting.iter().any(|known| known.is_for(network, channel)) {
                return Ok(false);
            }
            waiting.push(question.clone());
        }
        let plumbed = Plumbed::asked(&question.relay, &question.user, question.at);
        let mut batch = Batch::default();
        // Our own types always serialise.
        batch.put(Table::Channels, question.row(), serde_json::to_vec(&plumbed).unwrap_or_default());
        let written = self.storage.commit(batch, Urgency::Now).await;
        if written.is_err() {
            self.take(&question.relay.network, &question.relay.channel);
        }
        written.map(|()| true)
    }

    /// Whether something is asked there.
    pub(super) fn is_asked(&self, network: &str, channel: &str) -> bool {
        self.waiting().iter().any(|question| question.is_for(network, channel))
    }

    /// The answer has come. Once what follows from it is on disk, [`AskedChannels::forget`] is due.
    pub(super) fn take(&self, network: &str, channel: &str) -> Option<Question> {
        let mut waiting = self.waiting();
        let at = waiting.iter().position(|question| question.is_for(network, channel))?;
        Some(waiting.remove(at))
    }

    /// How long an answer is still waited for there; `None` where nothing is asked any more.
    pub(super) fn left(&self, network: &str, channel: &str, now: Timestamp) -> Option<Duration> {
        self.waiting().iter().find(|known| known.is_for(network, channel)).map(|known| known.left(now))
    }

    /// A question that is over is not asked again after a restart.
    pub(super) fn forget(&self, question: &Question) {
        let mut batch = Batch::default();
        batch.remove(Table::Channels, question.row());
        // Lost in a crash, it is over once more.
        drop(self.storage.commit(batch, Urgency::Soon));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::ids::{ConversationId, LoginId, PortalKey};
    use crate::bridge::testkit::SimStorage;
    use crate::irc::relays::Relays;

    fn question(channel: &str, at: Timestamp) -> Question {
        let portal = PortalKey::new(LoginId::new("alice@x"), ConversationId::new("bob@x"));
        let (network, members) = ("test".to_owned(), vec!["bob@x".to_owned()]);
        let user = UserId::new("@ann:x");
        let (direct, plumbed_by) = (Default::default(), Some(user.clone()));
        let relay =
            RelayConfig { network, channel: channel.into(), key: None, portal, direct, members, plumbed_by };
        Question { relay, user, at }
    }

    #[tokio::test]
    async fn a_question_waits_over_a_restart_until_it_is_answered_or_too_old() {
        let storage: Arc<dyn Storage> = Arc::new(SimStorage::default());
        let asked = AskedChannels::load(storage.clone());
        assert_eq!(asked.ask(question("#Club", 1_000)).await, Ok(true));
        assert_eq!(asked.ask(question("#club", 2_000)).await, Ok(false), "it is asked already");
        let again = AskedChannels::load(storage.clone());
        assert!(again.is_asked("test", "#CLUB") && !again.is_asked("other", "#club"));
        assert_eq!(again.left("test", "#club", 61_000), Some(ANSWER_TIMEOUT - Duration::from_secs(60)));
        assert_eq!(again.left("test", "#club", 9_000_000), Some(Duration::ZERO));
        assert!(Relays::load(Vec::new(), storage.clone()).all().is_empty(), "it is no end yet");
        let question = again.take("test", "#club").unwrap();
        assert_eq!((question.user.as_str(), question.at), ("@ann:x", 1_000));
        assert_eq!(again.left("test", "#club", 61_000), None);
        // Until what follows is on disk it would be asked again.
        assert_eq!(AskedChannels::load(storage.clone()).all().len(), 1);
        again.forget(&question);
        assert!(AskedChannels::load(storage).all().is_empty());
    }
}
