//! Who could have a puppet, and what each is called.
//!
//! Knows contacts and owners by keys that do not change. Refuses to know connections.

use crate::bridge::event::{Author, Ghost};
use crate::irc::RelayConfig;

/// Somebody who could have a puppet.
pub(super) struct Person {
    /// Distinguishes people of the network and owners.
    pub(super) key: String,
    /// What their nick is made from.
    pub(super) wanted: String,
    pub(super) name: String,
    /// For people of the network.
    pub(super) account: Option<String>,
}

impl Person {
    pub(super) fn of(author: &Author, relay: &RelayConfig) -> Option<Self> {
        match author {
            Author::Ghost(ghost) => Some(Self::ghost(ghost)),
            Author::Owner { name } => {
                // One owner, whatever they are called where they speak.
                let key = format!("owner of {}", relay.portal.receiver);
                let first = name.trim_start_matches('@').split([':', '@']).next().unwrap_or(name);
                Some(Self { key, wanted: first.to_owned(), name: name.clone(), account: None })
            }
            Author::Relayed { .. } | Author::Bridge => None,
        }
    }

    pub(super) fn ghost(ghost: &Ghost) -> Self {
        let account = ghost.id.as_str();
        let key = format!("ghost {account}");
        Self { key, wanted: ghost.name.clone(), name: ghost.name.clone(), account: Some(account.to_owned()) }
    }

    /// Whether they speak at the other end of this relay too: a contact in every channel that is a conversation with
    /// them, an owner in every one of that login's.
    pub(super) fn speaks_in(&self, relay: &RelayConfig, first: &RelayConfig) -> bool {
        match &self.account {
            Some(account) => relay.members.contains(account),
            None => relay.portal.receiver == first.portal.receiver,
        }
    }
}

/// The account of a contact by the key of their puppet; `None` for an owner.
pub(super) fn account_of(key: &str) -> Option<&str> {
    key.strip_prefix("ghost ")
}

/// Whom the bot names when it speaks for somebody.
pub(super) fn name_of(author: &Author) -> Option<&str> {
    match author {
        Author::Ghost(ghost) => Some(&ghost.name),
        Author::Owner { name } | Author::Relayed { name } => Some(name),
        Author::Bridge => None,
    }
}
