//! The core on a store in memory, which fails when told to: a fault that a real disk cannot be made to show here.

use crate::bridge::testkit::{IRC, MATRIX};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;

use super::body::Body;
use super::event::Author;
use super::ids::{ConversationId, EntryId, LoginId, PortalKey};
use super::inbox::{Inbox, Item};
use super::journal::{Absence, Cursors, Entry};
use super::port::delivery::Content;
use super::port::media::{Incoming, Media, MediaId};
use super::port::storage::{Batch, Row, Storage, StorageError, Table, Urgency};

type Rows = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

#[derive(Default)]
pub(crate) struct Memory {
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

/// No file comes in this.
pub(crate) struct NoFiles;

impl Media for NoFiles {
    fn limit(&self) -> u64 {
        0
    }

    fn lower_limit(&self, _bytes: u64) {}

    fn begin(&self, _expected: u64) -> BoxFuture<'_, Result<Box<dyn Incoming>, StorageError>> {
        Box::pin(async { Err(StorageError("there is no room".into())) })
    }

    fn discard(&self, _media: &MediaId) {}

    fn path(&self, media: &MediaId) -> std::path::PathBuf {
        media.as_str().into()
    }
}

fn item(name: &str) -> Item {
    Item { name: name.into(), raw: name.as_bytes().to_vec() }
}

fn inbox(storage: &Arc<Memory>) -> Inbox {
    Inbox::open(storage.clone(), MATRIX, 0).unwrap()
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

/// A journal in which IRC was away for what is a `~`, and could be reached for what is a `.`.
async fn journal(storage: &Arc<Memory>, said: &str) -> Cursors {
    let portal = PortalKey::new(LoginId::new("alice"), ConversationId::new("bob"));
    let mut cursors = Cursors::load(&**storage, &portal, &[MATRIX, IRC]).unwrap();
    for (at, letter) in (1..).zip(said.chars()) {
        let legs = if letter == 'm' { vec![MATRIX] } else { vec![MATRIX, IRC] };
        let body = Body::Notice { text: at.to_string(), about: None };
        let away = if letter == '~' { vec![IRC] } else { Vec::new() };
        let (author, content) = (Author::Bridge, Content::Said { body });
        let entry = Entry { id: EntryId::new(at.to_string()), author, content, at, origin: None, legs, away };
        let mut batch = Batch::default();
        cursors.append(&entry, &mut batch);
        storage.commit(batch, Urgency::Now).await.unwrap();
    }
    cursors
}

#[tokio::test]
async fn fault_10_an_absence_ends_with_what_was_said_when_the_leg_was_back() {
    let storage = Arc::new(Memory::default());
    let cursors = journal(&storage, "~~m~.~~~~").await;
    let absence = |sequence, enough| cursors.absence(&*storage, IRC, sequence, enough).unwrap();
    assert_eq!(absence(1, 100), Absence { behind: 2, over_at: Some(5) }, "another leg's entry is none of it");
    assert_eq!(absence(4, 100), Absence { behind: 0, over_at: Some(5) });
    assert_eq!(absence(6, 100), Absence { behind: 3, over_at: None });
    assert_eq!(absence(6, 2), Absence { behind: 2, over_at: None });
}

#[tokio::test]
async fn fault_10_how_many_were_passed_over_is_known_after_a_restart_until_it_is_told() {
    let storage = Arc::new(Memory::default());
    let mut cursors = journal(&storage, "~~~.").await;
    let mut batch = Batch::default();
    (1..=2).for_each(|sequence| cursors.pass_over(IRC, sequence, &mut batch));
    cursors.strike(MATRIX, 4, &mut batch);
    storage.commit(batch, Urgency::Now).await.unwrap();
    let mut again = journal(&storage, "").await;
    assert_eq!((again.done(MATRIX), again.head), (cursors.done(MATRIX), cursors.head));
    assert_eq!((again.missed(IRC), again.missed(MATRIX), again.done(IRC)), (2, 0, 2));
    // Given up is not told: only what is delivered carries the number.
    let mut batch = Batch::default();
    again.strike(IRC, 3, &mut batch);
    assert_eq!(again.missed(IRC), 2);
    again.delivered(IRC);
    again.strike(IRC, 4, &mut batch);
    storage.commit(batch, Urgency::Now).await.unwrap();
    let told = journal(&storage, "").await;
    assert_eq!((told.missed(IRC), told.done(IRC)), (0, 4));
}
