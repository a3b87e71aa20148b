//! Who was told already that the bot does not listen to them. A stranger costs the bot one line an hour, many strangers a
//! few lines a minute, and their names a bounded memory.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// A person is told once in this time.
const REPEAT_AFTER: Duration = Duration::from_secs(3_600);
/// All strangers together are told so often in a minute.
const A_MINUTE: usize = 6;
/// People that are remembered; the oldest are forgotten.
const MAX_PEOPLE: usize = 1_000;

/// Somebody nudges at most once in this time.
pub(super) const NUDGE_GAP: Duration = Duration::from_secs(10);
/// Somebody is shown to write at most once in this time: as often as MSN shows it.
pub(super) const TYPING_GAP: Duration = Duration::from_secs(5);

/// Who did something lately that is done seldom.
#[derive(Debug)]
pub(super) struct Seldom {
    gap: Duration,
    last: HashMap<String, Instant>,
}

impl Seldom {
    /// Once in so long.
    pub(super) fn new(gap: Duration) -> Self {
        Self { gap, last: HashMap::new() }
    }

    /// Whether this of `nick!user@host` is one too many: of a person, whatever they are called.
    pub(super) fn is_too_many(&mut self, source: &str, now: Instant) -> bool {
        self.last.retain(|_, at| now.duration_since(*at) < self.gap);
        let person = source.split_once('!').map_or(source, |(_, person)| person).to_ascii_lowercase();
        if self.last.contains_key(&person) || self.last.len() >= MAX_PEOPLE {
            return true;
        }
        self.last.insert(person, now);
        false
    }
}

/// Who was refused lately, so that each hears of it once.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    told: HashMap<String, Instant>,
    order: VecDeque<(Instant, String)>,
}

impl Refusals {
    /// Whether to tell whoever said something from `nick!user@host`: a nick is changed in a moment, so it names nobody.
    pub(super) fn is_due(&mut self, source: &str, now: Instant) -> bool {
        self.forget(now);
        let person = source.split_once('!').map_or(source, |(_, person)| person).to_ascii_lowercase();
        let just_now = |(at, _): &&(Instant, String)| now.duration_since(*at) < Duration::from_secs(60);
        if self.told.contains_key(&person) || self.order.iter().rev().take_while(just_now).count() >= A_MINUTE
        {
            return false;
        }
        self.told.insert(person.clone(), now);
        self.order.push_back((now, person));
        true
    }

    fn forget(&mut self, now: Instant) {
        while let Some((at, person)) = self.order.front() {
            if now.duration_since(*at) < REPEAT_AFTER && self.order.len() < MAX_PEOPLE {
                return;
            }
            self.told.remove(person);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn fault_30_a_stranger_is_refused_once_an_hour_whatever_they_are_called() {
        let mut refusals = Refusals::default();
        let mut said = 0;
        for n in 0..300 {
            said += usize::from(refusals.is_due(&format!("eve{n}!~eve@Host.example"), Instant::now()));
        }
        assert_eq!(said, 1);
        tokio::time::advance(REPEAT_AFTER - Duration::from_secs(1)).await;
        assert!(!refusals.is_due("eve!~eve@host.example", Instant::now()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(refusals.is_due("eve!~eve@host.example", Instant::now()));
        assert!(refusals.is_due("bob!~bob@host.example", Instant::now()), "somebody else");
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_nudges_once_in_ten_seconds_whatever_they_are_called() {
        let mut nudges = Seldom::new(NUDGE_GAP);
        let said: usize =
            (0..100).map(|n| usize::from(!nudges.is_too_many(&format!("eve{n}!e@h"), Instant::now()))).sum();
        assert_eq!(said, 1);
        assert!(!nudges.is_too_many("dan!d@h", Instant::now()), "somebody else");
        tokio::time::advance(NUDGE_GAP).await;
        assert!(!nudges.is_too_many("eve!e@h", Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn fault_30_many_strangers_cost_a_few_lines_a_minute_and_a_bounded_memory() {
        let mut refusals = Refusals::default();
        let mut said = 0;
        for n in 0..30_000 {
            said += usize::from(refusals.is_due(&format!("a!b@{n}"), Instant::now()));
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert!((290..=310).contains(&said), "{said} in 50 minutes");
        assert!(refusals.told.len() <= MAX_PEOPLE && refusals.order.len() <= MAX_PEOPLE);
    }
}
