//! Whose devices changed, and who has not heard of it yet.
//!
//! Knows a number that rises with each change, and the last for each person. Refuses to wake anybody: a ghost hears of it
//! before it says something the next time. Source: measured, telling 200 devices at once holds everything up.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ruma::{OwnedUserId, UserId};

/// People whose changes are remembered. Beyond that all count as changed: their devices are asked for once more.
const MAX_PEOPLE: usize = 20_000;

/// Changes of people's devices since the start.
#[derive(Debug, Default)]
pub(super) struct DeviceChanges(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    count: u64,
    /// Of everybody, up to here.
    all: u64,
    last: HashMap<OwnedUserId, u64>,
}

impl DeviceChanges {
    fn lock(&self) -> MutexGuard<'_, Known> {
        // Nothing that holds the lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.lock().count
    }

    /// Somebody's devices are others now.
    pub(super) fn note(&self, user: &UserId) {
        let mut known = self.lock();
        known.count += 1;
        let count = known.count;
        if known.last.len() >= MAX_PEOPLE {
            known.last.clear();
            known.all = count;
        }
        known.last.insert(user.to_owned(), count);
    }

    /// Of these people those whose devices changed after `seen`, and the number to remember.
    pub(super) fn since(&self, seen: u64, people: &[OwnedUserId]) -> (Vec<OwnedUserId>, u64) {
        let known = self.lock();
        let is_news =
            |user: &&OwnedUserId| known.all > seen || known.last.get(*user).is_some_and(|last| *last > seen);
        (people.iter().filter(is_news).cloned().collect(), known.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> OwnedUserId {
        UserId::parse(format!("@{name}:x")).unwrap()
    }

    #[test]
    fn a_change_is_news_once_to_each_who_asks() {
        let (changes, people) = (DeviceChanges::default(), [user("ann"), user("eve")]);
        assert_eq!(changes.since(0, &people), (vec![], 0));
        changes.note(&people[0]);
        changes.note(&user("zoe"));
        assert_eq!(changes.since(0, &people), (vec![people[0].clone()], 2));
        assert_eq!(changes.since(2, &people), (vec![], 2));
        changes.note(&people[1]);
        assert_eq!(changes.since(2, &people), (vec![people[1].clone()], 3));
    }

    #[test]
    fn with_more_people_than_are_remembered_all_count_as_changed() {
        let (changes, ann) = (DeviceChanges::default(), [user("ann")]);
        changes.note(&ann[0]);
        let (_, seen) = changes.since(0, &ann);
        for number in 0..MAX_PEOPLE {
            changes.note(&user(&format!("u{number}")));
        }
        assert_eq!(changes.since(seen, &ann).0, ann);
    }
}
