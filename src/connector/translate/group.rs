//! Group conversations: a call with several people is one conversation, and the same people later are the same one.
//!
//! Knows who is which group, on the disk. Refuses to know calls.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::bridge::ids::{ConversationId, LoginId};
use crate::bridge::port::storage::{Batch, StorageError, Table, Urgency};
use crate::connector::context::Shared;
use crate::connector::translate::convert;
use crate::msn::ids::Email;

/// What group conversation ids start with; an account cannot.
const PREFIX: &str = "group:";
/// Most groups of one login that are looked through.
const MAX_GROUPS: usize = 1000;

/// A group as it is stored: the accounts of its members.
#[derive(Serialize, Deserialize)]
struct Record {
    members: Vec<String>,
}

impl Record {
    /// Who is in it. A record of an earlier version may know one person under several forms of their account.
    fn people(&self) -> Vec<Email> {
        self.members.iter().filter_map(|member| Email::parse(member).ok()).collect()
    }

    /// Whether these are exactly its members; `wanted` is sorted.
    fn is_of(&self, wanted: &[String]) -> bool {
        sorted(&self.people()) == wanted
    }

    /// Whether everybody in it is one of these, and more of them are not.
    fn is_less_than(&self, wanted: &[String]) -> bool {
        let people = sorted(&self.people());
        people.len() < wanted.len() && people.iter().all(|person| wanted.contains(person))
    }

    /// Whether these are members of it, and not all of them.
    fn is_more_than(&self, wanted: &[String]) -> bool {
        let people = sorted(&self.people());
        people.len() > wanted.len() && wanted.iter().all(|person| people.contains(person))
    }
}

/// Login, NUL, group: the groups of a login lie together.
fn row(login: &LoginId, group: &str) -> Vec<u8> {
    [login.as_str().as_bytes(), b"\0", group.as_bytes()].concat()
}

fn sorted(members: &[Email]) -> Vec<String> {
    let mut keys: Vec<String> = members.iter().map(Email::to_key).collect();
    keys.sort();
    keys.dedup();
    keys
}

/// The conversation with these people, as a configuration that names them knows it: with one it is theirs, with several
/// a group whose id follows from who they are.
pub fn conversation_of(members: &[Email]) -> ConversationId {
    single(members).unwrap_or_else(|| {
        let digest = Sha256::digest(sorted(members).join("\0"));
        let id = digest.iter().take(8).fold(String::new(), |id, byte| format!("{id}{byte:02x}"));
        ConversationId::new(format!("{PREFIX}{id}"))
    })
}

/// One group; a row that cannot be read counts as none.
fn read(shared: &Shared, login: &LoginId, group: &ConversationId) -> Result<Option<Record>, StorageError> {
    let stored = shared.storage.read(Table::Groups, &row(login, group.as_str()))?;
    Ok(stored.and_then(|value| serde_json::from_slice(&value).ok()))
}

/// Writes down a group that the configuration names, unless it is known: then whoever came or left since counts.
///
/// # Errors
/// The disk has failed.
pub(in crate::connector) async fn ensure(
    shared: &Shared,
    login: &LoginId,
    members: &[Email],
) -> Result<(), StorageError> {
    let group = conversation_of(members);
    match is_group(&group) && read(shared, login, &group)?.is_none() {
        true => remember(shared, login, &group, members).await,
        false => Ok(()),
    }
}

/// The conversation of exactly these people, if there is one. Where several groups have come to have the same members it
/// is the one whose id follows from them.
///
/// # Errors
/// The disk has failed.
pub(in crate::connector) async fn find(
    shared: &Shared,
    login: &LoginId,
    members: &[Email],
) -> Result<Option<ConversationId>, StorageError> {
    let wanted = sorted(members);
    let proper = conversation_of(members);
    match read(shared, login, &proper)? {
        Some(record) if record.is_of(&wanted) => return Ok(Some(proper)),
        // Somebody was taken out of it since: earlier versions did so when a window was closed. They are back.
        Some(record) if record.is_less_than(&wanted) => {
            remember(shared, login, &proper, members).await?;
            return Ok(Some(proper));
        }
        _ => {}
    }
    let same = |record: &Record| record.is_of(&wanted);
    Ok(groups(shared, login)?.into_iter().find(|(_, record)| same(record)).map(|(group, _)| group))
}

/// Whether a group has all these people and more.
///
/// # Errors
/// The disk has failed.
pub(in crate::connector) fn is_part_of_another(
    shared: &Shared,
    login: &LoginId,
    members: &[Email],
) -> Result<bool, StorageError> {
    let wanted = sorted(members);
    Ok(groups(shared, login)?.iter().any(|(_, record)| record.is_more_than(&wanted)))
}

