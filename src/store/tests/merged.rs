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

/// The rows that a kill would leave behind now: what another process finds in the log.
fn left_behind(directory: &Path, key: &SealingKey) -> usize {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
    }
    // A copy that was made in the middle of a write may be no store.
    let ledger = Ledger::open(copy.path(), key.clone(), true);
    ledger.map_or(0, |ledger| ledger.scan(TABLE, b"k", None, 100).unwrap().len())
}

#[test]
fn what_nobody_waits_for_survives_a_kill_while_no_sync_ends() {
    let (directory, key) = (tempfile::tempdir().unwrap(), SealingKey::generate());
    let ledger = Arc::new(Ledger::open(directory.path(), key.clone(), false).unwrap());
    ledger.sync().unwrap();
    let writer = Writer::start(ledger.clone()).unwrap();
    for row in 0..20 {
        ledger.apply(change(&key, row, Some(&[row; 900])), Urgency::Soon).unwrap();
        writer.wake();
    }
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while left_behind(directory.path(), &key) < 20 {
        assert!(std::time::Instant::now() < until, "it is not in the log");
    }
}
