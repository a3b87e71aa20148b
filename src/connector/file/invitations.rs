//! Invitations: to applications that a bridge has not, shown and declined at once, so that nobody waits (§8); those to
//! files go on in `msnftp`.
//!
//! Knows what was declined. Refuses to know how a stream carries a file.

use std::collections::VecDeque;

use crate::connector::context::call::CallContext;
use crate::connector::file::msnftp::Streams;
use crate::connector::file::msnftp::words::cancel;
use crate::connector::file::words;
use crate::msn::ids::Email;
use crate::msn::message::{Application, CancelCode, Invitation, InvitationCommand, InvitationError};
use crate::msn::p2p::safe_name;

/// Declined invitations of one call that are remembered; what comes for an older one is answered again.
const REMEMBERED: usize = 32;

/// What was declined: its end was said, and what still comes of it is no news.
#[derive(Debug, Default)]
struct Declined {
    known: VecDeque<Known>,
}

/// One invitation that came to nothing.
#[derive(Debug)]
struct Known {
    who: Email,
    cookie: u32,
    /// What it was about: cookies may be used again.
    subject: String,
}

impl Declined {
    /// Remembers that an invitation came to nothing.
    fn remember(&mut self, who: &Email, invitation: &Invitation) {
        if self.known.len() == REMEMBERED {
            self.known.pop_front();
        }
        let (who, cookie) = (who.clone(), invitation.cookie);
        self.known.push_back(Known { who, cookie, subject: subject(invitation) });
    }

    /// Whether anything under this cookie was declined: its inviter may still take it back.
    fn knows(&self, who: &Email, cookie: u32) -> bool {
        self.known.iter().any(|known| known.who == *who && known.cookie == cookie)
    }

    /// Whether this invites to what was declined already.
    fn is_repeated(&self, who: &Email, invitation: &Invitation) -> bool {
        let same = |known: &&Known| known.who == *who && known.cookie == invitation.cookie;
        self.known.iter().filter(same).any(|known| known.subject == subject(invitation))
    }
}

/// What an invitation is about, to be compared.
fn subject(invitation: &Invitation) -> String {
    format!("{:?} {:?}", invitation.application(), invitation.file())
}

/// What happened.
#[derive(Debug)]
pub(in crate::connector) enum InvitationEvent {
    /// A contact invites, accepts or cancels. `is_waiting`: the owner is being asked about a file under that cookie.
    Came { email: Email, read: Result<Invitation, InvitationError>, is_waiting: bool },
    /// An offer of a file is not to be taken.
    Declined { email: Email, invitation: Box<Invitation> },
    /// The same, where nobody was asked: it is shown with the reason.
    Refused { email: Email, invitation: Box<Invitation>, name: String, size: u64, reason: &'static str },
}

/// What is to be done elsewhere.
#[derive(Debug)]
pub(in crate::connector) enum InvitationOutcome {
    /// The owner is to be asked about a file.
    OwnerWanted { email: Email, name: String, size: u64, invitation: Box<Invitation> },
}

/// The invitations of one call.
pub(in crate::connector) struct Invitations {
    declined: Declined,
    pub(in crate::connector) streams: Streams,
    outcomes: VecDeque<InvitationOutcome>,
}

impl Invitations {
    /// Nothing was declined yet; `streams` carries the files.
    pub(in crate::connector) fn new(streams: Streams) -> Self {
        Self { declined: Declined::default(), streams, outcomes: VecDeque::new() }
    }

    /// Answers an invitation, or carries out a decision about one.
    pub(in crate::connector) async fn handle(&mut self, ctx: &mut CallContext, event: InvitationEvent) {
        match event {
            InvitationEvent::Came { email, read: Ok(invitation), is_waiting } => {
                if let Some(text) = self.answer(ctx, &email, &invitation, is_waiting).await {
                    ctx.show_refusal(&email, &text).await;
                }
            }
            InvitationEvent::Came { email, read: Err(error), .. } => {
                tracing::info!(%error, "an invitation cannot be read");
                ctx.show_refusal(&email, "sent an invitation that cannot be read here").await;
            }
            InvitationEvent::Declined { email, invitation } => {
                self.declined.remember(&email, &invitation);
                cancel(ctx, invitation.cookie, &CancelCode::Reject);
            }
            InvitationEvent::Refused { email, invitation, name, size, reason } => {
                self.declined.remember(&email, &invitation);
                cancel(ctx, invitation.cookie, &CancelCode::Reject);
                ctx.show_refusal(&email, &words::declined(&name, size, reason)).await;
            }
        }
    }

    /// The offers that need their owner's word, in order.
    pub(in crate::connector) fn poll_event(&mut self) -> Option<InvitationOutcome> {
        self.outcomes.pop_front()
    }

    /// Ends what was begun; gives what is shown of it.
    async fn answer(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        invitation: &Invitation,
        is_waiting: bool,
    ) -> Option<String> {
        let cookie = invitation.cookie;
        match invitation.command {
            // The same offer again, which has its answer: to answer it each time could go on for ever.
            InvitationCommand::Invite if self.declined.is_repeated(email, invitation) => None,
            InvitationCommand::Invite if is_waiting || self.streams.is_offered(email, cookie) => None,
            InvitationCommand::Invite if invitation.application() == Application::File => {
                let declined = self.file_offered(ctx, email, invitation).await;
                declined.inspect(|_| self.declined.remember(email, invitation))
            }
            InvitationCommand::Accept if self.streams.accepted(ctx, email, invitation).await => None,
            InvitationCommand::Cancel if self.streams.cancelled(ctx, email, invitation).await => None,
            InvitationCommand::Invite => {
                self.declined.remember(email, invitation);
                cancel(ctx, cookie, &CancelCode::RejectNotInstalled);
                Some(invited(invitation))
            }
            // Of a negotiation that was never begun here: it must not stay open over there.
            InvitationCommand::Accept | InvitationCommand::Context => {
                if !self.declined.knows(email, cookie) {
                    self.declined.remember(email, invitation);
                    cancel(ctx, cookie, &CancelCode::Fail);
                }
                None
            }
            InvitationCommand::Cancel if self.declined.knows(email, cookie) => None,
            InvitationCommand::Cancel => {
                self.declined.remember(email, invitation);
                let code = invitation.cancel_code().unwrap_or(CancelCode::Other(String::new()));
                Some(format!("cancelled an invitation: {}", code.meaning()))
            }
        }
    }

    /// They offer a file; gives what is shown of it where it is declined.
    async fn file_offered(
        &mut self,
        ctx: &mut CallContext,
        email: &Email,
        offer: &Invitation,
    ) -> Option<String> {
        let Some((name, Some(size))) = offer.file() else {
            cancel(ctx, offer.cookie, &CancelCode::Fail);
            return Some("offers a file in a way that is not understood here; it was declined".into());
        };
        let name = safe_name(name);
        if ctx.shared.asks_about(size) {
            let (email, invitation) = (email.clone(), Box::new(offer.clone()));
            self.outcomes.push_back(InvitationOutcome::OwnerWanted { email, name, size, invitation });
            return None;
        }
        let reason = self.streams.accept(ctx, email, offer, &name, size).await.err()?;
        Some(words::declined(&name, size, &reason))
    }
}

fn invited(invitation: &Invitation) -> String {
    let application = invitation.application();
    format!("invites you to {application}; it was declined, since there is no program for it here")
}

#[cfg(test)]
mod tests;
