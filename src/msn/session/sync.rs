//! How far the lists that a `SYN` asked for have come (§3.2), and when nobody waits for the rest any longer.
//!
//! Knows counts and time. Refuses to know who is on the lists. Servers announce more than they send, send lines that
//! nobody can read, or send lines before they have answered: what is there is gone on with, and what is missing is told.

use std::time::{Duration, Instant};

/// Without a further line of the lists for so long, the rest does not come.
pub const QUIET: Duration = Duration::from_secs(30);

/// What a line of the lists is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Contact,
    Group,
}

/// What came of what was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListCount {
    /// `None` where the server did not say.
    pub announced: Option<u32>,
    pub came: u32,
    /// Lines that were there and could not be read.
    pub unreadable: u32,
}

impl ListCount {
    fn is_whole(self) -> bool {
        self.announced.is_some_and(|announced| self.came.saturating_add(self.unreadable) >= announced)
    }

    fn has_gap(self) -> bool {
        self.unreadable > 0 || self.announced.is_none_or(|announced| self.came < announced)
    }
}

/// Lists that are not what was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RosterGap {
    pub contacts: ListCount,
    pub groups: ListCount,
}

/// The lists of one session.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sync {
    contacts: ListCount,
    groups: ListCount,
    /// When the rest is given up; `None` before the request and once the lists are taken as they are.
    give_up_at: Option<Instant>,
}

impl Sync {
    /// The request is sent.
    pub(super) fn begin(now: Instant) -> Self {
        Self { give_up_at: Some(now + QUIET), ..Self::default() }
    }

    /// Whether lines are still awaited.
    pub(super) fn is_under_way(&self) -> bool {
        self.give_up_at.is_some()
    }

    /// Whether the server has said anything about the lists.
    pub(super) fn has_begun(&self) -> bool {
        let heard = |count: ListCount| count.announced.is_some() || count.came + count.unreadable > 0;
        heard(self.contacts) || heard(self.groups)
    }

    /// The answer to the request. Without counts nothing has changed, and nothing comes.
    pub(super) fn answered(&mut self, now: Instant, counts: Option<(u32, u32)>) {
        let (contacts, groups) = counts.unwrap_or_default();
        self.contacts.announced = Some(contacts);
        self.groups.announced = Some(groups);
        self.moved(now);
    }

    /// One more line of this kind has come, and was read.
    pub(super) fn came(&mut self, now: Instant, line: Line) {
        let count = self.count(line);
        count.came = count.came.saturating_add(1);
        self.moved(now);
    }

    /// One more line of this kind has come, and could not be read.
    pub(super) fn unreadable(&mut self, now: Instant, line: Line) {
        let count = self.count(line);
        count.unreadable = count.unreadable.saturating_add(1);
        self.moved(now);
    }

    fn count(&mut self, line: Line) -> &mut ListCount {
        match line {
            Line::Contact => &mut self.contacts,
            Line::Group => &mut self.groups,
        }
    }

    fn moved(&mut self, now: Instant) {
        self.give_up_at = self.give_up_at.map(|_| now + QUIET);
    }

    /// Whether everything that was announced has come; true once.
    pub(super) fn take_complete(&mut self) -> bool {
        let complete = self.is_under_way() && self.contacts.is_whole() && self.groups.is_whole();
        if complete {
            self.give_up_at = None;
        }
        complete
    }

    /// Whether the rest is given up now; true once.
    pub(super) fn take_given_up(&mut self, now: Instant) -> bool {
        let over = self.give_up_at.is_some_and(|at| at <= now);
        if over {
            self.give_up_at = None;
        }
        over
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.give_up_at
    }

    /// How the lists differ from what the server announced; `None` where they are whole.
    pub(super) fn gap(&self) -> Option<RosterGap> {
        let gap = self.contacts.has_gap() || self.groups.has_gap();
        gap.then_some(RosterGap { contacts: self.contacts, groups: self.groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_07_every_line_gives_the_rest_more_time_and_nothing_else_does() {
        let begun = Instant::now();
        let mut sync = Sync::begin(begun);
        sync.answered(begun, Some((3, 1)));
        let mut now = begun;
        for line in [Line::Contact, Line::Group, Line::Contact] {
            now += QUIET - Duration::from_secs(1);
            assert!(!sync.take_given_up(now));
            sync.came(now, line);
            assert!(!sync.take_complete());
        }
        assert!(!sync.take_given_up(now + QUIET - Duration::from_millis(1)));
        assert!(sync.take_given_up(now + QUIET));
        assert!(!sync.take_given_up(now + QUIET * 2), "once");
        let contacts = ListCount { announced: Some(3), came: 2, unreadable: 0 };
        assert_eq!(sync.gap().unwrap().contacts, contacts);
        // What comes later is counted, and starts nothing again.
        sync.came(now + QUIET * 3, Line::Contact);
        assert_eq!((sync.deadline(), sync.gap()), (None, None));
    }

    #[test]
    fn fault_07_lines_before_the_answer_and_lines_that_cannot_be_read_count() {
        let now = Instant::now();
        let mut sync = Sync::begin(now);
        sync.came(now, Line::Contact);
        sync.unreadable(now, Line::Contact);
        assert!(!sync.take_complete(), "nothing was announced yet");
        sync.answered(now, Some((2, 0)));
        assert!(sync.take_complete() && !sync.take_complete());
        assert_eq!(sync.gap().unwrap().contacts, ListCount { announced: Some(2), came: 1, unreadable: 1 });
        // More than was announced is no gap.
        let mut sync = Sync::begin(now);
        sync.answered(now, Some((1, 0)));
        sync.came(now, Line::Contact);
        assert!(sync.take_complete());
        sync.came(now, Line::Contact);
        assert_eq!(sync.gap(), None);
    }
}
