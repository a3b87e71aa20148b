//! Somebody on an account's lists, and the rules of putting people on lists and taking them off (§3.1, §3.3).
//!
//! Knows one account alone. Refuses to know what the other side is told; the answers say what changed.

use super::Account;
use crate::msn::command::{ErrorCode, ListKind, ListMask};
use crate::msn::dialect::Dialect;
use crate::msn::ids::{ContactId, Email};
use crate::msn::wire::UrlText;

/// Most people on the forward list, and on each of the others (§1.5).
const MAX_FORWARD: usize = 1000;
const MAX_OTHER: usize = 1500;

/// Somebody on one account's lists.
#[derive(Debug, Clone)]
pub(in crate::service) struct Listed {
    pub(in crate::service) email: Email,
    /// The name that the account gave them.
    pub(in crate::service) name: UrlText,
    /// Their GUID on this account's lists, from MSNP10 on.
    pub(in crate::service) id: ContactId,
    /// Never empty, but for the moment in which they are put on or taken off.
    pub(in crate::service) lists: ListMask,
    /// Numbers of the groups they are in; none means the first one up to MSNP9, and ungrouped after. The first one, 0,
    /// stands here beside others only.
    pub(in crate::service) groups: Vec<u32>,
}

impl Listed {
    /// Whether they are in a group as MSNP8 and MSNP9 see it, where everybody is in one.
    pub(in crate::service) fn is_in(&self, group: u32) -> bool {
        self.groups.contains(&group) || (group == 0 && self.groups.is_empty())
    }

    /// Into one more group. `numbered` says whether being in none is being in the first.
    fn join(&mut self, group: u32, numbered: bool) {
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

    /// Being in the first group alone is being in none.
    fn tidy(&mut self) {
        if self.groups == [0] {
            self.groups.clear();
        }
    }

    /// Added this account, and was allowed or blocked: no longer waiting, which some clients say once more.
    fn is_decided(&self) -> bool {
        let lists = self.lists;
        lists.has(ListKind::Reverse) && (lists.has(ListKind::Allow) || lists.has(ListKind::Block))
    }
}

impl Account {
    /// Somebody by the id that they have on these lists.
    pub(in crate::service) fn with_id(&self, id: &ContactId) -> Option<&Listed> {
        self.listed.values().find(|listed| listed.id == *id)
    }

    /// Whether somebody may be put on a list; `known` says whether there is such an account.
    ///
    /// # Errors
    /// 201 for no address and for lists that are the server's, 205 or 208 for no account, 210 for a full list, 215 for
    /// somebody who is there, 219 for allowing somebody who is blocked.
    pub(in crate::service) fn may_add(
        &self,
        list: ListKind,
        contact: &Email,
        known: bool,
        dialect: Dialect,
    ) -> Result<(), ErrorCode> {
        let lists = self.lists(contact);
        if !contact.is_address() {
            return Err(ErrorCode::INVALID_PARAMETER);
        }
        if !known {
            let guids = dialect.has_guids();
            return Err(if guids { ErrorCode::INVALID_ACCOUNT } else { ErrorCode::NO_SUCH_ACCOUNT });
        }
        // Whoever added this account is confirmed as often as the client likes: some do it after they have allowed them.
        if list == ListKind::Reverse && (lists.has(list) || lists.has(ListKind::Pending)) {
            return Ok(());
        }
        if lists.has(list) {
            return Err(ErrorCode::ALREADY_THERE);
        }
        match list {
            // The other way round is taken: a block outweighs, and there are clients that block before they disallow.
            ListKind::Allow if lists.has(ListKind::Block) => Err(ErrorCode::OPPOSITE_LIST),
            ListKind::Pending => Err(ErrorCode::INVALID_PARAMETER),
            // Only somebody who added this account can be confirmed.
            ListKind::Reverse => Err(ErrorCode::INVALID_PARAMETER),
            ListKind::Forward if self.count(list) >= MAX_FORWARD => Err(ErrorCode::LIST_FULL),
            _ if self.count(list) >= MAX_OTHER => Err(ErrorCode::LIST_FULL),
            _ => Ok(()),
        }
    }

    fn count(&self, list: ListKind) -> usize {
        self.listed.values().filter(|listed| listed.lists.has(list)).count()
    }

