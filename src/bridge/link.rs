//! Files shown where they cannot be carried: had for a while under an address that nobody can guess.
//!
//! Knows what is shared, for which entry, and until when. Refuses to know HTTP and what an address looks like: that is
//! told to [`Links::new`]. What lies on a frontend is brought when somebody first asks for it. A file leaves before its
//! time when what was said of it is removed, and when newer ones need its room.

mod bring;
pub(super) mod rows;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use bring::Opened;
pub(super) use rows::is_shared;
use rows::{EventRef, ShareRecord, entry_row, link_row, place_row, rows};
pub use rows::{clear, media};

use super::BridgeError;
use super::body::Attachment;
use super::event::Timestamp;
use super::ids::{EntryId, Leg, PortalKey};
use super::media_use::media_in_use;
use super::port::media::{Media, MediaId};
use super::port::storage::{Batch, Storage, Table, Urgency, Write};
use super::record::{decode, encode};

/// How often what is over is looked for.
const SWEEP: Duration = Duration::from_secs(600);
/// How long it is remembered that something was removed which nobody has asked an address for yet: it may wait in the
/// journal.
const REMOVED: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most links that work at once; then the oldest go.
const MAX_LINKS: usize = 5_000;
/// Files that are brought at once because somebody asked for them.
const BRINGING: usize = 4;

/// What a link leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// Names the link: letters and digits.
    pub id: String,
    pub portal: PortalKey,
    pub name: String,
    /// From then on it leads nowhere.
    pub expires: Timestamp,
    #[serde(rename = "lies")]
    location: Location,
}

/// Where the file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// On our disk, how many bytes, and where it was brought from.
    #[serde(rename = "here")]
    Local { media: MediaId, size: u64, from: Option<Origin> },
    #[serde(rename = "there")]
    Remote(Origin),
}

/// Where a file lies on a frontend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub leg: Leg,
    pub attachment: Attachment,
}

impl Shared {
    /// Bytes of the file, as far as that is known.
    fn size(&self) -> u64 {
        match &self.location {
            Location::Local { size, .. } => *size,
            Location::Remote(_) => 0,
        }
    }

    fn media(&self) -> Option<&MediaId> {
        match &self.location {
            Location::Local { media, .. } => Some(media),
            Location::Remote(_) => None,
        }
    }
}

/// Something to be shared.
pub struct ShareRequest<'a> {
    /// What is shared: the same wish gets the same address.
    pub entry: &'a EntryId,
    /// What it is said with.
    pub said_with: &'a EntryId,
    pub portal: &'a PortalKey,
    pub name: &'a str,
    pub location: Location,
}

/// What became of a wish to share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Share {
    /// The address.
    At(String),
    /// It was said with something else before.
    Said,
    /// What was said of it has been removed.
    Removed,
    /// It alone is larger than all may be.
    TooLarge,
}

/// How long links work, and how much is kept behind them.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub keep: Duration,
    /// Bytes of all shared files.
    pub budget: u64,
}

/// What links need of the rest.
pub struct LinkContext {
    pub storage: Arc<dyn Storage>,
    pub media: Arc<dyn Media>,
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Random text that nobody guesses.
    pub names: Arc<dyn Fn() -> String + Send + Sync>,
    pub address: Box<dyn Fn(&Shared) -> String + Send + Sync>,
}

/// The files that are shared.
pub struct Links {
    around: LinkContext,
    terms: Terms,
    /// Held from reading until what follows from it can be read by others; never while anybody waits.
    changing: Mutex<()>,
    /// One lock for each link whose file is being brought.
    bringing: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    permits: Semaphore,
}

impl Links {
    pub fn new(around: LinkContext, terms: Terms) -> Self {
        let permits = Semaphore::new(BRINGING);
        Self { around, terms, changing: Mutex::default(), bringing: Mutex::default(), permits }
    }

    /// One change of shares at a time: two that meet would share one file twice.
    fn changing(&self) -> MutexGuard<'_, ()> {
        // Nothing that holds the lock panics.
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time from which a link is not kept any more.
    fn end(&self, keep: Duration) -> Timestamp {
        let keep = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        (self.around.clock)().saturating_add(keep)
    }

