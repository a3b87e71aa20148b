//! An account: its password, its lists, and who may see and call it (§2.6, §3.1).
//!
//! Knows what outlives a session. Refuses to know whether its owner is signed in, and what others are told of a change.

mod group;
mod listed;
mod setting;

use std::collections::BTreeMap;

pub(in crate::service) use group::Group;
pub(in crate::service) use listed::Listed;
use secrecy::{ExposeSecret, SecretString};
pub(in crate::service) use setting::{NAME, is_public};
use subtle::ConstantTimeEq;

use super::line::AccountLine;
use crate::msn::command::{ListKind, ListMask};
use crate::msn::ids::Email;
use crate::msn::wire::UrlText;

/// Passport looks at no more of a password (§1.5).
const PASSWORD_CHARS: usize = 16;

/// An account, as it stays from one session to the next.
#[derive(Debug)]
pub(in crate::service) struct Account {
    pub(in crate::service) email: Email,
    password: SecretString,
    /// The display name, which others see.
    pub(in crate::service) name: UrlText,
    /// Everybody on any of its lists, by [`Email::to_key`].
    pub(super) listed: BTreeMap<String, Listed>,
    /// Groups besides the first one, in the order in which they were made.
    pub(in crate::service) groups: Vec<Group>,
    /// The name of group 0, which everybody has up to MSNP9.
    pub(in crate::service) first_group: UrlText,
    /// Counts the changes of the lists, from 1; shown up to MSNP9.
    pub(in crate::service) version: u32,
    /// `GTC`: `A` if the client is to ask about who adds this account, else `N`.
    pub(in crate::service) prompt: String,
    /// `BLP`: `AL` or `BL`, the list on which people stand who are on neither.
    pub(in crate::service) privacy: String,
    /// Values of `PRP` by name, percent-encoded; 16 at most.
    pub(in crate::service) properties: BTreeMap<String, UrlText>,
}

impl Account {
    /// An account with empty lists, which everybody may see.
    pub(in crate::service) fn new(line: AccountLine) -> Self {
        Self {
            name: UrlText::encode(&line.name),
            email: line.email,
            password: line.password,
            listed: BTreeMap::new(),
            groups: Vec::new(),
            first_group: UrlText::encode("Other Contacts"),
            version: 1,
            prompt: "A".into(),
            privacy: "AL".into(),
            properties: BTreeMap::new(),
        }
    }

    /// Whether a password is right in its first 16 characters; takes as long wherever they differ.
    pub(in crate::service) fn password_matches(&self, given: &str) -> bool {
        let cut = |text: &str| text.chars().take(PASSWORD_CHARS).collect::<String>();
        let (own, given) = (cut(self.password.expose_secret()), cut(given));
        own.as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// The lists on which somebody stands.
    pub(in crate::service) fn lists(&self, email: &Email) -> ListMask {
        self.listed.get(&email.to_key()).map(|listed| listed.lists).unwrap_or_default()
    }

    /// Whether `email` may see and call this account: a block outweighs, and `BLP` decides about people on neither list.
    pub(in crate::service) fn allows(&self, email: &Email) -> bool {
        let lists = self.lists(email);
        !lists.has(ListKind::Block) && (lists.has(ListKind::Allow) || self.privacy == "AL")
    }

    /// Everybody on any list, in the order of their addresses.
    pub(in crate::service) fn everybody(&self) -> impl Iterator<Item = &Listed> {
        self.listed.values()
    }

    /// Counts a change of the lists, and gives the version after it.
    pub(in crate::service) fn bump(&mut self) -> u32 {
        self.version += 1;
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody at `example.com`, whose password and name are the first part of the address.
    pub(super) fn account(name: &str) -> Account {
        let email = Email::parse(&format!("{name}@example.com")).unwrap();
        Account::new(AccountLine { email, password: SecretString::from(name.to_owned()), name: name.into() })
    }

    #[test]
    fn conf_028_only_sixteen_characters_of_a_password_count() {
        let account = account("pässword12345678");
        assert!(account.password_matches("pässword12345678"));
        assert!(account.password_matches("pässword12345678 and more"));
        assert!(!account.password_matches("pässword1234567"));
        assert!(!account.password_matches("password12345678"));
    }
}
