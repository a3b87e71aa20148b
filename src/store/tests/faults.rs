//! A disk that fails and comes back: real faults of a real directory, without help from inside.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;

/// Long enough for several openings; the store is opened anew within two seconds.
const WAIT: Duration = Duration::from_secs(60);

async fn broken(store: &Store) -> String {
    let mut health = store.health();
    let reason = tokio::time::timeout(WAIT, health.wait_for(Option::is_some)).await.expect("it notices");
    reason.unwrap().as_deref().unwrap_or_default().to_owned()
}

async fn works(store: &Store) {
    tokio::time::timeout(WAIT, store.works()).await.expect("it works again");
}

#[tokio::test]
async fn fault_28_a_store_whose_directory_went_away_takes_nothing_and_goes_on_when_it_is_back() {
    let (folder, key) = (tempfile::tempdir().unwrap(), SealingKey::generate());
    let (here, away) = (folder.path().join("store"), folder.path().join("elsewhere"));
    let store = open(&here, &key);
    store.commit(put(Table::Journal, "before", b"1"), Urgency::Now).await.unwrap();
    std::fs::rename(&here, &away).unwrap();
    let refused = store.commit(put(Table::Journal, "during", b"2"), Urgency::Now).await;
    assert!(refused.unwrap_err().0.contains("gone"));
    assert!(broken(&store).await.contains("gone"));
    let again = store.commit(put(Table::Journal, "later", b"3"), Urgency::Now).await;
    assert!(again.is_err(), "nothing is acknowledged");
    drop(store.commit(put(Table::Rooms, "unwaited", b"4"), Urgency::Soon));
    assert!(store.ledger.reopen().is_err(), "there is nothing to open");
    assert_eq!(
        store.read(Table::Journal, b"before").unwrap().as_deref(),
        Some(&b"1"[..]),
        "it is still read"
    );
    std::fs::rename(&away, &here).unwrap();
    works(&store).await;
    for (table, name, value) in
        [(Table::Journal, "before", b"1"), (Table::Journal, "during", b"2"), (Table::Rooms, "unwaited", b"4")]
    {
        assert_eq!(store.read(table, name.as_bytes()).unwrap().as_deref(), Some(&value[..]), "{name}");
    }
    store.commit(put(Table::Journal, "after", b"5"), Urgency::Now).await.unwrap();
    drop(store);
    let store = opened(|| Store::open_existing(&here, key.clone()));
    assert_eq!(store.scan(Table::Journal, b"", None, 10).unwrap().len(), 3);
}

#[tokio::test]
async fn fault_28_an_idle_store_notices_that_it_is_gone_and_takes_no_other_in_its_place() {
    let (folder, key) = (tempfile::tempdir().unwrap(), SealingKey::generate());
    let (here, old) = (folder.path().join("store"), folder.path().join("old"));
    let store = open(&here, &key);
    store.commit(put(Table::Rooms, "a", b"1"), Urgency::Now).await.unwrap();
    store.ledger.sync().unwrap();
    std::fs::create_dir(&old).unwrap();
    for file in std::fs::read_dir(&here).unwrap().flatten().filter(|f| f.path().is_file()) {
        std::fs::copy(file.path(), old.join(file.file_name())).unwrap();
    }
    for n in 0..20 {
        store.commit(put(Table::Rooms, &n.to_string(), b"x"), Urgency::Now).await.unwrap();
    }
    std::fs::remove_dir_all(&here).unwrap();
    assert!(broken(&store).await.contains("gone"));
    // An older copy is a store, but not the one that acknowledged.
    std::fs::rename(&old, &here).unwrap();
    let error = store.ledger.reopen().unwrap_err().to_string();
    assert!(error.contains("changes before what was on disk already"), "{error}");
    assert!(store.commit(put(Table::Rooms, "b", b"2"), Urgency::Now).await.is_err());
}

#[tokio::test]
async fn fault_28_a_log_that_was_replaced_or_removed_is_noticed() {
    for replace in [true, false] {
        let (folder, key) = (tempfile::tempdir().unwrap(), SealingKey::generate());
        let store = open(folder.path(), &key);
        std::fs::remove_file(log_file(folder.path())).unwrap();
        if replace {
            std::fs::write(log_file(folder.path()), b"").unwrap();
        }
        assert!(broken(&store).await.contains("gone"), "replaced: {replace}");
    }
}

