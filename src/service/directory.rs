//! The directory: every account, and what their lists say of each other (§3).
//!
//! Knows passwords, lists, groups and settings. Refuses to know who is signed in. Everything is kept in memory.

mod account;
mod line;

use std::collections::BTreeMap;

pub(super) use account::{Account, Group, Listed, NAME, is_public};
pub use line::{AccountLine, parse_accounts};

use super::random::Random;
use crate::msn::command::{ListKind, ListMask};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{ContactId, Email};
use crate::msn::wire::UrlText;

/// Every account there is; none comes or goes while the service runs.
#[derive(Debug)]
pub(super) struct Directory {
    /// By [`Email::to_key`].
    accounts: BTreeMap<String, Account>,
}

impl Directory {
    /// Accounts with empty lists; of two with one address the later stays.
    pub(super) fn new(lines: Vec<AccountLine>) -> Self {
        Self { accounts: lines.into_iter().map(|line| (line.email.to_key(), Account::new(line))).collect() }
    }

    /// An account, whatever the case of its address.
    pub(super) fn get(&self, email: &Email) -> Option<&Account> {
        self.accounts.get(&email.to_key())
    }

    /// An account, whatever the case of its address.
    pub(super) fn get_mut(&mut self, email: &Email) -> Option<&mut Account> {
        self.accounts.get_mut(&email.to_key())
    }

    /// The account of a name and a password, as its line wrote the address.
    pub(super) fn authenticate(&self, sign_in: &str, password: &str) -> Option<Email> {
        let account = self.get(&Email::parse(sign_in).ok()?)?;
        account.password_matches(password).then(|| account.email.clone())
    }

    /// Everybody who has `email` on the forward list. Their names stand on the reverse list of `email`: nobody else is
    /// looked at, however many accounts there are.
    pub(super) fn listed_by(&self, email: &Email) -> impl Iterator<Item = &Account> {
        let listed = self.get(email).into_iter().flat_map(|account| account.listed.iter());
        let by = listed.filter(|(_, l)| l.lists.has(ListKind::Reverse)).map(|(key, _)| key);
        let email = email.clone();
        by.filter_map(|key| self.accounts.get(key)).filter(move |a| a.lists(&email).has(ListKind::Forward))
    }

    /// Somebody as they come onto lists: on none and in no group yet, under the given name or their own.
    pub(super) fn newly_listed(&self, contact: &Email, name: Option<UrlText>, random: &mut Random) -> Listed {
        let known = self.get(contact).map(|account| (account.email.clone(), account.name.clone()));
        let (email, own_name) = known.unwrap_or_else(|| (contact.clone(), UrlText::encode(contact.as_str())));
        let id = ContactId(random.guid());
        let (name, lists) = (name.unwrap_or(own_name), ListMask::default());
        Listed { email, name, id, lists, groups: Vec::new() }
    }

    /// Puts everybody and the robots on each other's lists: company without an introduction.
    pub(super) fn befriend(&mut self, robots: &[Email], random: &mut Random) {
        let everybody: Vec<Email> = self.accounts.values().map(|account| account.email.clone()).collect();
        for (robot, other) in robots.iter().flat_map(|r| everybody.iter().map(move |e| (r, e))) {
            if robot != other {
                self.list(robot, other, random);
                self.list(other, robot, random);
            }
        }
    }

    /// As if both had added and allowed each other long ago; one side of it.
    fn list(&mut self, owner: &Email, contact: &Email, random: &mut Random) {
        for list in [ListKind::Forward, ListKind::Allow, ListKind::Reverse] {
            let fresh = self.newly_listed(contact, None, random);
            if let Some(account) = self.get_mut(owner) {
                account.put(fresh, list, None, Dialect::Msnp12);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn robots_and_everybody_list_and_allow_each_other() {
        let lines = parse_accounts("a@b.c,pw\nbot@b.c,pw\nother@b.c,pw").unwrap();
        let [a, bot, other] = [0, 1, 2].map(|at: usize| lines[at].email.clone());
        let mut directory = Directory::new(lines);
        directory.befriend(std::slice::from_ref(&bot), &mut Random::seeded(1));
        let by = |email| directory.listed_by(email).map(|account| account.email.clone()).collect::<Vec<_>>();
        assert_eq!(by(&bot), [a.clone(), other.clone()]);
        assert_eq!(by(&a), std::slice::from_ref(&bot));
        assert!(directory.get(&bot).unwrap().lists(&bot).is_empty());
        assert_eq!(directory.authenticate("OTHER@b.c", "pw"), Some(other));
        assert_eq!(directory.authenticate("a@b.c", "px"), None);
    }
}
