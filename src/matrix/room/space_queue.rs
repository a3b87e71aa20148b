//! Logins whose spaces are to be brought up to date.
//!
//! Knows the latest groups of each login. Refuses to know rooms.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::bridge::event::ContactGroup;
use crate::bridge::ids::LoginId;

/// What the spaces are to show; the latest of each login.
#[derive(Default)]
pub(crate) struct SpaceQueue {
    groups: Mutex<HashMap<LoginId, (Vec<ContactGroup>, bool)>>,
    changed: Notify,
}

impl SpaceQueue {
    fn groups(&self) -> MutexGuard<'_, HashMap<LoginId, (Vec<ContactGroup>, bool)>> {
        // Nothing that holds the lock panics.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are the groups of a login now.
    pub(crate) fn put(&self, login: LoginId, groups: Vec<ContactGroup>) {
        self.groups().insert(login, (groups, true));
        self.changed.notify_one();
    }

    /// A room of this login has come to be, or its spaces could not be brought up to date.
    pub(crate) fn again(&self, login: &LoginId) {
        if let Some((_, due)) = self.groups().get_mut(login) {
            *due = true;
            self.changed.notify_one();
        }
    }

    fn take(&self) -> Option<(LoginId, Vec<ContactGroup>)> {
        let mut all = self.groups();
        let (login, (groups, due)) = all.iter_mut().find(|(_, (_, due))| *due)?;
        *due = false;
        Some((login.clone(), groups.clone()))
    }

    /// The next login that is due, waited for.
    pub(crate) async fn next(&self) -> (LoginId, Vec<ContactGroup>) {
        loop {
            match self.take() {
                Some(due) => return due,
                None => self.changed.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_login_is_due_when_its_groups_or_rooms_changed_and_not_before_its_groups_are_known() {
        let (queue, alice) = (SpaceQueue::default(), LoginId::new("alice@example.com"));
        queue.again(&alice);
        assert!(queue.next().now_or_never().is_none());
        let groups = |name: &str| {
            vec![ContactGroup { id: "1".into(), name: name.into(), conversations: Default::default() }]
        };
        queue.put(alice.clone(), groups("Friends"));
        queue.put(alice.clone(), groups("Family"));
        assert_eq!(queue.next().await, (alice.clone(), groups("Family")));
        assert!(queue.next().now_or_never().is_none(), "once");
        queue.again(&alice);
        assert_eq!(queue.next().await, (alice, groups("Family")));
    }
}
