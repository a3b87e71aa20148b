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
