//! What systemd is told. Without it every call does nothing.
//!
//! Knows `READY`, `STATUS`, `WATCHDOG` and `STOPPING`. Refuses to fail: a bridge without systemd is a bridge. Source:
//! sd_notify(3).

use std::sync::{Mutex, PoisonError};

use sd_notify::NotifyState;

use crate::measure;

/// Nothing depends on being heard.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

/// What the bridge does or waits for, for `systemctl status`: a disk that fails stands before everything else.
#[derive(Debug, Default)]
pub(super) struct Status {
    lines: Mutex<Lines>,
}

#[derive(Debug, Default)]
/// What stands in the one line that there is, and whether `READY` was said.
struct Lines {
    homeserver: String,
    is_connected: bool,
    disk: Option<String>,
    /// Since when the homeserver passes nothing on.
    deaf: Option<String>,
    is_ready: bool,
}

impl Lines {
    /// The disk first: while it fails, nothing else is of use.
    fn shown(&self) -> String {
        match (&self.disk, &self.deaf) {
            (Some(reason), _) => format!("the disk fails, nothing is taken: {reason}"),
            (None, Some(since)) => format!("the homeserver passes nothing on since {since}"),
            (None, None) => self.homeserver.clone(),
        }
    }
}

impl Status {
    /// Says the whole line anew, and `READY` once.
    fn change(&self, change: impl FnOnce(&mut Lines)) {
        // Nothing that holds the lock panics.
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let was_ready = lines.is_ready;
        change(&mut lines);
        let shown = lines.shown();
        match lines.is_ready && !was_ready {
            true => tell(&[NotifyState::Ready, NotifyState::Status(&shown)]),
            false => tell(&[NotifyState::Status(&shown)]),
        }
    }

    /// The homeserver is connected, both ways.
    pub(super) fn connected(&self) {
        self.homeserver("connected to the homeserver", true, true);
    }

    /// Why the homeserver is not connected; once ready, always ready.
    pub(super) fn waiting(&self, why: &str, is_ready: bool) {
        self.homeserver(&format!("waiting for the homeserver: {why}"), false, is_ready);
    }

    fn homeserver(&self, text: &str, is_connected: bool, is_ready: bool) {
        metrics::gauge!(measure::HOMESERVER_UP).set(f64::from(u8::from(is_connected)));
        self.change(|lines| {
            text.clone_into(&mut lines.homeserver);
            lines.is_connected = is_connected;
            lines.is_ready |= is_ready;
        });
    }

    /// Why the disk takes nothing, or that it does.
    pub(super) fn disk(&self, reason: Option<&str>) {
        metrics::gauge!(measure::DISK_UP).set(f64::from(u8::from(reason.is_none())));
        self.change(|lines| lines.disk = reason.map(str::to_owned));
    }

    /// Since when the homeserver passes nothing on, or that it does.
    pub(super) fn deaf(&self, since: Option<&str>) {
        self.change(|lines| lines.deaf = since.map(str::to_owned));
    }

    /// Whether the homeserver was there when it was asked last.
    pub(super) fn is_connected(&self) -> bool {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).is_connected
    }

    /// The one line, and whether the bridge can do its work as it says.
    pub(super) fn summary(&self) -> (String, bool) {
        // Nothing that holds the lock panics.
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let works = lines.is_connected && lines.disk.is_none() && lines.deaf.is_none();
        (lines.shown(), works)
    }
}

/// The end was asked for: a stop that takes its time is not a hang.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// To be said within the interval that systemd has set.
pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_28_a_disk_that_fails_stands_before_everything_else() {
        let status = Status::default();
        let shown = || status.lines.lock().unwrap().shown();
        status.connected();
        assert_eq!(status.summary(), ("connected to the homeserver".into(), true));
        status.disk(Some("the disk is full"));
        assert!(!status.summary().1, "it takes nothing");
        status.waiting("nobody listens", false);
        assert!(shown().contains("the disk is full"), "{}", shown());
        status.disk(None);
        assert_eq!(status.summary(), ("waiting for the homeserver: nobody listens".into(), false));
    }
}
