//! Users whom an administrator has shut out, whatever the configuration allows them.
//!
//! Knows who is shut out, in memory and on disk. Refuses to know levels: the permissions behind it do. Keys of the table:
//! the user's id; the values are empty.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use super::BridgeError;
use super::ids::UserId;
use super::port::frontend::{Level, Permissions};
use super::port::storage::{Batch, Storage, Table};

/// Users read at once.
const PAGE: usize = 256;

/// Permissions, less those who are shut out.
pub struct ShutOutList {
    permissions: Arc<dyn Permissions>,
    out: RwLock<BTreeSet<UserId>>,
}

impl ShutOutList {
    /// Reads who is shut out.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn load(storage: &dyn Storage, permissions: Arc<dyn Permissions>) -> Result<Self, BridgeError> {
        let (mut out, mut after) = (BTreeSet::new(), None::<Vec<u8>>);
        loop {
            let rows = storage.scan(Table::ShutOut, &[], after.as_deref(), PAGE)?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            out.extend(rows.into_iter().filter_map(|(key, _)| String::from_utf8(key).ok()).map(UserId::new));
        }
        Ok(Self { permissions, out: RwLock::new(out) })
    }
}

impl Permissions for ShutOutList {
    fn level(&self, user: &UserId) -> Level {
        if self.is_shut_out(user) { Level::None } else { self.permissions.level(user) }
    }

    fn is_shut_out(&self, user: &UserId) -> bool {
        // Nothing that holds the lock panics.
        self.out.read().unwrap_or_else(PoisonError::into_inner).contains(user)
    }

    fn shut_out(&self, user: &UserId, is_out: bool, batch: &mut Batch) -> bool {
        let mut out = self.out.write().unwrap_or_else(PoisonError::into_inner);
        if is_out {
            batch.put(Table::ShutOut, user.as_str(), []);
            out.insert(user.clone());
        } else {
            batch.remove(Table::ShutOut, user.as_str());
            out.remove(user);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::port::storage::Urgency;
    use crate::bridge::testkit::SimStorage;

    struct Everybody;

    impl Permissions for Everybody {
        fn level(&self, _: &UserId) -> Level {
            Level::User
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_who_is_shut_out_stays_so_after_a_restart_until_let_in_again() {
        let storage = Arc::new(SimStorage::default());
        let (eve, ann) = (UserId::new("@eve:x"), UserId::new("@ann:x"));
        let load = || ShutOutList::load(&*storage, Arc::new(Everybody)).unwrap();
        for is_out in [true, false] {
            let (list, mut batch) = (load(), Batch::default());
            assert!(list.shut_out(&eve, is_out, &mut batch));
            assert_eq!(list.may_use(&eve), !is_out);
            storage.commit(batch, Urgency::Now).await.unwrap();
            assert_eq!((load().may_use(&eve), load().is_shut_out(&eve)), (!is_out, is_out));
            assert!(load().may_use(&ann));
        }
    }
}
