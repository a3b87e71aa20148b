//! What becomes of entries: senders and owners hear of it, and what can never be delivered is set aside.
//!
//! Knows the words of failure notices, and dead letters. Refuses to decide that something has failed: an adapter does.

use tokio::time::Instant;

use super::leg::LegQueue;
use super::{Attempt, Portal, Undeliverable, figures};
use crate::bridge::BridgeError;
use crate::bridge::body::Body;
use crate::bridge::event::Author;
use crate::bridge::ids::{EntryId, Leg};
use crate::bridge::journal::{DeadLetter, Entry, Next, Origin, trim_dead_letters};
use crate::bridge::link;
use crate::bridge::port::delivery::{Content, Delivered, DeliveryError};
use crate::bridge::port::frontend::Outcome;
use crate::bridge::port::media::File;
use crate::bridge::port::storage::{Batch, Urgency};
use crate::bridge::sentence::sentence;
use crate::bridge::trace::Verdict;

/// Senders behind the first who are told at once that they wait; others only see it in the notice that counts.
const MAX_PENDING_TOLD: usize = 200;

/// What the bridge says about an entry, in the place where that was said.
pub(super) fn notice(entry: &Entry, origin: &Origin, of: &str, body: Body) -> Entry {
    Entry {
        id: EntryId::new(format!("{}-{of}", entry.id)),
        author: Author::Bridge,
        content: Content::Said { body },
        at: entry.at,
        origin: None,
        legs: vec![origin.leg],
        away: Vec::new(),
    }
}

impl Portal {
    /// An attempt has ended: the cursor moves, or the leg waits, or the entry is given up.
    pub(super) async fn finished(
        &mut self,
        leg: Leg,
        attempt: Attempt,
        result: Result<Delivered, DeliveryError>,
    ) -> Result<(), BridgeError> {
        for (sequence, entry) in attempt.entries() {
            figures::ended(&self.context, leg, entry, &result);
            if let Some(verdict) = verdict(&result) {
                self.traces.note(leg, sequence, entry, verdict);
            }
        }
        let is_over = matches!(result, Ok(_) | Err(DeliveryError::Permanent { .. }));
        let comes_back = leg == Leg::Files && !is_over && self.cursors.offers.comes_back(attempt.sequence);
        if comes_back && self.leg_mut(leg).is_some_and(|queue| queue.in_flight().is_some()) {
            // It goes again when the one that was let past it has been offered.
            return Ok(());
        }
        match result {
            Ok(Delivered { note }) => {
                let mut batch = Batch::default();
                if let Some(notice) = said_by_network(&attempt.entry, note) {
                    self.cursors.append(&notice, &mut batch);
                }
                self.cursors.delivered(leg);
                self.strike(leg, &attempt, batch).await?;
                if leg == confirming(&attempt.entry) {
                    self.report(&attempt.entry, Outcome::Delivered);
                }
                self.was_sent(leg).await;
            }
            Err(DeliveryError::Away { reason }) => self.is_away(leg, attempt, &reason).await?,
            Err(DeliveryError::Permanent { reason }) if !attempt.pack.is_empty() => {
                self.dissolve(leg, &attempt, &reason).await;
            }
            Err(DeliveryError::Permanent { reason }) => self.give_up(leg, attempt, reason).await?,
            Err(DeliveryError::Transient { reason, after }) => {
                tracing::warn!(%leg, sequence = attempt.sequence, %reason, "not delivered, trying again");
                self.leg_mut(leg).into_iter().for_each(|queue| queue.retry(after, &reason));
            }
            Err(DeliveryError::LegDown { reason }) => {
                tracing::warn!(%leg, %reason, "this side is down, holding everything for it");
                self.leg_mut(leg).into_iter().for_each(|queue| queue.hold(&reason));
            }
        }
        Ok(())
    }

    /// The leg is done with the entry. The network cannot be asked whether it had a message already, so that cursor is
    /// on disk before the next one goes; the frontends can. What the batch holds besides is in no other place.
    async fn strike(&mut self, leg: Leg, attempt: &Attempt, mut batch: Batch) -> Result<(), BridgeError> {
        let says_more = !batch.0.is_empty();
        if self.cursors.strike_attempt(leg, attempt.last(), &attempt.entry, &mut batch) {
            attempt.entries().for_each(|(_, entry)| self.leg_reached(leg, entry));
        }
        let file = match &attempt.entry.content {
            Content::Said { body: Body::File(file) } => Some(file),
            _ => None,
        };
        let asked_twice = matches!(leg, Leg::Remote | Leg::Files);
        if asked_twice || says_more || file.is_some() {
            self.write_down(batch).await;
        } else {
            drop(self.context.storage.commit(batch, Urgency::Soon));
        }
        // Nothing speaks of it any more: its room is for others.
        let over = |file: &&File| {
            self.cursors.is_done(attempt.sequence, &attempt.entry)
                && !link::is_shared(&*self.context.storage, &file.media)
        };
        if let Some(file) = file.filter(over) {
            self.context.media.discard(&file.media);
        }
        Ok(())
    }

    /// What was to go as one is refused: they go one after the other, so that one alone can be given up.
    async fn dissolve(&mut self, leg: Leg, attempt: &Attempt, reason: &str) {
        tracing::warn!(%leg, sequence = attempt.sequence, %reason, "refused together, sending each alone");
        let mut batch = Batch::default();
        self.cursors.dissolve_pack(leg, &mut batch);
        self.write_down(batch).await;
        self.leg_mut(leg).into_iter().for_each(|queue| queue.dissolve(attempt.last()));
    }

