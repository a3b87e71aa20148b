//! When something that waits for people, or for the session, can go: the core is told once for each conversation.
//!
//! Knows who is waited for. Refuses to know what waits.

use crate::bridge::event::RemoteKind;
use crate::bridge::ids::ConversationId;
use crate::connector::login::task::LoginTask;
use crate::connector::translate::{convert, group};
use crate::msn::ids::Email;

impl LoginTask {
    /// Somebody can be reached now.
    pub(in crate::connector) async fn appeared(&mut self, email: &Email) {
        if self.watched.is_empty() {
            return;
        }
        let direct = convert::direct(email);
        let concerns = |conversation: &ConversationId| {
            *conversation == direct
                || group::is_group(conversation)
                    && group::members(&self.shared, &self.login, conversation).contains(email)
        };
        let found: Vec<ConversationId> = self.watched.iter().filter(|c| concerns(c)).cloned().collect();
        for conversation in found {
            self.watched.remove(&conversation);
            self.tell(RemoteKind::Reachable { conversation: Some(conversation) }).await;
        }
    }

    /// What hindered everything, being hidden, is over.
    pub(in crate::connector) async fn all_reachable(&mut self) {
        for conversation in std::mem::take(&mut self.watched) {
            self.tell(RemoteKind::Reachable { conversation: Some(conversation) }).await;
        }
    }

    /// The session works, as far as is known.
    pub(in crate::connector) fn answer_examiners(&mut self) {
        for waiting in self.examiners.drain(..) {
            let _ = waiting.send(()); // they may have gone
        }
    }

    /// The session was tried and works.
    pub(in crate::connector) async fn examined(&mut self) {
        if self.examiners.is_empty() {
            return;
        }
        self.answer_examiners();
        self.tell(RemoteKind::Reachable { conversation: None }).await;
    }
}
