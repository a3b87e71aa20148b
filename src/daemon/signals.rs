//! The signals that ask for an orderly end, and the one that asks to read the configuration again.
//!
//! Knows SIGTERM, SIGINT and SIGHUP. Refuses to act on them itself: it gives futures.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Resolves at the first SIGTERM or SIGINT, with its name.
///
/// # Errors
/// The runtime cannot listen for signals.
pub(super) async fn asked_to_stop() -> std::io::Result<&'static str> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

/// Each SIGHUP from now on.
///
/// # Errors
/// The runtime cannot listen for signals.
pub(super) fn reloads() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}