    /// Nothing that waits for a leg will ever be delivered: its people are gone.
    pub(super) async fn give_up_all(&mut self, leg: Leg, reason: &str) {
        while let Ok(Next::Entry { sequence, entry }) = self.cursors.next(&*self.context.storage, leg) {
            if let Err(error) = self.give_up(leg, Attempt::of(sequence, entry), reason.to_owned()).await {
                return tracing::error!(%error, "an entry could not be given up");
            }
        }
    }

    /// The entry can never be delivered: it is set aside, its sender and the owner are told, and the next one goes.
    pub(super) async fn give_up(
        &mut self,
        leg: Leg,
        attempt: Attempt,
        reason: String,
    ) -> Result<(), BridgeError> {
        tracing::warn!(%leg, sequence = attempt.sequence, %reason, "gave an entry up");
        let mut batch = Batch::default();
        let entry = &attempt.entry;
        DeadLetter { portal: self.key.clone(), leg, reason: reason.clone(), entry: (**entry).clone() }
            .store(&mut batch);
        if let Err(error) = trim_dead_letters(&*self.context.storage, &mut batch) {
            tracing::warn!(%error, "old dead letters were not removed");
        }
        if let Some(notice) = self.failure_notice(leg, entry, &reason) {
            self.cursors.append(&notice, &mut batch);
        }
        let told_here = entry.origin.is_some() || entry.author == Author::Bridge;
        self.strike(leg, &attempt, batch).await?;
        let verdict = Verdict::GivenUp { reason: reason.clone() };
        self.traces.note(leg, attempt.sequence, &attempt.entry, verdict);
        self.report(&attempt.entry, Outcome::Failed { reason: reason.clone() });
        if !told_here {
            let note = Undeliverable { portal: self.key.clone(), leg, reason };
            if self.context.undeliverable.try_send(note).is_err() {
                tracing::error!("too many failures at once, the owner is not told of this one");
            }
        }
        self.was_given_up(leg).await;
        Ok(())
    }

    /// What the sender reads in the place where they wrote.
    pub(super) fn failure_notice(&self, leg: Leg, entry: &Entry, reason: &str) -> Option<Entry> {
        let origin = entry.origin.as_ref()?;
        let side = match leg {
            Leg::Remote | Leg::Files => String::new(),
            Leg::Frontend(_) => format!(" on {}", self.context.sides.name(&leg)),
        };
        let what = if leg == Leg::Files { "file" } else { "message" };
        let body = Body::Notice {
            text: format!("Your {what} was not delivered{side}: {}", sentence(reason)),
            about: Some(origin.reference.clone()),
        };
        Some(notice(entry, origin, &format!("failed-{leg}"), body))
    }

    /// Tells the frontend that brought an entry what became of it; nobody waits for that.
    pub(super) fn report(&self, entry: &Entry, outcome: Outcome) {
        if let Some(origin) = &entry.origin {
            self.context.reports.send(&self.key, origin, outcome);
        }
    }

    /// Senders who have waited long enough to wonder.
    pub(super) fn report_pending(&mut self) {
        let now = Instant::now();
        for index in 0..self.legs.len() {
            if let Some((first, reason)) = self.legs[index].take_overdue(now) {
                self.report_all_pending(index, &first, &reason);
            }
        }
    }

    /// The sender at the head of a leg has waited for long, and so will those behind it.
    fn report_all_pending(&mut self, index: usize, first: &Origin, reason: &str) {
        let leg = self.legs[index].leg;
        let all = self.cursors.waiting(&*self.context.storage, &[leg]).unwrap_or_else(|error| {
            tracing::error!(%error, "the journal cannot be read");
            Vec::new()
        });
        let behind: Vec<Origin> = all.into_iter().filter_map(|(_, entry)| entry.origin).skip(1).collect();
        let waiting = behind.len() + 1;
        self.legs[index].tell_pending(waiting);
        for origin in std::iter::once(first).chain(behind.iter().take(MAX_PENDING_TOLD)) {
            let pending = Outcome::Pending { reason: reason.to_owned(), waiting };
            self.context.reports.send(&self.key, origin, pending);
        }
    }

    /// An entry comes to a leg on which those before it are known to wait.
    pub(super) fn report_if_pending(&mut self, entry: &Entry) {
        let mut legs = self.legs.iter_mut().filter(|queue| entry.legs.contains(&queue.leg));
        if let Some((reason, waiting)) = legs.find_map(LegQueue::joins_pending) {
            self.report(entry, Outcome::Pending { reason, waiting });
        }
    }
}

/// What the end of an attempt means for whoever asks; of what is given up, [`Portal::give_up`] says it.
pub(super) fn verdict(result: &Result<Delivered, DeliveryError>) -> Option<Verdict> {
    match result {
        Ok(_) => Some(Verdict::Delivered),
        Err(DeliveryError::Away { reason }) => Some(Verdict::Held { reason: reason.clone() }),
        Err(DeliveryError::Permanent { .. }) => None,
        Err(DeliveryError::Transient { reason, .. } | DeliveryError::LegDown { reason }) => {
            Some(Verdict::Waiting { reason: reason.clone() })
        }
    }
}

/// What a sender reads of words that arrived in part, or otherwise than they think.
pub(super) fn said_by_network(entry: &Entry, note: Option<String>) -> Option<Entry> {
    let (origin, text) = (entry.origin.as_ref()?, note?);
    Some(notice(entry, origin, "note", Body::Notice { text, about: Some(origin.reference.clone()) }))
}

/// The leg whose end is what a sender wants to know of.
pub(super) fn confirming(entry: &Entry) -> Leg {
    match &entry.content {
        Content::Said { body: Body::Attachment(_) } => Leg::Files,
        _ => Leg::Remote,
    }
}
