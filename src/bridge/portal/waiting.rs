//! Entries that wait for somebody who is away: counted, bounded, taken back, and told of in one notice.
//!
//! Knows the legs that lead to the network. Refuses to know when somebody is back: the network says that.

use std::time::Duration;

use super::leg::LegQueue;
use super::{Attempt, Portal};
use crate::bridge::BridgeError;
use crate::bridge::ids::Leg;
use crate::bridge::journal::Entry;
use crate::bridge::port::frontend::Outcome;
use crate::bridge::port::storage::Batch;
use crate::bridge::trace::Verdict;

/// Whether the network is to get an entry: only those wait for people.
fn is_for_network(entry: &Entry) -> bool {
    entry.legs.iter().any(|leg| Leg::NETWORK.contains(leg))
}

impl Portal {
    /// Counts anew what waits for the network.
    pub(super) fn count_waiting(&mut self) {
        if self.hold.is_active() {
            self.hold.waiting = self.waiting().len();
        }
    }

    /// The entries that wait for the network, read from the disk.
    fn waiting(&self) -> Vec<(u64, Entry)> {
        self.cursors.waiting(&*self.context.storage, &Leg::NETWORK).unwrap_or_else(|error| {
            tracing::error!(%error, "the journal cannot be read");
            Vec::new()
        })
    }

    /// Those whom an entry is for cannot be reached.
    pub(super) async fn is_away(
        &mut self,
        leg: Leg,
        attempt: Attempt,
        reason: &str,
    ) -> Result<(), BridgeError> {
        let age = Duration::from_millis((self.context.clock)().saturating_sub(attempt.entry.at));
        if age > self.context.hold.max_age {
            let days = self.context.hold.max_age.as_secs().div_ceil(86_400);
            let reason = match days {
                1 => format!("{reason}, and that for more than a day"),
                days => format!("{reason}, and that for more than {days} days"),
            };
            return self.give_up(leg, attempt, reason).await;
        }
        tracing::info!(%leg, sequence = attempt.sequence, %reason, "held until they can be reached");
        self.leg_mut(leg).into_iter().for_each(|queue| queue.wait_for_return(reason));
        if self.hold.begin(&attempt.entry.id, reason) {
            // Those behind it wait as well.
            for (_, entry) in self.waiting() {
                self.report(&entry, Outcome::Held { reason: reason.to_owned() });
            }
        }
        self.count_waiting();
        self.say_what_waits().await;
        Ok(())
    }

    /// Says how much waits, where that is not what was said last.
    pub(super) async fn say_what_waits(&mut self) {
        if !self.hold.is_active() {
            return;
        }
        let mut places: Vec<Leg> =
            self.waiting().iter().filter_map(|(_, entry)| entry.origin.as_ref().map(|o| o.leg)).collect();
        places.sort();
        places.dedup();
        let mut batch = Batch::default();
        let (sequence, now) = (self.cursors.head + 1, (self.context.clock)());
        for notice in self.hold.notices(&places, sequence, now, &mut batch) {
            self.cursors.append(&notice, &mut batch);
        }
        if !batch.0.is_empty() {
            self.write_down(batch).await;
        }
    }

    /// One that may have waited was sent.
    pub(super) async fn was_sent(&mut self, leg: Leg) {
        if self.hold.is_active() && Leg::NETWORK.contains(&leg) {
            self.hold.sent();
            self.waits_no_more().await;
        }
    }

    /// One that may have waited is not sent any more; its sender was told so.
    pub(super) async fn was_given_up(&mut self, leg: Leg) {
        if self.hold.is_active() && Leg::NETWORK.contains(&leg) {
            self.waits_no_more().await;
        }
    }

    /// One entry less waits; with the last one the end of the absence is said.
    async fn waits_no_more(&mut self) {
        self.count_waiting();
        if self.hold.waiting == 0 {
            self.say_what_waits().await;
        }
    }

    /// An entry that comes while others wait. Beyond the bound it does not go to the network, and its sender is told.
    pub(super) fn refuse_beyond_limits(&mut self, entry: &mut Entry) -> Option<Entry> {
        if !self.hold.is_active() || !is_for_network(entry) {
            return None;
        }
        self.legs.iter_mut().filter(|queue| Leg::NETWORK.contains(&queue.leg)).for_each(LegQueue::look_again);
        if self.hold.waiting < self.context.hold.max_messages {
            self.hold.waiting += 1;
            self.report(entry, Outcome::Held { reason: self.hold.reason().to_owned() });
            return None;
        }
        let reason =
            format!("{}, and {} messages wait for them already", self.hold.reason(), self.hold.waiting);
        entry.legs.retain(|leg| !Leg::NETWORK.contains(leg));
        self.report(entry, Outcome::Failed { reason: reason.clone() });
        self.failure_notice(Leg::Remote, entry, &reason)
    }

    /// What waits for the network is not sent any more, but for what is on its way; gives how much that was.
    pub(super) async fn take_back(&mut self) -> usize {
        let in_flight: Vec<u64> = self.legs.iter().filter_map(LegQueue::in_flight).collect();
        let mut batch = Batch::default();
        let mut taken = Vec::new();
        for (sequence, mut entry) in self.waiting() {
            if in_flight.contains(&sequence) || self.cursors.offers.is_passed(sequence) {
                continue;
            }
            let whole = entry.clone();
            entry.legs.retain(|leg| !Leg::NETWORK.contains(leg));
            self.cursors.rewrite(sequence, &entry, &mut batch);
            taken.push((sequence, whole));
        }
        if taken.is_empty() {
            return 0;
        }
        self.write_down(batch).await;
        for (sequence, entry) in &taken {
            let reason = "it was taken back".to_owned();
            self.report(entry, Outcome::Failed { reason: reason.clone() });
            for leg in entry.legs.iter().filter(|leg| Leg::NETWORK.contains(leg)) {
                self.traces.note(*leg, *sequence, entry, Verdict::GivenUp { reason: reason.clone() });
            }
        }
        for queue in self.legs.iter_mut().filter(|queue| Leg::NETWORK.contains(&queue.leg)) {
            queue.release();
        }
        self.count_waiting();
        self.say_what_waits().await;
        taken.len()
    }
}
