//! Changes to lists, groups, names and settings: one after the other, each in as many commands as its dialect needs
//! (§3.3).
//!
//! Knows the changes that a caller may ask for, and why one is not made. Refuses to know who asked. A server that says
//! that it is so already is taken at its word.

mod plan;
mod queue;
mod step;

use thiserror::Error;

use crate::msn::command::ErrorCode;
use crate::msn::ids::{Email, GroupId};
pub(super) use queue::Changes;
pub(super) use step::new_group_id;

/// Names a change handed to [`super::NotificationSession::change`], on this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChangeHandle(u64);

/// A change of what the account has on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Onto the forward list, in a group where one is named, and onto the allow list unless blocked.
    Add {
        email: Email,
        group: Option<GroupId>,
    },
    /// Off the forward list and out of all groups. They may still see us.
    Remove {
        email: Email,
    },
    /// Off the block list, onto the allow list.
    Allow {
        email: Email,
    },
    /// Off the allow list, onto the block list.
    Block {
        email: Email,
    },
    /// The answer to somebody who asked: allowed and listed, and no longer pending.
    Accept {
        email: Email,
    },
    /// The answer to somebody who asked: no longer pending, on no list of ours.
    Decline {
        email: Email,
    },
    /// What a contact is called in our list.
    Rename {
        email: Email,
        name: String,
    },
    OwnName(String),
    /// Into this group and out of all others.
    Move {
        email: Email,
        group: GroupId,
    },
    IntoGroup {
        email: Email,
        group: GroupId,
    },
    OutOfGroup {
        email: Email,
        group: GroupId,
    },
    CreateGroup {
        name: String,
    },
    RenameGroup {
        group: GroupId,
        name: String,
    },
    /// Those who are in no other group stay contacts.
    RemoveGroup {
        group: GroupId,
    },
    /// Whether people on neither list may see and call us (`BLP`).
    Strangers {
        allowed: bool,
    },
    /// Whether clients ask before somebody who added us is allowed (`GTC`).
    AskAboutAdditions(bool),
    /// A phone number of ours (`PHH`, `PHW`, `PHM`) or setting (`MOB`, `MBE`); `None` removes it.
    Property {
        name: String,
        value: Option<String>,
    },
}

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChangeFailure {
    #[error("{0}")]
    Refused(ErrorCode),
    #[error("the server did not answer")]
    NoAnswer,
    /// So many characters of the name would fit.
    #[error("that is too long for MSN, {fits} characters of it would fit")]
    TooLong { fits: usize },
    /// It cannot be asked for: nobody of that name is listed, or too much is waiting.
    #[error("{0}")]
    Impossible(&'static str),
}
