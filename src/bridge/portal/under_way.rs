//! An entry on its way to a leg, in a task of its own.
//!
//! Knows that a file has two ends: those whom it is for know of it, and they have it or will not. Refuses to decide what
//! follows either: the portal does.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::attach;
use super::context::PortalContext;
use crate::bridge::ids::Leg;
use crate::bridge::journal::Entry;
use crate::bridge::port::delivery::{Delivered, Delivery, DeliveryError, Display};
use crate::bridge::port::network::Offered;

/// An entry on its way to a leg.
#[derive(Debug)]
pub(in super::super) struct Attempt {
    pub(super) sequence: u64,
    pub(super) entry: Arc<Entry>,
}

/// How far an attempt has come.
pub(super) enum Progressed {
    /// Those whom a file is for know of it; the rest is what they make of it.
    Offered {
        leg: Leg,
        sequence: u64,
        rest: BoxFuture<'static, Self>,
    },
    Ended(Leg, Attempt, Result<Delivered, DeliveryError>),
}

/// Carries an entry to a leg.
pub(super) fn carry(
    context: PortalContext,
    leg: Leg,
    attempt: Attempt,
    delivery: Delivery,
    display: Display,
) -> BoxFuture<'static, Progressed> {
    let (origin, sequence) = (attempt.entry.origin.as_ref().map(|origin| origin.leg), attempt.sequence);
    let offered = Offered::default();
    let delivered = attach::deliver(context, leg, origin, delivery, display, offered.clone());
    let ended: BoxFuture<'static, Progressed> = Box::pin(async move {
        // A mistake of ours in one delivery must not stop the leg for good.
        let caught = std::panic::AssertUnwindSafe(delivered).catch_unwind().await;
        let result =
            caught.unwrap_or_else(|_| Err(DeliveryError::transient("an internal error, see the log")));
        Progressed::Ended(leg, attempt, result)
    });
    if leg != Leg::Files {
        return ended;
    }
    Box::pin(async move {
        let mut rest = ended;
        tokio::select! {
            ended = &mut rest => ended,
            () = offered.told() => Progressed::Offered { leg, sequence, rest },
        }
    })
}
