//! A portal's own task: it writes what is said into the journal and carries it to each leg, one entry at a time.
//!
//! One serial queue for each leg: order holds, and a leg that is down holds only itself. Memory does not grow with what
//! waits: entries are read from the store when their turn comes.

mod ahead;
mod attach;
mod backlog;
mod context;
mod figures;
mod hold;
mod leg;
mod open;
mod outcome;
mod pace;
mod traces;
mod under_way;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::BridgeError;
use super::ids::{Leg, PortalKey};
use super::journal::{Begin, Cursors, Entry, Next};
use super::port::delivery::Display;
use super::port::storage::{Batch, Urgency, disk_retry, until_it_works};
use super::trace::Verdict;
use ahead::Ahead;
pub(super) use context::{PortalContext, PortalInput, Quiet, Releases, Undeliverable};
use hold::Hold;
pub use hold::HoldLimits;
use leg::LegQueue;
pub(super) use open::run;
use traces::Traces;
use under_way::{Attempt, Progressed, Written};

/// Entries and notes waiting for one portal; full, the router waits: everything before it is disk, which all share.
pub(super) const MAILBOX: usize = 256;
/// A sender who still waits after this is told that it takes longer: before the 30 s that they are promised.
const PENDING_AFTER: Duration = Duration::from_secs(25);
/// A portal in which nothing has happened for so long is put away.
const QUIET: Duration = Duration::from_secs(600);
/// How long deliveries under way may take when the bridge stops.
const GRACE: Duration = Duration::from_secs(5);

/// One conversation's journal and the queue of each leg.
pub(super) struct Portal {
    key: PortalKey,
    context: PortalContext,
    cursors: Cursors,
    legs: Vec<LegQueue>,
    ahead: Ahead,
    hold: Hold,
    traces: Traces,
    /// Inputs taken from the mailbox.
    taken: u64,
    under_way: JoinSet<Progressed>,
}

impl Portal {
    fn open(key: PortalKey, legs: &[Leg], context: PortalContext) -> Result<Self, BridgeError> {
        let cursors = Cursors::load(&*context.storage, &key, legs)?;
        let legs = legs.iter().map(|leg| LegQueue::taken_up(*leg, cursors.head)).collect();
        let hold = Hold::load(&*context.storage, &key, context.sides.in_conversation("cancel"))?;
        let (traces, under_way) = (Traces::new(key.clone(), &context), JoinSet::new());
        let mut portal =
            Self { key, context, cursors, legs, ahead: Ahead::default(), hold, traces, taken: 0, under_way };
        portal.count_waiting();
        Ok(portal)
    }

    /// Until nobody can say anything here any more: whoever holds the other end has then handed in everything.
    /// What is rarely under way is boxed, so that a portal at rest has no room for it.
    async fn run(&mut self, mailbox: &mut mpsc::Receiver<PortalInput>, releases: &Releases) {
        tracing::debug!(head = self.cursors.head, "the portal was opened");
        let mut quiet_at = None;
        loop {
            self.start_deliveries();
            let wake = self.legs.iter().filter_map(LegQueue::wake_at).min();
            quiet_at = self.is_at_rest(wake).then(|| quiet_at.unwrap_or_else(|| Instant::now() + QUIET));
            let result = tokio::select! {
                input = mailbox.recv() => match input {
                    Some(input) => {
                        quiet_at = None;
                        Box::pin(self.take(input, mailbox)).await;
                        Ok(())
                    }
                    None => break,
                },
                Some(done) = self.under_way.join_next() => match done {
                    Ok(progressed) => Box::pin(self.progressed(progressed)).await,
                    Err(error) => { tracing::error!(%error, "a delivery broke off"); Ok(()) }
                },
                leg = releases.next() => {
                    self.leg_mut(leg).into_iter().for_each(LegQueue::release);
                    Ok(())
                }
                () = sleep_until(wake) => {
                    self.report_pending();
                    Box::pin(self.tell_backlogs()).await;
                    Ok(())
                }
                () = sleep_until(quiet_at) => {
                    // Not taken now, it is said again after the same time.
                    let _ = self.context.quiet.try_send(Quiet { portal: self.key.clone(), taken: self.taken });
                    quiet_at = None;
                    Ok(())
                }
            };
            (self.context.heartbeat)();
            figures::show_depths(&self.context, &self.key, &self.cursors, &mut self.legs);
            if let Err(error) = result {
                // The entry stays where it is; the disk is given a moment.
                tracing::error!(%error, "the journal could not be written");
                let context = &self.context;
                until_it_works(&*context.storage, &*context.heartbeat, &mut disk_retry()).await;
            }
        }
        Box::pin(self.stop(mailbox)).await;
    }

    /// Whether every leg has everything, and nobody is waited for.
    fn is_at_rest(&self, wake: Option<Instant>) -> bool {
        let is_done = |queue: &LegQueue| self.cursors.done(queue.leg) == self.cursors.head;
        wake.is_none() && self.under_way.is_empty() && !self.hold.is_active() && self.legs.iter().all(is_done)
    }