    fn read<T: serde::de::DeserializeOwned>(&self, row: &[u8]) -> Result<Option<T>, BridgeError> {
        let value = self.around.storage.read(Table::Links, row)?;
        value.map(|value| decode("link", &value)).transpose()
    }

    /// What a link leads to, if it still works.
    ///
    /// # Errors
    /// The store cannot be read, or the row is damaged.
    pub fn find(&self, id: &str) -> Result<Option<Shared>, BridgeError> {
        let found: Option<Shared> = self.read(&link_row(id))?;
        Ok(found.filter(|shared| shared.expires > (self.around.clock)()))
    }

    /// What was decided about a wish before.
    fn decided(&self, wish: &ShareRequest<'_>) -> Result<Option<Share>, BridgeError> {
        let told = self.read::<ShareRecord>(&entry_row(wish.entry))?;
        // Nobody decides about what is said in another room.
        let Some(told) = told.filter(|told| told.portal == *wish.portal) else { return Ok(None) };
        let Some(link) = told.link else { return Ok(Some(Share::Removed)) };
        let said_with_it = told.said_with == *wish.said_with;
        Ok(self.find(&link)?.map(|shared| match said_with_it {
            true => Share::At((self.around.address)(&shared)),
            false => Share::Said,
        }))
    }

    /// The address under which what is said with an entry was shared before, if it still works.
    pub(super) fn address_of(&self, entry: &EntryId, portal: &PortalKey) -> Option<String> {
        let told = self.read::<ShareRecord>(&entry_row(entry)).ok().flatten();
        let link = told.filter(|told| told.portal == *portal)?.link?;
        self.find(&link).ok().flatten().map(|shared| (self.around.address)(&shared))
    }

    /// Gives something an address. On disk when this resolves.
    ///
    /// # Errors
    /// The store cannot be read or written: nothing was shared.
    pub async fn share(&self, wish: ShareRequest<'_>) -> Result<Share, BridgeError> {
        let (synced, gone, address) = {
            let _one = self.changing();
            if let Some(decided) = self.decided(&wish)? {
                return Ok(decided);
            }
            let shared = Shared {
                id: (self.around.names)(),
                portal: wish.portal.clone(),
                name: wish.name.to_owned(),
                expires: self.end(self.terms.keep),
                location: wish.location,
            };
            if shared.size() > self.terms.budget {
                return Ok(Share::TooLarge);
            }
            let mut batch = Batch::default();
            let gone = self.make_room(&shared, &mut batch)?;
            let told = ShareRecord {
                link: Some(shared.id.clone()),
                said_with: wish.said_with.clone(),
                portal: wish.portal.clone(),
                expires: shared.expires,
            };
            batch.put(Table::Links, link_row(&shared.id), encode(&shared));
            batch.put(Table::Links, entry_row(wish.entry), encode(&told));
            let address = (self.around.address)(&shared);
            (self.around.storage.commit(batch, Urgency::Now), gone, address)
        };
        synced.await?;
        self.release(gone);
        Ok(Share::At(address))
    }

    /// The oldest go until there is room for one more.
    fn make_room(&self, new: &Shared, batch: &mut Batch) -> Result<Vec<MediaId>, BridgeError> {
        let known = rows(&*self.around.storage, b"l")?;
        let mut known: Vec<Shared> =
            known.iter().filter_map(|(_, value)| decode::<Shared>("link", value).ok()).collect();
        known.retain(|shared| shared.id != new.id);
        known.sort_by_key(|shared| shared.expires);
        let mut total = known.iter().map(Shared::size).sum::<u64>().saturating_add(new.size());
        let (mut left, mut gone) = (known.len(), Vec::new());
        for shared in known {
            if total <= self.terms.budget && left < MAX_LINKS {
                break;
            }
            // What takes no room makes none.
            if total > self.terms.budget && shared.size() == 0 && left < MAX_LINKS {
                continue;
            }
            total -= shared.size();
            left -= 1;
            gone.extend(shared.media().cloned());
            match shared.location {
                // It can be brought again.
                Location::Local { from: Some(origin), .. } if left + 1 < MAX_LINKS => {
                    let shared = Shared { location: Location::Remote(origin), ..shared };
                    batch.put(Table::Links, link_row(&shared.id), encode(&shared));
                }
                _ => batch.remove(Table::Links, link_row(&shared.id)),
            }
        }
        Ok(gone)
    }

