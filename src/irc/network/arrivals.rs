//! Who is to come to the network or to leave it, once their presence has lasted.
//!
//! Knows what was said last of each person, and when it counts; time is an argument. Refuses to know connections.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::person::Person;
use crate::bridge::ids::LoginId;

/// A presence counts when it has lasted so long: a flap costs nobody a JOIN and a QUIT.
const SETTLED: Duration = Duration::from_secs(10);

/// Somebody who is to come or to leave.
pub(super) struct Arrival {
    pub(super) person: Person,
    /// Those whose contact they are.
    pub(super) logins: Vec<LoginId>,
    pub(super) comes: bool,
    pub(super) away: Option<String>,
    at: Instant,
}

/// All of them, by person.
#[derive(Default)]
pub(super) struct Arrivals(HashMap<String, Arrival>);

impl Arrivals {
    /// This person is to come, or to leave, unless that changes soon.
    pub(super) fn expect(
        &mut self,
        person: Person,
        logins: Vec<LoginId>,
        comes: bool,
        away: Option<String>,
        now: Instant,
    ) {
        let at = now + SETTLED;
        self.0.insert(person.key.clone(), Arrival { person, logins, comes, away, at });
    }

    /// This person stays where they are.
    pub(super) fn stays(&mut self, person: &str) {
        self.0.remove(person);
    }

    /// When [`Arrivals::due`] has somebody.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.0.values().map(|arrival| arrival.at).min()
    }

    /// Those whose presence has lasted.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Arrival> {
        self.0.extract_if(|_, arrival| arrival.at <= now).map(|(_, arrival)| arrival).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bob() -> Person {
        let name = "Bob".to_owned();
        Person { key: "ghost bob@x".into(), wanted: name.clone(), name, account: Some("bob@x".into()) }
    }

    /// JOINs and QUITs of a day in which a contact is there as `is_there` says for each second.
    fn moves_of_a_day(is_there: impl Fn(u64) -> bool) -> (usize, usize) {
        let begun = Instant::now();
        let (mut arrivals, mut here) = (Arrivals::default(), false);
        let (mut joins, mut quits, mut said) = (0, 0, None);
        for second in 0..86_400 {
            let now = begun + Duration::from_secs(second);
            let there = is_there(second);
            // Presence is told when it changes.
            if said.replace(there) != Some(there) {
                match there == here {
                    true => arrivals.stays(&bob().key),
                    false => arrivals.expect(bob(), Vec::new(), there, None, now),
                }
            }
            for arrival in arrivals.due(now) {
                here = arrival.comes;
                if here { joins += 1 } else { quits += 1 }
            }
        }
        (joins, quits)
    }

    #[tokio::test(start_paused = true)]
    async fn a_day_of_flaps_costs_one_join_and_a_day_of_visits_one_each() {
        let flaps = moves_of_a_day(|second| second % 10 < 5);
        // There all day, but for four seconds of each minute.
        let cuts = moves_of_a_day(|second| second % 60 < 56);
        let visits = moves_of_a_day(|second| second % 3_600 < 1_800);
        println!(
            "JOINs and QUITs of a day: a flap every 5 s {flaps:?}, a cut every minute {cuts:?}, 24 visits {visits:?}"
        );
        assert_eq!((flaps, cuts, visits), ((0, 0), (1, 0), (24, 24)));
    }
}