    /// Whether a contact can be put into one more group.
    pub(in crate::service) fn can_join(&self, contact: &Email, group: u32, dialect: Dialect) -> bool {
        let listed = self.listed.get(&contact.to_key());
        listed.is_some_and(|listed| !(listed.is_in(group) || dialect.has_guids() && group == 0))
    }

    /// Puts somebody on a list, and into a group; `fresh` is taken where they are on none yet.
    pub(in crate::service) fn put(
        &mut self,
        fresh: Listed,
        list: ListKind,
        into: Option<u32>,
        dialect: Dialect,
    ) -> &Listed {
        let listed = self.listed.entry(fresh.email.to_key()).or_insert(fresh);
        let was_there = listed.lists.has(list);
        listed.lists.insert(list);
        // Who was allowed, blocked or confirmed has been decided about.
        if matches!(list, ListKind::Reverse | ListKind::Allow | ListKind::Block) {
            listed.lists.remove(ListKind::Pending);
        }
        if let Some(number) = into {
            listed.join(number, !dialect.has_guids() && was_there);
        }
        listed
    }

    /// Notes that somebody has this account as a contact: they wait for an answer until they are allowed or blocked.
    pub(in crate::service) fn added_by(&mut self, fresh: Listed) {
        let listed = self.listed.entry(fresh.email.to_key()).or_insert(fresh);
        let decided = listed.lists.has(ListKind::Allow) || listed.lists.has(ListKind::Block);
        listed.lists.insert(ListKind::Reverse);
        if !decided {
            listed.lists.insert(ListKind::Pending);
        }
    }

    /// Notes that somebody has this account as a contact no more.
    pub(in crate::service) fn removed_by(&mut self, email: &Email) {
        let Some(listed) = self.listed.get_mut(&email.to_key()) else { return };
        listed.lists.remove(ListKind::Reverse);
        listed.lists.remove(ListKind::Pending);
        self.forget_unlisted(email);
    }

    /// Whom a `REM` means: a contact by id from MSNP10 on, anybody else by address.
    ///
    /// # Errors
    /// 216 for somebody who is not on that list.
    pub(in crate::service) fn find_on(
        &self,
        list: ListKind,
        target: &str,
        dialect: Dialect,
    ) -> Result<&Listed, ErrorCode> {
        let by_id = dialect.has_guids() && list == ListKind::Forward;
        let found = self.listed.values().find(|listed| {
            if by_id { listed.id.0 == target } else { listed.email.as_str().eq_ignore_ascii_case(target) }
        });
        let is_there = |l: &&Listed| l.lists.has(list) || (list == ListKind::Pending && l.is_decided());
        found.filter(is_there).ok_or(ErrorCode::NOT_ON_LIST)
    }

    /// Takes a contact out of one group. True if they are a contact still: up to MSNP9 everybody is in a group, and clients
    /// of that time remove people by taking them out of their last one.
    ///
    /// # Errors
    /// 225 for somebody who is not in that group.
    pub(in crate::service) fn take_out(
        &mut self,
        contact: &Email,
        group: u32,
        dialect: Dialect,
    ) -> Result<bool, ErrorCode> {
        let listed = self.listed.get_mut(&contact.to_key()).ok_or(ErrorCode::NOT_IN_GROUP)?;
        let guids = dialect.has_guids();
        if !listed.is_in(group) || (guids && !listed.groups.contains(&group)) {
            return Err(ErrorCode::NOT_IN_GROUP);
        }
        let stays = guids || listed.groups.len() > 1;
        listed.leave(group);
        Ok(stays)
    }

    /// Takes somebody off a list. Gives whether that changed what they may see; `None` if they were on no list.
    pub(in crate::service) fn take_off(&mut self, list: ListKind, contact: &Email) -> Option<bool> {
        let allowed = self.allows(contact);
        let listed = self.listed.get_mut(&contact.to_key())?;
        listed.lists.remove(list);
        if list == ListKind::Forward {
            listed.groups.clear();
        }
        self.forget_unlisted(contact);
        Some(self.allows(contact) != allowed)
    }

