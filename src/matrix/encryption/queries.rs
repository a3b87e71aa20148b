//! Which devices people have, asked once for all of ours.
//!
//! Knows that an answer counts until somebody's devices change, and for a moment only: nobody may have told of the change.
//! Refuses to answer for those of ours, who ask for themselves. Source: section 10.12 of the client-server API; measured, a
//! room of 200 ghosts asks the same question 200 times.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ruma::api::client::keys::get_keys::v3::{Request, Response};
use ruma::encryption::{CrossSigningKey, DeviceKeys};
use ruma::serde::Raw;
use ruma::{OwnedDeviceId, OwnedUserId};
use tokio::time::Instant;

use super::changes::DeviceChanges;
use super::error::CryptoError;
use crate::matrix::cache::Cache;
use crate::matrix::homeserver::{Actor, Homeserver, send_as};
use crate::matrix::lock::KeyedLocks;

/// People whose devices are known. One who is evicted is asked for again.
const MAX_PEOPLE: usize = 10_000;
/// How long an answer counts where no change is heard of.
const FRESH: Duration = Duration::from_secs(60);

/// What the homeserver said of one person.
#[derive(Clone)]
struct Known {
    at: Instant,
    /// How many changes there were before it was asked.
    changes: u64,
    devices: Option<BTreeMap<OwnedDeviceId, Raw<DeviceKeys>>>,
    master: Option<Raw<CrossSigningKey>>,
    self_signing: Option<Raw<CrossSigningKey>>,
}

/// Answers of the homeserver that are shared.
pub(super) struct KeyQueries {
    homeserver: Homeserver,
    changes: Arc<DeviceChanges>,
    known: Cache<OwnedUserId, Known>,
    locks: KeyedLocks,
}

impl KeyQueries {
    pub(super) fn new(homeserver: Homeserver, changes: Arc<DeviceChanges>) -> Self {
        Self { homeserver, changes, known: Cache::new(MAX_PEOPLE), locks: KeyedLocks::default() }
    }

    /// Answers a question of one of ours: from what is known, and the rest by the homeserver.
    ///
    /// # Errors
    /// The homeserver refuses or is not available.
    pub(super) async fn ask(&self, actor: Actor<'_>, request: &Request) -> Result<Response, CryptoError> {
        let first = request.device_keys.keys().find(|user| **user != *actor.user);
        // Those who ask the same wait for the first of them.
        let _turn = match first {
            Some(person) => Some(self.locks.lock(person).await),
            None => None,
        };
        let mut answer = Response::new();
        let mut rest = request.clone();
        rest.device_keys.retain(|user, _| user == actor.user || !self.recall(user, &mut answer));
        if rest.device_keys.is_empty() {
            return Ok(answer);
        }
        let changes = self.changes.count();
        let mut asked = send_as!(self.homeserver, actor, rest.clone())?;
        for user in rest.device_keys.keys().filter(|user| *user != actor.user) {
            // Of somebody whose homeserver does not answer nothing is known.
            if !asked.failures.contains_key(user.server_name().as_str()) {
                self.known.insert(user.clone(), Known::read(user, &asked, changes));
            }
        }
        asked.device_keys.extend(answer.device_keys);
        asked.master_keys.extend(answer.master_keys);
        asked.self_signing_keys.extend(answer.self_signing_keys);
        Ok(asked)
    }

    /// Puts what is known of somebody into an answer, if anything is.
    fn recall(&self, user: &OwnedUserId, answer: &mut Response) -> bool {
        let Some(known) = self.known.get(user) else { return false };
        let has_changed = !self.changes.since(known.changes, std::slice::from_ref(user)).0.is_empty();
        if has_changed || known.at.elapsed() >= FRESH {
            return false;
        }
        answer.device_keys.extend(known.devices.map(|devices| (user.clone(), devices)));
        answer.master_keys.extend(known.master.map(|key| (user.clone(), key)));
        answer.self_signing_keys.extend(known.self_signing.map(|key| (user.clone(), key)));
        true
    }
}

