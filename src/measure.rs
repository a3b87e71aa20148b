//! What is counted and measured, by name: the one list from which metrics, their documentation and the board are checked.
//!
//! Knows names, kinds, labels and meanings. Refuses to know who looks at them: without a recorder each call does nothing.
//! Source: the naming rules of Prometheus.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// Messages that people said and that are in the journal; `from`: the side they came from.
pub const JOURNALED: &str = "msnbridge_journaled_total";
/// What became of attempts; `to`: the side, `outcome`: `delivered`, `given_up`, `retried`, `held` or `passed_over`.
pub const ATTEMPTS: &str = "msnbridge_attempts_total";
/// From when something was said to when it was delivered; `to`: the side.
pub const DELIVERY: &str = "msnbridge_delivery_seconds";
/// Messages that wait; `to`: the side.
pub const WAITING: &str = "msnbridge_waiting_messages";
/// How long the one that waits longest has waited; `to`: the side.
pub const WAITING_AGE: &str = "msnbridge_waiting_oldest_seconds";
/// Logins; `state`: `connected`, `connecting`, `waiting` or `signed_out`.
pub const LOGINS: &str = "msnbridge_logins";
/// Open switchboards.
pub const SWITCHBOARDS: &str = "msnbridge_switchboards";
/// Files; `direction`: `to_msn` or `from_msn`, `outcome`: `done` or `failed`.
pub const FILES: &str = "msnbridge_files_total";
/// Whether the homeserver is connected both ways.
pub const HOMESERVER_UP: &str = "msnbridge_homeserver_up";
/// Requests to the homeserver; `outcome`: `ok`, `refused` or `failed`.
pub const HOMESERVER_REQUEST: &str = "msnbridge_homeserver_request_seconds";
/// From a transaction's arrival to its answer, which is after the sync of the disk.
pub const TRANSACTION: &str = "msnbridge_transaction_seconds";
/// Whether the bot is in its channels; `network`: what the configuration calls it.
pub const IRC_UP: &str = "msnbridge_irc_up";
/// From a PING of the bot to its PONG, once a minute; `network`: what the configuration calls it.
pub const IRC_ROUND_TRIP: &str = "msnbridge_irc_round_trip_seconds";
/// One write to the store, with its sync.
pub const COMMIT: &str = "msnbridge_store_commit_seconds";
/// Bytes of the store on disk.
pub const STORE_BYTES: &str = "msnbridge_store_bytes";
/// Whether the disk takes writes.
pub const DISK_UP: &str = "msnbridge_disk_up";
/// Messages that were set aside.
pub const DEAD_LETTERS: &str = "msnbridge_dead_letters";
/// Connections found deaf and replaced; `side`: `msn`, `matrix` or `irc`.
pub const DEAF: &str = "msnbridge_deaf_total";

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One metric as it is described to whoever collects it.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Option<Unit>,
    /// What it says, for people.
    pub help: &'static str,
}

/// Every metric there is, but for those of the process.
pub const ALL: [Metric; 19] = [
    counts(JOURNALED, "Messages in the journal, by the side they came from"),
    counts(ATTEMPTS, "What became of attempts to deliver, by side and outcome"),
    times(DELIVERY, "From when something was said to when it was delivered, by side"),
    stands(WAITING, None, "Messages that wait, by side"),
    stands(WAITING_AGE, Some(Unit::Seconds), "How long the message that waits longest has waited, by side"),
    stands(LOGINS, None, "Logins, by state"),
    stands(SWITCHBOARDS, None, "Open switchboards"),
    counts(FILES, "Files, by direction and outcome"),
    stands(HOMESERVER_UP, None, "1 where the homeserver is connected both ways"),
    times(HOMESERVER_REQUEST, "Requests to the homeserver, by outcome"),
    times(TRANSACTION, "From a transaction's arrival to its answer"),
    stands(IRC_UP, None, "1 where the bot is in its channels, by network"),
    times(IRC_ROUND_TRIP, "From a PING of the bot to its PONG, by network"),
    times(COMMIT, "Writes to the store, with their sync"),
    stands(STORE_BYTES, Some(Unit::Bytes), "Bytes of the store on disk"),
    stands(DISK_UP, None, "1 where the disk takes writes"),
    stands(DEAD_LETTERS, None, "Messages that were set aside"),
    counts(DEAF, "Connections found deaf and replaced, by side"),
    stands(BUILD, None, "1, with the program's version"),
];

/// Always 1; `version`: the program's.
pub const BUILD: &str = "msnbridge_build_info";

const fn counts(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, unit: None, help }
}

const fn stands(name: &'static str, unit: Option<Unit>, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, help }
}

const fn times(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, unit: Some(Unit::Seconds), help }
}

/// Tells the recorder what each metric means.
pub fn describe() {
    for Metric { name, kind, unit, help } in ALL {
        let unit = unit.unwrap_or(Unit::Count);
        match kind {
            Kind::Counter => describe_counter!(name, unit, help),
            Kind::Gauge => describe_gauge!(name, unit, help),
            Kind::Histogram => describe_histogram!(name, unit, help),
        }
    }
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    // A disk that does not take writes at the start ends the program.
    gauge!(DISK_UP).set(1.0);
    // A counter that appears with its first event shows no increase: alerts would miss what comes at once.
    for side in ["msn", "matrix", "irc"] {
        counter!(DEAF, "side" => side).increment(0);
        counter!(ATTEMPTS, "to" => side, "outcome" => "given_up").increment(0);
    }
}

/// One more of something, with one label.
pub fn count(name: &'static str, label: (&'static str, &str)) {
    counter!(name, label.0 => label.1.to_owned()).increment(1);
}

/// One more of something, with two labels.
pub fn count_by(name: &'static str, [first, second]: [(&'static str, &str); 2]) {
    counter!(name, first.0 => first.1.to_owned(), second.0 => second.1.to_owned()).increment(1);
}

/// Something took so long.
pub fn took(name: &'static str, label: (&'static str, &str), time: Duration) {
    histogram!(name, label.0 => label.1.to_owned()).record(time);
}

/// Counts as one for as long as it is held.
#[derive(Debug)]
pub struct Held {
    name: &'static str,
    state: Option<&'static str>,
}

impl Held {
    /// One more, in a state if the metric has states.
    pub fn new(name: &'static str, state: Option<&'static str>) -> Self {
        add(name, state, 1.0);
        Self { name, state }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        add(self.name, self.state, -1.0);
    }
}

fn add(name: &'static str, state: Option<&'static str>, by: f64) {
    match state {
        Some(state) => gauge!(name, "state" => state).increment(by),
        None => gauge!(name).increment(by),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_says_what_it_is_as_prometheus_wants_it() {
        for Metric { name, kind, help, .. } in ALL {
            assert!(name.starts_with("msnbridge_") && !help.ends_with('.'), "{name}");
            assert_eq!(kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert!(kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
        }
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
