//! The inbox: what a frontend brought, on disk before anybody says thank you, read later in order.
//!
//! Also remembers what was seen: the last 10,000 transactions with a digest of what was in them, and the last 10,000
//! items, across restarts. A homeserver that starts anew counts from one again, so the number alone says nothing.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, Notify};

use super::BridgeError;
use super::ids::Leg;
use super::port::storage::{Batch, Row, Storage, Table, Urgency};

/// How many transactions and how many items are remembered.
const REMEMBERED: usize = 10_000;

/// One thing brought by a frontend.
#[derive(Debug, Clone)]
pub struct Item {
    /// The frontend's own name of it: an event id.
    pub name: String,
    pub raw: Vec<u8>,
}

/// The writing side, shared by the handlers of one frontend's connections.
pub struct Inbox {
    storage: Arc<dyn Storage>,
    leg: Leg,
    number: u8,
    state: Mutex<State>,
    arrived: Notify,
    again: Notify,
}

/// What of an inbox is held in memory: numbers and digests, never an item.
struct State {
    next: u64,
    transactions: Memory,
    items: Memory,
    /// A write failed: what is on disk may be more than is known here.
    is_stale: bool,
}

impl State {
    fn load(storage: &dyn Storage, leg: Leg, number: u8) -> Result<Self, BridgeError> {
        let kind = number * 2;
        let mut next = 0;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = storage.scan(Table::Inbox, leg.as_str().as_bytes(), after.as_deref(), 256)?;
            let Some((key, _)) = rows.last() else { break };
            next = key.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)) + 1;
            after = Some(key.clone());
        }
        let transactions = Memory::load(storage, kind)?;
        let items = Memory::load(storage, kind + 1)?;
        // Numbers of items that were read and removed are not used again.
        let next = next.max(items.next);
        Ok(Self { next, transactions, items, is_stale: false })
    }
}

/// A bounded memory of digests, on disk as a ring of keys.
struct Memory {
    kind: u8,
    known: HashSet<[u8; 32]>,
    order: VecDeque<(u64, [u8; 32])>,
    next: u64,
}

impl Memory {
    fn load(storage: &dyn Storage, kind: u8) -> Result<Self, BridgeError> {
        let rows = storage.scan(Table::Seen, &[kind], None, REMEMBERED + 1)?;
        let mut memory = Self { kind, known: HashSet::new(), order: VecDeque::new(), next: 0 };
        for (key, value) in rows {
            let (Some(number), Ok(digest)) = (key.last_chunk::<8>(), <[u8; 32]>::try_from(&value[..])) else {
                continue;
            };
            let number = u64::from_be_bytes(*number);
            memory.next = number + 1;
            memory.known.insert(digest);
            memory.order.push_back((number, digest));
        }
        Ok(memory)
    }

    fn key(&self, number: u64) -> Vec<u8> {
        [&[self.kind][..], &number.to_be_bytes()].concat()
    }

    /// Writes what [`Memory::remember`] will know, the `index`th of a batch.
    fn plan(&self, index: u64, digest: [u8; 32], batch: &mut Batch) {
        let number = self.next + index;
        batch.put(Table::Seen, self.key(number), digest);
        if let Some(forgotten) = number.checked_sub(REMEMBERED as u64) {
            batch.remove(Table::Seen, self.key(forgotten));
        }
    }

    /// What was planned is on disk.
    fn remember(&mut self, digests: &[[u8; 32]]) {
        for digest in digests {
            self.known.insert(*digest);
            self.order.push_back((self.next, *digest));
            self.next += 1;
        }
        while self.order.len() > REMEMBERED {
            if let Some((_, old)) = self.order.pop_front() {
                self.known.remove(&old);
            }
        }
    }
}

/// A digest of texts that cannot be taken for the one of other texts: each with its length.
fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

impl Inbox {
    /// `number`, below 128, names the memory of this inbox in the store: never changed, and different for each inbox.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn open(storage: Arc<dyn Storage>, leg: Leg, number: u8) -> Result<Self, BridgeError> {
        let state = Mutex::new(State::load(&*storage, leg, number)?);
        Ok(Self { storage, leg, number, state, arrived: Notify::new(), again: Notify::new() })
    }

    /// Takes a transaction. When this returns, everything in it that was not seen before is on disk.
    ///
    /// # Errors
    /// The disk did not take the transaction: nothing of it counts as seen, and its sender is to send it again.
    pub async fn accept(&self, transaction: &str, items: Vec<Item>) -> Result<usize, BridgeError> {
        let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
        let whole = digest(&[&[transaction], &names[..]].concat());
        let mut state = self.state.lock().await;
        if state.is_stale {
            *state = State::load(&*self.storage, self.leg, self.number)?;
            self.arrived.notify_one();
        }
        if state.transactions.known.contains(&whole) {
            return Ok(0);
        }
        let mut batch = Batch::default();
        state.transactions.plan(0, whole, &mut batch);
        let mut fresh: Vec<[u8; 32]> = Vec::new();
        let first = state.next;
        for item in &items {
            let name = digest(&[&item.name]);
            if state.items.known.contains(&name) || fresh.contains(&name) {
                continue;
            }
            let number = fresh.len() as u64;
            state.items.plan(number, name, &mut batch);
            let mut key = self.leg.as_str().as_bytes().to_vec();
            key.extend_from_slice(&(first + number).to_be_bytes());
            batch.put(Table::Inbox, key, item.raw.clone());
            fresh.push(name);
        }
        // Held until everything is on disk: a repeat of this transaction waits here and is answered no sooner. Only
        // what is on disk counts as seen.
        // Until then, or when this is given up in the middle, what was written is not known.
        state.is_stale = true;
        self.storage.commit(batch, Urgency::Now).await?;
        state.is_stale = false;
        let count = fresh.len();
        state.next += count as u64;
        state.transactions.remember(&[whole]);
        state.items.remember(&fresh);
        drop(state);
        self.arrived.notify_one();
        Ok(count)
    }

    /// Resolves when something has come.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// What held items up may be over.
    pub fn retry(&self) {
        self.again.notify_one();
    }

    /// Resolves when held items are to be tried at once.
    pub(super) async fn again(&self) {
        self.again.notified().await;
    }

    pub fn leg(&self) -> Leg {
        self.leg
    }

    /// One item.
    pub(super) fn item(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BridgeError> {
        Ok(self.storage.read(Table::Inbox, key)?)
    }

    /// Items behind `after`, in order.
    pub(super) fn read(&self, after: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, BridgeError> {
        Ok(self.storage.scan(Table::Inbox, self.leg.as_str().as_bytes(), after, limit)?)
    }
}
