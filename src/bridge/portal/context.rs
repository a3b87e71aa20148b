//! What a portal's task is told, what it tells, and what every portal shares.
//!
//! Knows the mailbox's inputs and the legs that may be up again. Refuses to act on either: the portal does.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot};

use super::hold::HoldLimits;
use crate::bridge::depths::LegDepths;
use crate::bridge::event::Ghost;
use crate::bridge::ghost_names::GhostNames;
use crate::bridge::ids::{EntryId, Leg, PortalKey};
use crate::bridge::journal::Entry;
use crate::bridge::link::Links;
use crate::bridge::port::delivery::Display;
use crate::bridge::port::frontend::Frontend;
use crate::bridge::port::media::Media;
use crate::bridge::port::network::{Audience, Network};
use crate::bridge::port::storage::{Batch, Storage};
use crate::bridge::report::Reports;
use crate::bridge::sides::Sides;
use crate::bridge::trace::{Trace, TraceLog};

/// Legs that may be up again, on their way to a portal. A leg is in there once, however often that is said.
#[derive(Debug, Default)]
pub(in crate::bridge) struct Releases {
    legs: Mutex<BTreeSet<Leg>>,
    added: Notify,
}

impl Releases {
    /// The leg may be up again.
    pub(in crate::bridge) fn add(&self, leg: Leg) {
        self.legs.lock().unwrap_or_else(PoisonError::into_inner).insert(leg);
        self.added.notify_one();
    }

    /// A leg that may be up again.
    pub(super) async fn next(&self) -> Leg {
        loop {
            let first = self.legs.lock().unwrap_or_else(PoisonError::into_inner).pop_first();
            match first {
                Some(leg) => return leg,
                None => self.added.notified().await,
            }
        }
    }
}

/// What a portal's task is told.
#[derive(Debug)]
pub(in crate::bridge) enum PortalInput {
    /// Something said, in one breath, and changes that belong to it: all happen, or nothing.
    Append {
        entries: Vec<Entry>,
        with: Batch,
        /// Told when it is on disk.
        stored: Option<mpsc::Sender<()>>,
    },
    /// This leg takes part from now on, if it does not.
    Join { leg: Leg },
    /// Nothing that waits for this leg will ever be delivered.
    GiveUp { leg: Leg, reason: String },
    /// What waits for the network is not to be sent any more. Answered with how much that was.
    TakeBack { reply: oneshot::Sender<usize> },
    /// What has become of an entry so far, or of the newest. Answered with what is known here.
    Explain { entry: Option<EntryId>, reply: oneshot::Sender<Option<Trace>> },
}

/// What a portal's task tells the router.
#[derive(Debug, Clone)]
pub(in crate::bridge) struct Undeliverable {
    pub(in crate::bridge) portal: PortalKey,
    pub(in crate::bridge) leg: Leg,
    pub(in crate::bridge) reason: String,
}

/// A portal in which nothing has happened for long.
#[derive(Debug)]
pub(in crate::bridge) struct Quiet {
    pub(in crate::bridge) portal: PortalKey,
    /// Inputs that it has taken until then: with one more sent to it, it is quiet no longer.
    pub(in crate::bridge) taken: u64,
}

/// What every portal's task uses.
#[derive(Clone)]
pub(in crate::bridge) struct PortalContext {
    pub(in crate::bridge) storage: Arc<dyn Storage>,
    pub(in crate::bridge) network: Arc<dyn Network>,
    pub(in crate::bridge) frontends: Vec<Arc<dyn Frontend>>,
    pub(in crate::bridge) undeliverable: mpsc::Sender<Undeliverable>,
    /// Told of portals in which nothing has happened for long.
    pub(in crate::bridge) quiet: mpsc::Sender<Quiet>,
    pub(in crate::bridge) reports: Reports,
    /// The time of day, in milliseconds.
    pub(in crate::bridge) clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Told that the loop turns, for the watchdog.
    pub(in crate::bridge) heartbeat: Arc<dyn Fn() + Send + Sync>,
    pub(in crate::bridge) media: Arc<dyn Media>,
    pub(in crate::bridge) links: Option<Arc<Links>>,
    pub(in crate::bridge) hold: HoldLimits,
    pub(in crate::bridge) names: GhostNames,
    pub(in crate::bridge) sides: Sides,
    pub(in crate::bridge) traces: TraceLog,
    /// Told how much waits on each leg.
    pub(in crate::bridge) depths: LegDepths,
}

impl PortalContext {
    pub(super) fn frontend(&self, leg: Leg) -> Option<Arc<dyn Frontend>> {
        self.frontends.iter().find(|frontend| frontend.leg() == leg).cloned()
    }

    /// What a conversation looks like: what it is called, by the people in it, and who they are.
    pub(in crate::bridge) fn display(&self, portal: &PortalKey) -> Display {
        if portal.management_user().is_some() {
            return Display::default();
        }
        let Audience { people, is_group } = self.network.audience(portal);
        let is_last = is_group && people.len() == 1;
        let title = self.names.title(&portal.receiver, people.clone());
        // A group is not called like the conversation with the one who is left in it.
        let title = title.map(|title| if is_last { format!("{title} (group)") } else { title });
        let newest = |id| self.names.newest(&portal.receiver, Ghost { id, name: String::new() });
        Display { title, is_group, people: people.into_iter().map(newest).collect(), ..Display::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_several_legs_that_are_up_together_none_is_forgotten() {
        let releases = Releases::default();
        Leg::NETWORK.into_iter().chain(Leg::NETWORK).for_each(|leg| releases.add(leg));
        let next =
            async || tokio::time::timeout(std::time::Duration::from_secs(1), releases.next()).await.ok();
        assert_eq!([next().await, next().await, next().await], [Some(Leg::Remote), Some(Leg::Files), None]);
    }
}
