//! Who was asked for a password, on disk: an answer that comes after a restart is one all the same, and must not stay where
//! it was written.
//!
//! Knows users and the accounts that they named. Refuses to know a password.

use std::collections::HashMap;

use super::BridgeError;
use super::ids::UserId;
use super::port::storage::{Batch, Storage, Table};

/// Begins the keys of such rows, in a table that never leaves this store.
const PREFIX: &[u8] = b"awaits password\0";
/// Rows read at once.
const PAGE: usize = 256;

/// Users whose next message is the password of an account.
#[derive(Debug, Default)]
pub(super) struct Prompts {
    asked: HashMap<UserId, String>,
}

fn key(user: &UserId) -> Vec<u8> {
    [PREFIX, user.as_str().as_bytes()].concat()
}

impl Prompts {
    /// Reads who was asked before a restart.
    pub(super) fn load(storage: &dyn Storage) -> Result<Self, BridgeError> {
        let mut asked = HashMap::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = storage.scan(Table::Meta, PREFIX, after.as_deref(), PAGE)?;
            let Some((last, _)) = rows.last() else { return Ok(Self { asked }) };
            after = Some(last.clone());
            for (key, account) in rows {
                let user = String::from_utf8(key[PREFIX.len()..].to_vec()).ok();
                let row = user.zip(String::from_utf8(account).ok());
                asked.extend(row.map(|(user, account)| (UserId::new(user), account)));
            }
        }
    }

    /// What remembers that a user is asked; [`Prompts::asked`] follows once it is committed.
    pub(super) fn ask(user: &UserId, account: &str, batch: &mut Batch) {
        batch.put(Table::Meta, key(user), account);
    }

    /// A user's next message is a password.
    pub(super) fn asked(&mut self, user: &UserId, account: &str) {
        self.asked.insert(user.clone(), account.to_owned());
    }

    /// The account whose password a user was asked for.
    pub(super) fn account(&self, user: &UserId) -> Option<&str> {
        self.asked.get(user).map(String::as_str)
    }

    /// What forgets that a user was asked; [`Prompts::answered`] follows once it is committed.
    pub(super) fn forget(user: &UserId, batch: &mut Batch) {
        batch.remove(Table::Meta, key(user));
    }

    /// A user has answered, or does not want to.
    pub(super) fn answered(&mut self, user: &UserId) {
        self.asked.remove(user);
    }
}