    /// What is in the mailbox is written down, what is under way may end; nothing new begins.
    async fn stop(&mut self, mailbox: &mut mpsc::Receiver<PortalInput>) {
        mailbox.close();
        while let Some(input) = mailbox.recv().await {
            self.take(input, mailbox).await;
        }
        let until = Instant::now() + GRACE;
        while let Ok(Some(done)) = tokio::time::timeout_at(until, self.under_way.join_next()).await {
            if let Ok(progressed) = done {
                // Logged where it matters; the entry is kept. A disk that fails holds up no stop.
                let _ = tokio::time::timeout_at(until, self.progressed(progressed)).await;
            }
        }
        self.under_way.abort_all();
        self.traces.keep_all();
    }

    /// Handles an input and everything that waits behind it: one commit for all.
    async fn take(&mut self, first: PortalInput, mailbox: &mut mpsc::Receiver<PortalInput>) {
        let mut batch = Batch::default();
        let mut next = Some(first);
        let mut appended = 0;
        let mut given_up = Vec::new();
        let (mut taken_back, mut on_disk, mut begun) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(input) = next {
            self.taken += 1;
            match input {
                PortalInput::Append { entries, with, stored } => {
                    on_disk.extend(stored);
                    appended += entries.len();
                    begun.extend(entries.into_iter().map(|entry| self.journal(entry, &mut batch)));
                    batch.0.extend(with.0);
                }
                PortalInput::Join { leg } if self.leg_mut(leg).is_none() => {
                    self.cursors.join(leg);
                    self.legs.push(LegQueue::new(leg));
                }
                PortalInput::Join { .. } => {}
                PortalInput::GiveUp { leg, reason } => given_up.push((leg, reason)),
                PortalInput::TakeBack { reply } => taken_back.push(reply),
                PortalInput::Explain { entry, reply } => {
                    let _ = reply.send(self.traces.find(entry.as_ref())); // whoever asked may have gone
                }
            }
            next = (appended < MAILBOX).then(|| mailbox.try_recv().ok()).flatten();
        }
        if appended > 0 {
            self.write_down(batch).await;
            begun.iter().for_each(|(sequence, entry)| self.traces.begin(*sequence, entry, false));
            for stored in on_disk {
                let _ = stored.try_send(()); // whoever waited may have gone
            }
            tracing::info!(head = self.cursors.head, appended, "journaled");
            self.say_what_waits().await;
        }
        for (leg, reason) in given_up {
            self.give_up_all(leg, &reason).await;
        }
        for reply in taken_back {
            let count = self.take_back().await;
            let _ = reply.send(count); // whoever asked may have gone
        }
    }

    /// Puts an entry into the journal, with what its sender is told where there is no room for it. Gives its number there.
    fn journal(&mut self, mut entry: Entry, batch: &mut Batch) -> (u64, Entry) {
        if let Some(refusal) = self.refuse_beyond_limits(&mut entry) {
            self.cursors.append(&refusal, batch);
        }
        self.report_if_pending(&entry);
        self.weigh(&mut entry);
        let sequence = self.cursors.append(&entry, batch);
        figures::count_journaled(&self.context, &entry);
        tracing::debug!(sequence, entry = %entry.id, "journaling");
        (sequence, entry)
    }

    /// Writes a batch, however long the disk takes: what was said is in no other place. Nothing more is taken meanwhile.
    async fn write_down(&self, batch: Batch) {
        let (context, mut retry) = (&self.context, disk_retry());
        while let Err(error) = context.storage.commit(batch.clone(), Urgency::Now).await {
            tracing::error!(%error, "the journal could not be written, trying again");
            until_it_works(&*context.storage, &*context.heartbeat, &mut retry).await;
        }
    }

    fn leg_mut(&mut self, leg: Leg) -> Option<&mut LegQueue> {
        self.legs.iter_mut().find(|queue| queue.leg == leg)
    }

    /// Starts whatever can start on any leg.
    fn start_deliveries(&mut self) {
        while self.start_ready() {}
    }

