//! An entry on its way to a leg, in a task of its own.
//!
//! Knows that a file has two ends: those whom it is for know of it, and they have it or will not. Refuses to decide what
//! follows either: the portal does.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, OptionFuture};
use tracing::Instrument;

use super::attach;
use super::context::PortalContext;
use crate::bridge::body::{Body, RichText};
use crate::bridge::ghost_names::GhostNames;
use crate::bridge::ids::{Leg, PortalKey};
use crate::bridge::journal::Entry;
use crate::bridge::port::delivery::{Content, Delivered, Delivery, DeliveryError, Display, PackedLine};
use crate::bridge::port::network::Offered;
use crate::bridge::port::storage::StorageError;
use crate::bridge::sides::Sides;

/// Changes on their way to the disk.
pub(super) type Written = BoxFuture<'static, Result<(), StorageError>>;

/// An entry on its way to a leg.
#[derive(Debug)]
pub(in super::super) struct Attempt {
    pub(super) sequence: u64,
    pub(super) entry: Arc<Entry>,
    /// Those that go with it as one, it among them; empty where it goes alone.
    pub(super) pack: Vec<(u64, Arc<Entry>)>,
}

impl Attempt {
    /// An entry that goes alone.
    pub(super) fn of(sequence: u64, entry: Arc<Entry>) -> Self {
        Self { sequence, entry, pack: Vec::new() }
    }

    /// Every entry that is in it.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, &Arc<Entry>)> {
        let alone = self.pack.is_empty().then_some((self.sequence, &self.entry));
        alone.into_iter().chain(self.pack.iter().map(|(sequence, entry)| (*sequence, entry)))
    }

    /// The number of the last entry in it.
    pub(super) fn last(&self) -> u64 {
        self.pack.last().map_or(self.sequence, |(sequence, _)| *sequence)
    }
}

/// What an attempt brings to a side, by the names that people have now: what waited long is still said by somebody who is
/// called as they are called now.
pub(super) fn delivery(
    names: &GhostNames,
    portal: &PortalKey,
    attempt: &Attempt,
    unconfirmed: bool,
) -> Delivery {
    let lines = attempt.pack.iter().filter_map(|(_, entry)| Some((entry, entry.content.bare_text()?)));
    let pack: Vec<PackedLine> =
        lines.map(|(entry, text)| PackedLine { id: entry.id.clone(), text: text.clone() }).collect();
    let content = match pack.is_empty() {
        true => attempt.entry.content.clone(),
        false => {
            let text = RichText::joined(pack.iter().map(|line| &line.text));
            Content::Said { body: Body::Text(text) }
        }
    };
    Delivery {
        portal: portal.clone(),
        id: attempt.entry.id.clone(),
        sequence: attempt.sequence,
        author: names.author(&portal.receiver, attempt.entry.author.clone()),
        content: names.content(&portal.receiver, content),
        at: attempt.entry.at,
        unconfirmed,
        pack,
    }
}

/// What may go to a leg together with others: lines of those who said them line by line, to a side that takes whole texts.
pub(super) fn is_line(sides: &Sides, leg: Leg) -> impl Fn(&Entry) -> bool {
    let in_lines = move |leg| sides.traits(leg).is_some_and(|traits| traits.speaks_in_lines);
    move |entry| {
        let from_lines = entry.origin.as_ref().is_some_and(|origin| in_lines(origin.leg));
        from_lines && !in_lines(leg) && !entry.away.contains(&leg)
    }
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

/// Carries an entry to a leg, once what is to be `written` before that is on disk.
pub(super) fn carry(
    context: PortalContext,
    leg: Leg,
    attempt: Attempt,
    delivery: Delivery,
    display: Display,
    written: Option<Written>,
) -> BoxFuture<'static, Progressed> {
    let (origin, sequence) = (attempt.entry.origin.as_ref().map(|origin| origin.leg), attempt.sequence);
    let offered = Offered::default();
    let span = tracing::info_span!("message", entry = %delivery.id, to = %leg);
    let delivered =
        attach::deliver(context, leg, origin, delivery, display, offered.clone()).instrument(span);
    let ended: BoxFuture<'static, Progressed> = Box::pin(async move {
        if let Some(Err(error)) = OptionFuture::from(written).await {
            tracing::error!(%error, "the journal could not be written");
            return Progressed::Ended(leg, attempt, Err(DeliveryError::transient("the disk fails")));
        }
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
