//! The inbox and the journal alone, on a disk that fails when told to.

use std::sync::Arc;

use super::body::Body;
use super::event::Author;
use super::ids::{ConversationId, EntryId, LoginId, PortalKey};
use super::inbox::{Inbox, Item};
use super::journal::{Absence, Cursors, Entry};
use super::port::delivery::Content;
use super::port::storage::{Batch, Storage, Table, Urgency};
use super::testkit::{Disk, IRC, MATRIX, SimStorage};

fn item(name: &str) -> Item {
    Item { name: name.into(), raw: name.as_bytes().to_vec() }
}

fn inbox(storage: &Arc<SimStorage>) -> Inbox {
    Inbox::open(storage.clone(), MATRIX, 0).unwrap()
}

#[tokio::test]
async fn what_was_not_written_down_does_not_count_as_seen() {
    let storage = Arc::new(SimStorage::default());
    let inbox = inbox(&storage);
    storage.becomes(Disk::Full);
    assert!(inbox.accept("1", vec![item("a"), item("b")]).await.is_err());
    storage.becomes(Disk::Works);
    assert_eq!(inbox.accept("1", vec![item("a"), item("b")]).await.unwrap(), 2);
    assert_eq!(inbox.read(None, 10).unwrap().len(), 2);
}

#[tokio::test]
async fn fault_28_what_is_on_disk_although_its_writing_failed_is_not_taken_twice() {
    let storage = Arc::new(SimStorage::default());
    let inbox = inbox(&storage);
    storage.becomes(Disk::FailsAndKeeps);
    assert!(inbox.accept("1", vec![item("a"), item("b")]).await.is_err(), "it is not acknowledged");
    storage.becomes(Disk::Works);
    // The homeserver repeats it, alone or with more; other transactions come between.
    assert_eq!(inbox.accept("2", vec![item("c")]).await.unwrap(), 1);
    assert_eq!(inbox.accept("1", vec![item("a"), item("b")]).await.unwrap(), 0);
    assert_eq!(inbox.accept("3", vec![item("b"), item("d")]).await.unwrap(), 1);
    let raw: Vec<Vec<u8>> = inbox.read(None, 10).unwrap().into_iter().map(|(_, raw)| raw).collect();
    assert_eq!(raw, [b"a".to_vec(), b"b".to_vec(), b"c".to_vec(), b"d".to_vec()]);
}

#[tokio::test]
async fn transactions_are_seen_once_and_a_new_homeserver_counts_from_one() {
    let storage = Arc::new(SimStorage::default());
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
    let storage = Arc::new(SimStorage::default());
    let inbox = inbox(&storage);
    for n in 0..10_100 {
        inbox.accept(&n.to_string(), Vec::new()).await.unwrap();
    }
    assert_eq!(storage.rows(Table::Seen).len(), 10_000);
    assert_eq!(inbox.accept("10099", Vec::new()).await.unwrap(), 0);
}

/// A journal in which IRC was away for what is a `~`, and could be reached for what is a `.`.
async fn journal(storage: &Arc<SimStorage>, said: &str) -> Cursors {
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
    let storage = Arc::new(SimStorage::default());
    let cursors = journal(&storage, "~~m~.~~~~").await;
    let absence = |sequence, enough| cursors.absence(&*storage, IRC, sequence, enough).unwrap();
    assert_eq!(absence(1, 100), Absence { behind: 2, over_at: Some(5) }, "another leg's entry is none of it");
    assert_eq!(absence(4, 100), Absence { behind: 0, over_at: Some(5) });
    assert_eq!(absence(6, 100), Absence { behind: 3, over_at: None });
    assert_eq!(absence(6, 2), Absence { behind: 2, over_at: None });
}

#[tokio::test]
async fn fault_10_how_many_were_passed_over_is_known_after_a_restart_until_it_is_told() {
    let storage = Arc::new(SimStorage::default());
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
