//! A portal and the sides that take only so much at a time: what an entry means for each of them, what is passed over, and
//! the word about what takes long.

use tokio::time::Instant;

use super::Portal;
use super::backlog::MAX_BACKLOG;
use super::leg::LegQueue;
use crate::bridge::body::Body;
use crate::bridge::event::Author;
use crate::bridge::ids::{EntryId, Leg};
use crate::bridge::journal::{Entry, Origin};
use crate::bridge::port::delivery::Content;
use crate::bridge::port::frontend::Cost;
use crate::bridge::port::storage::Batch;

impl Portal {
    /// Notes what an entry that is new means for each side it is for.
    pub(super) fn weigh(&mut self, entry: &mut Entry) {
        let now = Instant::now();
        for index in 0..self.legs.len() {
            let leg = self.legs[index].leg;
            let Some(frontend) = self.context.frontend(leg).filter(|_| entry.legs.contains(&leg)) else {
                continue;
            };
            if frontend.is_away(&self.key) {
                entry.away.push(leg);
                self.legs[index].backlog.failed();
            }
            let cost = self.cost(leg, entry);
            self.legs[index].backlog.add(cost, entry.origin.as_ref(), now);
        }
    }

    /// What an entry takes to be shown; nothing for an entry that the leg passes over.
    fn cost(&self, leg: Leg, entry: &Entry) -> Cost {
        match (&entry.content, self.context.frontend(leg)) {
            (Content::Said { body }, Some(frontend)) => frontend.cost(&self.key, body),
            _ => Cost::default(),
        }
    }

    /// The leg is rid of an entry.
    pub(super) fn unburden(&mut self, index: usize, entry: &Entry) {
        let cost = self.cost(self.legs[index].leg, entry);
        self.legs[index].backlog.done(cost);
    }

    /// The leg is done with an entry: it could be reached.
    pub(super) fn leg_reached(&mut self, leg: Leg, entry: &Entry) {
        let now = (self.context.clock)();
        let Some(index) = self.legs.iter().position(|queue| queue.leg == leg) else { return };
        self.unburden(index, entry);
        self.legs[index].backlog.reached(now);
        self.legs[index].succeeded();
    }

    /// Whether an entry is passed over, because it was said in an absence and too many or too much time came after it.
    pub(super) fn is_stale(&self, index: usize, sequence: u64, entry: &Entry) -> bool {
        let LegQueue { leg, backlog, .. } = &self.legs[index];
        if !entry.away.contains(leg) {
            return false;
        }
        match self.cursors.absence(&*self.context.storage, *leg, sequence, MAX_BACKLOG) {
            Ok(absence) => backlog.is_stale(entry.at, (self.context.clock)(), &absence),
            Err(error) => {
                tracing::error!(%leg, %error, "what waits cannot be counted, so it is not passed over");
                false
            }
        }
    }

    /// Tells, where it was said, that something takes long.
    pub(super) async fn tell_backlogs(&mut self) {
        let now = Instant::now();
        let mut due = Vec::new();
        for queue in &mut self.legs {
            due.extend(queue.backlog.due(now).map(|(cost, about)| (queue.leg, cost, about)));
        }
        for (leg, cost, about) in due {
            let Some(notice) = self.backlog_notice(leg, cost, about) else { continue };
            let mut batch = Batch::default();
            self.cursors.append(&notice, &mut batch);
            self.write_down(batch).await;
        }
    }

    /// The notice that something takes long, in the place where it was said.
    fn backlog_notice(&self, leg: Leg, cost: Cost, about: Option<Origin>) -> Option<Entry> {
        tracing::info!(%leg, lines = cost.lines, seconds = cost.time.as_secs(), "much is to be said");
        // What was said on the network is told of where its owner reads.
        let mut others = self.legs.iter().map(|queue| queue.leg).filter(|other| other.is_frontend());
        let place = about.as_ref().map(|origin| origin.leg).or_else(|| others.find(|other| *other != leg))?;
        let text = format!(
            "{} lines are still to be said on {}, which takes only so many at a time: the last one in about {}. \
             Nothing is left out.",
            cost.lines,
            self.context.sides.name(&leg),
            about_how_long(cost.time)
        );
        let body = Body::Notice { text, about: about.map(|origin| origin.reference) };
        Some(Entry {
            id: EntryId::new(format!("backlog-{}-{}", self.cursors.head, (self.context.clock)())),
            author: Author::Bridge,
            content: Content::Said { body },
            at: (self.context.clock)(),
            origin: None,
            legs: vec![place],
            away: Vec::new(),
        })
    }
}

fn about_how_long(time: std::time::Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{seconds} seconds"),
        seconds @ ..7_200 => format!("{} minutes", seconds.div_ceil(60)),
        seconds => format!("{} hours", seconds.div_ceil(3_600)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        let said = [45, 119, 120, 3_990, 7_200, 10_000].map(|s| about_how_long(Duration::from_secs(s)));
        assert_eq!(said, ["45 seconds", "119 seconds", "2 minutes", "67 minutes", "2 hours", "3 hours"]);
    }
}
