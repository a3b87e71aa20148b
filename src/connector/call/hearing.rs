//! What the others say in a call, and what becomes of everything when it ends.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::connector::call::Call;
use crate::connector::clock::time_of_day;
use crate::connector::error::CallFailure;
use crate::connector::handle::{CallCommand, never_offered, refuse};
use crate::connector::net::pump::Pump;
use crate::connector::translate::convert;

use crate::bridge::event::RemoteKind;
use crate::msn::ids::Email;
use crate::msn::message::Content;
use crate::msn::p2p;
use crate::msn::session::{CallEvent, SwitchboardSession};

/// How long the server may take to close after our `OUT`.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Call {
    /// Something happened on the board. What has to be answered there is answered here.
    pub(super) async fn heard(&mut self, pump: &mut Pump<SwitchboardSession>, event: CallEvent) {
        if let CallEvent::Joined { email, name, .. } | CallEvent::Received { email, name, .. } = &event {
            self.named(email, name).await;
        }
        if let CallEvent::Received { content, .. } = &event
            && !matches!(content, Content::Typing { .. } | Content::Other { .. })
        {
            self.decide().await;
        }
        match event {
            CallEvent::Received { email, content: Content::Invitation(read), .. } => {
                self.invited_to(pump, &email, read).await;
            }
            CallEvent::Received { email, content: Content::Peer { destination, packet }, .. } => {
                // Everybody in the call gets what is for one of them.
                if p2p::is_for(destination.as_ref(), &self.of.email) {
                    self.packet(pump, &email, &packet).await;
                }
            }
            CallEvent::Received { email, content: Content::Emoticons(list), .. } => {
                self.announced(pump, &email, list).await;
            }
            CallEvent::Joined { email, name, capabilities } => {
                self.of.people.came_with(&email, capabilities);
                self.handle_event(CallEvent::Joined { email: email.clone(), name, capabilities }).await;
                self.take_up(pump).await;
                self.look_at(pump, &email).await;
                self.offer_waiting(pump).await;
            }
            event => {
                let clip = clip_of(&event);
                self.handle_event(event).await;
                if let Some((email, data)) = clip {
                    self.clip_announced(pump, &email, &data).await;
                }
            }
        }
    }

    pub(super) async fn received(&mut self, email: &Email, content: Content) {
        let conversation = self.conversation.clone();
        if *email == self.of.email {
            return self.said_elsewhere(content).await;
        }
        if keeps_open(&content) {
            self.last_said = Instant::now();
        }
        if let Content::Typing { .. } = content {
            let sender = self.ghost(email);
            return self.tell(RemoteKind::Typing { conversation, sender }).await;
        }
        if let Content::Ink(ink) = &content
            && let Some(file) = self.handwriting(ink).await
        {
            return self.show_file(email, file).await;
        }
        let sender = self.ghost(email);
        if let Some(body) = convert::body(content) {
            let body = self.with_emoticons(email, body);
            self.tell(RemoteKind::Message { conversation, sender, body, at: time_of_day() }).await;
        }
    }

    /// Another client of the own account spoke.
    async fn said_elsewhere(&mut self, content: Content) {
        self.last_said = Instant::now();
        if let Some(body) = convert::body(content) {
            let conversation = self.conversation.clone();
            self.tell(RemoteKind::OwnMessage { conversation, body, at: time_of_day() }).await;
        }
    }

    /// The others may have spoken before they knew that we left, and were told that it arrived (§6.3): what still comes
    /// is heard, until the server closes.
    async fn hear_last_words(&mut self, pump: &mut Pump<SwitchboardSession>) {
        let until = Instant::now() + LAST_WORDS;
        while let Ok(Ok(event)) = tokio::time::timeout_at(until, pump.next()).await {
            self.heard(pump, event).await;
        }
    }

    /// The call is over: what can go on elsewhere does, of the rest everybody hears.
    pub(super) async fn wind_up(
        &mut self,
        mut pump: Pump<SwitchboardSession>,
        mailbox: &mut mpsc::Receiver<CallCommand>,
        broke: bool,
    ) {
        mailbox.close();
        self.offers_are_lost(None).await;
        let suspended = if broke { self.set_aside().await } else { None };
        if !broke {
            self.hear_last_words(&mut pump).await;
        }
        pump.machine.abandon();
        while let Some(event) = crate::msn::session::Machine::poll_event(&mut pump.machine) {
            self.handle_event(event).await;
        }
        self.close_direct().await;
        self.streams_are_lost().await;
        self.transfers_are_lost().await;
        self.nobody_to_give_to(&never_offered(&CallFailure::Lost));
        self.say_progress().await;
        self.sendings
            .drain()
            .for_each(|(_, sending)| drop(sending.reply.send(Err(CallFailure::Lost.into()))));
        while let Some(ask) = mailbox.recv().await {
            refuse(ask, &CallFailure::Lost);
        }
        pump.close().await;
        if let Some(waiting) = suspended {
            self.hand_over(waiting).await;
            self.transfers_are_lost().await;
            self.say_progress().await;
        }
    }
}

/// Whether a board on which this is heard is in use: words and typing are; keep-alives, and what else nobody reads, are not.
fn keeps_open(content: &Content) -> bool {
    !matches!(content, Content::Other { .. })
}

/// A wink or a voice clip: who sent it, and what it is called.
fn clip_of(event: &CallEvent) -> Option<(Email, String)> {
    match event {
        CallEvent::Received { email, content: Content::Datacast { id: 2 | 3, data }, .. } => {
            Some((email.clone(), data.clone()))
        }
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
