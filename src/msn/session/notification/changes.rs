//! Changes to lists, groups, names and settings: one after the other, each in as many commands as its dialect needs
//! (§3.3). A server that says that it is so already is taken at its word.

use std::collections::VecDeque;
use std::time::Instant;

use thiserror::Error;

use super::{NotificationEvent as Event, NotificationSession, Request};
use crate::msn::command::{ClientCommand, ErrorCode, ListKind};
use crate::msn::ids::{Email, GroupId, TrId};
use crate::msn::wire::UrlText;

/// Bytes of a display name in its wire form, and of a group's (§1.5).
const MAX_NAME: usize = 387;
const MAX_GROUP_NAME: usize = 61;

fn name_within(name: &str, limit: usize) -> Result<UrlText, ChangeFailure> {
    UrlText::encode_within(name, limit).map_err(|fits| ChangeFailure::TooLong { fits })
}

/// Changes waiting for the one under way; one more is refused.
const MAX_WAITING: usize = 128;

/// Names a change handed to [`NotificationSession::change`], on this session.
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

/// One command of a change.
#[derive(Debug, Clone)]
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

#[derive(Debug)]
pub(super) struct UnderWay {
    handle: ChangeHandle,
    steps: VecDeque<Step>,
    /// The step whose reply is awaited.
    current: Option<Step>,
}

/// The changes of one session.
#[derive(Debug, Default)]
pub(super) struct Changes {
    next: u64,
    waiting: VecDeque<(ChangeHandle, Change)>,
    under_way: Option<UnderWay>,
}

impl Step {
    /// Errors that say that it is so already.
    fn is_so_already(&self, code: ErrorCode) -> bool {
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
    fn may_go_unanswered(&self) -> bool {
        matches!(self, Self::Onto { list: ListKind::Reverse, .. } | Self::Off { list: ListKind::Pending, .. })
    }
}

impl NotificationSession {
    /// Asks for a change; [`Event::ChangeDone`] says what became of it.
    pub fn change(&mut self, now: Instant, change: Change) -> ChangeHandle {
        let handle = ChangeHandle(self.changes.next);
        self.changes.next += 1;
        if self.changes.waiting.len() >= MAX_WAITING {
            let result = Err(ChangeFailure::Impossible("too many changes are waiting"));
            self.events.push_back(Event::ChangeDone { handle, result });
            return handle;
        }
        self.changes.waiting.push_back((handle, change));
        self.send_next(now);
        handle
    }

    /// Sends the next command, if nothing is awaited.
    fn send_next(&mut self, now: Instant) {
        loop {
            if self.changes.under_way.is_none() {
                let Some((handle, change)) = self.changes.waiting.pop_front() else { return };
                match self.steps(change) {
                    Ok(steps) => {
                        self.changes.under_way =
                            Some(UnderWay { handle, steps: steps.into(), current: None });
                    }
                    Err(failure) => {
                        let result = Err(failure);
                        self.events.push_back(Event::ChangeDone { handle, result });
                        continue;
                    }
                }
            }
            let Some(under_way) = &mut self.changes.under_way else { return };
            if under_way.current.is_some() {
                return;
            }
            let Some(step) = under_way.steps.pop_front() else {
                self.finish(Ok(()));
                continue;
            };
            under_way.current = Some(step.clone());
            let trid = self.pending.expect(now, Request::Change);
            match self.command(trid, step) {
                Ok(command) => self.wire.send(&command),
                Err(why) => {
                    self.pending.take(trid);
                    self.finish(Err(ChangeFailure::Impossible(why)));
                }
            }
        }
    }

    fn finish(&mut self, result: Result<(), ChangeFailure>) {
        if let Some(under_way) = self.changes.under_way.take() {
            self.events.push_back(Event::ChangeDone { handle: under_way.handle, result });
        }
    }

