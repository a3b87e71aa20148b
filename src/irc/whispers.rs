//! Who writes to whom alone, so that answers find them and nobody else.
//!
//! Knows the last one on IRC who wrote to a contact in one conversation. Refuses to keep that over a restart, for long, or
//! beyond the end of a nick: somebody else may have taken the nick meanwhile.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::bridge::ids::PortalKey;

/// An answer comes back for so long.
const KEPT: Duration = Duration::from_secs(24 * 3_600);

/// Somebody who wrote to a puppet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Whisper {
    pub(super) network: String,
    pub(super) nick: String,
    at: Instant,
}

/// The last whisper of each conversation.
#[derive(Default)]
pub(super) struct Whispers(Mutex<HashMap<PortalKey, Whisper>>);

impl Whispers {
    fn all(&self) -> MutexGuard<'_, HashMap<PortalKey, Whisper>> {
        // Nothing that holds the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `nick` wrote to the contact of this conversation.
    pub(super) fn note(&self, portal: &PortalKey, network: &str, nick: &str) {
        let whisper = Whisper { network: network.to_owned(), nick: nick.to_owned(), at: Instant::now() };
        self.all().insert(portal.clone(), whisper);
    }

    /// Whoever had this nick has it no more, or is not seen any more.
    pub(super) fn ended(&self, network: &str, nick: &str) {
        self.all().retain(|_, known| known.network != network || !known.nick.eq_ignore_ascii_case(nick));
    }

    /// Who is to hear what a contact says now.
    pub(super) fn of(&self, portal: &PortalKey) -> Option<Whisper> {
        self.all().get(portal).filter(|whisper| whisper.at.elapsed() <= KEPT).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::ids::{ConversationId, LoginId};

    #[tokio::test(start_paused = true)]
    async fn answers_find_the_last_who_asked_for_a_day_and_while_they_are_there() {
        let portal = PortalKey::new(LoginId::new("alice@x"), ConversationId::new("bob@x"));
        let whispers = Whispers::default();
        let nick = || whispers.of(&portal).map(|whisper| whisper.nick);
        assert_eq!(nick(), None);
        whispers.note(&portal, "test", "eve");
        whispers.note(&portal, "test", "dan");
        whispers.ended("test", "eve");
        whispers.ended("other", "dan");
        tokio::time::advance(KEPT).await;
        assert_eq!(nick().as_deref(), Some("dan"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(nick(), None);
        whispers.note(&portal, "test", "dan");
        whispers.ended("test", "DAN");
        assert_eq!(nick(), None, "somebody else may have the nick by now");
    }
}
