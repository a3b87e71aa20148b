//! Invitations: to applications that a bridge has not, shown and declined at once, so that nobody waits (§8); those to
//! files go on in `msnftp`.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::bridge::body::{Body, RichText};
use crate::bridge::event::RemoteKind;
use crate::connector::call::Call;
use crate::connector::clock::{now, time_of_day};
use crate::connector::net::pump::Pump;
use crate::msn::command::Acknowledge;
use crate::msn::ids::Email;
use crate::msn::message::{Application, CancelCode, Invitation, InvitationCommand, InvitationError};
use crate::msn::session::SwitchboardSession;

/// Declined invitations of one call that are remembered; what comes for an older one is answered again.
const REMEMBERED: usize = 32;

/// What was declined: its end was said, and what still comes of it is no news.
#[derive(Debug, Default)]
pub(in crate::connector) struct Declined {
    known: VecDeque<Known>,
}

#[derive(Debug)]
struct Known {
    who: Email,
    cookie: u32,
    /// What it was about: cookies may be used again.
    subject: String,
}

impl Declined {
    /// Remembers that an invitation came to nothing.
    pub(in crate::connector) fn remember(&mut self, who: &Email, invitation: &Invitation) {
        if self.known.len() == REMEMBERED {
            self.known.pop_front();
        }
        let (who, cookie) = (who.clone(), invitation.cookie);
        self.known.push_back(Known { who, cookie, subject: subject(invitation) });
    }

    fn knows(&self, who: &Email, cookie: u32) -> bool {
        self.known.iter().any(|known| known.who == *who && known.cookie == cookie)
    }

    /// Whether this invites to what was declined already.
    fn is_repeated(&self, who: &Email, invitation: &Invitation) -> bool {
        let same = |known: &&Known| known.who == *who && known.cookie == invitation.cookie;
        self.known.iter().filter(same).any(|known| known.subject == subject(invitation))
    }
}

fn subject(invitation: &Invitation) -> String {
    format!("{:?} {:?}", invitation.application(), invitation.file())
}

impl Call {
    pub(in crate::connector) async fn invited_to(
        &mut self,
        pump: &mut Pump<SwitchboardSession>,
        email: &Email,
        read: Result<Invitation, InvitationError>,
    ) {
        self.last_said = Instant::now();
        let shown = match read {
            Ok(invitation) => self.answer(pump, email, &invitation).await,
            Err(error) => {
                tracing::info!(%error, "an invitation cannot be read");
                Some("sent an invitation that cannot be read here".to_owned())
            }
        };
        let Some(text) = shown.and_then(|text| self.transfers.refusal(text)) else { return };
        let sender = self.ghost(email);
        let (conversation, body) = (self.conversation.clone(), Body::Emote(RichText::plain(text)));
        self.tell(RemoteKind::Message { conversation, sender, body, at: time_of_day() }).await;
    }

    /// Ends what was begun; gives what is shown of it.
    async fn answer(
        &mut self,
        pump: &mut Pump<SwitchboardSession>,
        email: &Email,
        invitation: &Invitation,
    ) -> Option<String> {
        let cookie = invitation.cookie;
        match invitation.command {
            // The same offer again, which has its answer: to answer it each time could go on for ever.
            InvitationCommand::Invite if self.declined.is_repeated(email, invitation) => None,
            InvitationCommand::Invite if self.is_offered(email, cookie) => None,
            InvitationCommand::Invite if invitation.application() == Application::File => {
                let declined = self.stream_offered(pump, email, invitation).await;
                declined.inspect(|_| self.declined.remember(email, invitation))
            }
            InvitationCommand::Accept if self.stream_accepted(pump, email, invitation).await => None,
            InvitationCommand::Cancel if self.stream_cancelled(email, invitation).await => None,
            InvitationCommand::Invite => {
                self.declined.remember(email, invitation);
                decline(pump, cookie, &CancelCode::RejectNotInstalled);
                Some(invited(invitation))
            }
            // Of a negotiation that was never begun here: it must not stay open over there.
            InvitationCommand::Accept | InvitationCommand::Context => {
                if !self.declined.knows(email, cookie) {
                    self.declined.remember(email, invitation);
                    decline(pump, cookie, &CancelCode::Fail);
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
}

fn invited(invitation: &Invitation) -> String {
    let application = invitation.application();
    format!("invites you to {application}; it was declined, since there is no program for it here")
}

fn decline(pump: &mut Pump<SwitchboardSession>, cookie: u32, code: &CancelCode) {
    let payload = Invitation::cancel(cookie, code).encode().encode().into();
    pump.machine.send(now(), Acknowledge::OnFailure, payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_22_an_invitation_is_repeated_by_the_same_person_under_the_same_cookie_to_the_same_thing() {
        let email = |name: &str| Email::parse(&format!("{name}@example.com")).unwrap();
        let voice = |cookie| {
            Invitation::new(InvitationCommand::Invite, cookie)
                .with("Application-GUID", "{02D3C01F-BF30-4825-A83A-DE7AF41648AA}")
        };
        let mut declined = Declined::default();
        declined.remember(&email("bob"), &voice(7));
        assert!(declined.is_repeated(&email("bob"), &voice(7)));
        assert!(!declined.is_repeated(&email("bob"), &voice(8)));
        assert!(!declined.is_repeated(&email("carol"), &voice(7)));
        let file = Invitation::new(InvitationCommand::Invite, 7).with("Application-File", "a.txt");
        assert!(!declined.is_repeated(&email("bob"), &file), "cookies are used again");
        assert!(declined.knows(&email("bob"), 7));
        for cookie in 100..200 {
            declined.remember(&email("bob"), &voice(cookie));
        }
        assert_eq!(declined.known.len(), REMEMBERED);
        assert!(!declined.knows(&email("bob"), 7), "the oldest goes");
    }
}
