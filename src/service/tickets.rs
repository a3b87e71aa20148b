//! Passport tickets: what the login pages hand out, and `USR TWN S` and the pages of offline messages take (§2.6, §18, §27).
//!
//! Knows texts, owners and times. Refuses to know passwords: the directory checks them before a ticket is issued.

use std::collections::HashMap;
use std::time::Instant;

use super::random::Random;
use super::rules::TICKET_LIFE;
use crate::msn::ids::Email;
use crate::msn::sso::ProofSecret;

/// The policy of `USR TWN S` (§2.4): a client hands it on to the login page, unchanged and unread.
pub(super) const POLICY: &str = "lc=1033,id=507,tw=40,fs=1,ru=http%3A%2F%2Fmessenger%2Emsn%2Ecom,ct=1062764229,kpp=1,kv=5,ver=2.1.0173.1,tpf=43f8a4c8ed940c04e3740be46c4d1619";

/// The policy of `USR SSO S`: the ticket is proved by the secret that came with it (§18.4).
pub(super) const PROOF_POLICY: &str = "MBI_KEY_OLD";
/// Random bytes of a nonce, which are 64 characters of base64.
pub(super) const NONCE: usize = 48;

/// A ticket, and whose it is.
#[derive(Debug)]
struct HeldTicket {
    text: String,
    owner: Email,
    /// What the owner's program proves to hold (§18.4).
    secret: ProofSecret,
    until: Instant,
    /// Ten digits that a program is to answer before it stores an offline message (§27.3).
    challenge: Option<String>,
}

/// A ticket as its owner gets it.
#[derive(Debug, Clone)]
pub(super) struct Issued {
    pub(super) text: String,
    pub(super) secret: ProofSecret,
}

/// Every ticket that is still good, by the part of it that counts.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    held: HashMap<String, HeldTicket>,
}

/// The part of a ticket that counts: behind `t=`, up to the next field. Some clients send no more than that.
fn key(ticket: &str) -> &str {
    let bare = ticket.strip_prefix("t=").unwrap_or(ticket);
    bare.split('&').next().unwrap_or_default()
}

impl Tickets {
    /// A new ticket, `t=` 32 hexadecimal digits, `&p=` 16 more. An account can have several at once.
    pub(super) fn issue(&mut self, now: Instant, owner: Email, random: &mut Random) -> Issued {
        let key = random.hex(32);
        let text = format!("t={key}&p={}", random.hex(16));
        let issued = Issued { text: text.clone(), secret: ProofSecret::new(random.bytes()) };
        let (secret, until) = (issued.secret.clone(), now + TICKET_LIFE);
        self.held.insert(key, HeldTicket { text, owner, secret, until, challenge: None });
        issued
    }

    /// Whether a ticket, given whole, signs this account in.
    pub(super) fn admits(&self, now: Instant, ticket: &str, email: &Email) -> bool {
        let held = self.held.get(key(ticket));
        held.is_some_and(|held| held.text == ticket && held.owner == *email && held.until > now)
    }

    /// Whether a proof for a nonce was made with the secret of this ticket (§18.4).
    pub(super) fn proves(&self, ticket: &str, nonce: &str, proof: &str) -> bool {
        self.held.get(key(ticket)).is_some_and(|held| held.secret.verifies(nonce, proof))
    }

    /// Whose ticket it is; its first half is enough.
    pub(super) fn owner(&self, ticket: &str) -> Option<&Email> {
        self.held.get(key(ticket)).map(|held| &held.owner)
    }

    /// The challenge of a ticket: `fresh` from the first time on, so that a program that asks again has the same to answer.
    pub(super) fn challenge(&mut self, ticket: &str, fresh: String) -> Option<&str> {
        let held = self.held.get_mut(key(ticket))?;
        Some(held.challenge.get_or_insert(fresh))
    }

    /// Forgets the tickets whose time is up.
    pub(super) fn expire(&mut self, now: Instant) {
        self.held.retain(|_, ticket| ticket.until > now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    #[test]
    fn a_ticket_signs_its_owner_in_whole_and_names_them_by_half_until_its_time_is_up() {
        let (now, mut tickets, mut random) = (Instant::now(), Tickets::default(), Random::seeded(1));
        let Issued { text, .. } = tickets.issue(now, email("a@b.c"), &mut random);
        let half = text.split('&').next().unwrap();
        assert!(tickets.admits(now, &text, &email("a@b.c")));
        assert!(!tickets.admits(now, half, &email("a@b.c")) && !tickets.admits(now, &text, &email("d@b.c")));
        assert_eq!(tickets.owner(half), Some(&email("a@b.c")));
        assert!(!tickets.admits(now + TICKET_LIFE, &text, &email("a@b.c")));
        tickets.expire(now + TICKET_LIFE - Duration::from_secs(1));
        assert!(tickets.owner(&text).is_some());
        tickets.expire(now + TICKET_LIFE);
        assert_eq!(tickets.owner(&text), None);
    }

    #[test]
    fn a_challenge_stays_the_same_for_one_ticket() {
        let (mut tickets, mut random) = (Tickets::default(), Random::seeded(1));
        let Issued { text, .. } = tickets.issue(Instant::now(), email("a@b.c"), &mut random);
        assert_eq!(tickets.challenge(&text, "1".into()), Some("1"));
        assert_eq!(tickets.challenge(&text, "2".into()), Some("1"));
        assert_eq!(tickets.challenge("t=none", "3".into()), None);
    }
}
