//! Who is in a call, and which conversation it is by that.

use tokio::time::Instant;

use super::{Call, News, time_of_day};
use crate::bridge::event::RemoteKind;
use crate::bridge::ids::ConversationId;
use crate::connector::group;
use crate::msn::ids::Email;

impl Call {
    /// A call of two is the conversation with that person; a third makes it a group, and a group stays one.
    pub(super) async fn regroup(&mut self, joined: Option<&Email>) {
        if group::is_group(&self.conversation) {
            if let Some(email) = joined {
                self.tell(RemoteKind::Joined {
                    conversation: self.conversation.clone(),
                    ghost: self.ghost(email),
                    at: time_of_day(),
                })
                .await;
                self.remember_group().await;
            }
            return;
        }
        if group::single(&self.members).is_some() || self.members.is_empty() {
            return;
        }
        match group::find_or_make(&self.of.shared, &self.of.login, &self.members).await {
            Ok(conversation) => self.become_group(conversation).await,
            Err(error) => tracing::error!(%error, "a group conversation could not be written down"),
        }
    }

    /// The board calls somebody so. Whether that is news is known where the lists are.
    pub(super) async fn named(&mut self, email: &Email, name: &str) {
        let Some(news) = self.names.heard(email, name).filter(|news| news.email != self.of.email) else {
            return;
        };
        self.of.names.meet(email, name);
        let _ = self.of.news.send(News::Named(news)).await; // the login may have ended
    }

    async fn become_group(&mut self, conversation: ConversationId) {
        tracing::info!(%conversation, members = self.members.len(), "the call is a group now");
        self.conversation = conversation.clone();
        let moved = News::Moved { to: conversation.clone(), call: self.handle.clone() };
        let _ = self.of.news.send(moved).await; // the login may have ended
        for email in self.members.clone() {
            let ghost = self.ghost(&email);
            self.tell(RemoteKind::Joined { conversation: conversation.clone(), ghost, at: time_of_day() })
                .await;
        }
    }

    async fn remember_group(&self) {
        let (shared, login) = (&self.of.shared, &self.of.login);
        let everybody = [&self.members[..], &self.dropped].concat();
        if let Err(error) = group::remember(shared, login, &self.conversation, &everybody).await {
            tracing::error!(%error, "a group conversation could not be written down");
        }
    }

    pub(super) async fn left(&mut self, email: &Email, idle: bool) {
        self.offers_are_lost(Some(email)).await;
        self.left_transfers(email, !idle).await;
        self.members.retain(|member| member != email);
        if idle {
            // Still part of the conversation: the next words call them again.
            return self.dropped.push(email.clone());
        }
        self.last_said = Instant::now();
        self.tell_left(email).await;
    }

    /// Somebody who had been dropped was called again and did not come.
    pub(super) async fn gone(&mut self, email: &Email) {
        let before = self.dropped.len();
        self.dropped.retain(|dropped| dropped != email);
        if self.dropped.len() < before {
            self.tell_left(email).await;
        }
    }

    /// A group has a member less. Whoever is last stays one: there would be nobody to call any more.
    async fn tell_left(&self, email: &Email) {
        if group::is_group(&self.conversation) && !self.members.is_empty() {
            let ghost = self.ghost(email);
            let conversation = self.conversation.clone();
            self.tell(RemoteKind::Left { conversation, ghost, at: time_of_day() }).await;
            self.remember_group().await;
        }
    }
}