    /// The reply to the step under way has come; what it says of lists was applied already. `id` is a new group's.
    pub(super) fn step_done(&mut self, now: Instant, id: Option<GroupId>) {
        let step = self.changes.under_way.as_mut().and_then(|under_way| under_way.current.take());
        if let Some(step) = step {
            self.apply(step, id);
        }
        self.send_next(now);
    }

    pub(super) fn step_failed(&mut self, now: Instant, code: ErrorCode) {
        let Some(under_way) = &mut self.changes.under_way else { return };
        match under_way.current.take() {
            Some(step) if step.is_so_already(code) => self.apply(step, None),
            _ => self.finish(Err(ChangeFailure::Refused(code))),
        }
        self.send_next(now);
    }

    pub(super) fn step_unanswered(&mut self, now: Instant) {
        let Some(under_way) = &mut self.changes.under_way else { return };
        match under_way.current.take() {
            Some(step) if step.may_go_unanswered() => self.apply(step, None),
            _ => self.finish(Err(ChangeFailure::NoAnswer)),
        }
        self.send_next(now);
    }

    /// Replies differ in their layout from server to server, so what was asked for is applied, not what is said (§3.3).
    fn apply(&mut self, step: Step, id: Option<GroupId>) {
        match step {
            Step::Onto { list, email, group } => {
                self.roster.add(list, &email, None, None);
                if let Some(group) = group {
                    self.roster.put_into_group(&email, group);
                }
            }
            Step::Off { list, email, group: None } => {
                self.roster.remove(list, email.as_str());
                if list == ListKind::Forward {
                    self.events.push_back(Event::Unlisted { email });
                }
            }
            Step::Off { email, group: Some(group), .. } => self.roster.take_out_of_group(&email, &group),
            Step::Rename { email, name } => self.called(&email, name.decode()),
            Step::OwnName(name) => self.learn_name(&name),
            Step::CreateGroup(name) => {
                if let Some(id) = id {
                    self.roster.name_group(id, name.decode());
                }
            }
            Step::RenameGroup(group, name) => self.roster.name_group(group, name.decode()),
            Step::RemoveGroup(group) => self.roster.remove_group(&group),
            Step::Strangers(allowed) => self.roster.settings.strangers_allowed = Some(allowed),
            Step::Ask(ask) => self.roster.settings.asks = Some(ask),
            Step::Property(name, value) => self.roster.settings.set(name, value.map(|v| v.decode())),
        }
    }

