//! What steps a change takes, seen from the lists as they are (§3.3).
//!
//! Knows the rules: nobody is on the allow and the block list at once, up to MSNP9 a contact is always in a group, nobody
//! is lost by a move or with a group. Keeps nothing, and refuses to know how a step is written.

use super::step::{Account, MAX_NAME, Step};
use super::{Change, ChangeFailure};
use crate::msn::command::ListKind::{self, Allow, Block, Forward, Pending, Reverse};
use crate::msn::ids::{Email, GroupId};
use crate::msn::wire::UrlText;

/// Bytes of a group's name in its wire form (§1.5).
const MAX_GROUP_NAME: usize = 61;

const UNLISTED: ChangeFailure = ChangeFailure::Impossible("they are not among your contacts");

fn name_within(name: &str, limit: usize) -> Result<UrlText, ChangeFailure> {
    UrlText::encode_within(name, limit).map_err(|fits| ChangeFailure::TooLong { fits })
}

fn onto(list: ListKind, email: &Email) -> Step {
    Step::Onto { list, email: email.clone(), group: None }
}

fn off(list: ListKind, email: &Email) -> Step {
    Step::Off { list, email: email.clone(), group: None }
}

/// Plans changes of one account.
pub(super) struct Planner<'a> {
    pub(super) account: Account<'a>,
}

