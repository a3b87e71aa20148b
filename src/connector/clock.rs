//! The clocks of this side: tokio's, which tests stop, as the machines of [`crate::msn`] are given it, and the time of day.
//!
//! Knows both clocks. Refuses to know what is waited for.

use crate::bridge::event::Timestamp;

/// The time that machines are told.
pub(in crate::connector) fn now() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}

/// Resolves at this time; without one never.
pub(in crate::connector) async fn late(at: Option<std::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Milliseconds since 1970.
pub(in crate::connector) fn time_of_day() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
