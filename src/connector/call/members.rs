//! Who is in a call, and which conversation it is by that.
//!
//! Knows groups, names, and who was called and did not come. Refuses to know what is said.

use tokio::sync::oneshot;

use crate::bridge::event::RemoteKind;
use crate::bridge::ids::ConversationId;
use crate::bridge::port::storage::StorageError;
use crate::connector::clock::time_of_day;
use crate::connector::context::call::CallContext;
use crate::connector::context::names::BoardNames;
use crate::connector::handle::CallNotice;
use crate::connector::translate::group;
use crate::msn::ids::Email;
use crate::msn::session::InviteFailure;

/// How a call came to be a group.
#[derive(Default)]
struct Grouping {
    /// Something was said in the conversation that it is now.
    spoken: bool,
    /// The group began with this call.
    is_new: bool,
    /// Those who are here are part of larger groups: which one it is shows when the others come, or with the first words.
    undecided: bool,
}

/// Those of one call; who is here now is in its context.
#[derive(Default)]
pub(super) struct Members {
    /// Members that the server dropped for being idle. They are still part of the conversation.
    dropped: Vec<Email>,
    /// Those of a group who were called and did not come, until that was told.
    pub(super) absent: Vec<Email>,
    grouping: Grouping,
    /// What the board has called those who were here.
    names: BoardNames,
    /// Who was asked in by our side, and who waits for that.
    invitations: Vec<(Email, oneshot::Sender<Result<(), String>>)>,
}

impl Members {
    /// Our side asks somebody in.
    pub(super) fn invited(&mut self, email: Email, reply: oneshot::Sender<Result<(), String>>) {
        self.invitations.push((email, reply));
    }

    /// Whether nobody whom our side asked in is waited for.
    pub(super) fn awaits_nobody(&self) -> bool {
        self.invitations.is_empty()
    }

    /// Tells whoever asked for somebody to be called what became of it.
    fn answer_invitation(&mut self, email: &Email, result: Result<(), String>) {
        if let Some(at) = self.invitations.iter().position(|(invited, _)| invited == email) {
            let _ = self.invitations.swap_remove(at).1.send(result); // whoever asked may have gone
        }
    }

    /// Something is said by our side.
    pub(super) fn spoken(&mut self) {
        self.grouping.spoken = true;
    }

    /// Somebody came; gives whether they were only dropped for being idle.
    pub(super) fn joined(&mut self, ctx: &mut CallContext, email: &Email) -> bool {
        self.answer_invitation(email, Ok(()));
        let is_back = self.dropped.contains(email);
        self.dropped.retain(|dropped| dropped != email);
        self.absent.retain(|absent| absent != email);
        ctx.members.push(email.clone());
        is_back
    }

    /// A call of two is the conversation with that person; with more it is the group of exactly these people.
    pub(super) async fn regroup(&mut self, ctx: &mut CallContext, joined: Option<&Email>) {
        let done = match (group::is_group(&ctx.conversation), joined) {
            (true, Some(email)) => self.joined_group(ctx, email).await,
            (false, _) if ctx.members.len() > 1 => self.form_group(ctx).await,
            _ => return,
        };
        if let Err(error) = done {
            tracing::error!(%error, "a group conversation could not be written down");
        }
    }

    /// Somebody came into a group. Whoever closed their window before and comes again is one of it all the time.
    async fn joined_group(&mut self, ctx: &mut CallContext, email: &Email) -> Result<(), StorageError> {
        let mut people = group::members(&ctx.shared, &ctx.login, &ctx.conversation);
        if !people.contains(email) {
            if !self.grouping.spoken {
                people = self.present(ctx);
            }
            people.push(email.clone());
            let other = group::find(&ctx.shared, &ctx.login, &people).await?;
            if let Some(other) = other.filter(|other| *other != ctx.conversation) {
                self.become_group(ctx, other).await;
                return Ok(());
            }
            // A group that has been there before stays as it was, as long as nobody has said anything here.
            if !self.grouping.spoken && !self.grouping.is_new {
                return self.make_group(ctx).await;
            }
            group::remember(&ctx.shared, &ctx.login, &ctx.conversation, &people).await?;
        }
        let (conversation, ghost) = (ctx.conversation.clone(), ctx.ghost(email));
        ctx.tell(RemoteKind::Joined { conversation, ghost, at: time_of_day() }).await;
        Ok(())
    }

