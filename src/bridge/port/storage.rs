//! Durable keys and values: the tables, and what is promised of a change.
//!
//! Knows when something must be on disk, and that a disk may fail. Refuses to know what a value means.

use std::time::Duration;

use futures_util::future::BoxFuture;
use thiserror::Error;

use crate::retry::Retry;

/// The parts of the store. Each has its own keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Meta = 1,
    Logins,
    Portals,
    /// People's words: sealed.
    Journal,
    /// How far each leg is, and IRC within a long message.
    Cursors,
    /// What frontends brought and nobody has read yet: sealed.
    Inbox,
    Seen,
    /// What could not be delivered: sealed.
    DeadLetters,
    Rooms,
    /// Group conversations and who is in them.
    Groups,
    /// Which rooms each ghost is in.
    Members,
    /// Who asked to see a login, and was shown to its owner.
    Requests,
    /// Pictures that are kept, by their digests.
    Pictures,
    /// Files that are shared under an address: sealed, their names are people's.
    Links,
    /// Files that are coming: sealed for the same reason.
    Arrivals,
    /// What waits in a portal until somebody is back, and where that was said.
    Holds,
    /// Where a frontend has shown a notice that will be changed.
    Notices,
    /// What was kept by the network, is on disk here, and may not have been deleted there.
    Fetched,
    /// The newest name of each ghost that was shown.
    GhostNames,
    /// Users whom an administrator has shut out.
    ShutOut,
    /// What became of messages: sealed, since it says who talked to whom and when.
    Traces,
    /// The presence that each ghost showed last, and when: sealed, for its words are people's.
    Presences,
    /// What contacts are called where each name is somebody's alone.
    Nicks,
    /// Keys of devices of ours for encrypted rooms: sealed, and of no use to another store, which would use them twice.
    Devices,
    /// Messages that were encrypted and may not have been sent.
    Ciphertexts,
    /// Encrypted events whose keys have not come: sealed.
    Undecrypted,
    /// Who each of ours is in encrypted rooms: the device, and the seeds of the signatures. Sealed.
    Identities,
    /// Channels that users made ends of conversations.
    Channels,
    /// What each login is called where its account can be in several places.
    Machines,
}

impl Table {
    pub const ALL: [Self; 29] = [
        Self::Meta,
        Self::Logins,
        Self::Portals,
        Self::Journal,
        Self::Cursors,
        Self::Inbox,
        Self::Seen,
        Self::DeadLetters,
        Self::Rooms,
        Self::Groups,
        Self::Members,
        Self::Requests,
        Self::Pictures,
        Self::Links,
        Self::Arrivals,
        Self::Holds,
        Self::Notices,
        Self::Fetched,
        Self::GhostNames,
        Self::ShutOut,
        Self::Traces,
        Self::Presences,
        Self::Nicks,
        Self::Devices,
        Self::Ciphertexts,
        Self::Undecrypted,
        Self::Identities,
        Self::Channels,
        Self::Machines,
    ];

    /// Whether values hold people's words or secrets and are sealed at rest.
    pub fn is_sealed(self) -> bool {
        matches!(
            self,
            Self::Logins
                | Self::Journal
                | Self::Inbox
                | Self::DeadLetters
                | Self::Links
                | Self::Arrivals
                | Self::Traces
                | Self::Presences
                | Self::Devices
                | Self::Undecrypted
                | Self::Identities
        )
    }

    /// Whether an export leaves it out: what is on its way belongs to this store only.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Journal
                | Self::Inbox
                | Self::Cursors
                | Self::Seen
                | Self::Pictures
                | Self::Links
                | Self::Arrivals
                | Self::Holds
                | Self::Notices
                | Self::Fetched
                | Self::GhostNames
                | Self::Traces
                | Self::Presences
                | Self::Devices
                | Self::Ciphertexts
                | Self::Undecrypted
        )
    }
}

/// One row that is put or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub table: Table,
    pub key: Vec<u8>,
    /// `None` removes.
    pub value: Option<Vec<u8>>,
}

/// Changes that happen together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Batch(pub Vec<Write>);

impl Batch {
    /// The row has this value from then on.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.push(Write { table, key: key.into(), value: Some(value.into()) });
    }

    /// The row is gone from then on; one that is not there is none.
    pub fn remove(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.0.push(Write { table, key: key.into(), value: None });
    }
}

/// When a batch must be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// As soon as the disk can.
    Now,
    /// With the next urgent one, or a moment later: losing it costs a look, not a message.
    Soon,
}

/// The disk did not do what it was asked, in the words of the system.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the store failed: {0}")]
pub struct StorageError(pub String);

/// Key and value of one row.
pub type Row = (Vec<u8>, Vec<u8>);

/// Durable keys and values.
pub trait Storage: Send + Sync {
    /// The value of one row, as it was last committed, synced or not.
    ///
    /// # Errors
    /// [`StorageError`]: the storage cannot be read.
    fn read(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Rows whose key starts with `prefix` and comes after `after`, in order, at most `limit`.
    ///
    /// # Errors
    /// [`StorageError`]: the storage cannot be read.
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, StorageError>;

    /// Visible to readers at once; the future resolves when it is synced to disk. After an error it is not known whether
    /// the changes were made, or will be once the disk works again.
    ///
    /// # Errors
    /// [`StorageError`]: the storage has not taken the changes for certain.
    fn commit(&self, batch: Batch, urgency: Urgency) -> BoxFuture<'static, Result<(), StorageError>>;

    /// Resolves when changes are taken, at once unless the disk failed.
    fn works(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Pauses between attempts to write to a disk that failed.
pub(in crate::bridge) fn disk_retry() -> Retry {
    Retry::new(Duration::from_millis(200), Duration::from_secs(2))
}

/// Waits for a disk that failed, a moment at least; whoever waits is alive, and says so.
pub(in crate::bridge) async fn until_it_works(
    storage: &dyn Storage,
    heartbeat: &(dyn Fn() + Send + Sync),
    retry: &mut Retry,
) {
    retry.pause().await;
    let works = storage.works();
    tokio::pin!(works);
    while tokio::time::timeout(Duration::from_secs(1), &mut works).await.is_err() {
        heartbeat();
    }
}
