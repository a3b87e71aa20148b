//! Who was called and is still on the way, and why the last who did not come did not (§6.1).
//!
//! Knows when a call stops forming, which is when what waits in it is sent or fails. Refuses to know who is here, and
//! how somebody is called.

use std::time::{Duration, Instant};

use super::event::InviteFailure;
use crate::msn::ids::Email;

/// How long somebody who was called may take to join: under the 30 s after which a sender is told.
const JOIN_TIMEOUT: Duration = Duration::from_secs(25);

#[derive(Debug)]
struct Invite {
    email: Email,
    deadline: Instant,
}

/// The invitations of one call.
#[derive(Debug)]
pub(super) struct Invites {
    /// Whether the board has let us in: nobody can be called before.
    opened: bool,
    /// To be invited once the board has let us in.
    to_invite: Vec<Email>,
    ringing: Vec<Invite>,
    last_failure: Option<InviteFailure>,
    /// Those called at the beginning, or called again, are still on their way: what is said waits for all of them.
    gathering: bool,
}

impl Invites {
    /// Of a call that is not open yet; `to_invite` are called once it is.
    pub(super) fn new(to_invite: Vec<Email>) -> Self {
        Self { opened: false, to_invite, ringing: Vec::new(), last_failure: None, gathering: true }
    }

    /// The board has let us in: those who are to be called now.
    pub(super) fn open(&mut self) -> Vec<Email> {
        self.opened = true;
        std::mem::take(&mut self.to_invite)
    }

    /// Whether somebody is to be called now; from then on they are awaited. Otherwise [`Invites::open`] names them.
    pub(super) fn add(&mut self, now: Instant, email: &Email) -> bool {
        if self.opened {
            self.ringing.push(Invite { email: email.clone(), deadline: now + JOIN_TIMEOUT });
        } else {
            self.to_invite.push(email.clone());
        }
        self.opened
    }

    /// Whether somebody may still join by themselves.
    pub(super) fn is_forming(&self) -> bool {
        !self.opened || !self.ringing.is_empty() || !self.to_invite.is_empty()
    }

    /// What is said from now on waits until nobody is on the way any more.
    pub(super) fn gather(&mut self) {
        self.gathering = true;
    }

    /// Whether words wait until everybody who was called has come or has not.
    pub(super) fn is_gathering(&self) -> bool {
        self.gathering
    }

    /// Whether everybody who was called has come or has not: what waited can be sent then.
    pub(super) fn check_gathered(&mut self) -> bool {
        let is_forming = self.is_forming();
        self.gathering &= is_forming;
        !is_forming
    }

    /// Somebody has come, or need not be waited for.
    pub(super) fn settle(&mut self, email: &Email) {
        self.ringing.retain(|invite| invite.email != *email);
    }

    /// Somebody will not come.
    pub(super) fn fail(&mut self, email: &Email, failure: InviteFailure) {
        self.settle(email);
        self.last_failure = Some(failure);
    }

    /// Somebody who has been rung for longer than [`JOIN_TIMEOUT`].
    pub(super) fn take_overdue(&mut self, now: Instant) -> Option<Email> {
        let overdue = self.ringing.iter().position(|invite| invite.deadline <= now)?;
        Some(self.ringing.remove(overdue).email)
    }

    /// Why nobody is here: the reason of the last who did not come.
    pub(super) fn failure(&self) -> InviteFailure {
        self.last_failure.clone().unwrap_or(InviteFailure::NoAnswer)
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.ringing.iter().map(|invite| invite.deadline).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_forms_until_everybody_who_was_called_has_come_or_is_overdue() {
        let (now, bob) = (Instant::now(), Email::parse("bob@example.com").unwrap());
        let carol = Email::parse("carol@example.com").unwrap();
        let mut invites = Invites::new(vec![bob.clone()]);
        assert!(!invites.add(now, &carol), "the board is not open");
        assert_eq!(invites.open(), [bob.clone(), carol.clone()]);
        assert!(invites.add(now, &bob) && invites.add(now, &carol));
        assert!(!invites.check_gathered() && invites.is_gathering());
        invites.settle(&bob);
        assert!(!invites.check_gathered());
        assert_eq!(invites.take_overdue(now + JOIN_TIMEOUT - Duration::from_millis(1)), None);
        assert_eq!(invites.next_timeout(), Some(now + JOIN_TIMEOUT));
        assert_eq!(invites.take_overdue(now + JOIN_TIMEOUT), Some(carol));
        assert!(invites.check_gathered() && !invites.is_gathering());
    }
}
