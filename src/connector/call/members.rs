//! Who is in a call, and which conversation it is by that.

use tokio::time::Instant;

use crate::bridge::event::RemoteKind;
use crate::bridge::ids::ConversationId;
use crate::bridge::port::storage::StorageError;
use crate::connector::call::Call;
use crate::connector::clock::time_of_day;
use crate::connector::handle::CallNotice;
use crate::connector::translate::group;
use crate::msn::ids::Email;

/// How a call came to be a group.
#[derive(Default)]
pub(super) struct Grouping {
    /// Something was said in the conversation that it is now.
    pub(super) spoken: bool,
    /// The group began with this call.
    is_new: bool,
    /// Those who are here are part of larger groups: which one it is shows when the others come, or with the first words.
    undecided: bool,
}

impl Call {
    /// A call of two is the conversation with that person; with more it is the group of exactly these people.
    pub(super) async fn regroup(&mut self, joined: Option<&Email>) {
        let done = match (group::is_group(&self.conversation), joined) {
            (true, Some(email)) => self.joined_group(email).await,
            (false, _) if self.members.len() > 1 => self.form_group().await,
            _ => return,
        };
        if let Err(error) = done {
            tracing::error!(%error, "a group conversation could not be written down");
        }
    }

    /// Somebody came into a group. Whoever closed their window before and comes again is one of it all the time.
    async fn joined_group(&mut self, email: &Email) -> Result<(), StorageError> {
        let mut people = group::members(&self.of.shared, &self.of.login, &self.conversation);
        if !people.contains(email) {
            if !self.grouping.spoken {
                people = self.present();
            }
            people.push(email.clone());
            let other = group::find(&self.of.shared, &self.of.login, &people).await?;
            if let Some(other) = other.filter(|other| *other != self.conversation) {
                self.become_group(other).await;
                return Ok(());
            }
            // A group that has been there before stays as it was, as long as nobody has said anything here.
            if !self.grouping.spoken && !self.grouping.is_new {
                return self.make_group().await;
            }
            group::remember(&self.of.shared, &self.of.login, &self.conversation, &people).await?;
        }
        let (conversation, ghost) = (self.conversation.clone(), self.ghost(email));
        self.tell(RemoteKind::Joined { conversation, ghost, at: time_of_day() }).await;
        Ok(())
    }

    async fn form_group(&mut self) -> Result<(), StorageError> {
        let (shared, login, people) = (&self.of.shared, &self.of.login, self.present());
        if let Some(known) = group::find(shared, login, &people).await? {
            self.become_group(known).await;
        } else if self.invitations.is_empty() && group::is_part_of_another(shared, login, &people)? {
            self.grouping.undecided = true;
            // What our side says in the conversation with one of them is not for the others.
            let detached = CallNotice::Detached(self.handle.clone());
            let _ = self.of.news.send(detached).await; // the login may have ended
        } else {
            self.make_group().await?;
        }
        Ok(())
    }

    async fn make_group(&mut self) -> Result<(), StorageError> {
        let group = group::find_or_make(&self.of.shared, &self.of.login, &self.present()).await?;
        self.become_group(group).await;
        self.grouping.is_new = true;
        Ok(())
    }

    /// Somebody says something: the conversation is decided now at the latest.
    pub(super) async fn decide(&mut self) {
        if std::mem::take(&mut self.grouping.undecided)
            && let Err(error) = self.make_group().await
        {
            tracing::error!(%error, "a group conversation could not be written down");
        }
        self.grouping.spoken = true;
    }

    /// Who takes part, those included whom the server dropped for being idle.
    fn present(&self) -> Vec<Email> {
        [&self.members[..], &self.dropped].concat()
    }

    /// The board calls somebody so. Whether that is news is known where the lists are.
    pub(super) async fn named(&mut self, email: &Email, name: &str) {
        let Some(news) = self.names.heard(email, name).filter(|news| news.email != self.of.email) else {
            return;
        };
        self.of.names.meet(email, name);
        let _ = self.of.news.send(CallNotice::Named(news)).await; // the login may have ended
    }

    async fn become_group(&mut self, conversation: ConversationId) {
        tracing::info!(%conversation, members = self.members.len(), "the call is a group now");
        self.grouping = Grouping::default();
        self.conversation = conversation.clone();
        let moved = CallNotice::Moved { to: conversation.clone(), call: self.handle.clone() };
        let _ = self.of.news.send(moved).await; // the login may have ended
        for email in self.members.clone() {
            let ghost = self.ghost(&email);
            self.tell(RemoteKind::Joined { conversation: conversation.clone(), ghost, at: time_of_day() })
                .await;
        }
    }

    /// Somebody is out of the call, and still one of the conversation: the next call is to them too.
    pub(super) async fn left(&mut self, email: &Email, idle: bool) {
        self.offers_are_lost(Some(email)).await;
        self.left_transfers(email, !idle).await;
        self.members.retain(|member| member != email);
        if idle {
            // The next words call them again.
            return self.dropped.push(email.clone());
        }
        self.last_said = Instant::now();
        if std::mem::take(&mut self.grouping.undecided)
            && let Some(direct) = group::single(&self.members)
        {
            self.conversation = direct.clone();
            let moved = CallNotice::Moved { to: direct, call: self.handle.clone() };
            let _ = self.of.news.send(moved).await; // the login may have ended
        }
    }

    /// Somebody was called and did not come. In a group the others hear what is said, and whoever says it is told. Those
    /// whom somebody asked in are answered for already.
    pub(super) fn did_not_come(&mut self, email: &Email) {
        let is_asked_in = self.invitations.iter().any(|(invited, _)| invited == email);
        if group::is_group(&self.conversation) && !is_asked_in && !self.absent.contains(email) {
            self.absent.push(email.clone());
        }
    }

    /// Somebody who had been dropped was called again and did not come.
    pub(super) fn gone(&mut self, email: &Email) {
        self.dropped.retain(|dropped| dropped != email);
    }
}
