//! What readers see between a change and its place in the log, and what is in the log when the process is killed.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::engine::full_key;
use crate::store::ledger::Ledger;

/// One thing that is done to a store.
#[derive(Debug, Clone)]
enum Step {
    Put(u8, u16),
    Remove(u8),
    Write,
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        // Some values need several pieces.
        6 => (0..12_u8, prop_oneof![0..40_u16, 4_000..13_000_u16]).prop_map(|(key, size)| Step::Put(key, size)),
        3 => (0..12_u8).prop_map(Step::Remove),
        2 => Just(Step::Write),
        1 => Just(Step::Sync),
    ]
}

const TABLE: Table = Table::Journal;

/// A row's change as a ledger takes it: sealed, like the table.
fn change(key: &SealingKey, row: u8, value: Option<&[u8]>) -> Changes {
    let full = full_key(TABLE, &[b'k', row]);
    let value = value.map(|value| key.seal(&full, value));
    vec![(full, value)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn readers_see_every_change_at_once_wherever_it_is(
        steps in prop::collection::vec(step(), 1..60),
        after in 0..13_u8,
        limit in 1..6_usize,
    ) {
        let (directory, key) = (tempfile::tempdir().unwrap(), SealingKey::generate());
        let ledger = Ledger::open(directory.path(), key.clone(), false).unwrap();
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Put(row, size) => {
                    let value = vec![number as u8; usize::from(size)];
                    ledger.apply(change(&key, row, Some(&value)), Urgency::Now).unwrap();
                    model.insert(vec![b'k', row], value);
                }
                Step::Remove(row) => {
                    ledger.apply(change(&key, row, None), Urgency::Now).unwrap();
                    model.remove(&[b'k', row][..]);
                }
                Step::Write => drop(ledger.write().unwrap()),
                Step::Sync => ledger.sync().unwrap(),
            }
            let rows = |after: &[u8], limit| -> Vec<(Vec<u8>, Vec<u8>)> {
                let behind = model.iter().filter(|(key, _)| key.as_slice() > after).take(limit);
                behind.map(|(key, value)| (key.clone(), value.clone())).collect()
            };
            let from = [b'k', after];
            prop_assert_eq!(ledger.scan(TABLE, b"k", Some(&from), limit).unwrap(), rows(&from, limit));
            prop_assert_eq!(ledger.scan(TABLE, b"", None, 100).unwrap(), rows(b"", 100));
            for row in 0..12 {
                let found = ledger.read(&full_key(TABLE, &[b'k', row])).unwrap();
                prop_assert_eq!(found.as_ref(), model.get(&[b'k', row][..]));
            }
        }
        ledger.sync().unwrap();
        drop(ledger);
        let again = opened(|| Ledger::open(directory.path(), key.clone(), true));
        let kept: BTreeMap<_, _> = again.scan(TABLE, b"", None, 100).unwrap().into_iter().collect();
        prop_assert_eq!(kept, model);
    }
}

#[test]
fn what_was_written_and_not_synced_is_there_when_the_process_is_killed() {
    let (directory, copy, key) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), SealingKey::generate());
    let ledger = Ledger::open(directory.path(), key.clone(), false).unwrap();
    ledger.sync().unwrap();
    for row in 0..20 {
        ledger.apply(change(&key, row, Some(&[row; 900])), Urgency::Soon).unwrap();
    }
    ledger.write().unwrap();
    // What another process finds is what a kill leaves behind.
    for file in std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    let found = Ledger::open(copy.path(), key, true).unwrap();
    assert_eq!(found.scan(TABLE, b"k", None, 100).unwrap().len(), 20);
}
