//! Exports that were changed, cut or mixed up: refused, and nothing of them stays.

use super::*;

/// A store with something in it, and its export.
async fn exported(key: &SealingKey) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), key);
    for n in 0..8 {
        store.commit(put(Table::Rooms, &n.to_string(), &[n; 40]), Urgency::Soon).await.unwrap();
    }
    store.commit(put(Table::Logins, "alice", b"a login"), Urgency::Now).await.unwrap();
    let mut file = Vec::new();
    export(&store, &mut file).unwrap();
    file
}

/// Whether an export is refused and leaves nothing behind.
fn is_refused(key: &SealingKey, file: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let refused = import(folder.path(), key, &mut &file[..]).is_err();
    assert!(!refused || std::fs::read_dir(folder.path()).unwrap().count() == 0, "something is left");
    refused
}

#[tokio::test]
async fn fault_32_every_flipped_bit_and_every_cut_is_refused() {
    let key = SealingKey::generate();
    let file = exported(&key).await;
    assert!(!is_refused(&key, &file));
    // A step that has no factor in common with a byte or a line meets every kind of place.
    for bit in (0..file.len() * 8).step_by(131) {
        let mut changed = file.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(is_refused(&key, &changed), "bit {bit} of {}", String::from_utf8_lossy(&file));
    }
    let last = file[..file.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    for byte in [last, last + 4, last + 9, file.len() - 3, file.len() - 2, file.len() - 1] {
        for bit in 0..8 {
            let mut changed = file.clone();
            changed[byte] ^= 1 << bit;
            assert!(is_refused(&key, &changed), "bit {bit} of byte {byte}");
        }
    }
    for cut in (0..file.len()).step_by(97).chain([last, last + 1, file.len() - 1]) {
        assert!(is_refused(&key, &file[..cut]), "cut at {cut}");
    }
}

#[tokio::test]
async fn fault_32_lines_that_are_missing_repeated_moved_or_added_are_refused() {
    let key = SealingKey::generate();
    let file = String::from_utf8(exported(&key).await).unwrap();
    let lines: Vec<&str> = file.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(at);
        assert!(is_refused(&key, without.concat().as_bytes()), "without {at}");
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        assert!(is_refused(&key, twice.concat().as_bytes()), "{at} twice");
        if at + 1 < lines.len() {
            let mut moved = lines.clone();
            moved.swap(at, at + 1);
            assert!(is_refused(&key, moved.concat().as_bytes()), "{at} and the next");
        }
    }
    assert!(is_refused(&key, (file.clone() + "\n").as_bytes()), "an empty line more");
    assert!(is_refused(&key, file.repeat(2).as_bytes()), "twice");
    assert!(is_refused(&key, file.replace('\n', "\r\n").as_bytes()), "other ends of lines");
    // Somebody who took the wrong key is told so, and does not look for damage.
    let (folder, other) = (tempfile::tempdir().unwrap(), SealingKey::generate());
    let refused = import(folder.path(), &other, &mut file.as_bytes());
    assert!(matches!(refused, Err(StoreError::WrongKey)), "another key: {refused:?}");
}

#[tokio::test]
async fn fault_32_an_export_is_read_into_a_new_store_only() {
    let key = SealingKey::generate();
    let file = exported(&key).await;
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path(), &key));
    let before = std::fs::read(log_file(folder.path())).unwrap();
    assert!(matches!(import(folder.path(), &key, &mut &file[..]), Err(StoreError::InUse { .. })));
    assert_eq!(std::fs::read(log_file(folder.path())).unwrap(), before);
    // What is left of a store whose log is gone, and of an import that was killed, does not stand in the way.
    std::fs::remove_file(log_file(folder.path())).unwrap();
    std::fs::create_dir(folder.path().join("import.part")).unwrap();
    std::fs::write(folder.path().join("import.part/db"), b"half").unwrap();
    std::fs::create_dir(folder.path().join("media")).unwrap();
    import(folder.path(), &key, &mut &file[..]).unwrap();
    let store = opened(|| Store::open_existing(folder.path(), key.clone()));
    assert_eq!(store.scan(Table::Rooms, b"", None, 20).unwrap().len(), 8);
    assert!(folder.path().join("media").exists() && !folder.path().join("import.part").exists());
}

#[tokio::test]
async fn fault_32_an_export_of_the_first_version_is_read_and_said_to_be_unchecked() {
    let key = SealingKey::generate();
    let file = String::from_utf8(exported(&key).await).unwrap();
    let mut lines: Vec<&str> = file.lines().collect();
    lines.pop();
    lines[0] = "{\"format\":\"msnbridge export\",\"version\":1}";
    let folder = tempfile::tempdir().unwrap();
    let imported = import(folder.path(), &key, &mut lines.join("\n").as_bytes()).unwrap();
    assert_eq!(imported, Imported { rows: 9, checked: false });
    // Rows of tables that an export never had are refused all the same: one would be taken for the store's own version.
    for table in [1, 4, 6, 200] {
        let line = format!("{{\"table\":{table},\"key\":\"c2NoZW1h\",\"value\":\"AAAA\"}}");
        let changed = [&lines[..], &[&line]].concat().join("\n");
        assert!(is_refused(&key, changed.as_bytes()), "table {table}");
    }
    assert!(is_refused(&key, file.lines().next().unwrap().replace('2', "3").as_bytes()));
}
