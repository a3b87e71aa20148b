//! Invitations: to applications that a bridge has not, shown and declined at once, so that nobody waits (§8); those to
//! files go on in `msnftp`.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::call::{Call, time_of_day};
use super::pump::{Pump, now};
use crate::bridge::body::{Body, RichText};
use crate::bridge::event::RemoteKind;
use crate::msn::command::Acknowledge;
use crate::msn::ids::Email;
use crate::msn::message::{Application, CancelCode, Invitation, InvitationCommand, InvitationError};
use crate::msn::session::SwitchboardSession;

/// Declined invitations of one call that are remembered; what comes for an older one is answered again.
const REMEMBERED: usize = 32;

/// What was declined: its end was said, and what still comes of it is no news.
#[derive(Debug, Default)]
pub(super) struct Declined {
    cookies: VecDeque<(Email, u32)>,
}

impl Declined {
    fn remember(&mut self, who: &Email, cookie: u32) {
        if self.cookies.len() == REMEMBERED {
            self.cookies.pop_front();
        }
        self.cookies.push_back((who.clone(), cookie));
    }

    fn knows(&self, who: &Email, cookie: u32) -> bool {
        self.cookies.iter().any(|(known, number)| known == who && *number == cookie)
    }
}

impl Call {
    pub(super) async fn invited_to(
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
        let Some(text) = shown else { return };
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
            InvitationCommand::Invite if invitation.application() == Application::File => {
                self.stream_offered(pump, email, invitation).await
            }
            InvitationCommand::Accept if self.stream_accepted(pump, email, invitation).await => None,
            InvitationCommand::Cancel if self.stream_cancelled(email, invitation).await => None,
            InvitationCommand::Invite => {
                self.declined.remember(email, cookie);
                decline(pump, cookie, &CancelCode::RejectNotInstalled);
                Some(invited(invitation))
            }
            // Of a negotiation that was never begun here: it must not stay open over there.
            InvitationCommand::Accept | InvitationCommand::Context => {
                if !self.declined.knows(email, cookie) {
                    self.declined.remember(email, cookie);
                    decline(pump, cookie, &CancelCode::Fail);
                }
                None
            }
            InvitationCommand::Cancel if self.declined.knows(email, cookie) => None,
            InvitationCommand::Cancel => {
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
