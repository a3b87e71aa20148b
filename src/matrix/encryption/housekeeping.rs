//! Keys that people send to ghosts, devices in memory, and messages that were encrypted and never sent: all of them gather
//! unless somebody throws them away.
//!
//! Knows how long each may lie. Refuses to touch what is in use. Source: measured, each session of a person leaves 2 kB at
//! the homeserver for each ghost that has spoken to them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::error::CryptoError;
use super::ghosts::GhostDevices;
use super::record::DeviceRecord;
use super::sync;
use super::waiting::WaitingEvents;
use crate::bridge::port::storage::{Batch, Storage, Table, Urgency};
use crate::matrix::homeserver::{Actor, Homeserver};

/// Between looks at what is in memory.
const LOOK: Duration = Duration::from_secs(600);
/// Such looks between those at the disk and at the homeserver: a day.
const LOOKS_A_DAY: u32 = 144;
/// Between two ghosts whose keys are thrown away: the homeserver has other things to do.
const PACE: Duration = Duration::from_millis(100);
/// Encrypted messages that are looked at in a day, of those that wait longest.
const MAX_MESSAGES: usize = 10_000;

/// Throws away what nobody needs.
pub(super) struct Housekeeping {
    pub(super) homeserver: Homeserver,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) ghosts: Arc<GhostDevices>,
    pub(super) waiting: Arc<WaitingEvents>,
}

impl Housekeeping {
    /// Once a day, and the first time a while after the start; what is in memory more often.
    pub(super) async fn run(&self) {
        let mut unsent = BTreeSet::new();
        for look in 0_u32.. {
            tokio::time::sleep(LOOK).await;
            self.ghosts.unload_silent();
            if look.is_multiple_of(LOOKS_A_DAY)
                && let Err(error) = self.sweep(&mut unsent).await
            {
                tracing::info!(%error, "what nobody needs of encrypted rooms is thrown away another day");
            }
        }
    }

    async fn sweep(&self, unsent: &mut BTreeSet<Vec<u8>>) -> Result<(), CryptoError> {
        self.sweep_unsent(unsent).await?;
        self.waiting.expire().await?;
        self.drain_all().await
    }

    /// A message that was there a day ago and still is: the homeserver would not recognise its repeat any more, so it is
    /// encrypted anew if it is ever said.
    async fn sweep_unsent(&self, unsent: &mut BTreeSet<Vec<u8>>) -> Result<(), CryptoError> {
        let rows = self.storage.scan(Table::Ciphertexts, &[], None, MAX_MESSAGES)?;
        let (stale, fresh): (Vec<_>, Vec<_>) =
            rows.into_iter().map(|(key, _)| key).partition(|key| unsent.contains(key));
        *unsent = fresh.into_iter().collect();
        let mut batch = Batch::default();
        stale.into_iter().for_each(|key| batch.remove(Table::Ciphertexts, key));
        Ok(self.storage.commit(batch, Urgency::Soon).await?)
    }

