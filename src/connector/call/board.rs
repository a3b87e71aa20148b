//! What happens on the board of a call, and what the login asks of it: each goes to its component.
//!
//! Knows which event and which command goes where, and when typing is repeated. Refuses to know what a component does
//! with it.

use std::time::Duration;

use tokio::time::Instant;

use super::Call;
use crate::bridge::event::RemoteKind;
use crate::connector::clock::{now, time_of_day};
use crate::connector::error::CallFailure;
use crate::connector::file::invitations::InvitationEvent;
use crate::connector::file::offers::OfferEvent;
use crate::connector::file::outgoing::OutgoingEvent;
use crate::connector::handle::{CallCommand, Message};
use crate::connector::net::pump::Pump;
use crate::connector::object::clip;
use crate::connector::object::exchange::ObjectEvent;
use crate::connector::translate::{convert, group};
use crate::msn::command::Acknowledge;
use crate::msn::ids::{Capabilities, Email};
use crate::msn::message::{Content, Invitation, InvitationCommand, InvitationError};
use crate::msn::p2p;
use crate::msn::session::{CallEvent, InviteFailure, SwitchboardSession};

/// Typing is repeated at most this often (§7.4).
const TYPING: Duration = Duration::from_secs(5);

impl Call {
    /// One thing that the login asks of the call; its reply goes out later, or at once where it is refused.
    pub(super) async fn handle_command(&mut self, pump: &mut Pump<SwitchboardSession>, ask: CallCommand) {
        match ask {
            CallCommand::Send { message, reply, overdue } => {
                self.last_said = Instant::now();
                self.members.spoken();
                if let Message::Text { emoticons, .. } = &message {
                    self.objects.offer(&mut self.ctx, emoticons);
                }
                self.send_outbox(pump);
                self.sendings.send(&self.ctx, &mut pump.machine, &message, reply, overdue);
                self.last_typing = None;
            }
            CallCommand::SendFile { reply, .. } if group::is_group(&self.ctx.conversation) => {
                let why = "files can be sent to one person only, in the conversation with them";
                let _ = reply.send(Err(CallFailure::File(why.into()))); // whoever asked may have gone
            }
            CallCommand::SendFile { file, reply } => {
                self.outgoing.handle(&mut self.ctx, OutgoingEvent::File { file, reply }).await;
                self.settle(pump).await;
            }
            CallCommand::Answer { number, accept, reply } => {
                let answered = OfferEvent::Answered { number, accept, reply };
                self.offers.handle(&mut self.ctx, answered).await;
                self.settle(pump).await;
            }
            CallCommand::PictureChanged(email) => {
                if self.ctx.members.contains(&email) {
                    self.objects.handle(&mut self.ctx, &email, ObjectEvent::Joined).await;
                    self.settle(pump).await;
                }
            }
            CallCommand::TakeUp => self.resume(pump).await,
            CallCommand::Invite { email, reply } => {
                pump.machine.invite(now(), email.clone());
                self.members.invited(email, reply);
            }
            CallCommand::Leave => self.leaving = true,
            CallCommand::Retire => self.retired = true,
            CallCommand::Typing => {
                self.last_said = Instant::now();
                if self.last_typing.is_none_or(|at| at.elapsed() >= TYPING) {
                    self.last_typing = Some(Instant::now());
                    self.ctx.say(Acknowledge::Never, Content::typing(&self.ctx.email).encode());
                }
            }
        }
    }

    /// One thing that the board's session told.
    pub(super) async fn handle_event(&mut self, pump: &mut Pump<SwitchboardSession>, event: CallEvent) {
        match event {
            CallEvent::Opened => {
                self.opened = true;
                self.members.regroup(&mut self.ctx, None).await;
            }
            CallEvent::Joined { email, name, capabilities } => {
                self.members.named(&self.ctx, &email, &name).await;
                self.joined(pump, &email, capabilities).await;
            }
            CallEvent::Left { email, idle } => self.left(&email, idle).await,
            CallEvent::InviteFailed { email, failure } => self.did_not_come(&email, failure).await,
            CallEvent::Received { email, name, content } => {
                self.members.named(&self.ctx, &email, &name).await;
                self.received(pump, &email, content).await;
            }
            CallEvent::Delivered { handle, .. } if self.outgoing.confirmed(&mut self.ctx, handle, true) => {}
            CallEvent::Failed(part, _) if self.outgoing.confirmed(&mut self.ctx, part, false) => {}
            CallEvent::Delivered { handle, missed_by } => {
                self.sendings.part_done(&self.ctx, &mut self.members.absent, handle, Ok(missed_by));
            }
            CallEvent::Failed(part, failure) => {
                self.sendings.part_done(&self.ctx, &mut self.members.absent, part, Err(failure.into()));
            }
            CallEvent::Overdue(part) => self.sendings.part_overdue(part),
        }
    }

    /// Somebody is here: what waits for a conversation, a group or a file goes on, and their picture is looked at.
    async fn joined(
        &mut self,
        pump: &mut Pump<SwitchboardSession>,
        email: &Email,
        capabilities: Option<Capabilities>,
    ) {
        self.ctx.people.came_with(email, capabilities);
        self.was_occupied = true;
        let is_back = self.members.joined(&mut self.ctx, email);
        if self.opened && !is_back {
            self.members.regroup(&mut self.ctx, Some(email)).await;
        }
        self.resume(pump).await;
        self.objects.handle(&mut self.ctx, email, ObjectEvent::Joined).await;
        self.settle(pump).await;
        self.outgoing.handle(&mut self.ctx, OutgoingEvent::Joined).await;
        self.settle(pump).await;
    }