#[tokio::test]
async fn fault_28_a_disk_that_reports_an_error_or_can_only_be_read_loses_nothing_that_was_acknowledged() {
    use crate::store::fault::simulated::{self, Work};
    const EIO: i32 = 5;
    const EROFS: i32 = 30;
    const EDQUOT: i32 = 122;
    for (work, number, words) in [
        (Work::Write, EIO, "the disk reports an error: Input/output error"),
        // A sync that failed once says nothing of what came before it.
        (Work::Sync, EIO, "the disk reports an error: Input/output error"),
        (Work::Write, EROFS, "the disk can only be read"),
        (Work::Sync, EROFS, "the disk can only be read"),
        (Work::Write, EDQUOT, "the disk quota is used up"),
    ] {
        let (folder, key) = (tempfile::tempdir().unwrap(), SealingKey::generate());
        let store = open(folder.path(), &key);
        store.commit(put(Table::Journal, "before", b"1"), Urgency::Now).await.unwrap();
        simulated::set(folder.path(), Some((work, number)));
        let refused = store.commit(put(Table::Journal, "during", b"2"), Urgency::Now).await.unwrap_err();
        assert!(refused.0.contains(words), "{work:?}: {refused}");
        assert!(broken(&store).await.contains(words), "whoever watches the store is told why");
        for n in 0..3 {
            let name = format!("later {n}");
            let again = store.commit(put(Table::Journal, &name, b"3"), Urgency::Now).await;
            assert!(again.is_err(), "nothing is acknowledged");
        }
        drop(store.commit(put(Table::Rooms, "unwaited", b"4"), Urgency::Soon));
        assert_eq!(store.read(Table::Journal, b"before").unwrap().as_deref(), Some(&b"1"[..]), "it is read");
        assert!(store.ledger.reopen().is_err(), "it is not taken up while that lasts");
        assert!(store.ledger.failure().is_some());
        simulated::set(folder.path(), None);
        works(&store).await;
        store.commit(put(Table::Journal, "after", b"5"), Urgency::Now).await.unwrap();
        drop(store);
        let store = opened(|| Store::open_existing(folder.path(), key.clone()));
        for (table, name, value) in [
            (Table::Journal, "before", b"1"),
            // It may have been on disk when it failed: it is told apart by its sender, who repeats it.
            (Table::Journal, "during", b"2"),
            (Table::Rooms, "unwaited", b"4"),
            (Table::Journal, "after", b"5"),
        ] {
            let read = store.read(table, name.as_bytes()).unwrap();
            assert_eq!(read.as_deref(), Some(&value[..]), "{work:?}: {name}");
        }
        assert_eq!(store.read(Table::Journal, b"later 0").unwrap(), None, "refused is not taken");
    }
}

#[test]
fn fault_28_a_store_that_vanished_beside_its_key_is_not_begun_anew() {
    let (folder, key) = (tempfile::tempdir().unwrap(), SealingKey::generate());
    let missing = folder.path().join("store");
    for made in [false, true] {
        if made {
            std::fs::create_dir(&missing).unwrap();
        }
        let error = Store::open_existing(&missing, key.clone()).err().map(|error| error.to_string());
        assert!(error.is_some_and(|text| text.contains("no store in") && text.contains("import")), "{made}");
        assert!(!is_store(&missing), "looking made none");
    }
}

#[tokio::test]
async fn fault_34_a_store_is_for_its_user_alone_whatever_was_there_before() {
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let (folder, key) = (tempfile::tempdir().unwrap(), SealingKey::generate());
    let directory = folder.path().join("a/store");
    drop(open(&directory, &key));
    let files = || std::fs::read_dir(&directory).unwrap().flatten().filter(|entry| entry.path().is_file());
    assert_eq!((mode(&directory), mode(&folder.path().join("a"))), (0o700, 0o700), "what is above it too");
    assert!(files().count() > 2 && files().all(|file| mode(&file.path()) == 0o600));
    // An earlier version made them for everybody.
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    files().for_each(|f| std::fs::set_permissions(f.path(), std::fs::Permissions::from_mode(0o644)).unwrap());
    drop(open(&directory, &key));
    assert_eq!(mode(&directory), 0o700);
    assert!(files().all(|file| mode(&file.path()) == 0o600));
    let export = folder.path().join("e");
    std::fs::write(&export, "old").unwrap();
    drop(create_file(&export).unwrap());
    assert_eq!(mode(&export), 0o600);
}