    /// What was said of an entry of this conversation was removed: it is not to be had any more, now or later.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn revoke(&self, portal: &PortalKey, entry: &EntryId) -> Result<(), BridgeError> {
        let _one = self.changing();
        for entry in rows::with_parts(&*self.around.storage, entry)? {
            self.revoke_one(portal, &entry)?;
        }
        Ok(())
    }

    fn revoke_one(&self, portal: &PortalKey, entry: &EntryId) -> Result<(), BridgeError> {
        let told: Option<ShareRecord> = self.read(&entry_row(entry))?;
        if told.as_ref().is_some_and(|told| told.portal != *portal) {
            return Ok(());
        }
        let mut batch = Batch::default();
        let link = told.and_then(|told| told.link);
        let shared = link.as_deref().map(|link| self.read::<Shared>(&link_row(link))).transpose()?.flatten();
        link.iter().for_each(|link| batch.remove(Table::Links, link_row(link)));
        let (said_with, portal) = (entry.clone(), portal.clone());
        let removed =
            ShareRecord { link: None, said_with, portal, expires: self.end(REMOVED.max(self.terms.keep)) };
        batch.put(Table::Links, entry_row(entry), encode(&removed));
        // Nothing that comes later is on the disk before this.
        drop(self.around.storage.commit(batch, Urgency::Soon));
        self.release(shared.iter().filter_map(Shared::media).cloned().collect());
        Ok(())
    }

    /// Remembers as which event of its own a frontend shows an entry.
    pub fn shown_as(&self, entry: &EntryId, reference: &str) {
        let place = EventRef { entry: entry.clone(), expires: self.end(self.terms.keep) };
        let mut batch = Batch::default();
        batch.put(Table::Links, place_row(reference), encode(&place));
        // Lost in a crash, the link lives until its end.
        drop(self.around.storage.commit(batch, Urgency::Soon));
    }

    /// The entry that a frontend shows as this event, where that was remembered.
    pub fn entry_shown_as(&self, reference: &str) -> Option<EntryId> {
        let place: Option<EventRef> = self.read(&place_row(reference)).ok().flatten();
        place.map(|place| place.entry)
    }

    /// Files that are not shared any more go, unless something else speaks of them. Reading that takes a while.
    fn release(&self, gone: Vec<MediaId>) {
        if gone.is_empty() {
            return;
        }
        let (storage, media) = (self.around.storage.clone(), self.around.media.clone());
        tokio::task::spawn_blocking(move || match media_in_use(&*storage) {
            Ok(used) => gone.iter().filter(|id| !used.contains(id)).for_each(|id| media.discard(id)),
            // The sweep of the directory finds them.
            Err(error) => tracing::warn!(%error, "files that are not shared any more stay for now"),
        });
    }

    /// Removes what is over; gives how many links were.
    ///
    /// # Errors
    /// The store cannot be read or written; what was removed until then stays removed.
    pub async fn sweep(&self) -> Result<usize, BridgeError> {
        let (synced, gone, links) = {
            let _one = self.changing();
            let at = (self.around.clock)();
            let over = rows::over(&*self.around.storage, at)?;
            let links = over.iter().filter(|(key, _)| key.starts_with(b"l"));
            let shared: Vec<Shared> = links.filter_map(|(_, value)| decode("link", value).ok()).collect();
            let removed = over.into_iter().map(|(key, _)| Write { table: Table::Links, key, value: None });
            let synced = self.around.storage.commit(Batch(removed.collect()), Urgency::Soon);
            let gone: Vec<MediaId> = shared.iter().filter_map(Shared::media).cloned().collect();
            (synced, gone, shared.len())
        };
        synced.await?;
        self.release(gone);
        Ok(links)
    }

    /// Sweeps every now and then, until stopped.
    pub async fn run(self: Arc<Self>, cancel: CancellationToken) {
        loop {
            match self.sweep().await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "links are over"),
                Err(error) => tracing::warn!(%error, "links that are over were not removed"),
            }
            tokio::select! {
                () = tokio::time::sleep(SWEEP) => {}
                () = cancel.cancelled() => return,
            }
        }
    }
}