    /// Somebody is out of the call, and still one of the conversation: the next call is to them too.
    async fn left(&mut self, email: &Email, idle: bool) {
        self.offers.handle(&mut self.ctx, OfferEvent::Left(email.clone())).await;
        self.left_transfers(email, !idle).await;
        if !idle {
            self.last_said = Instant::now();
        }
        self.members.left(&mut self.ctx, email, idle).await;
    }

    /// Somebody who was called will not join; where nobody else is here, files for them fail.
    async fn did_not_come(&mut self, email: &Email, failure: InviteFailure) {
        self.was_occupied = true;
        if self.ctx.members.is_empty() {
            let nobody = CallFailure::Nobody(failure.clone());
            self.outgoing.handle(&mut self.ctx, OutgoingEvent::NobodyCame(nobody)).await;
        }
        self.members.did_not_come(&self.ctx, email, failure);
    }

    /// A message of a member: an invitation and a packet have components of their own, the rest is shown.
    async fn received(&mut self, pump: &mut Pump<SwitchboardSession>, email: &Email, content: Content) {
        if !matches!(content, Content::Typing { .. } | Content::Other { .. }) {
            self.members.decide(&mut self.ctx).await;
        }
        match content {
            Content::Invitation(read) => {
                self.last_said = Instant::now();
                self.invited(email, read).await;
            }
            Content::Peer { destination, packet } => {
                // Everybody in the call gets what is for one of them.
                if p2p::is_for(destination.as_ref(), &self.ctx.email) {
                    self.last_said = Instant::now();
                    self.handle_packet(pump, email, &packet).await;
                }
            }
            Content::Emoticons(list) => {
                self.objects.handle(&mut self.ctx, email, ObjectEvent::Emoticons(list)).await;
            }
            content => {
                let clip = announced_clip(&content);
                match *email == self.ctx.email {
                    true => self.said_elsewhere(content).await,
                    false => self.heard(email, content).await,
                }
                if let Some(data) = clip {
                    self.objects.handle(&mut self.ctx, email, ObjectEvent::Clip(data)).await;
                }
            }
        }
        self.settle(pump).await;
    }

    /// An invitation of a member: to withdraw what waits for its owner's word, or else one for the streams.
    async fn invited(&mut self, email: &Email, read: Result<Invitation, InvitationError>) {
        let mut is_waiting = false;
        if let Ok(invitation) = &read {
            let cookie = invitation.cookie;
            is_waiting = self.offers.has_invitation(email, cookie);
            let cancels = invitation.command == InvitationCommand::Cancel;
            if cancels && self.offers.withdraw_invitation(&mut self.ctx, email, cookie).await {
                return;
            }
        }
        let came = InvitationEvent::Came { email: email.clone(), read, is_waiting };
        self.invitations.handle(&mut self.ctx, came).await;
    }

    /// A member says or does something.
    async fn heard(&mut self, email: &Email, content: Content) {
        if keeps_open(&content) {
            self.last_said = Instant::now();
        }
        if let Content::Typing { .. } = content {
            let (conversation, sender) = (self.ctx.conversation.clone(), self.ctx.ghost(email));
            return self.ctx.tell(RemoteKind::Typing { conversation, sender }).await;
        }
        if let Content::Ink(ink) = &content
            && let Some(file) = clip::handwriting(&self.ctx.shared, ink).await
        {
            return self.ctx.show_file(email, file).await;
        }
        if let Some(body) = convert::body(content) {
            let body = self.objects.attach(email, body);
            self.ctx.tell_body(email, body).await;
        }
    }

    /// Another client of the own account spoke.
    async fn said_elsewhere(&mut self, content: Content) {
        self.last_said = Instant::now();
        if let Some(body) = convert::body(content) {
            let conversation = self.ctx.conversation.clone();
            self.ctx.tell(RemoteKind::OwnMessage { conversation, body, at: time_of_day() }).await;
        }
    }
}

/// Whether a board on which this is heard is in use: words and typing are; keep-alives, and what else nobody reads, are not.
fn keeps_open(content: &Content) -> bool {
    !matches!(content, Content::Other { .. })
}

/// What is announced of a wink or a voice clip.
fn announced_clip(content: &Content) -> Option<String> {
    match content {
        Content::Datacast { id: 2 | 3, data } => Some(data.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msn::ids::Email;
    use crate::msn::message::Envelope;

    #[test]
    fn fault_04_typing_and_words_keep_a_board_and_keep_alives_do_not() {
        let read = |head: &str| {
            let payload = format!("MIME-Version: 1.0\r\nContent-Type: {head}\r\n\r\n\r\n");
            Content::parse(&Envelope::parse(&payload.into()).unwrap()).unwrap()
        };
        let typing = Content::typing(&Email::parse("bob@example.com").unwrap());
        for kept in [typing, Content::nudge(), Content::text("hi", None)] {
            let payload = kept.encode().into();
            assert!(keeps_open(&Content::parse(&Envelope::parse(&payload).unwrap()).unwrap()));
        }
        assert!(keeps_open(&read("text/plain; charset=UTF-8")));
        for quiet in ["text/x-keepalive", "text/x-clientcaps", "application/x-unknown"] {
            assert!(!keeps_open(&read(quiet)), "{quiet}");
        }
    }
}