impl Planner<'_> {
    /// The steps of a change, in order; none where it is so already.
    ///
    /// # Errors
    /// [`ChangeFailure::TooLong`] for a name, [`ChangeFailure::Impossible`] for people who are no contacts.
    pub(super) fn steps(&self, change: Change) -> Result<Vec<Step>, ChangeFailure> {
        Ok(match change {
            Change::Add { email, group } => self.addition(email, group),
            Change::Remove { email } => {
                self.check_listed(&email)?;
                vec![off(Forward, &email)]
            }
            Change::Allow { email } => {
                let blocked = self.account.has(&email, Block).then(|| off(Block, &email));
                blocked.into_iter().chain([onto(Allow, &email)]).collect()
            }
            Change::Block { email } => self.blocking(&email),
            Change::Accept { email } => self.acceptance(&email),
            Change::Decline { email } => {
                self.account.dialect.has_pending_list().then(|| off(Pending, &email)).into_iter().collect()
            }
            Change::Rename { email, name } => {
                self.check_listed(&email)?;
                vec![Step::Rename { email, name: name_within(&name, MAX_NAME)? }]
            }
            Change::OwnName(name) => vec![Step::OwnName(name_within(&name, MAX_NAME)?)],
            Change::Strangers { allowed } => vec![Step::Strangers(allowed)],
            Change::AskAboutAdditions(ask) => vec![Step::Ask(ask)],
            Change::Property { name, value } => {
                vec![Step::Property(name, value.as_deref().map(UrlText::encode))]
            }
            of_groups => self.steps_of_groups(of_groups)?,
        })
    }

    fn steps_of_groups(&self, change: Change) -> Result<Vec<Step>, ChangeFailure> {
        Ok(match change {
            Change::IntoGroup { email, group } => {
                self.check_listed(&email)?;
                vec![Step::Onto { list: Forward, email, group: Some(group) }]
            }
            Change::Move { email, group } => {
                self.check_listed(&email)?;
                self.moves(email, group)
            }
            Change::OutOfGroup { email, group } => {
                self.check_listed(&email)?;
                self.leaving(email, group)?
            }
            Change::CreateGroup { name } => vec![Step::CreateGroup(name_within(&name, MAX_GROUP_NAME)?)],
            Change::RenameGroup { group, name } => {
                vec![Step::RenameGroup(group, name_within(&name, MAX_GROUP_NAME)?)]
            }
            Change::RemoveGroup { group } => self.removal_of(group),
            _ => Vec::new(),
        })
    }

    fn check_listed(&self, email: &Email) -> Result<(), ChangeFailure> {
        if self.account.has(email, Forward) { Ok(()) } else { Err(UNLISTED) }
    }

    fn addition(&self, email: Email, group: Option<GroupId>) -> Vec<Step> {
        let guids = self.account.dialect.has_guids();
        let mut steps = Vec::new();
        if !self.account.has(&email, Block) && !self.account.has(&email, Allow) {
            steps.push(onto(Allow, &email));
        }
        // Up to MSNP9 a contact is always in a group, and comes straight into it.
        let at_once = group.clone().filter(|_| !guids);
        if !self.account.has(&email, Forward) || at_once.is_some() {
            steps.push(Step::Onto { list: Forward, email: email.clone(), group: at_once });
        }
        if let Some(group) = group.filter(|_| guids) {
            steps.push(Step::Onto { list: Forward, email, group: Some(group) });
        }
        steps
    }

    fn blocking(&self, email: &Email) -> Vec<Step> {
        let mut steps = Vec::new();
        steps.extend(self.account.has(email, Allow).then(|| off(Allow, email)));
        steps.push(onto(Block, email));
        steps.extend(self.account.has(email, Pending).then(|| off(Pending, email)));
        steps
    }

    fn acceptance(&self, email: &Email) -> Vec<Step> {
        let dialect = self.account.dialect;
        let mut steps = Vec::new();
        steps.extend(self.account.has(email, Block).then(|| off(Block, email)));
        steps.extend((!self.account.has(email, Allow)).then(|| onto(Allow, email)));
        steps.extend(dialect.confirms_additions().then(|| onto(Reverse, email)));
        steps.extend(dialect.has_pending_list().then(|| off(Pending, email)));
        steps.extend((!self.account.has(email, Forward)).then(|| onto(Forward, email)));
        steps
    }

    /// First in, then out: a move that breaks off loses nobody.
    fn moves(&self, email: Email, group: GroupId) -> Vec<Step> {
        let now_in =
            self.account.roster.contact(&email).map(|contact| contact.groups.clone()).unwrap_or_default();
        let mut steps = Vec::new();
        if !now_in.contains(&group) {
            let (list, email, group) = (Forward, email.clone(), Some(group.clone()));
            steps.push(Step::Onto { list, email, group });
        }
        let others = now_in.into_iter().filter(|other| *other != group);
        let off = |other| Step::Off { list: Forward, email: email.clone(), group: Some(other) };
        steps.extend(others.map(off));
        steps
    }

    /// Up to MSNP9 whoever leaves their only group is no contact any more (§3.3): they go into the first one before.
    fn leaving(&self, email: Email, group: GroupId) -> Result<Vec<Step>, ChangeFailure> {
        let list = Forward;
        let numbered = !self.account.dialect.has_guids();
        let only =
            numbered && self.account.roster.contact(&email).is_some_and(|contact| contact.groups.len() <= 1);
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
        for contact in self.account.roster.contacts().filter(|c| c.groups.contains(&group)) {
            let email = contact.email.clone();
            if !self.account.dialect.has_guids() && contact.groups.len() == 1 {
                let first = Some(GroupId("0".into()));
                steps.push(Step::Onto { list: Forward, email: email.clone(), group: first });
            }
            steps.push(Step::Off { list: Forward, email, group: Some(group.clone()) });
        }
        steps.push(Step::RemoveGroup(group));
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msn::dialect::Dialect;
    use crate::msn::session::roster::Roster;

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    fn plan(roster: &Roster, dialect: Dialect, change: Change) -> Result<Vec<Step>, ChangeFailure> {
        let own = email("own@e.c");
        Planner { account: Account { own: &own, roster, dialect } }.steps(change)
    }

    #[test]
    fn somebody_allowed_leaves_the_allow_list_before_they_are_blocked() {
        let bob = email("bob@e.c");
        let mut roster = Roster::default();
        roster.add(Allow, &bob, None, None);
        let steps = plan(&roster, Dialect::Msnp11, Change::Block { email: bob.clone() }).unwrap();
        assert_eq!(steps, [off(Allow, &bob), onto(Block, &bob)]);
    }

    #[test]
    fn nobody_is_lost_with_their_only_group_where_everybody_must_be_in_one() {
        let (bob, group) = (email("bob@e.c"), GroupId("3".into()));
        let mut roster = Roster::default();
        roster.add(Forward, &bob, None, None);
        roster.put_into_group(&bob, group.clone());
        let removal = || Change::RemoveGroup { group: group.clone() };
        let out = Step::Off { list: Forward, email: bob.clone(), group: Some(group.clone()) };
        let first = Step::Onto { list: Forward, email: bob.clone(), group: Some(GroupId("0".into())) };
        let removed = Step::RemoveGroup(group.clone());
        let numbered = plan(&roster, Dialect::Msnp9, removal()).unwrap();
        assert_eq!(numbered, [first, out.clone(), removed.clone()]);
        assert_eq!(plan(&roster, Dialect::Msnp11, removal()).unwrap(), [out, removed]);
    }

    #[test]
    fn somebody_who_is_no_contact_is_neither_moved_nor_renamed() {
        let roster = Roster::default();
        let rename = Change::Rename { email: email("bob@e.c"), name: "Bob".into() };
        assert_eq!(plan(&roster, Dialect::Msnp11, rename), Err(UNLISTED));
        let into = Change::Move { email: email("bob@e.c"), group: GroupId("1".into()) };
        assert_eq!(plan(&roster, Dialect::Msnp11, into), Err(UNLISTED));
    }
}
