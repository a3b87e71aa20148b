//! An account: what it is, whom it lists, and what it shows while signed in (§3, §4).

use std::collections::BTreeMap;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::ServiceError;
use super::ids::ConnId;
use super::offline::message::OfflineMessage;
use crate::msn::command::{ListKind, ListMask, Status};
use crate::msn::ids::{Capabilities, ContactId, Email};
use crate::msn::wire::UrlText;

/// One line of the accounts file.
#[derive(Debug, Clone)]
pub struct AccountLine {
    pub email: Email,
    pub password: SecretString,
    pub name: String,
}

/// Reads «account, password, display name», one account a line; empty lines and lines that start with `#` are skipped.
pub fn parse_accounts(text: &str) -> Result<Vec<AccountLine>, ServiceError> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(line, text)| parse_account(text).map_err(|reason| ServiceError::Accounts { line, reason }))
        .collect()
}

fn parse_account(line: &str) -> Result<AccountLine, String> {
    let mut fields = line.splitn(3, ',').map(str::trim);
    let email = Email::parse(fields.next().unwrap_or_default()).map_err(|e| e.to_string())?;
    if !email.is_address() {
        return Err(format!("{email} is not an address"));
    }
    let password = fields.next().filter(|p| !p.is_empty()).ok_or("the password is missing")?;
    let name = fields.next().filter(|n| !n.is_empty()).unwrap_or(email.as_str()).to_owned();
    Ok(AccountLine { email, password: SecretString::from(password.to_owned()), name })
}

/// Somebody on an account's lists.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) email: Email,
    pub(super) name: UrlText,
    pub(super) id: ContactId,
    pub(super) lists: ListMask,
    /// Numbers of the groups they are in; none means the first one up to MSNP9, and ungrouped after. The first one, 0,
    /// stands here beside others only.
    pub(super) groups: Vec<u32>,
}

impl Listed {
    /// Whether they are in a group as MSNP8 and MSNP9 see it, where everybody is in one.
    pub(super) fn is_in(&self, group: u32) -> bool {
        self.groups.contains(&group) || (group == 0 && self.groups.is_empty())
    }

    /// Into one more group. `numbered` says whether being in none is being in the first.
    pub(super) fn join(&mut self, group: u32, numbered: bool) {
        if numbered && self.groups.is_empty() && group != 0 {
            self.groups.push(0);
        }
        self.groups.push(group);
        self.tidy();
    }

    /// Out of one group.
    pub(super) fn leave(&mut self, group: u32) {
        self.groups.retain(|number| *number != group);
        self.tidy();
    }

    fn tidy(&mut self) {
        if self.groups == [0] {
            self.groups.clear();
        }
    }
}

/// A group, by both of its names.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) number: u32,
    pub(super) guid: String,
    pub(super) name: UrlText,
}

/// An account and, while it is signed in, its presence.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) email: Email,
    password: SecretString,
    pub(super) name: UrlText,
    pub(super) listed: BTreeMap<String, Listed>,
    pub(super) groups: Vec<Group>,
    /// What group 0 is called, up to MSNP9.
    pub(super) first_group: UrlText,
    /// Counts the changes of the lists; shown up to MSNP9.
    pub(super) version: u32,
    pub(super) prompt: String,
    /// `AL` or `BL`: what happens to people on neither list.
    pub(super) privacy: String,
    pub(super) properties: BTreeMap<String, UrlText>,
    pub(super) session: Option<ConnId>,
    /// `None` before the first `CHG`.
    pub(super) status: Option<Status>,
    pub(super) capabilities: Capabilities,
    pub(super) object: Option<UrlText>,
    pub(super) personal: Bytes,
    /// Words that were left for it, in the order in which they came.
    pub(super) offline: Vec<OfflineMessage>,
}

/// Passport looks at no more of a password (§1.5).
const PASSWORD_CHARS: usize = 16;

impl Account {
    pub(super) fn new(line: AccountLine) -> Self {
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
            session: None,
            status: None,
            capabilities: Capabilities::default(),
            object: None,
            personal: Bytes::new(),
            offline: Vec::new(),
        }
    }

    pub(super) fn password_matches(&self, given: &str) -> bool {
        let cut = |text: &str| text.chars().take(PASSWORD_CHARS).collect::<String>();
        let (own, given) = (cut(self.password.expose_secret()), cut(given));
        own.as_bytes().ct_eq(given.as_bytes()).into()
    }

    pub(super) fn lists(&self, email: &Email) -> ListMask {
        self.listed.get(&email.to_key()).map(|listed| listed.lists).unwrap_or_default()
    }

    /// Whether `email` may see and call this account.
    pub(super) fn allows(&self, email: &Email) -> bool {
        let lists = self.lists(email);
        !lists.has(ListKind::Block) && (lists.has(ListKind::Allow) || self.privacy == "AL")
    }

    /// The status that `viewer` may see.
    pub(super) fn status_for(&self, viewer: &Email) -> Status {
        match self.status {
            Some(status) if status != Status::Hidden && self.allows(viewer) => status,
            _ => Status::Offline,
        }
    }

    pub(super) fn count(&self, list: ListKind) -> usize {
        self.listed.values().filter(|listed| listed.lists.has(list)).count()
    }

    /// What is forgotten when the session ends.
    pub(super) fn sign_out(&mut self) {
        self.session = None;
        self.status = None;
        self.object = None;
        self.personal = Bytes::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_line_by_line_and_errors_name_the_line() {
        let read = parse_accounts(
            "# people\n\nalice@example.com, se,cret, x\nbob@example.com,pw,Bob, the builder\n",
        );
        let read = read.unwrap();
        assert_eq!(read[0].name, "cret, x");
        assert_eq!(read[1].name, "Bob, the builder");
        let error = parse_accounts("alice@example.com,pw\nnobody").unwrap_err();
        assert!(error.to_string().starts_with("line 2 "), "{error}");
    }

    #[test]
    fn conf_028_only_sixteen_characters_of_a_password_count() {
        let line = |password: &str| AccountLine {
            email: Email::parse("a@b.c").unwrap(),
            password: SecretString::from(password.to_owned()),
            name: "A".into(),
        };
        let account = Account::new(line("pässword12345678"));
        assert!(account.password_matches("pässword12345678"));
        assert!(account.password_matches("pässword12345678 and more"));
        assert!(!account.password_matches("pässword1234567"));
        assert!(!account.password_matches("password12345678"));
    }
}