/// The groups of a login, 1,000 at most.
fn groups(shared: &Shared, login: &LoginId) -> Result<Vec<(ConversationId, Record)>, StorageError> {
    let prefix = row(login, "");
    let rows = shared.storage.scan(Table::Groups, &prefix, None, MAX_GROUPS)?;
    let group = |(key, value): (Vec<u8>, Vec<u8>)| {
        let id = String::from_utf8_lossy(&key[prefix.len()..]).into_owned();
        Some((ConversationId::new(id), serde_json::from_slice(&value).ok()?))
    };
    Ok(rows.into_iter().filter_map(group).collect())
}

/// The same; a new one is written down.
///
/// # Errors
/// The disk has failed.
pub(in crate::connector) async fn find_or_make(
    shared: &Shared,
    login: &LoginId,
    members: &[Email],
) -> Result<ConversationId, StorageError> {
    if let Some(known) = find(shared, login, members).await? {
        return Ok(known);
    }
    let proper = conversation_of(members);
    let group = match read(shared, login, &proper)? {
        None => proper,
        // Others are in that one by now.
        Some(_) => ConversationId::new(format!("{PREFIX}{:016x}", rand::random::<u64>())),
    };
    remember(shared, login, &group, members).await?;
    Ok(group)
}

/// Writes down who is in a group now.
///
/// # Errors
/// The disk has failed.
pub(in crate::connector) async fn remember(
    shared: &Shared,
    login: &LoginId,
    group: &ConversationId,
    members: &[Email],
) -> Result<(), StorageError> {
    let record = Record { members: sorted(members) };
    let mut batch = Batch::default();
    batch.put(Table::Groups, row(login, group.as_str()), serde_json::to_vec(&record).unwrap_or_default());
    shared.storage.commit(batch, Urgency::Now).await
}

/// Whom to call for a conversation.
pub(in crate::connector) fn members(
    shared: &Shared,
    login: &LoginId,
    conversation: &ConversationId,
) -> Vec<Email> {
    if !is_group(conversation) {
        return Email::parse(conversation.as_str()).into_iter().collect();
    }
    let record = read(shared, login, conversation).ok().flatten();
    record.map(|record| record.people()).unwrap_or_default()
}

/// Whether a conversation is a group and not with one contact, by its id alone.
pub(in crate::connector) fn is_group(conversation: &ConversationId) -> bool {
    conversation.as_str().starts_with(PREFIX)
}

/// The conversation with these people when there is one of them, for callers that need no group.
pub(in crate::connector) fn single(members: &[Email]) -> Option<ConversationId> {
    match members {
        [only] => Some(convert::direct(only)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_11_a_group_of_an_earlier_version_is_of_the_people_behind_its_accounts() {
        let members = ["1:bob@example.com", "bob@example.com;{a1}", "carol@example.com"];
        let record = Record { members: members.map(str::to_owned).into() };
        let people = ["Carol@example.com", "bob@example.com"].map(|email| Email::parse(email).unwrap());
        assert!(record.is_of(&sorted(&people)));
        assert!(!record.is_of(&sorted(&people[..1])));
        assert!(record.is_more_than(&sorted(&people[..1])) && !record.is_more_than(&sorted(&people)));
        let three = sorted(&[&people[..], &[Email::parse("dave@e.c").unwrap()]].concat());
        assert!(record.is_less_than(&three) && !record.is_less_than(&sorted(&people)));
    }

    fn people(names: &[&str]) -> Vec<Email> {
        names.iter().map(|name| Email::parse(&format!("{name}@example.com")).unwrap()).collect()
    }

    #[tokio::test]
    async fn fault_18_the_same_people_are_the_same_group_whatever_was_written_down_of_them() {
        let (shared, login) = (crate::connector::tests::alone(), LoginId::new("ann"));
        let three = people(&["bob", "carol", "dave"]);
        let group = find_or_make(&shared, &login, &three).await.unwrap();
        // An earlier version took out of it who closed their window.
        remember(&shared, &login, &group, &three[..2]).await.unwrap();
        assert_eq!(find(&shared, &login, &three).await.unwrap(), Some(group.clone()));
        assert_eq!(members(&shared, &login, &group), three);
        // Others have come into it since: it is theirs now, and the three are another one, each time the same.
        remember(&shared, &login, &group, &people(&["bob", "carol", "dave", "erin"])).await.unwrap();
        assert_eq!(find(&shared, &login, &three).await.unwrap(), None);
        assert!(is_part_of_another(&shared, &login, &three).unwrap());
        let other = find_or_make(&shared, &login, &three).await.unwrap();
        assert_ne!(other, group);
        for order in [[2, 0, 1], [1, 2, 0]] {
            let again = order.map(|at: usize| three[at].clone());
            assert_eq!(find_or_make(&shared, &login, &again).await.unwrap(), other);
        }
        // Another login has groups of its own.
        assert_eq!(find(&shared, &LoginId::new("eve"), &three).await.unwrap(), None);
    }
}