    fn steps(&self, change: Change) -> Result<Vec<Step>, ChangeFailure> {
        const UNLISTED: ChangeFailure = ChangeFailure::Impossible("they are not among your contacts");
        use ListKind::{Allow, Block, Forward, Pending, Reverse};
        let onto = |list, email: &Email| Step::Onto { list, email: email.clone(), group: None };
        let off = |list, email: &Email| Step::Off { list, email: email.clone(), group: None };
        let on = |email: &Email, list| self.roster.contact(email).is_some_and(|c| c.lists.has(list));
        let guids = self.dialect().has_guids();
        Ok(match change {
            Change::Add { email, group } => {
                let mut steps = Vec::new();
                if !on(&email, Block) && !on(&email, Allow) {
                    steps.push(onto(Allow, &email));
                }
                // Up to MSNP9 a contact is always in a group, and comes straight into it.
                let at_once = group.clone().filter(|_| !guids);
                if !on(&email, Forward) || at_once.is_some() {
                    steps.push(Step::Onto { list: Forward, email: email.clone(), group: at_once });
                }
                if let Some(group) = group.filter(|_| guids) {
                    steps.push(Step::Onto { list: Forward, email, group: Some(group) });
                }
                steps
            }
            Change::Remove { email } if on(&email, Forward) => vec![off(Forward, &email)],
            Change::Remove { .. } => return Err(UNLISTED),
            Change::Allow { email } => {
                let mut steps = Vec::new();
                if on(&email, Block) {
                    steps.push(off(Block, &email));
                }
                steps.push(onto(Allow, &email));
                steps
            }
            Change::Block { email } => {
                let mut steps = Vec::new();
                if on(&email, Allow) {
                    steps.push(off(Allow, &email));
                }
                steps.push(onto(Block, &email));
                steps.extend(on(&email, Pending).then(|| off(Pending, &email)));
                steps
            }
            Change::Accept { email } => {
                let mut steps = Vec::new();
                if on(&email, Block) {
                    steps.push(off(Block, &email));
                }
                if !on(&email, Allow) {
                    steps.push(onto(Allow, &email));
                }
                if self.dialect().confirms_additions() {
                    steps.push(onto(Reverse, &email));
                }
                if self.dialect().has_pending_list() {
                    steps.push(off(Pending, &email));
                }
                if !on(&email, Forward) {
                    steps.push(onto(Forward, &email));
                }
                steps
            }
            Change::Decline { email } if self.dialect().has_pending_list() => vec![off(Pending, &email)],
            Change::Decline { .. } => Vec::new(),
            Change::Rename { email, name } if on(&email, Forward) => {
                vec![Step::Rename { email, name: name_within(&name, MAX_NAME)? }]
            }
            Change::Rename { .. } => return Err(UNLISTED),
            Change::OwnName(name) => vec![Step::OwnName(name_within(&name, MAX_NAME)?)],
            Change::IntoGroup { email, group } if on(&email, Forward) => {
                vec![Step::Onto { list: Forward, email, group: Some(group) }]
            }
            Change::Move { email, group } if on(&email, Forward) => self.moves(email, group),
            Change::OutOfGroup { email, group } if on(&email, Forward) => self.leaving(email, group)?,
            Change::IntoGroup { .. } | Change::OutOfGroup { .. } | Change::Move { .. } => {
                return Err(UNLISTED);
            }
            Change::CreateGroup { name } => vec![Step::CreateGroup(name_within(&name, MAX_GROUP_NAME)?)],
            Change::RenameGroup { group, name } => {
                vec![Step::RenameGroup(group, name_within(&name, MAX_GROUP_NAME)?)]
            }
            Change::RemoveGroup { group } => self.removal_of(group),
            Change::Strangers { allowed } => vec![Step::Strangers(allowed)],
            Change::AskAboutAdditions(ask) => vec![Step::Ask(ask)],
            Change::Property { name, value } => {
                vec![Step::Property(name, value.as_deref().map(UrlText::encode))]
            }
        })
    }

    /// First in, then out: a move that breaks off loses nobody.
    fn moves(&self, email: Email, group: GroupId) -> Vec<Step> {
        let now_in = self.roster.contact(&email).map(|contact| contact.groups.clone()).unwrap_or_default();
        let mut steps = Vec::new();
        if !now_in.contains(&group) {
            let (list, email, group) = (ListKind::Forward, email.clone(), Some(group.clone()));
            steps.push(Step::Onto { list, email, group });
        }
        let others = now_in.into_iter().filter(|other| *other != group);
        let off = |other| Step::Off { list: ListKind::Forward, email: email.clone(), group: Some(other) };
        steps.extend(others.map(off));
        steps
    }

    /// Up to MSNP9 whoever leaves their only group is no contact any more (§3.3): they go into the first one before.
    fn leaving(&self, email: Email, group: GroupId) -> Result<Vec<Step>, ChangeFailure> {
        let list = ListKind::Forward;
        let numbered = !self.dialect().has_guids();
        let only = numbered && self.roster.contact(&email).is_some_and(|contact| contact.groups.len() <= 1);
        let first = GroupId("0".into());
        if only && group == first {
            let why = "everybody is in a group on this server, and they are in no other";
            return Err(ChangeFailure::Impossible(why));
        }
        let before = only.then(|| Step::Onto { list, email: email.clone(), group: Some(first) });
        let off = Step::Off { list, email, group: Some(group) };
        Ok(before.into_iter().chain([off]).collect())
    }

