//! One command of a change, in the words of each dialect (§3.3).
//!
//! Knows how a step is said and which refusals mean that it is so already. Refuses to know which change a step belongs to.

use crate::msn::command::{ClientCommand, ErrorCode, ListKind};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Email, GroupId, TrId};
use crate::msn::session::roster::Roster;
use crate::msn::wire::UrlText;

/// Bytes of a display name in its wire form (§1.5).
pub(super) const MAX_NAME: usize = 387;

/// Whose lists a change is about, as they are now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account<'a> {
    pub(super) own: &'a Email,
    pub(super) roster: &'a Roster,
    pub(super) dialect: Dialect,
}

impl Account<'_> {
    /// Whether somebody is on this list.
    pub(super) fn has(&self, email: &Email, list: ListKind) -> bool {
        self.roster.contact(email).is_some_and(|contact| contact.lists.has(list))
    }
}

/// One command of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Onto { list: ListKind, email: Email, group: Option<GroupId> },
    Off { list: ListKind, email: Email, group: Option<GroupId> },
    Rename { email: Email, name: UrlText },
    OwnName(UrlText),
    CreateGroup(UrlText),
    RenameGroup(GroupId, UrlText),
    RemoveGroup(GroupId),
    Strangers(bool),
    Ask(bool),
    Property(String, Option<UrlText>),
}

impl Step {
    /// Errors that say that it is so already.
    pub(super) fn is_so_already(&self, code: ErrorCode) -> bool {
        match self {
            Self::Onto { list: ListKind::Reverse, .. } | Self::Off { list: ListKind::Pending, .. } => true,
            Self::Onto { .. } => code == ErrorCode::ALREADY_THERE,
            Self::Off { group: None, .. } => code == ErrorCode::NOT_ON_LIST,
            Self::Off { .. } => code == ErrorCode::NOT_IN_GROUP,
            Self::Strangers(_) | Self::Ask(_) => code == ErrorCode::ALREADY_IN_MODE,
            _ => false,
        }
    }

    /// Servers exist that leave these unanswered.
    pub(super) fn may_go_unanswered(&self) -> bool {
        matches!(self, Self::Onto { list: ListKind::Reverse, .. } | Self::Off { list: ListKind::Pending, .. })
    }

    /// The command of this step, under this number.
    ///
    /// # Errors
    /// In words for a person, where the server has not named what the command needs.
    pub(super) fn command(self, trid: TrId, account: Account<'_>) -> Result<ClientCommand, &'static str> {
        let guids = account.dialect.has_guids();
        let contact_id = |email: &Email| {
            let known = account.roster.contact(email).and_then(|contact| contact.id.clone());
            known.ok_or("the server has not said how it calls this contact")
        };
        Ok(match self {
            Self::Onto { list, email, group: Some(group) } if guids => {
                let contact = Some(contact_id(&email)?);
                ClientCommand::Adc { trid, list, email: None, name: None, contact, group: Some(group) }
            }
            Self::Onto { list, email, .. } if guids => {
                let name = (list == ListKind::Forward).then(|| UrlText::encode(email.as_str()));
                ClientCommand::Adc { trid, list, email: Some(email), name, contact: None, group: None }
            }
            Self::Onto { list, email, group } => {
                let known = account.roster.contact(&email).map(|contact| contact.name.clone());
                let name = UrlText::encode_within(known.as_deref().unwrap_or_default(), MAX_NAME).ok();
                let name = name.filter(|name| name.wire_len() > 0);
                let name = Some(name.unwrap_or_else(|| UrlText::encode(email.as_str())));
                ClientCommand::Add { trid, list, email, name, group }
            }
            Self::Off { list: list @ ListKind::Forward, email, group } if guids => {
                ClientCommand::Rem { trid, list, target: contact_id(&email)?.0, group }
            }
            Self::Off { list, email, group } => {
                ClientCommand::Rem { trid, list, target: email.to_string(), group }
            }
            Self::Rename { email, name } if guids => ClientCommand::Sbp {
                trid,
                contact: contact_id(&email)?,
                property: "MFN".into(),
                value: Some(name),
                rest: Vec::new(),
            },
            Self::Rename { email, name } => ClientCommand::Rea { trid, email, name },
            Self::OwnName(name) if guids => {
                ClientCommand::Prp { trid, property: "MFN".into(), value: Some(name) }
            }
            Self::OwnName(name) => ClientCommand::Rea { trid, email: account.own.clone(), name },
            Self::CreateGroup(name) => ClientCommand::Adg { trid, name, rest: group_tail(guids) },
            Self::RenameGroup(group, name) => {
                ClientCommand::Reg { trid, group, name, rest: group_tail(guids) }
            }
            Self::RemoveGroup(group) => ClientCommand::Rmg { trid, group },
            Self::Strangers(allowed) => {
                ClientCommand::Blp { trid, setting: if allowed { "AL" } else { "BL" }.into() }
            }
            Self::Ask(ask) => ClientCommand::Gtc { trid, setting: if ask { "A" } else { "N" }.into() },
            Self::Property(property, value) => ClientCommand::Prp { trid, property, value },
        })
    }
}

/// Up to MSNP9 the commands of groups end in a zero.
fn group_tail(guids: bool) -> Vec<String> {
    if guids { Vec::new() } else { vec!["0".into()] }
}

/// The id of a new group in the reply to `ADG`: the third parameter up to MSNP9, then whatever looks like a GUID.
pub(in crate::msn::session::notification) fn new_group_id(rest: &[String], guids: bool) -> Option<GroupId> {
    let is_guid = |token: &&String| token.len() == 36 && token.bytes().filter(|b| *b == b'-').count() == 4;
    let id = if guids { rest.iter().find(is_guid) } else { rest.get(2) };
    id.cloned().map(GroupId)
}
