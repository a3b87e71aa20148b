//! What systemd is told. Without it every call does nothing.
//!
//! Knows `READY`, `STATUS`, `WATCHDOG` and `STOPPING`. Refuses to fail: a bridge without systemd is a bridge. Source:
//! sd_notify(3).

use std::sync::{Mutex, PoisonError};

use sd_notify::NotifyState;

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
    disk: Option<String>,
    is_ready: bool,
}

impl Lines {
    /// The disk first: while it fails, nothing else is of use.
    fn shown(&self) -> String {
        match &self.disk {
            Some(reason) => format!("the disk fails, nothing is taken: {reason}"),
            None => self.homeserver.clone(),
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

    /// How it stands with the homeserver; once ready, always ready.
    pub(super) fn homeserver(&self, text: &str, is_ready: bool) {
        self.change(|lines| {
            text.clone_into(&mut lines.homeserver);
            lines.is_ready |= is_ready;
        });
    }

    /// Why the disk takes nothing, or that it does.
    pub(super) fn disk(&self, reason: Option<&str>) {
        self.change(|lines| lines.disk = reason.map(str::to_owned));
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
        status.homeserver("connected to the homeserver", true);
        assert_eq!(shown(), "connected to the homeserver");
        status.disk(Some("the disk is full"));
        status.homeserver("waiting for the homeserver", false);
        assert!(shown().contains("the disk is full"), "{}", shown());
        status.disk(None);
        assert_eq!(shown(), "waiting for the homeserver");
    }
}
