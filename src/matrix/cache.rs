//! Facts that need not be asked twice, within a bound.
//!
//! Knows what was learned or used lately. Refuses to promise that it still knows: a fact may be evicted at any time, so the
//! owner of a cache says what an eviction costs. The least recently used half goes at once; that needs no order and no clock.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// At most `limit` facts; of those, the half that was used last is never evicted.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    generations: Mutex<Generations<K, V>>,
    half: usize,
}

/// Facts that were used since the last eviction, and facts that were used before.
#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq, V> Generations<K, V> {
    fn put(&mut self, key: K, value: V, half: usize) {
        self.young.insert(key, value);
        if self.young.len() >= half {
            self.old = mem::take(&mut self.young);
        }
    }

    fn take<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<(K, V)>
    where
        K: Borrow<Q>,
    {
        self.young.remove_entry(key).or_else(|| self.old.remove_entry(key))
    }
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    pub(crate) fn new(limit: usize) -> Self {
        let generations = Generations { young: HashMap::new(), old: HashMap::new() };
        Self { generations: Mutex::new(generations), half: (limit / 2).max(1) }
    }

    fn lock(&self) -> MutexGuard<'_, Generations<K, V>> {
        // Nothing that holds the lock panics.
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let mut generations = self.lock();
        if let Some(value) = generations.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = generations.old.remove_entry(key)?;
        generations.put(key, value.clone(), self.half);
        Some(value)
    }

    pub(crate) fn contains<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// Whether nothing is known.
    #[cfg(feature = "encryption")]
    pub(crate) fn is_empty(&self) -> bool {
        let generations = self.lock();
        generations.young.is_empty() && generations.old.is_empty()
    }

    /// Gives what was known before.
    pub(crate) fn insert(&self, key: K, value: V) -> Option<V> {
        let mut generations = self.lock();
        let before = generations.take(&key).map(|(_, value)| value);
        generations.put(key, value, self.half);
        before
    }

    /// Changes a fact, which begins as its default, and gives what it is then.
    pub(crate) fn update(&self, key: K, change: impl FnOnce(&mut V)) -> V
    where
        V: Default,
    {
        let mut generations = self.lock();
        let mut value = generations.take(&key).map(|(_, value)| value).unwrap_or_default();
        change(&mut value);
        generations.put(key, value.clone(), self.half);
        value
    }

    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.lock().take(key).map(|(_, value)| value)
    }

    pub(crate) fn retain(&self, keeps: impl Fn(&K) -> bool) {
        let mut generations = self.lock();
        generations.young.retain(|key, _| keeps(key));
        generations.old.retain(|key, _| keeps(key));
    }

    pub(crate) fn clear(&self) {
        self.retain(|_| false);
    }

    pub(crate) fn values(&self) -> Vec<V> {
        let generations = self.lock();
        generations.young.values().chain(generations.old.values()).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_never_exceed_the_limit_and_the_half_used_last_stays() {
        let cache = Cache::new(10);
        for number in 0..1000_usize {
            cache.insert(number, number);
            assert!(cache.values().len() <= 10);
            let lately = number.saturating_sub(2);
            assert_eq!(cache.get(&lately), Some(lately));
        }
        assert_eq!(cache.get(&0), None);
    }

    #[test]
    fn a_fact_that_is_used_outlives_others_that_are_not() {
        let cache = Cache::new(4);
        cache.insert("used", 1);
        for other in ["a", "b", "c", "d", "e", "f"] {
            cache.insert(other, 0);
            assert_eq!(cache.get("used"), Some(1), "after {other}");
        }
        assert!(!cache.contains("a"));
    }

    #[test]
    fn a_fact_is_replaced_changed_and_forgotten_in_either_generation() {
        let cache = Cache::new(2);
        assert_eq!(cache.insert("a", 1), None);
        assert_eq!(cache.insert("a", 2), Some(1));
        assert_eq!(cache.update("a", |value| *value += 1), 3);
        assert_eq!(cache.update("b", |value| *value += 1), 1);
        assert_eq!(cache.remove("b"), Some(1));
        cache.insert("c", 7);
        cache.retain(|key| *key != "c");
        assert_eq!(cache.get("c"), None);
        cache.clear();
        assert!(cache.values().is_empty());
    }
}