    /// A server removes those who are in no other group together with the group (§3.3): they are moved first.
    fn removal_of(&self, group: GroupId) -> Vec<Step> {
        let mut steps = Vec::new();
        for contact in self.roster.contacts().filter(|c| c.groups.contains(&group)) {
            let email = contact.email.clone();
            if !self.dialect().has_guids() && contact.groups.len() == 1 {
                let first = Some(GroupId("0".into()));
                steps.push(Step::Onto { list: ListKind::Forward, email: email.clone(), group: first });
            }
            steps.push(Step::Off { list: ListKind::Forward, email, group: Some(group.clone()) });
        }
        steps.push(Step::RemoveGroup(group));
        steps
    }

    fn command(&self, trid: TrId, step: Step) -> Result<ClientCommand, &'static str> {
        let guids = self.dialect().has_guids();
        let contact_id = |email: &Email| {
            let known = self.roster.contact(email).and_then(|contact| contact.id.clone());
            known.ok_or("the server has not said how it calls this contact")
        };
        Ok(match step {
            Step::Onto { list, email, group: Some(group) } if guids => {
                let contact = Some(contact_id(&email)?);
                ClientCommand::Adc { trid, list, email: None, name: None, contact, group: Some(group) }
            }
            Step::Onto { list, email, .. } if guids => {
                let name = (list == ListKind::Forward).then(|| UrlText::encode(email.as_str()));
                ClientCommand::Adc { trid, list, email: Some(email), name, contact: None, group: None }
            }
            Step::Onto { list, email, group } => {
                let known = self.roster.contact(&email).map(|contact| contact.name.clone());
                let name = UrlText::encode_within(known.as_deref().unwrap_or_default(), MAX_NAME).ok();
                let name = name.filter(|name| name.wire_len() > 0);
                let name = Some(name.unwrap_or_else(|| UrlText::encode(email.as_str())));
                ClientCommand::Add { trid, list, email, name, group }
            }
            Step::Off { list: list @ ListKind::Forward, email, group } if guids => {
                ClientCommand::Rem { trid, list, target: contact_id(&email)?.0, group }
            }
            Step::Off { list, email, group } => {
                ClientCommand::Rem { trid, list, target: email.to_string(), group }
            }
            Step::Rename { email, name } if guids => ClientCommand::Sbp {
                trid,
                contact: contact_id(&email)?,
                property: "MFN".into(),
                value: Some(name),
                rest: Vec::new(),
            },
            Step::Rename { email, name } => ClientCommand::Rea { trid, email, name },
            Step::OwnName(name) if guids => {
                ClientCommand::Prp { trid, property: "MFN".into(), value: Some(name) }
            }
            Step::OwnName(name) => ClientCommand::Rea { trid, email: self.identity.email.clone(), name },
            Step::CreateGroup(name) => ClientCommand::Adg { trid, name, rest: self.group_tail() },
            Step::RenameGroup(group, name) => {
                ClientCommand::Reg { trid, group, name, rest: self.group_tail() }
            }
            Step::RemoveGroup(group) => ClientCommand::Rmg { trid, group },
            Step::Strangers(allowed) => {
                ClientCommand::Blp { trid, setting: if allowed { "AL" } else { "BL" }.into() }
            }
            Step::Ask(ask) => ClientCommand::Gtc { trid, setting: if ask { "A" } else { "N" }.into() },
            Step::Property(property, value) => ClientCommand::Prp { trid, property, value },
        })
    }

    /// Up to MSNP9 the commands of groups end in a zero.
    fn group_tail(&self) -> Vec<String> {
        if self.dialect().has_guids() { Vec::new() } else { vec!["0".into()] }
    }
}

/// The id of a new group in the reply to `ADG`: the third parameter up to MSNP9, then whatever looks like a GUID.
pub(super) fn new_group_id(rest: &[String], guids: bool) -> Option<GroupId> {
    let is_guid = |token: &&String| token.len() == 36 && token.bytes().filter(|b| *b == b'-').count() == 4;
    let id = if guids { rest.iter().find(is_guid) } else { rest.get(2) };
    id.cloned().map(GroupId)
}
