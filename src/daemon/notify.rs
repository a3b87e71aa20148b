//! What systemd is told. Without it every call does nothing.

use sd_notify::NotifyState;

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

/// What the bridge does or waits for, for `systemctl status`.
pub(super) fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

pub(super) fn ready(text: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(text)]);
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}
