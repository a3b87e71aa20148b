//! The core on a store in memory, which fails when told to: a fault that a real disk cannot be made to show here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;

use super::ids::Leg;
use super::inbox::{Inbox, Item};
use super::ports::{Batch, Row, Storage, StorageError, Table, Urgency};

type Rows = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

#[derive(Default)]
pub(super) struct Memory {
    rows: Mutex<Rows>,
    /// So many commits fail before one succeeds.
    failures: AtomicUsize,
    /// Whether what failed is there all the same, as after a sync that failed.
    keeps_failed: AtomicBool,
}

impl Storage for Memory {
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.rows.lock().unwrap().get(&(table as u8, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError> {
        let rows = self.rows.lock().unwrap();
        let own = rows.iter().filter(|((t, key), _)| *t == table as u8 && key.starts_with(prefix));
        let behind = own.filter(|((_, key), _)| after.is_none_or(|after| key.as_slice() > after));
        Ok(behind.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn commit(&self, batch: Batch, _urgency: Urgency) -> BoxFuture<'static, Result<(), StorageError>> {
        let failing =
            self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        let failure = || Err(StorageError("the disk is full".into()));
        if failing && !self.keeps_failed.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(failure()));
        }
        let mut rows = self.rows.lock().unwrap();
        for write in batch.0 {
            let key = (write.table as u8, write.key);
            match write.value {
                Some(value) => drop(rows.insert(key, value)),
                None => drop(rows.remove(&key)),
            }
        }
        Box::pin(std::future::ready(if failing { failure() } else { Ok(()) }))
    }
}

fn item(name: &str) -> Item {
    Item { name: name.into(), raw: name.as_bytes().to_vec() }
}

fn inbox(storage: &Arc<Memory>) -> Inbox {
    Inbox::open(storage.clone(), Leg::Matrix).unwrap()
}

#[tokio::test]
async fn what_was_not_written_down_does_not_count_as_seen() {
    let storage = Arc::new(Memory::default());
    let inbox = inbox(&storage);
    storage.failures.store(1, Ordering::SeqCst);
    assert!(inbox.accept("1", vec![item("a"), item("b")]).await.is_err());
    assert_eq!(inbox.accept("1", vec![item("a"), item("b")]).await.unwrap(), 2);
    assert_eq!(inbox.read(None, 10).unwrap().len(), 2);
}

#[tokio::test]
async fn fault_28_what_is_on_disk_although_its_writing_failed_is_not_taken_twice() {
    let storage = Arc::new(Memory::default());
    let inbox = inbox(&storage);
    storage.keeps_failed.store(true, Ordering::SeqCst);
    storage.failures.store(1, Ordering::SeqCst);
    assert!(inbox.accept("1", vec![item("a"), item("b")]).await.is_err(), "it is not acknowledged");
    // The homeserver repeats it, alone or with more; other transactions come between.
    assert_eq!(inbox.accept("2", vec![item("c")]).await.unwrap(), 1);
    assert_eq!(inbox.accept("1", vec![item("a"), item("b")]).await.unwrap(), 0);
    assert_eq!(inbox.accept("3", vec![item("b"), item("d")]).await.unwrap(), 1);
    let raw: Vec<Vec<u8>> = inbox.read(None, 10).unwrap().into_iter().map(|(_, raw)| raw).collect();
    assert_eq!(raw, [b"a".to_vec(), b"b".to_vec(), b"c".to_vec(), b"d".to_vec()]);
}

#[tokio::test]
async fn transactions_are_seen_once_and_a_new_homeserver_counts_from_one() {
    let storage = Arc::new(Memory::default());
    let first = inbox(&storage);
    assert_eq!(first.accept("1", vec![item("a"), item("a")]).await.unwrap(), 1);
    assert_eq!(first.accept("1", vec![item("a"), item("a")]).await.unwrap(), 0);
    // After a restart too; and the same number with other events is another transaction.
    let second = inbox(&storage);
    assert_eq!(second.accept("1", vec![item("a"), item("a")]).await.unwrap(), 0);
    assert_eq!(second.accept("1", vec![item("z")]).await.unwrap(), 1);
    // An event that came before is known by itself.
    assert_eq!(second.accept("2", vec![item("a"), item("y")]).await.unwrap(), 1);
    let raw: Vec<Vec<u8>> = second.read(None, 10).unwrap().into_iter().map(|(_, raw)| raw).collect();
    assert_eq!(raw, [b"a".to_vec(), b"z".to_vec(), b"y".to_vec()]);
}

#[tokio::test]
async fn the_memory_of_what_was_seen_is_bounded() {
    let storage = Arc::new(Memory::default());
    let inbox = inbox(&storage);
    for n in 0..10_100 {
        inbox.accept(&n.to_string(), Vec::new()).await.unwrap();
    }
    let seen = storage.rows.lock().unwrap().keys().filter(|(table, _)| *table == Table::Seen as u8).count();
    assert_eq!(seen, 10_000);
    assert_eq!(inbox.accept("10099", Vec::new()).await.unwrap(), 0);
}
