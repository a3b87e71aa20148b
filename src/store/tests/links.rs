//! Shared files on a real disk, and a clock that is set by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::open;
use crate::bridge::ids::{ConversationId, EntryId, LoginId, PortalKey};
use crate::bridge::link::{LinkContext, Links, Location, Share, ShareRequest, Terms, clear};
use crate::bridge::port::media::{File, Media};
use crate::bridge::port::storage::{Storage, Table};
use crate::store::{MediaDirectory, SealingKey, Store};

const HOUR: u64 = 3_600_000;

struct Disk {
    store: Arc<Store>,
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
    let (now, count) = (clock.clone(), AtomicU64::new(0));
    let around = LinkContext {
        storage: store.clone(),
        media: media.clone(),
        clock: Arc::new(move || now.load(Ordering::Relaxed)),
        names: Arc::new(move || count.fetch_add(1, Ordering::Relaxed).to_string()),
        address: Box::new(|shared| format!("{} is {} until {}", shared.id, shared.name, shared.expires)),
    };
    let links = Links::new(around, Terms { keep: Duration::from_secs(3600), budget: 10 });
    Disk { store, clock, media, links, _directory: directory }
}

async fn file(disk: &Disk, name: &str, size: usize) -> File {
    let mut part = disk.media.begin(size as u64).await.unwrap();
    part.write(Bytes::from(vec![7; size])).await.unwrap();
    File { media: part.finish().await.unwrap(), name: name.into(), size: size as u64 }
}

impl Disk {
    /// Shares a file as the entry of this name, said with another.
    async fn share_with(&self, name: &str, file: &File, said_with: &str) -> Share {
        let (entry, said_with) = (EntryId::new(name), EntryId::new(said_with));
        let location = Location::Local { media: file.media.clone(), size: file.size, from: None };
        let wish = ShareRequest {
            entry: &entry,
            said_with: &said_with,
            portal: &portal(),
            name: &file.name,
            location,
        };
        self.links.share(wish).await.unwrap()
    }

    async fn share(&self, name: &str, file: &File) -> Share {
        self.share_with(name, file, name).await
    }

    fn is_there(&self, file: &File) -> bool {
        self.media.path(&file.media).exists()
    }

    /// Waits until a file has left the disk: that is done beside what needs an answer.
    async fn leaves(&self, file: &File) {
        let left = async {
            while self.is_there(file) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), left).await.expect("it leaves");
    }
}

fn portal() -> PortalKey {
    PortalKey::new(LoginId::new("alice"), ConversationId::new("bob"))
}

fn entry(name: &str) -> EntryId {
    EntryId::new(name)
}

#[tokio::test]
async fn an_entry_has_one_address_until_its_time_is_over() {
    let disk = disk();
    let a = file(&disk, "a", 4).await;
    let address = Share::At(format!("0 is a until {}", 2 * HOUR));
    assert_eq!(disk.share("1", &a).await, address);
    disk.clock.fetch_add(HOUR / 2, Ordering::Relaxed);
    assert_eq!(disk.share("1", &a).await, address, "an attempt that is repeated");
    assert_eq!(disk.share_with("1", &a, "2").await, Share::Said, "it need not be said again");
    assert_eq!(disk.links.sweep().await.unwrap(), 0);
    assert!(disk.links.find("0").unwrap().is_some());
    disk.clock.fetch_add(HOUR / 2, Ordering::Relaxed);
    assert!(disk.links.find("0").unwrap().is_none() && disk.is_there(&a));
    assert_eq!(disk.links.sweep().await.unwrap(), 1);
    disk.leaves(&a).await;
}

#[tokio::test]
async fn the_oldest_go_where_newer_ones_need_their_room() {
    let disk = disk();
    let mut files = Vec::new();
    for (name, size) in [("a", 4), ("b", 4), ("c", 5)] {
        let file = file(&disk, name, size).await;
        disk.share(name, &file).await;
        disk.clock.fetch_add(1, Ordering::Relaxed);
        files.push(file);
    }
    let there = ["0", "1", "2"].map(|id| disk.links.find(id).unwrap().is_some());
    assert_eq!(there, [false, true, true]);
    disk.leaves(&files[0]).await;
    let huge = file(&disk, "huge", 11).await;
    assert_eq!(disk.share("huge", &huge).await, Share::TooLarge);
    assert!(disk.links.find("2").unwrap().is_some(), "for nothing nobody goes");
}

#[tokio::test]
async fn what_is_removed_is_not_to_be_had_now_or_later() {
    let disk = disk();
    let (a, b) = (file(&disk, "a", 4).await, file(&disk, "b", 4).await);
    disk.share("1", &a).await;
    disk.links.shown_as(&entry("1"), "$event");
    assert_eq!(disk.links.entry_shown_as("$event"), Some(entry("1")));
    let elsewhere = PortalKey::new(LoginId::new("mallory"), ConversationId::new("bob"));
    disk.links.revoke(&elsewhere, &entry("1")).unwrap();
    assert!(disk.links.find("0").unwrap().is_some(), "nobody removes what is said in another room");
    disk.links.revoke(&portal(), &entry("1")).unwrap();
    assert!(disk.links.find("0").unwrap().is_none());
    assert_eq!(disk.share("1", &a).await, Share::Removed);
    disk.leaves(&a).await;
    // Removed before anybody asked for an address, and asked for long after that.
    disk.links.revoke(&portal(), &entry("2")).unwrap();
    disk.clock.fetch_add(24 * HOUR, Ordering::Relaxed);
    disk.links.sweep().await.unwrap();
    assert_eq!(disk.share("2", &b).await, Share::Removed);
    assert_eq!(disk.links.entry_shown_as("$event"), None);
}

#[tokio::test]
async fn without_links_nothing_of_them_stays() {
    let disk = disk();
    let a = file(&disk, "a", 4).await;
    disk.share("1", &a).await;
    clear(&*disk.store).await.unwrap();
    assert!(disk.links.find("0").unwrap().is_none());
    assert!(disk.store.scan(Table::Links, b"", None, 9).unwrap().is_empty());
}