    /// People's clients answer a ghost with keys for what they say, and a ghost reads nothing.
    async fn drain_all(&self) -> Result<(), CryptoError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = DeviceRecord::page(&*self.storage, after.as_deref())?;
            let Some((last, ..)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (_, user, record) in page {
                if record.is_published && user != *self.homeserver.bot() {
                    tokio::time::sleep(PACE).await;
                    self.drain(&user, &record).await?;
                }
            }
        }
    }

    async fn drain(&self, ghost: &ruma::UserId, record: &DeviceRecord) -> Result<(), CryptoError> {
        let actor = Actor { user: ghost, device: Some(&record.device) };
        match sync::drain(&self.homeserver, actor).await {
            Ok(()) => Ok(()),
            Err(error) if error.is("M_UNKNOWN_DEVICE") => {
                tracing::warn!(%ghost, "the homeserver lost a ghost's device: it gets another");
                self.ghosts.forget(ghost).await
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use ruma::UserId;
    use serde_json::json;

    use super::*;
    use crate::bridge::testkit::SimStorage;
    use crate::matrix::encryption::queries::KeyQueries;
    use crate::matrix::testkit::{self, BOB, BOT, FakeHomeserver};

    const CAROL: &str = "@msn_carol=40example.com:test.localhost";

    async fn housekeeping(server: &FakeHomeserver, storage: Arc<SimStorage>) -> Housekeeping {
        let homeserver = Homeserver::new(&testkit::config(&server.url())).await.unwrap();
        for user in [BOB, CAROL, BOT] {
            let record = DeviceRecord { is_published: user != CAROL, ..DeviceRecord::new() };
            record.store(&*storage, <&UserId>::try_from(user).unwrap()).await.unwrap();
        }
        let queries = Arc::new(KeyQueries::new(homeserver.clone(), Arc::default()));
        let ghosts = Arc::new(GhostDevices::new(homeserver.clone(), storage.clone(), queries));
        let waiting = Arc::new(WaitingEvents::new(storage.clone()));
        Housekeeping { homeserver, storage, ghosts, waiting }
    }

    async fn put(storage: &SimStorage, key: &str) {
        let mut batch = Batch::default();
        batch.put(Table::Ciphertexts, key, "{}");
        storage.commit(batch, Urgency::Now).await.unwrap();
    }

    fn keys(storage: &SimStorage) -> Vec<String> {
        let rows = storage.rows(Table::Ciphertexts).into_iter();
        rows.map(|(key, _)| String::from_utf8(key).unwrap()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn over_thirty_days_each_ghost_with_a_device_is_asked_for_once_a_day() {
        // While this runs, the clock moves only where the test moves it.
        let (done, wait) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || wait.recv());
        let server = FakeHomeserver::start().await;
        server.answers("/sync", 200, json!({"next_batch": "s1"}));
        let keeping = housekeeping(&server, Arc::default()).await;
        tokio::spawn(async move { keeping.run().await });
        let step = |time: Duration| async move {
            tokio::time::advance(time).await;
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        };
        step(Duration::ZERO).await;
        for day in 1..=30 {
            step(LOOK).await;
            step(PACE).await;
            while server.addresses("/sync").len() < day {
                tokio::task::yield_now().await;
            }
            // What comes of the answer, before the clock moves on.
            for _ in 0..1_000 {
                tokio::task::yield_now().await;
            }
            for _ in 1..LOOKS_A_DAY {
                step(LOOK).await;
            }
        }
        let asked = server.addresses("/sync");
        assert_eq!(asked.len(), 30);
        assert!(asked.iter().all(|address| address.contains("msn_bob")), "{asked:?}");
        drop(done);
    }

    #[tokio::test]
    async fn keys_that_were_sent_to_a_ghost_are_asked_away_until_none_are_left() {
        let server = FakeHomeserver::start().await;
        let keys = json!({"events": [{"type": "m.room.encrypted", "sender": "@ann:x", "content": {}}]});
        server.answers("/sync", 200, json!({"next_batch": "end"}));
        for place in ["s1", "s2"] {
            server.answers_once("/sync", 200, json!({"next_batch": place, "to_device": keys}));
        }
        let keeping = housekeeping(&server, Arc::default()).await;
        keeping.drain_all().await.unwrap();
        let places = |address: &String| {
            let since = address.split('&').find_map(|part| part.strip_prefix("since="));
            since.unwrap_or_default().to_owned()
        };
        let places: Vec<String> = server.addresses("/sync").iter().map(places).collect();
        assert_eq!(places, ["", "s1", "s2"]);
    }

    #[tokio::test]
    async fn a_ghost_whose_device_the_homeserver_lost_gets_another() {
        let server = FakeHomeserver::start().await;
        server.refuses("/sync", 400, "M_UNKNOWN_DEVICE");
        let storage = Arc::<SimStorage>::default();
        let keeping = housekeeping(&server, storage.clone()).await;
        let bob = <&UserId>::try_from(BOB).unwrap();
        let before = DeviceRecord::load(&*storage, bob).unwrap().unwrap();
        keeping.drain_all().await.unwrap();
        let after = DeviceRecord::load(&*storage, bob).unwrap().unwrap();
        assert!(!after.is_published && after.device != before.device, "{after:?}");
    }

    #[tokio::test]
    async fn an_encrypted_message_that_was_not_sent_in_a_day_is_let_go() {
        let server = FakeHomeserver::start().await;
        let storage = Arc::<SimStorage>::default();
        let keeping = housekeeping(&server, storage.clone()).await;
        let mut unsent = BTreeSet::new();
        put(&storage, "old").await;
        keeping.sweep_unsent(&mut unsent).await.unwrap();
        put(&storage, "new").await;
        keeping.sweep_unsent(&mut unsent).await.unwrap();
        assert_eq!(keys(&storage), ["new"]);
        keeping.sweep_unsent(&mut unsent).await.unwrap();
        assert_eq!(keys(&storage), [""; 0]);
    }
}