    /// Starts what can start; true when a leg passed over something and may have more.
    fn start_ready(&mut self) -> bool {
        let mut again = false;
        let now = Instant::now();
        for index in 0..self.legs.len() {
            if !self.legs[index].is_ready(now) {
                continue;
            }
            let leg = self.legs[index].leg;
            if self.cursors.done(leg) == self.cursors.head {
                // Nothing to try again: what was to be tried has been given up, or passed over.
                self.legs[index].rest();
                continue;
            }
            let next = match self.cursors.next(&*self.context.storage, leg) {
                Ok(next) => next,
                Err(error) => {
                    // The others are not held up by what this one cannot read.
                    tracing::error!(%leg, %error, "the journal cannot be read");
                    self.legs[index].hold("the journal cannot be read");
                    continue;
                }
            };
            match next {
                Next::Entry { sequence, entry } if self.is_stale(index, sequence, &entry) => {
                    self.legs[index].pass_over();
                    figures::count(&self.context, leg, "passed_over");
                    self.traces.note(leg, sequence, &entry, Verdict::PassedOver);
                    self.unburden(index, &entry);
                    let mut batch = Batch::default();
                    self.cursors.pass_over(leg, sequence, &mut batch);
                    drop(self.context.storage.commit(batch, Urgency::Soon));
                    again = true;
                }
                Next::Entry { sequence, entry } => {
                    let attempt = self.attempt(index, sequence, entry);
                    self.start(index, attempt);
                }
                // Files that were offered are still to be taken.
                Next::Nothing { up_to } if up_to <= self.cursors.done(leg) => self.legs[index].rest(),
                Next::Nothing { up_to } => {
                    self.legs[index].rest();
                    let mut batch = Batch::default();
                    self.cursors.strike(leg, up_to, &mut batch);
                    // Nobody waits for this: repeating it after a crash changes nothing.
                    drop(self.context.storage.commit(batch, Urgency::Soon));
                }
            }
        }
        again
    }

    /// What goes to a leg next: an entry, with those that go with it as one. Alone goes what was tried alone, and the first
    /// of an earlier life, which may have been.
    fn attempt(&mut self, index: usize, sequence: u64, entry: Arc<Entry>) -> Attempt {
        let queue = &self.legs[index];
        let is_line = under_way::is_line(&self.context.sides, queue.leg);
        if !queue.leg.is_frontend() || !is_line(&entry) {
            return Attempt::of(sequence, entry);
        }
        let begin = queue.may_pack(sequence);
        let pack = self.cursors.pack(&*self.context.storage, queue.leg, begin, is_line);
        let pack = pack.unwrap_or_else(|error| {
            tracing::error!(leg = %queue.leg, %error, "what waits cannot be read, so one goes alone");
            Vec::new()
        });
        if begin == Begin::Paste && !pack.is_empty() {
            self.legs[index].begin_paste(self.cursors.head);
        }
        Attempt { pack: if pack.len() > 1 { pack } else { Vec::new() }, ..Attempt::of(sequence, entry) }
    }

    /// The end of a pack is on disk before it goes, and that of the one behind it goes there meanwhile.
    fn write_pack(&mut self, leg: Leg, last: u64) -> Option<Written> {
        let is_line = under_way::is_line(&self.context.sides, leg);
        let behind = self.cursors.pack_behind(&*self.context.storage, leg, last, is_line);
        let behind = behind.unwrap_or_else(|error| {
            tracing::error!(%leg, %error, "what waits cannot be read, so the next pack is found in its turn");
            None
        });
        let ahead = self.ahead.take(leg, last).filter(|_| self.cursors.is_at_pack(leg, last));
        if ahead.is_some() && behind.is_none() {
            return ahead.flatten();
        }
        let mut batch = Batch::default();
        self.cursors.begin_pack(leg, last, behind, &mut batch);
        let both = self.context.storage.commit(batch, Urgency::Now);
        let (now, later) = match ahead {
            Some(written) => (written, Some(both)),
            None => (Some(both), None),
        };
        if let Some(end) = behind {
            self.ahead.expect(leg, end, later);
        }
        now
    }

    /// Carries an attempt to a leg, in a task of its own.
    fn start(&mut self, index: usize, attempt: Attempt) {
        let leg = self.legs[index].leg;
        for (sequence, entry) in attempt.entries() {
            self.traces.note(leg, sequence, entry, Verdict::UnderWay);
        }
        let unconfirmed = self.legs[index].begin(attempt.sequence, &attempt.entry);
        let traits = self.context.sides.traits(leg);
        let has_title = traits.is_some_and(|traits| traits.shows_titles);
        let display = if has_title { self.context.display(&self.key) } else { Display::default() };
        let display = Display { missed: self.cursors.missed(leg), ..display };
        let delivery = under_way::delivery(&self.context.names, &self.key, &attempt, unconfirmed);
        let written = match attempt.pack.is_empty() {
            true => None,
            false => self.write_pack(leg, attempt.last()),
        };
        self.under_way.spawn(under_way::carry(
            self.context.clone(),
            leg,
            attempt,
            delivery,
            display,
            written,
        ));
    }

    /// A file was offered, and those behind it go; or an attempt has ended.
    async fn progressed(&mut self, progressed: Progressed) -> Result<(), BridgeError> {
        let leg = match progressed {
            Progressed::Offered { leg, sequence, rest } => {
                self.under_way.spawn(rest);
                self.cursors.offers.offered(sequence);
                leg
            }
            Progressed::Ended(leg, attempt, result) => {
                self.finished(leg, attempt, result).await?;
                leg
            }
        };
        if leg == Leg::Files && self.cursors.offers.let_pass() {
            self.leg_mut(leg).into_iter().for_each(LegQueue::succeeded);
        }
        Ok(())
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
