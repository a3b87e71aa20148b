//! A switchboard: the people in one call, and those who were rung (§6).

use std::time::Instant;

use super::ids::ConnId;
use crate::msn::ids::Email;

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) conn: ConnId,
    pub(super) email: Email,
}

#[derive(Debug)]
pub(super) struct Board {
    pub(super) members: Vec<Member>,
    /// Rung and not yet there, until their cookie runs out.
    pub(super) rung: Vec<(Email, Instant)>,
    pub(super) last_traffic: Instant,
}

impl Board {
    pub(super) fn new(now: Instant) -> Self {
        Self { members: Vec::new(), rung: Vec::new(), last_traffic: now }
    }

    pub(super) fn others(&self, conn: ConnId) -> Vec<Member> {
        self.members.iter().filter(|member| member.conn != conn).cloned().collect()
    }

    /// In the call, or on the way into it.
    pub(super) fn expects(&self, now: Instant, email: &Email) -> bool {
        let inside = self.members.iter().any(|member| member.email == *email);
        inside || self.rung.iter().any(|(rung, until)| rung == email && *until > now)
    }
}