    /// Decides which group this call is: the one of exactly these people, or a new one. Where they are part of a larger
    /// group that is put off until somebody says something.
    async fn form_group(&mut self, ctx: &mut CallContext) -> Result<(), StorageError> {
        let (shared, login, people) = (&ctx.shared, &ctx.login, self.present(ctx));
        if let Some(known) = group::find(shared, login, &people).await? {
            self.become_group(ctx, known).await;
        } else if self.invitations.is_empty() && group::is_part_of_another(shared, login, &people)? {
            self.grouping.undecided = true;
            // What our side says in the conversation with one of them is not for the others.
            let _ = ctx.news.send(CallNotice::Detached(ctx.handle.clone())).await; // the login may have ended
        } else {
            self.make_group(ctx).await?;
        }
        Ok(())
    }

    /// The call is the group of exactly these people, old or new.
    async fn make_group(&mut self, ctx: &mut CallContext) -> Result<(), StorageError> {
        let group = group::find_or_make(&ctx.shared, &ctx.login, &self.present(ctx)).await?;
        self.become_group(ctx, group).await;
        self.grouping.is_new = true;
        Ok(())
    }

    /// Somebody says something: the conversation is decided now at the latest.
    pub(super) async fn decide(&mut self, ctx: &mut CallContext) {
        if std::mem::take(&mut self.grouping.undecided)
            && let Err(error) = self.make_group(ctx).await
        {
            tracing::error!(%error, "a group conversation could not be written down");
        }
        self.grouping.spoken = true;
    }

    /// Who takes part, those included whom the server dropped for being idle.
    fn present(&self, ctx: &CallContext) -> Vec<Email> {
        [&ctx.members[..], &self.dropped].concat()
    }

    /// The board calls somebody so. Whether that is news is known where the lists are.
    pub(super) async fn named(&mut self, ctx: &CallContext, email: &Email, name: &str) {
        let Some(news) = self.names.heard(email, name).filter(|news| news.email != ctx.email) else {
            return;
        };
        ctx.names.meet(email, name);
        let _ = ctx.news.send(CallNotice::Named(news)).await; // the login may have ended
    }

    /// The call is found under another conversation from now on.
    async fn move_to(&self, ctx: &mut CallContext, conversation: ConversationId) {
        ctx.conversation = conversation.clone();
        let moved = CallNotice::Moved { to: conversation, call: ctx.handle.clone() };
        let _ = ctx.news.send(moved).await; // the login may have ended
    }

    /// The call is this group, and everybody who is here has joined it.
    async fn become_group(&mut self, ctx: &mut CallContext, conversation: ConversationId) {
        tracing::info!(%conversation, members = ctx.members.len(), "the call is a group now");
        self.grouping = Grouping::default();
        self.move_to(ctx, conversation.clone()).await;
        for email in &ctx.members {
            let (conversation, ghost) = (conversation.clone(), ctx.ghost(email));
            ctx.tell(RemoteKind::Joined { conversation, ghost, at: time_of_day() }).await;
        }
    }

    /// Somebody is out of the call, and still one of the conversation: the next call is to them too.
    pub(super) async fn left(&mut self, ctx: &mut CallContext, email: &Email, idle: bool) {
        ctx.members.retain(|member| member != email);
        if idle {
            // The next words call them again.
            return self.dropped.push(email.clone());
        }
        if std::mem::take(&mut self.grouping.undecided)
            && let Some(direct) = group::single(&ctx.members)
        {
            self.move_to(ctx, direct).await;
        }
    }

    /// Somebody was called and did not come. In a group the others hear what is said, and whoever says it is told. Those
    /// whom somebody asked in are answered for already.
    pub(super) fn did_not_come(&mut self, ctx: &CallContext, email: &Email, failure: InviteFailure) {
        self.dropped.retain(|dropped| dropped != email);
        let is_asked_in = self.invitations.iter().any(|(invited, _)| invited == email);
        if group::is_group(&ctx.conversation) && !is_asked_in && !self.absent.contains(email) {
            self.absent.push(email.clone());
        }
        let reason = match failure {
            InviteFailure::Refused(code) => code.to_string(),
            InviteFailure::NoAnswer => "they did not answer".into(),
        };
        self.answer_invitation(email, Err(format!("{email} cannot be called: {reason}")));
    }
}

#[cfg(test)]
mod tests;
