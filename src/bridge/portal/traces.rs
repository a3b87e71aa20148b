//! The traces of messages that are on their way in one portal.
//!
//! Knows which are not at their end, and the last one that is. Refuses to hold many: of a long queue the oldest are
//! written down as they stand, and taken up anew when their turn comes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::PortalContext;
use crate::bridge::event::{Author, Timestamp};
use crate::bridge::ids::{EntryId, Leg, PortalKey};
use crate::bridge::journal::Entry;
use crate::bridge::port::delivery::Content;
use crate::bridge::port::storage::{Batch, Storage, Urgency};
use crate::bridge::trace::{Hop, Trace, TraceLog, Verdict};

/// Traces in memory; a queue that is longer is a leg that is down, of which each says the same.
const MAX_OPEN: usize = 64;

/// Traces by the numbers of their entries.
pub(super) struct Traces {
    portal: PortalKey,
    log: TraceLog,
    storage: Arc<dyn Storage>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    open: BTreeMap<u64, Trace>,
    last: Option<Trace>,
}

impl Traces {
    /// None is open.
    pub(super) fn new(portal: PortalKey, context: &PortalContext) -> Self {
        let (log, storage, clock) = (context.traces.clone(), context.storage.clone(), context.clock.clone());
        Self { portal, log, storage, clock, open: BTreeMap::new(), last: None }
    }

    /// Whether anybody would ask what became of it: words of people, not of the bridge.
    fn is_traced(&self, entry: &Entry) -> bool {
        self.portal.management_user().is_none()
            && entry.author != Author::Bridge
            && matches!(entry.content, Content::Said { .. })
            && !entry.legs.is_empty()
    }

    /// An entry is in the journal from now on; or it was found there, and its trace is resumed.
    pub(super) fn begin(&mut self, sequence: u64, entry: &Entry, resumed: bool) {
        if !self.is_traced(entry) || self.open.contains_key(&sequence) {
            return;
        }
        let now = (self.clock)();
        let hop = |leg: &Leg| Hop { leg: *leg, attempts: 0, at: now, verdict: Verdict::Queued };
        let trace = Trace {
            portal: self.portal.clone(),
            entry: entry.id.clone(),
            from: entry.origin.as_ref().map(|origin| origin.leg),
            said_at: entry.at,
            written_at: if resumed { entry.at } else { now },
            resumed,
            hops: entry.legs.iter().map(hop).collect(),
        };
        self.open.insert(sequence, trace);
        if self.open.len() > MAX_OPEN
            && let Some((_, oldest)) = self.open.pop_first()
        {
            self.keep(&oldest);
        }
    }

    /// A side has come to something with an entry. A trace that is over is written down; nobody waits for that.
    pub(super) fn note(&mut self, leg: Leg, sequence: u64, entry: &Entry, verdict: Verdict) {
        self.begin(sequence, entry, true);
        let now = (self.clock)();
        let Some(trace) = self.open.get_mut(&sequence) else { return };
        trace.note(leg, now, verdict);
        if trace.is_over()
            && let Some(trace) = self.open.remove(&sequence)
        {
            self.keep(&trace);
            self.last = Some(trace);
        }
    }

    /// What is known of one entry, or of the newest.
    pub(super) fn find(&self, entry: Option<&EntryId>) -> Option<Trace> {
        let mut known = self.open.values().rev().chain(&self.last);
        match entry {
            Some(entry) => known.find(|trace| trace.entry == *entry).cloned(),
            None => known.next().cloned(),
        }
    }

    /// What is on its way is written down as it stands.
    pub(super) fn keep_all(&mut self) {
        for trace in std::mem::take(&mut self.open).into_values() {
            self.keep(&trace);
        }
    }

    fn keep(&self, trace: &Trace) {
        let mut batch = Batch::default();
        match self.log.store(trace, (self.clock)(), &mut batch) {
            Ok(()) => drop(self.storage.commit(batch, Urgency::Soon)),
            Err(error) => tracing::warn!(%error, "what became of a message was not written down"),
        }
    }
}
