//! What was measured of one way under one load, in numbers for people.
//!
//! Knows medians and percentiles. Refuses to know what was measured.

use std::time::Duration;

/// What all turns gave.
#[derive(Default)]
pub(crate) struct Summary {
    /// Messages a second, one for each turn.
    pub(crate) rates: Vec<f64>,
    /// How long each message took that was said alone.
    pub(crate) latencies: Vec<Duration>,
}

/// The middle one, of an odd number of them.
pub(crate) fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Milliseconds within which so many of a hundred were done.
pub(crate) fn percentile(latencies: &[Duration], hundredth: usize) -> f64 {
    let mut sorted = latencies.to_vec();
    sorted.sort();
    let at = (sorted.len() * hundredth).div_ceil(100).saturating_sub(1);
    sorted[at].as_secs_f64() * 1000.0
}
