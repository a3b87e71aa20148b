//! Rows of logins on their way to the disk. Nobody waits for them one by one: ten thousand logins change at once when a
//! server comes back, and each sync takes milliseconds in which nothing else would happen.
//!
//! The store keeps the order of what it is given, so whatever is written after a row is on disk after it.

use tokio::task::JoinSet;

use crate::bridge::ids::LoginId;
use crate::bridge::login::Login;
use crate::bridge::port::storage::{Batch, Storage, StorageError, Urgency};

#[derive(Default)]
pub(super) struct Saves {
    under_way: JoinSet<(LoginId, Result<(), StorageError>)>,
}

impl Saves {
    /// Writes a login as it is now.
    pub(super) fn save(&mut self, storage: &dyn Storage, login: &Login) {
        let mut batch = Batch::default();
        login.store(&mut batch);
        let (id, commit) = (login.id.clone(), storage.commit(batch, Urgency::Now));
        self.under_way.spawn(async move { (id, commit.await) });
    }

    /// The next login whose row could not be written. `None` once none is under way any more. Cancelling this loses
    /// nothing.
    pub(super) async fn failed(&mut self) -> Option<LoginId> {
        while let Some(saved) = self.under_way.join_next().await {
            match saved {
                Ok((_, Ok(()))) => {}
                Ok((id, Err(error))) => {
                    tracing::error!(login = %id, %error, "a login could not be written down, trying again");
                    return Some(id);
                }
                Err(error) => tracing::error!(%error, "writing a login broke off"),
            }
        }
        None
    }
}
