//! Channels whose operators were asked whether they become an end of a conversation.
//!
//! Knows how long an answer is waited for. Refuses to know who is an operator, and to keep a question over a restart.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::RelayConfig;
use crate::bridge::ids::UserId;

/// How long an answer is waited for.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
/// Questions that wait at a time.
const MAX_ASKED: usize = 100;

/// One question.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) relay: RelayConfig,
    /// Who asks.
    pub(super) user: UserId,
    at: Instant,
}

impl Question {
    /// Asked now.
    pub(super) fn new(relay: RelayConfig, user: UserId) -> Self {
        Self { relay, user, at: Instant::now() }
    }

    fn is_for(&self, network: &str, channel: &str) -> bool {
        self.relay.network == network && self.relay.is_at(channel)
    }
}

/// All questions that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct AskedChannels(Mutex<Vec<Question>>);

impl AskedChannels {
    fn all(&self) -> MutexGuard<'_, Vec<Question>> {
        // Nothing that holds the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for an answer from now on. False where one waits already in that channel, or too many do.
    pub(super) fn ask(&self, question: Question) -> bool {
        let mut all = self.all();
        let (network, channel) = (&question.relay.network, &question.relay.channel);
        if all.len() >= MAX_ASKED || all.iter().any(|known| known.is_for(network, channel)) {
            return false;
        }
        all.push(question);
        true
    }

    /// Whether something is asked there.
    pub(super) fn is_asked(&self, network: &str, channel: &str) -> bool {
        self.all().iter().any(|question| question.is_for(network, channel))
    }

    /// The answer has come.
    pub(super) fn take(&self, network: &str, channel: &str) -> Option<Question> {
        let mut all = self.all();
        let at = all.iter().position(|question| question.is_for(network, channel))?;
        Some(all.remove(at))
    }

    /// The question, if nobody has answered it in time.
    pub(super) fn expire(&self, network: &str, channel: &str, now: Instant) -> Option<Question> {
        let mut all = self.all();
        let is_over = |question: &Question| {
            question.is_for(network, channel) && now.duration_since(question.at) >= ANSWER_TIMEOUT
        };
        let at = all.iter().position(is_over)?;
        Some(all.remove(at))
    }
}
