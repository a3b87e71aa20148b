//! Ends of packs on their way to the disk while the packs before them go.
//!
//! Knows what a pack still waits for when its turn comes. Refuses to know what is in one. A sync takes a third of the time
//! that a homeserver takes for a pack: whoever has two hundred lines waits for it once and not ten times.

use std::collections::HashMap;

use futures_util::FutureExt;
use futures_util::future::Shared;

use super::under_way::Written;
use crate::bridge::ids::Leg;

/// The next pack of each leg.
#[derive(Default)]
pub(super) struct Ahead(HashMap<Leg, Next>);

struct Next {
    /// The last entry of the pack.
    last: u64,
    /// Its end is on disk when this is; `None` where it went with that of the pack before.
    written: Option<Shared<Written>>,
}

impl Ahead {
    /// The end of a leg's next pack is on disk once `written` is, or once the pack before it went.
    pub(super) fn expect(&mut self, leg: Leg, last: u64, written: Option<Written>) {
        self.0.insert(leg, Next { last, written: written.map(FutureExt::shared) });
    }

    /// What a pack with this end waits for, if anything; the outer `None` where nothing was written of it.
    pub(super) fn take(&mut self, leg: Leg, last: u64) -> Option<Option<Written>> {
        self.0.remove(&leg).filter(|next| next.last == last).map(|next| next.written.map(FutureExt::boxed))
    }
}
