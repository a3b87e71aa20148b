//! Shared files on a real disk, and a clock that is set by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::open;
use crate::bridge::ids::EntryId;
use crate::bridge::link::{Links, Share, Terms};
use crate::bridge::media::{File, Media};
use crate::store::{MediaDirectory, SealingKey};

const HOUR: u64 = 3_600_000;

struct Disk {
    clock: Arc<AtomicU64>,
    media: Arc<MediaDirectory>,
    links: Links,
    _directory: tempfile::TempDir,
}

/// Files live for an hour, and have 10 bytes in all.
fn disk() -> Disk {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(open(directory.path(), &SealingKey::generate()));
    let media = Arc::new(MediaDirectory::open(&directory.path().join("media"), 100, 1000).unwrap());
    let clock = Arc::new(AtomicU64::new(HOUR));
    let now = clock.clone();
    let links = Links::new(
        store,
        media.clone(),
        Arc::new(move || now.load(Ordering::Relaxed)),
        Box::new(|file| format!("{} until {}", file.name, file.expires)),
        Terms { keep: Duration::from_secs(3600), budget: 10 },
    );
    Disk { clock, media, links, _directory: directory }
}

async fn file(disk: &Disk, name: &str, size: usize) -> File {
    let mut part = disk.media.begin(size as u64).await.unwrap();
    part.write(Bytes::from(vec![7; size])).await.unwrap();
    File { media: part.finish().await.unwrap(), name: name.into(), size: size as u64 }
}

fn entry(name: &str) -> EntryId {
    EntryId::new(name)
}

#[tokio::test]
async fn an_entry_has_one_address_until_its_time_is_over() {
    let disk = disk();
    let a = file(&disk, "a", 4).await;
    let address = Share::At(format!("a until {}", 2 * HOUR));
    assert_eq!(disk.links.share(&entry("1"), &a).await.unwrap(), address);
    disk.clock.fetch_add(HOUR / 2, Ordering::Relaxed);
    assert_eq!(disk.links.share(&entry("1"), &a).await.unwrap(), address, "an attempt that is repeated");
    assert_eq!(disk.links.sweep().await.unwrap(), 0);
    assert!(disk.links.find(&a.media).unwrap().is_some());
    disk.clock.fetch_add(HOUR / 2, Ordering::Relaxed);
    assert!(disk.links.find(&a.media).unwrap().is_none());
    assert!(disk.media.path(&a.media).exists());
    assert_eq!(disk.links.sweep().await.unwrap(), 1);
    assert!(!disk.media.path(&a.media).exists());
}

#[tokio::test]
async fn the_oldest_go_where_newer_ones_need_their_room() {
    let disk = disk();
    let mut files = Vec::new();
    for (name, size) in [("a", 4), ("b", 4), ("c", 5)] {
        let file = file(&disk, name, size).await;
        disk.links.share(&entry(name), &file).await.unwrap();
        disk.clock.fetch_add(1, Ordering::Relaxed);
        files.push(file);
    }
    let there: Vec<bool> = files.iter().map(|f| disk.links.find(&f.media).unwrap().is_some()).collect();
    assert_eq!(there, [false, true, true]);
    assert!(!disk.media.path(&files[0].media).exists());
    let huge = file(&disk, "huge", 11).await;
    assert_eq!(disk.links.share(&entry("huge"), &huge).await.unwrap(), Share::TooLarge);
    assert!(disk.links.find(&files[2].media).unwrap().is_some(), "for nothing nobody goes");
}

#[tokio::test]
async fn what_is_removed_is_not_to_be_had_now_or_later() {
    let disk = disk();
    let (a, b) = (file(&disk, "a", 4).await, file(&disk, "b", 4).await);
    disk.links.share(&entry("1"), &a).await.unwrap();
    disk.links.shown_as(&entry("1"), "$event");
    assert_eq!(disk.links.entry_shown_as("$event"), Some(entry("1")));
    disk.links.revoke(&entry("1")).await.unwrap();
    assert!(disk.links.find(&a.media).unwrap().is_none());
    assert!(!disk.media.path(&a.media).exists());
    assert_eq!(disk.links.share(&entry("1"), &a).await.unwrap(), Share::Removed);
    // Removed before anybody asked for an address.
    disk.links.revoke(&entry("2")).await.unwrap();
    assert_eq!(disk.links.share(&entry("2"), &b).await.unwrap(), Share::Removed);
    disk.clock.fetch_add(HOUR, Ordering::Relaxed);
    disk.links.sweep().await.unwrap();
    assert_eq!(disk.links.entry_shown_as("$event"), None, "nothing of it stays");
}