    /// Keeps nothing of somebody who is on no list any more.
    fn forget_unlisted(&mut self, email: &Email) {
        let key = email.to_key();
        if self.listed.get(&key).is_some_and(|listed| listed.lists.is_empty()) {
            self.listed.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::account;
    use super::*;

    const D: Dialect = Dialect::Msnp11;

    fn fresh(name: &str) -> Listed {
        let email = Email::parse(&format!("{name}@example.com")).unwrap();
        let (name, id) = (UrlText::encode(name), ContactId(format!("id of {name}")));
        Listed { email, name, id, lists: ListMask::default(), groups: Vec::new() }
    }

    #[test]
    fn a_block_outweighs_and_cannot_be_crossed_by_allowing() {
        let (mut alice, bob) = (account("alice"), fresh("bob").email);
        assert!(alice.allows(&bob));
        alice.put(fresh("bob"), ListKind::Block, None, D);
        assert!(!alice.allows(&bob));
        assert_eq!(alice.may_add(ListKind::Allow, &bob, true, D), Err(ErrorCode::OPPOSITE_LIST));
        assert_eq!(alice.may_add(ListKind::Block, &bob, true, D), Err(ErrorCode::ALREADY_THERE));
        assert_eq!(alice.take_off(ListKind::Block, &bob), Some(true));
        assert_eq!(alice.take_off(ListKind::Block, &bob), None, "nothing is kept of somebody on no list");
        alice.set_privacy("BL").unwrap();
        assert!(!alice.allows(&bob), "on neither list");
        alice.put(fresh("bob"), ListKind::Allow, None, D);
        assert!(alice.allows(&bob));
    }

    #[test]
    fn somebody_who_adds_an_account_waits_until_they_are_decided_about() {
        let (mut alice, bob) = (account("alice"), fresh("bob").email);
        assert_eq!(alice.may_add(ListKind::Reverse, &bob, true, D), Err(ErrorCode::INVALID_PARAMETER));
        alice.added_by(fresh("bob"));
        assert!(alice.lists(&bob).has(ListKind::Pending));
        assert_eq!(alice.may_add(ListKind::Reverse, &bob, true, D), Ok(()));
        alice.put(fresh("bob"), ListKind::Allow, None, D);
        assert!(!alice.lists(&bob).has(ListKind::Pending));
        assert!(alice.find_on(ListKind::Pending, "BOB@example.com", D).is_ok(), "said once more");
        alice.removed_by(&bob);
        assert!(alice.lists(&bob).has(ListKind::Allow) && !alice.lists(&bob).has(ListKind::Reverse));
    }

    #[test]
    fn the_forward_list_is_full_at_a_thousand_and_an_unknown_account_has_a_code_of_each_dialect() {
        let mut alice = account("alice");
        for n in 0..MAX_FORWARD {
            alice.put(fresh(&format!("c{n}")), ListKind::Forward, None, D);
        }
        let bob = fresh("bob").email;
        assert_eq!(alice.may_add(ListKind::Forward, &bob, true, D), Err(ErrorCode::LIST_FULL));
        assert_eq!(alice.may_add(ListKind::Allow, &bob, true, D), Ok(()));
        assert_eq!(alice.may_add(ListKind::Allow, &bob, false, D), Err(ErrorCode::INVALID_ACCOUNT));
        let old = alice.may_add(ListKind::Allow, &bob, false, Dialect::Msnp9);
        assert_eq!(old, Err(ErrorCode::NO_SUCH_ACCOUNT));
    }

    #[test]
    fn a_contact_leaves_the_list_with_the_last_group_up_to_msnp9_and_never_after() {
        for (dialect, stays) in [(Dialect::Msnp9, false), (D, true)] {
            let (mut alice, bob) = (account("alice"), fresh("bob").email);
            alice.put(fresh("bob"), ListKind::Forward, Some(2), dialect);
            assert_eq!(alice.take_out(&bob, 3, dialect), Err(ErrorCode::NOT_IN_GROUP));
            assert_eq!(alice.take_out(&bob, 2, dialect), Ok(stays), "{dialect}");
        }
        // Into a second group from the first one, in which everybody is who is in no other.
        let (mut alice, bob) = (account("alice"), fresh("bob").email);
        alice.put(fresh("bob"), ListKind::Forward, None, Dialect::Msnp9);
        assert!(!alice.can_join(&bob, 0, Dialect::Msnp9) && alice.can_join(&bob, 1, Dialect::Msnp9));
        let listed = alice.put(fresh("bob"), ListKind::Forward, Some(1), Dialect::Msnp9);
        assert!(listed.is_in(0) && listed.is_in(1));
        assert_eq!(alice.take_out(&bob, 1, Dialect::Msnp9), Ok(true));
    }
}
