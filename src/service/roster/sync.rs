//! `SYN`: an account's lists, groups, names and settings, as each dialect writes them (§3.2).
//!
//! Knows the order of the lines. Changes nothing: the handler sends them and marks the connection.

use crate::msn::command::{ContactEntry, ListKind, ServerCommand, SyncStamp};
use crate::msn::dialect::Dialect;
use crate::msn::ids::GroupId;
use crate::msn::wire::UrlText;
use crate::service::directory::{Account, Directory, Group, Listed, NAME};

/// Stamps of MSNP10 to 12: opaque to clients, and always different from a client's, so lists are sent whole.
const STAMP: &str = "2000-01-01T00:00:00.0-00:00";
/// The order of the phone lines (§3.2).
const PHONES: [&str; 5] = ["PHH", "PHW", "PHM", "MOB", "MBE"];

/// What `SYN` is answered with.
pub(super) struct Synced {
    pub(super) stamp: SyncStamp,
    /// People and groups among the lines; `None` where the client's copy is as new.
    pub(super) counts: Option<(u32, u32)>,
    /// Everything behind the `SYN` line, in order.
    pub(super) lines: Vec<ServerCommand>,
}

/// The lists of an account for a client that has the copy `given`: up to MSNP9 the version says whether that is old.
pub(super) fn synchronise(
    directory: &Directory,
    account: &Account,
    dialect: Dialect,
    given: &SyncStamp,
) -> Synced {
    if dialect.has_guids() {
        let lines = lines(directory, account, dialect);
        return Synced {
            stamp: SyncStamp::Stamps(STAMP.into(), STAMP.into()),
            counts: counts(&lines),
            lines,
        };
    }
    let stamp = SyncStamp::Version(account.version);
    if stamp == *given {
        return Synced { stamp, counts: None, lines: Vec::new() };
    }
    let lines = lines(directory, account, dialect);
    Synced { stamp, counts: counts(&lines), lines }
}

fn counts(lines: &[ServerCommand]) -> Option<(u32, u32)> {
    let count = |what: fn(&ServerCommand) -> bool| {
        u32::try_from(lines.iter().filter(|line| what(line)).count()).unwrap_or(u32::MAX)
    };
    let contacts = count(|line| matches!(line, ServerCommand::Lst(_)));
    Some((contacts, count(|line| matches!(line, ServerCommand::Lsg { .. }))))
}

/// Settings, own name and phones, groups, and people with the phones they show.
fn lines(directory: &Directory, account: &Account, dialect: Dialect) -> Vec<ServerCommand> {
    let mut lines = vec![
        ServerCommand::Gtc { trid: None, version: None, setting: account.prompt.clone() },
        ServerCommand::Blp { trid: None, version: None, setting: account.privacy.clone() },
    ];
    lines.extend(own_properties(account, dialect));
    if !dialect.has_guids() {
        lines.push(ServerCommand::Lsg { group: GroupId("0".into()), name: account.first_group.clone() });
    }
    let group = |group: &Group| ServerCommand::Lsg { group: group.id(dialect), name: group.name.clone() };
    lines.extend(account.groups.iter().map(group));
    for listed in account.everybody() {
        lines.push(contact(account, listed, dialect));
        let other = directory.get(&listed.email).filter(|other| other.allows(&account.email));
        if let Some(other) = other.filter(|_| listed.lists.has(ListKind::Forward)) {
            lines.extend(other.phones(&account.email, None));
        }
    }
    lines
}

/// The own name from MSNP10 on, then phones in their order, then everything else.
fn own_properties(account: &Account, dialect: Dialect) -> Vec<ServerCommand> {
    let line = |property: &str, value: &UrlText| ServerCommand::Prp {
        trid: None,
        version: None,
        property: property.to_owned(),
        value: Some(value.clone()),
    };
    let mut properties: Vec<_> = account.properties.iter().collect();
    properties.sort_by_key(|(name, _)| PHONES.iter().position(|phone| phone == name).unwrap_or(PHONES.len()));
    let name = dialect.has_guids().then(|| line(NAME, &account.name));
    name.into_iter().chain(properties.into_iter().map(|(name, value)| line(name, value))).collect()
}

/// One person. Up to MSNP10 nobody is shown as waiting; id and groups stand behind contacts alone.
fn contact(account: &Account, listed: &Listed, dialect: Dialect) -> ServerCommand {
    let mut lists = listed.lists;
    if !dialect.has_pending_list() {
        lists.remove(ListKind::Pending);
    }
    let forward = lists.has(ListKind::Forward);
    ServerCommand::Lst(ContactEntry {
        email: listed.email.clone(),
        name: Some(listed.name.clone()),
        contact: (forward && dialect.has_guids()).then(|| listed.id.clone()),
        lists,
        groups: if forward { account.group_ids(listed, dialect) } else { Vec::new() },
    })
}
