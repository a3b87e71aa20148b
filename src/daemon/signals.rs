//! The signals that ask for an orderly end.
//!
//! Knows SIGTERM and SIGINT. Refuses to stop anything itself: it gives one future.

use tokio::signal::unix::{SignalKind, signal};

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
