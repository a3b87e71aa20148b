//! Who is in a call, with which clients, and who was dropped for being idle (§6.3).
//!
//! Knows that one person may be here with several clients, and is gone with the last of them (§18.5). Refuses to know
//! commands and messages.

use crate::msn::endpoint::MachineId;
use crate::msn::ids::{Capabilities, Email};

/// Most clients of one member that are told apart.
const MAX_MACHINES: usize = 16;

/// Most people who are remembered as dropped.
const MAX_DROPPED: usize = 64;

/// Somebody in the call, as the server names them.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) email: Email,
    /// The clients that they are here with, where the server names them.
    pub(super) machines: Vec<MachineId>,
    pub(super) capabilities: Option<Capabilities>,
}

impl Member {
    fn add_machines(&mut self, machines: Vec<MachineId>) {
        for machine in machines {
            if !self.machines.contains(&machine) && self.machines.len() < MAX_MACHINES {
                self.machines.push(machine);
            }
        }
    }
}

/// Everybody in one call besides its own account.
#[derive(Debug, Default)]
pub(super) struct Members {
    present: Vec<Member>,
    /// Dropped by the server for being idle while others stayed: called again before the next words.
    dropped: Vec<Email>,
}

impl Members {
    /// Everybody who is here, in the order in which they came.
    pub(super) fn emails(&self) -> impl Iterator<Item = &Email> {
        self.present.iter().map(|member| &member.email)
    }

    pub(super) fn len(&self) -> usize {
        self.present.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    /// Whether anybody is here, and each of them announced this capability (§4.3).
    pub(super) fn all_have(&self, capability: u32) -> bool {
        let has = |m: &Member| m.capabilities.is_some_and(|c| c.has(capability));
        !self.is_empty() && self.present.iter().all(has)
    }

    /// Whether this is somebody new, and not a further client of somebody who is here.
    pub(super) fn join(&mut self, member: Member) -> bool {
        match self.present.iter_mut().find(|known| known.email == member.email) {
            Some(known) => {
                known.add_machines(member.machines);
                false
            }
            None => {
                self.present.push(member);
                true
            }
        }
    }

    /// Nobody has to be called who has come by themselves.
    pub(super) fn forget_dropped(&mut self, email: &Email) {
        self.dropped.retain(|dropped| dropped != email);
    }

    /// Whether somebody whose client on this machine has gone is still here with another one (§18.5).
    pub(super) fn is_elsewhere_too(&mut self, email: &Email, machine: Option<&MachineId>) -> bool {
        let Some(machine) = machine else { return false };
        let Some(member) = self.present.iter_mut().find(|known| known.email == *email) else { return false };
        member.machines.retain(|known| known != machine);
        !member.machines.is_empty()
    }

    /// Whether somebody who left had been here. `idle`: they are to be called again.
    pub(super) fn leave(&mut self, email: &Email, idle: bool) -> bool {
        let before = self.len();
        self.present.retain(|member| member.email != *email);
        let was_here = self.len() < before;
        if was_here && idle && self.dropped.len() < MAX_DROPPED {
            self.dropped.push(email.clone());
        }
        was_here
    }

    /// Those to be called again before the next words. In a call that is empty nothing waits for them: they stay.
    pub(super) fn take_dropped(&mut self) -> Vec<Email> {
        if self.is_empty() { Vec::new() } else { std::mem::take(&mut self.dropped) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, machine: Option<&MachineId>) -> Member {
        let email = Email::parse(name).unwrap();
        Member { email, machines: machine.cloned().into_iter().collect(), capabilities: None }
    }

    #[test]
    fn somebody_who_was_dropped_is_called_again_once_and_only_while_others_are_here() {
        let mut members = Members::default();
        let (bob, carol) = (member("bob@example.com", None), member("carol@example.com", None));
        let (bob_email, carol_email) = (bob.email.clone(), carol.email.clone());
        assert!(members.join(bob) && members.join(carol));
        assert!(members.leave(&bob_email, true));
        assert!(!members.leave(&bob_email, true), "they had left already");
        assert_eq!(members.take_dropped(), [bob_email]);
        assert_eq!(members.take_dropped(), []);
        assert!(members.leave(&carol_email, true));
        assert_eq!(members.take_dropped(), [], "nobody is here");
        assert!(members.join(member("bob@example.com", None)));
        members.forget_dropped(&carol_email);
        assert_eq!(members.take_dropped(), [], "she has come by herself");
    }
}
