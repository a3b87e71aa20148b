//! What one connection says of its absence: late, seldom, and only what is new.
//!
//! Knows what is wanted, what was said, and since when they differ; time is an argument. Refuses to send: the flow does, when
//! nothing else waits.

use std::time::Duration;

use tokio::time::Instant;

/// A change is said when it has lasted so long.
const SETTLED: Duration = Duration::from_secs(10);
/// However often it changes, it is said after so long.
const AT_LAST: Duration = Duration::from_secs(60);

/// An absence, `None` for somebody who is there.
type Absence = Option<String>;

/// What is said of it, and what is to be said.
#[derive(Debug, Default)]
pub(super) struct AwayLine {
    wanted: Absence,
    said: Absence,
    /// Since when they differ, and when that is said.
    differs: Option<(Instant, Instant)>,
}

impl AwayLine {
    /// Somebody who has just come is there: the rest is said at once.
    pub(super) fn new(wanted: Absence, now: Instant) -> Self {
        let differs = wanted.is_some().then_some((now, now));
        Self { wanted, said: None, differs }
    }

    /// From now on this is so.
    pub(super) fn want(&mut self, wanted: Absence, now: Instant) {
        if wanted == self.wanted {
            return;
        }
        self.wanted = wanted;
        let since = self.differs.map_or(now, |(since, _)| since);
        let at = (now + SETTLED).min(since + AT_LAST);
        self.differs = (self.wanted != self.said).then_some((since, at));
    }

    /// When [`AwayLine::take`] has something.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.differs.map(|(_, at)| at)
    }

    /// What is to be said now.
    pub(super) fn take(&mut self, now: Instant) -> Option<Absence> {
        self.differs.take_if(|(_, at)| *at <= now)?;
        self.said.clone_from(&self.wanted);
        Some(self.said.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many lines a day costs in which the `n`th change comes every `gap` seconds.
    fn lines_of_a_day(gap: u64, change: impl Fn(u64) -> Absence) -> usize {
        let begun = Instant::now();
        let mut away = AwayLine::new(None, begun);
        let mut lines = 0;
        for second in 0..86_400 {
            let now = begun + Duration::from_secs(second);
            if second % gap == 0 {
                away.want(change(second / gap), now);
            }
            lines += usize::from(away.take(now).is_some());
        }
        lines
    }

    #[tokio::test(start_paused = true)]
    async fn a_day_of_flaps_costs_no_line_and_a_day_of_changes_at_most_one_a_minute() {
        let there_and_back = |n: u64| n.is_multiple_of(2).then(|| "away".to_owned());
        let flaps = lines_of_a_day(5, there_and_back);
        let flickers = lines_of_a_day(1, |n| Some(format!("song {n}")));
        let pauses = lines_of_a_day(900, there_and_back);
        assert_eq!((flaps, flickers, pauses), (0, 1_416, 96));
        assert_eq!(lines_of_a_day(900, |_| Some("away".into())), 1, "what was said is not said again");
        println!(
            "AWAY lines of a day: a flap every 5 s {flaps}, a song every second {flickers}, 15 minutes {pauses}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_while_away_says_so_at_once() {
        let now = Instant::now();
        assert_eq!(AwayLine::new(Some("out".into()), now).take(now), Some(Some("out".into())));
        assert_eq!(AwayLine::new(None, now).take(now), None);
        // Back before it was said: nothing is.
        let mut away = AwayLine::new(None, now);
        away.want(Some("out".into()), now);
        away.want(None, now + Duration::from_secs(1));
        assert_eq!((away.due_at(), away.take(now + AT_LAST)), (None, None));
    }
}
