//! What became of a message: when it came, and what each side made of it.
//!
//! Knows times, attempts and verdicts. Refuses to hold a word of the message. The newest [`MAX_TRACES`] are kept, for
//! [`MAX_AGE`]. Source: «explain» in sections 1 and 11 of the product's description.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::BridgeError;
use super::event::Timestamp;
use super::ids::{EntryId, Leg, LoginId, PortalKey};
use super::port::storage::{Batch, Storage, Table};
use super::record::{decode, encode};
use super::sentence::clause;
use super::sides::Sides;

/// Messages whose traces are kept.
const MAX_TRACES: usize = 10_000;
/// How long a trace is kept.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Traces read at once.
const PAGE: usize = 512;
/// Old traces that one new one evicts at most: rather several times a little.
const EVICTED: usize = 4;

/// What a side has made of a message so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// Its turn has not come.
    Queued,
    UnderWay,
    /// The last attempt failed; there will be another.
    Waiting {
        reason: String,
    },
    /// Those whom it is for cannot be reached.
    Held {
        reason: String,
    },
    Delivered,
    /// It is too old for this side, and was counted there.
    PassedOver,
    GivenUp {
        reason: String,
    },
}

impl Verdict {
    fn is_final(&self) -> bool {
        matches!(self, Self::Delivered | Self::PassedOver | Self::GivenUp { .. })
    }
}

/// One side of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hop {
    pub(super) leg: Leg,
    pub(super) attempts: u32,
    /// When the verdict was reached.
    pub(super) at: Timestamp,
    pub(super) verdict: Verdict,
}

/// The way of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trace {
    pub(super) portal: PortalKey,
    pub(super) entry: EntryId,
    /// The frontend that it came from; `None` for the network.
    pub(super) from: Option<Leg>,
    pub(super) said_at: Timestamp,
    /// When it was in the journal.
    pub(super) written_at: Timestamp,
    /// The bridge has been started again since.
    #[serde(default)]
    pub(super) resumed: bool,
    pub(super) hops: Vec<Hop>,
}

fn key(said_at: Timestamp, entry: &EntryId) -> Vec<u8> {
    [&said_at.to_be_bytes()[..], entry.as_str().as_bytes()].concat()
}

impl Trace {
    /// A side has come to something.
    pub(super) fn note(&mut self, leg: Leg, at: Timestamp, verdict: Verdict) {
        let Some(hop) = self.hops.iter_mut().find(|hop| hop.leg == leg) else { return };
        hop.attempts += u32::from(verdict == Verdict::UnderWay);
        (hop.at, hop.verdict) = (at, verdict);
    }

    /// Whether every side has come to an end.
    pub(super) fn is_over(&self) -> bool {
        self.hops.iter().all(|hop| hop.verdict.is_final())
    }

    /// The trace in words, a line for each side.
    pub(super) fn describe(&self, sides: &Sides) -> String {
        let from = self.from.as_ref().map_or(sides.network.name, |leg| sides.name(leg));
        let later = milliseconds(self.written_at.saturating_sub(self.said_at));
        let resumed = if self.resumed { " The bridge was started again since." } else { "" };
        let mut text = format!(
            "This message came from {from} at {} and was on disk {later} later.{resumed}",
            time(self.said_at)
        );
        for hop in &self.hops {
            text.push_str(&format!("\n  {}: {}", sides.name(&hop.leg), self.verdict(hop)));
        }
        text
    }

    fn verdict(&self, hop: &Hop) -> String {
        let attempts = match hop.attempts {
            1 => "1 attempt".to_owned(),
            count => format!("{count} attempts"),
        };
        let later = milliseconds(hop.at.saturating_sub(self.written_at));
        match &hop.verdict {
            Verdict::Queued => "waits for its turn.".into(),
            Verdict::UnderWay => format!("on its way since {} ({attempts}).", time(hop.at)),
            Verdict::Delivered => format!("delivered at {}, {later} after that ({attempts}).", time(hop.at)),
            Verdict::PassedOver => "not said there for its age; a line said how many were missed.".into(),
            Verdict::Waiting { reason } => {
                format!("not delivered yet, tried last at {} ({attempts}): {}.", time(hop.at), clause(reason))
            }
            Verdict::Held { reason } => format!("waits since {}: {}.", time(hop.at), clause(reason)),
            Verdict::GivenUp { reason } => {
                format!("given up at {} ({attempts}): {}.", time(hop.at), clause(reason))
            }
        }
    }
}