impl Known {
    fn read(user: &OwnedUserId, answer: &Response, changes: u64) -> Self {
        Self {
            at: Instant::now(),
            changes,
            devices: answer.device_keys.get(user).cloned(),
            master: answer.master_keys.get(user).cloned(),
            self_signing: answer.self_signing_keys.get(user).cloned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use ruma::UserId;
    use serde_json::json;

    use super::*;
    use crate::matrix::testkit::{self, FakeHomeserver};

    fn user(name: &str) -> OwnedUserId {
        UserId::parse(format!("@{name}:x")).unwrap()
    }

    async fn queries(server: &FakeHomeserver) -> (KeyQueries, Arc<DeviceChanges>) {
        let homeserver = Homeserver::new(&testkit::config(&server.url())).await.unwrap();
        let changes = Arc::<DeviceChanges>::default();
        (KeyQueries::new(homeserver, changes.clone()), changes)
    }

    /// The devices of Ann that one of ours is told of.
    async fn devices(queries: &KeyQueries, ghost: &UserId, others: &[&str]) -> usize {
        let mut request = Request::new();
        request.device_keys = others.iter().map(|name| (user(name), vec![])).collect();
        request.device_keys.insert(ghost.to_owned(), vec![]);
        let answer = queries.ask(Actor { user: ghost, device: None }, &request).await.unwrap();
        answer.device_keys.get(&user("ann")).map_or(0, BTreeMap::len)
    }

    fn asked(server: &FakeHomeserver) -> Vec<Vec<String>> {
        let of = |sent: &serde_json::Value| {
            sent["device_keys"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        server.sent("/keys/query").iter().map(of).collect()
    }

    #[tokio::test]
    async fn two_ghosts_ask_once_for_a_person_and_each_for_itself() {
        let server = FakeHomeserver::start().await;
        server.answers("/keys/query", 200, json!({"device_keys": {"@ann:x": {"A": {}, "B": {}}}}));
        let (queries, changes) = queries(&server).await;
        let (one, two) = (user("msn_one"), user("msn_two"));
        assert_eq!(devices(&queries, &one, &["ann"]).await, 2);
        assert_eq!(devices(&queries, &two, &["ann"]).await, 2);
        assert_eq!(asked(&server), [vec!["@ann:x", "@msn_one:x"], vec!["@msn_two:x"]]);
        changes.note(&user("eve"));
        assert_eq!(devices(&queries, &one, &["ann"]).await, 2);
        assert_eq!(asked(&server)[2], ["@msn_one:x"], "somebody else's devices changed");
        changes.note(&user("ann"));
        devices(&queries, &one, &["ann"]).await;
        assert_eq!(asked(&server)[3], ["@ann:x", "@msn_one:x"], "hers changed");
    }

    #[tokio::test]
    async fn nothing_is_known_of_people_whose_homeserver_does_not_answer() {
        let server = FakeHomeserver::start().await;
        server.answers("/keys/query", 200, json!({"failures": {"x": {}}}));
        let (queries, _) = queries(&server).await;
        for _ in 0..2 {
            assert_eq!(devices(&queries, &user("msn_one"), &["ann"]).await, 0);
        }
        assert_eq!(asked(&server)[1], ["@ann:x", "@msn_one:x"]);
    }

    #[tokio::test]
    async fn an_answer_counts_for_a_minute() {
        let server = FakeHomeserver::start().await;
        server.answers("/keys/query", 200, json!({"device_keys": {"@ann:x": {"A": {}}}}));
        let (queries, _) = queries(&server).await;
        devices(&queries, &user("msn_one"), &["ann"]).await;
        tokio::time::pause();
        tokio::time::advance(FRESH - Duration::from_secs(1)).await;
        assert!(queries.recall(&user("ann"), &mut Response::new()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!queries.recall(&user("ann"), &mut Response::new()));
    }
}
