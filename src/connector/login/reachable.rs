//! What waits for people, or for the session: the core is told once for each conversation when it can go.
//!
//! Knows who is waited for. Refuses to know what waits.

use std::collections::HashSet;

use tokio::sync::oneshot;

use crate::bridge::ids::{ConversationId, LoginId};
use crate::connector::context::Shared;
use crate::connector::translate::{convert, group};
use crate::msn::ids::Email;

/// What waits in one login.
#[derive(Default)]
pub(in crate::connector) struct Waiters {
    /// Conversations whose people are waited for.
    watched: HashSet<ConversationId>,
    /// Those who wait for a session that is known to work. While there are any, everything is held.
    examiners: Vec<oneshot::Sender<()>>,
}

impl Waiters {
    /// Something waits until somebody of this conversation can be reached.
    pub(in crate::connector) fn watch(&mut self, conversation: ConversationId) {
        self.watched.insert(conversation);
    }

    /// Somebody can be reached now; gives the conversations that waited for them.
    pub(in crate::connector) fn appeared(
        &mut self,
        shared: &Shared,
        login: &LoginId,
        email: &Email,
    ) -> Vec<ConversationId> {
        let direct = convert::direct(email);
        let concerns = |conversation: &ConversationId| {
            *conversation == direct
                || group::is_group(conversation)
                    && group::members(shared, login, conversation).contains(email)
        };
        self.watched.extract_if(|conversation| concerns(conversation)).collect()
    }

    /// What hindered everything, being hidden, is over; gives the conversations that waited.
    pub(in crate::connector) fn all_reachable(&mut self) -> Vec<ConversationId> {
        self.watched.drain().collect()
    }

    /// A new session looks at everything anew.
    pub(in crate::connector) fn forget_watched(&mut self) {
        self.watched.clear();
    }

    /// Somebody waits until the session is known to work.
    pub(in crate::connector) fn examine(&mut self, reply: oneshot::Sender<()>) {
        self.examiners.push(reply);
    }

    /// Whether somebody waits for a session that is known to work.
    pub(in crate::connector) fn is_examined(&self) -> bool {
        !self.examiners.is_empty()
    }

    /// The session works, as far as is known; gives whether anybody waited for that.
    pub(in crate::connector) fn works(&mut self) -> bool {
        let waited = self.is_examined();
        for waiting in self.examiners.drain(..) {
            let _ = waiting.send(()); // they may have gone
        }
        waited
    }

    /// Nobody is kept waiting: only the owner can bring a session about.
    pub(in crate::connector) fn give_up(&mut self) {
        self.examiners.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::tests::{alice, alone, email};

    #[tokio::test]
    async fn what_waits_for_somebody_goes_once_in_every_conversation_with_them() {
        let (shared, mut waiters) = (alone(), Waiters::default());
        let group = group::find_or_make(&shared, &alice(), &[email("bob"), email("carol")]).await.unwrap();
        let direct = convert::direct(&email("bob"));
        for conversation in [&group, &direct, &convert::direct(&email("carol"))] {
            waiters.watch(conversation.clone());
            waiters.watch(conversation.clone());
        }
        assert!(waiters.appeared(&shared, &alice(), &email("dave")).is_empty());
        let mut found = waiters.appeared(&shared, &alice(), &email("bob"));
        found.sort_by_key(|conversation| conversation.as_str().to_owned());
        assert_eq!(found, [direct, group]);
        assert!(waiters.appeared(&shared, &alice(), &email("bob")).is_empty(), "once");
        assert_eq!(waiters.all_reachable(), [convert::direct(&email("carol"))]);
        waiters.watch(convert::direct(&email("bob")));
        waiters.forget_watched();
        assert!(waiters.all_reachable().is_empty());
    }

    #[tokio::test]
    async fn who_examines_the_session_hears_that_it_works_or_that_nobody_knows() {
        let mut waiters = Waiters::default();
        assert!(!waiters.works(), "nobody waits");
        for works in [true, false] {
            let (reply, answer) = oneshot::channel();
            waiters.examine(reply);
            assert!(waiters.is_examined());
            if works {
                assert!(waiters.works());
            } else {
                waiters.give_up();
            }
            assert_eq!(answer.await.is_ok(), works);
            assert!(!waiters.is_examined());
        }
    }
}
