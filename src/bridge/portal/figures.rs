//! What a portal has to show whoever watches: messages, attempts, times, and how much waits.
//!
//! Knows the labels. Refuses to know who looks: without anybody each call does nothing.

use std::time::Duration;

use super::PortalContext;
use super::leg::LegQueue;
use crate::bridge::event::Author;
use crate::bridge::ids::{Leg, PortalKey};
use crate::bridge::journal::{Cursors, Entry};
use crate::bridge::port::delivery::{Delivered, DeliveryError};
use crate::measure;

/// Says how much waits on each leg, where that has changed.
pub(super) fn show_depths(
    context: &PortalContext,
    portal: &PortalKey,
    cursors: &Cursors,
    legs: &mut [LegQueue],
) {
    for queue in legs {
        let waiting = cursors.head.saturating_sub(cursors.done(queue.leg));
        let depth = queue.depth_of(waiting, (context.clock)());
        if depth.map(|depth| depth.waiting) != queue.depth.map(|depth| depth.waiting) {
            context.depths.set(portal, queue.leg, depth);
            queue.depth = depth;
        }
    }
}

/// Something is in the journal that is no word of the bridge's own.
pub(super) fn count_journaled(context: &PortalContext, entry: &Entry) {
    if entry.author != Author::Bridge {
        let from = entry.origin.as_ref().map_or(Leg::Remote, |origin| origin.leg);
        measure::count(measure::JOURNALED, ("from", &context.sides.label(from)));
    }
}

/// One attempt on a leg has come to this.
pub(super) fn count(context: &PortalContext, leg: Leg, outcome: &'static str) {
    measure::count_by(measure::ATTEMPTS, [("to", &context.sides.label(leg)), ("outcome", outcome)]);
}

/// What came of an attempt, for whoever watches; and how long a message took that has arrived.
pub(super) fn ended(
    context: &PortalContext,
    leg: Leg,
    entry: &Entry,
    result: &Result<Delivered, DeliveryError>,
) {
    let outcome = match result {
        Ok(_) => "delivered",
        Err(DeliveryError::Away { .. }) => "held",
        Err(DeliveryError::Permanent { .. }) => "given_up",
        Err(DeliveryError::Transient { .. } | DeliveryError::LegDown { .. }) => "retried",
    };
    count(context, leg, outcome);
    if result.is_ok() && leg != Leg::Files && entry.author != Author::Bridge {
        let took = Duration::from_millis((context.clock)().saturating_sub(entry.at));
        measure::took(measure::DELIVERY, ("to", &context.sides.label(leg)), took);
    }
}
