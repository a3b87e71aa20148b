mod exports;
mod faults;
mod links;
mod merged;

use super::sync::SPACING;
use super::*;
use crate::bridge::port::storage::Write;

fn open(directory: &Path, key: &SealingKey) -> Store {
    opened(|| Store::open(directory, key.clone()))
}

/// A store, once nobody else holds it. A process that another test starts holds every file that is open here, and its
/// lock, until it has become another program; nothing tells when that is.
fn opened<T>(open: impl Fn() -> Result<T, StoreError>) -> T {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        match open() {
            Err(StoreError::Unusable { source, .. })
                if source.to_string().contains("lock") && std::time::Instant::now() < until =>
            {
                std::thread::yield_now();
            }
            result => return result.unwrap(),
        }
    }
}

fn put(table: Table, key: &str, value: &[u8]) -> Batch {
    Batch(vec![Write { table, key: key.into(), value: Some(value.to_vec()) }])
}

#[tokio::test]
async fn rows_survive_a_restart_and_large_ones_come_in_pieces() {
    let (directory, key) = (tempfile::tempdir().unwrap(), SealingKey::generate());
    let large: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    {
        let store = open(directory.path(), &key);
        store.commit(put(Table::Inbox, "a", &large), Urgency::Now).await.unwrap();
        store.commit(put(Table::Rooms, "b", b"x"), Urgency::Soon).await.unwrap();
    }
    let store = open(directory.path(), &key);
    assert_eq!(store.read(Table::Inbox, b"a").unwrap().as_deref(), Some(&large[..]));
    assert_eq!(store.scan(Table::Inbox, b"", None, 10).unwrap().len(), 1);
    let blobs = std::fs::read_dir(directory.path().join("blobs")).map_or(0, Iterator::count);
    assert_eq!(blobs, 0, "a value went to a file that is never synced");
    store.commit(put(Table::Inbox, "a", b"small"), Urgency::Now).await.unwrap();
    assert_eq!(store.read(Table::Inbox, b"a").unwrap().as_deref(), Some(&b"small"[..]));
    assert_eq!(store.ledger.rows(), 5, "version, marker, number and two rows; no piece is left");
}

#[tokio::test]
async fn scans_are_ordered_bounded_and_stay_in_their_table() {
    let (directory, key) = (tempfile::tempdir().unwrap(), SealingKey::generate());
    let store = open(directory.path(), &key);
    for name in ["p1", "p2", "p3", "q1"] {
        store.commit(put(Table::Portals, name, b"v"), Urgency::Now).await.unwrap();
    }
    let keys = |after: Option<&[u8]>, limit| -> Vec<String> {
        let rows = store.scan(Table::Portals, b"p", after, limit).unwrap();
        rows.into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect()
    };
    assert_eq!(keys(None, 2), ["p1", "p2"]);
    assert_eq!(keys(Some(b"p2"), 9), ["p3"]);
    assert!(store.scan(Table::Journal, b"", None, 9).unwrap().is_empty());
}

#[tokio::test]
async fn a_thousand_commits_at_once_take_few_syncs() {
    let (directory, key) = (tempfile::tempdir().unwrap(), SealingKey::generate());
    let store = open(directory.path(), &key);
    let (before, began) = (store.syncs(), std::time::Instant::now());
    let commits = (0..1000).map(|n| store.commit(put(Table::Journal, &n.to_string(), b"v"), Urgency::Now));
    for done in futures_util::future::join_all(commits.collect::<Vec<_>>()).await {
        done.unwrap();
    }
    // However slow the machine is: one for all that came while the disk took its time.
    let (syncs, most) =
        (u128::from(store.syncs() - before), began.elapsed().as_millis() / SPACING.as_millis() + 2);
    assert!(syncs <= most && syncs < 1000, "{syncs} syncs, in a time for {most}");
}

#[tokio::test]
async fn words_are_sealed_and_a_wrong_key_is_named() {
    let (directory, key) = (tempfile::tempdir().unwrap(), SealingKey::generate());
    {
        let store = open(directory.path(), &key);
        let secret = b"a very particular sentence";
        store.commit(put(Table::Journal, "k", secret), Urgency::Now).await.unwrap();
    }
    let bytes = std::fs::read(log_file(directory.path())).unwrap();
    assert!(!bytes.windows(15).any(|w| w == b"very particular"));
    let wrong = Store::open(directory.path(), SealingKey::generate());
    assert!(matches!(wrong.err(), Some(StoreError::WrongKey)));
}

#[tokio::test]
async fn a_damaged_store_is_an_error_with_the_way_back_and_the_export_restores() {
    let (directory, key) = (tempfile::tempdir().unwrap(), SealingKey::generate());
    let mut file = Vec::new();
    {
        let store = open(directory.path(), &key);
        for n in 0..500 {
            drop(store.commit(put(Table::Rooms, &n.to_string(), &[7; 900]), Urgency::Soon));
        }
        store.commit(put(Table::Logins, "alice", b"secret login"), Urgency::Now).await.unwrap();
        store.commit(put(Table::Journal, "x", b"on its way"), Urgency::Now).await.unwrap();
        assert_eq!(export(&store, &mut file).unwrap(), 501);
    }
    assert!(!String::from_utf8_lossy(&file).contains("secret login"));
    let log = log_file(directory.path());
    let bytes = std::fs::read(&log).unwrap();
    for kept in [0, 4096, bytes.len() / 2, bytes.len() * 9 / 10] {
        std::fs::write(&log, &bytes[..kept]).unwrap();
        let damaged = Store::open(directory.path(), key.clone()).err().map(|error| error.to_string());
        assert!(
            damaged.as_ref().is_some_and(|text| text.contains("msnbridge import")),
            "{kept}: {damaged:?}"
        );
    }

    let fresh = tempfile::tempdir().unwrap();
    let imported = import(fresh.path(), &key, &mut &file[..]).unwrap();
    assert_eq!(imported, Imported { rows: 501, checked: true });
    let store = open(fresh.path(), &key);
    assert_eq!(store.read(Table::Logins, b"alice").unwrap().as_deref(), Some(&b"secret login"[..]));
    assert_eq!(store.read(Table::Journal, b"x").unwrap(), None);
}
