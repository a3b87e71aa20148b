//! Who has which nick on one network: given once, kept in the store, so that namesakes never exchange theirs.
//!
//! Knows people by their keys, and names as the network compares them. Refuses to know who is connected.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::casemap::Casemap;
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};

/// Where the nicks of a network are kept.
fn row(network: &str, person: &str) -> Vec<u8> {
    format!("{network}\0{person}").into_bytes()
}

/// The nicks of one network.
pub(super) struct Nicks {
    network: String,
    storage: Arc<dyn Storage>,
    given: Mutex<Given>,
}

#[derive(Default)]
struct Given {
    /// By person.
    nicks: HashMap<String, String>,
    /// All that a puppet of ours may have had, in small letters.
    ours: HashSet<String>,
}

impl Nicks {
    /// Reads the nicks that were given before when they are first asked for.
    pub(super) fn new(network: &str, storage: Arc<dyn Storage>) -> Self {
        Self { network: network.to_owned(), storage, given: Mutex::default() }
    }

    fn given(&self) -> std::sync::MutexGuard<'_, Given> {
        // Nothing that holds the lock panics.
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stored(&self, key: &[u8]) -> Option<String> {
        let stored = self.storage.read(Table::Nicks, key).unwrap_or_else(|error| {
            tracing::warn!(%error, "the nick of a contact cannot be read");
            None
        });
        String::from_utf8(stored?).ok()
    }

    /// A person's nick first, and then those of `candidates` that nobody else of ours has.
    pub(super) fn of(&self, person: &str, candidates: Vec<String>, casemap: Casemap) -> Vec<String> {
        let mut given = self.given();
        let known = given.nicks.get(person).cloned().or_else(|| self.stored(&row(&self.network, person)));
        let holder = |nick: &str| self.stored(&row(&self.network, &format!("nick {}", casemap.fold(nick))));
        let is_free = |nick: &String| holder(nick).is_none_or(|holder| holder == person);
        let mut nicks: Vec<String> = candidates.into_iter().filter(is_free).collect();
        // A nick that was made by another template, or for another length, is given up.
        match known.and_then(|known| nicks.iter().position(|nick| *nick == known)) {
            Some(at) => nicks[..=at].rotate_right(1),
            None => self.give(person, nicks.first(), casemap),
        }
        if let Some(first) = nicks.first() {
            given.nicks.insert(person.to_owned(), first.clone());
        }
        given.ours.extend(nicks.iter().map(|nick| Casemap::Rfc1459.fold(nick)));
        nicks
    }

    /// Remembers a nick both ways.
    fn give(&self, person: &str, nick: Option<&String>, casemap: Casemap) {
        let Some(nick) = nick else { return };
        let mut batch = Batch::default();
        batch.put(Table::Nicks, row(&self.network, person), nick.clone().into_bytes());
        let holder = row(&self.network, &format!("nick {}", casemap.fold(nick)));
        batch.put(Table::Nicks, holder, person.as_bytes().to_vec());
        drop(self.storage.commit(batch, Urgency::Soon));
    }

    /// Whether a puppet of ours may have this nick, or may have had it a moment ago.
    pub(super) fn may_be_ours(&self, nick: &str) -> bool {
        self.given().ours.contains(&Casemap::Rfc1459.fold(nick))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::testkit::SimStorage;

    fn candidates(base: &str) -> Vec<String> {
        super::super::nick::NickTemplate::parse("{name}[m]").unwrap().candidates(base, 16)
    }

    #[tokio::test]
    async fn namesakes_keep_their_nicks_over_restarts_whoever_comes_first() {
        let storage: Arc<dyn Storage> = Arc::new(SimStorage::default());
        let nicks = Nicks::new("test", storage.clone());
        let of =
            |nicks: &Nicks, person: &str| nicks.of(person, candidates("Bob"), Casemap::Rfc1459)[0].clone();
        assert_eq!(of(&nicks, "ghost a"), "Bob[m]");
        assert_eq!(of(&nicks, "ghost b"), "Bob2[m]");
        let nicks = Nicks::new("test", storage.clone());
        assert_eq!(of(&nicks, "ghost b"), "Bob2[m]");
        assert_eq!(of(&nicks, "ghost a"), "Bob[m]");
        assert!(nicks.may_be_ours("bob{M}") && !nicks.may_be_ours("bob"));
        // However many of one name there are, nobody shares a nick.
        let mut all = std::collections::BTreeSet::new();
        for n in 0..200 {
            let template = super::super::nick::NickTemplate::parse("{name}[m]").unwrap();
            let mut wanted = candidates("Bob");
            let letters: String = [n / 26, n % 26].map(|at| char::from(b'a' + at)).iter().collect();
            wanted.extend(template.candidates(&super::super::nick::NickTemplate::without_name(&letters), 16));
            assert!(all.insert(nicks.of(&format!("ghost {n}"), wanted, Casemap::Rfc1459)[0].clone()), "{n}");
        }
        // Another network is another matter, and another template a new nick.
        assert_eq!(of(&Nicks::new("other", storage), "ghost b"), "Bob[m]");
        assert_eq!(nicks.of("ghost a", candidates("Robert"), Casemap::Rfc1459)[0], "Robert[m]");
    }
}