/// "10:02:03 UTC", with the day before it.
fn time(at: Timestamp) -> String {
    let at = i64::try_from(at).ok().and_then(chrono::DateTime::from_timestamp_millis);
    at.map_or_else(|| "an unknown time".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn milliseconds(span: u64) -> String {
    match span {
        0..10_000 => format!("{span} ms"),
        span => format!("{} s", span / 1000),
    }
}

/// The traces on disk.
#[derive(Clone)]
pub(super) struct TraceLog {
    storage: Arc<dyn Storage>,
    count: Arc<AtomicUsize>,
    /// Traces that are kept.
    most: usize,
}

impl TraceLog {
    /// Counts what is there.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn load(storage: Arc<dyn Storage>) -> Result<Self, BridgeError> {
        let (mut count, mut after) = (0, None::<Vec<u8>>);
        loop {
            let rows = storage.scan(Table::Traces, &[], after.as_deref(), PAGE)?;
            count += rows.len();
            let Some((last, _)) = rows.into_iter().next_back() else { break };
            after = Some(last);
        }
        Ok(Self { storage, count: Arc::new(AtomicUsize::new(count)), most: MAX_TRACES })
    }

    /// What writes a trace down, and evicts those that are too old or too many.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(super) fn store(&self, trace: &Trace, now: Timestamp, batch: &mut Batch) -> Result<(), BridgeError> {
        let row = key(trace.said_at, &trace.entry);
        if self.storage.read(Table::Traces, &row)?.is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        batch.put(Table::Traces, row, encode(trace));
        let excess = self.count.load(Ordering::Relaxed).saturating_sub(self.most);
        let oldest = now.saturating_sub(u64::try_from(MAX_AGE.as_millis()).unwrap_or(u64::MAX));
        let rows = self.storage.scan(Table::Traces, &[], None, EVICTED)?;
        for (n, (key, _)) in rows.into_iter().enumerate() {
            if n < excess || key[..] < oldest.to_be_bytes()[..] {
                batch.remove(Table::Traces, key);
                self.count.fetch_sub(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// The trace of an entry, or the newest of a conversation where no entry is named. `of` are the logins whose traces
    /// may be shown; `None` for all.
    ///
    /// # Errors
    /// The store cannot be read, or a row is damaged.
    pub(super) fn find(
        &self,
        entry: Option<&EntryId>,
        portal: &PortalKey,
        of: Option<&[LoginId]>,
    ) -> Result<Option<Trace>, BridgeError> {
        let (mut found, mut after) = (None, None::<Vec<u8>>);
        loop {
            let rows = self.storage.scan(Table::Traces, &[], after.as_deref(), PAGE)?;
            let Some((last, _)) = rows.last() else { return Ok(found) };
            after = Some(last.clone());
            for (_, value) in rows {
                let trace: Trace = decode("trace", &value)?;
                let is_it = entry.map_or(trace.portal == *portal, |entry| trace.entry == *entry);
                if is_it && of.is_none_or(|of| of.contains(&trace.portal.receiver)) {
                    found = Some(trace);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::port::storage::Urgency;
    use crate::bridge::testkit::{BOB, MATRIX, SimStorage, World};

    fn trace(n: u64) -> Trace {
        Trace {
            portal: World::portal(BOB),
            entry: EntryId::new(format!("e{n}")),
            from: Some(MATRIX),
            said_at: n,
            written_at: n + 4,
            resumed: false,
            hops: vec![Hop { leg: Leg::Remote, attempts: 0, at: n, verdict: Verdict::Queued }],
        }
    }

    async fn keep(log: &TraceLog, trace: &Trace, now: Timestamp) {
        let mut batch = Batch::default();
        log.store(trace, now, &mut batch).unwrap();
        log.storage.commit(batch, Urgency::Now).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn of_too_many_traces_the_oldest_go_also_after_a_restart() {
        let storage: Arc<SimStorage> = Arc::default();
        let load = || TraceLog { most: 5, ..TraceLog::load(storage.clone()).unwrap() };
        let log = load();
        for n in 0..5 {
            keep(&log, &trace(n), 0).await;
        }
        let log = load();
        for n in 5..8 {
            keep(&log, &trace(n), 0).await;
        }
        let rows = storage.rows(Table::Traces);
        assert_eq!(rows.len(), 5);
        assert!(rows[0].0.ends_with(b"e3"));
        // The same one again is no further one.
        keep(&log, &trace(7), 0).await;
        assert_eq!(storage.rows(Table::Traces).len(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trace_is_kept_for_a_week_and_shown_to_those_whose_it_is() {
        let storage: Arc<SimStorage> = Arc::default();
        let log = TraceLog::load(storage.clone()).unwrap();
        keep(&log, &trace(1), 1).await;
        let (portal, other) = (World::portal(BOB), [LoginId::new("other@x")]);
        let entry = EntryId::new("e1");
        assert_eq!(log.find(Some(&entry), &portal, None).unwrap(), Some(trace(1)));
        assert_eq!(
            log.find(None, &portal, Some(std::slice::from_ref(&portal.receiver))).unwrap(),
            Some(trace(1))
        );
        assert_eq!(log.find(Some(&entry), &portal, Some(&other)).unwrap(), None);
        let later = 8 * 24 * 3600 * 1000;
        keep(&log, &trace(later), later).await;
        assert_eq!(log.find(Some(&entry), &portal, None).unwrap(), None);
    }
}
