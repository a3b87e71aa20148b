//! What can be seen of the core from outside without asking it: how much waits, and which logins stand differently.
//!
//! Knows the newest state of each login that nobody has looked at yet; so no reader holds the core up, however slow it is.
//! Refuses to know who looks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::depths::LegDepths;
use super::event::{ConnectionState, Timestamp};
use super::ids::{LoginId, UserId};

/// How a login stands, for whoever watches the bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginReport {
    pub login: LoginId,
    pub owner: UserId,
    /// `None` where it was forgotten.
    pub state: Option<ConnectionState>,
    pub at: Timestamp,
}

/// Logins that stand differently than they were last reported: of each the newest report.
#[derive(Debug, Clone, Default)]
pub struct LoginReports {
    waiting: Arc<Mutex<BTreeMap<LoginId, LoginReport>>>,
    arrived: Arc<Notify>,
}

impl LoginReports {
    /// A login stands differently.
    pub(super) fn put(&self, report: LoginReport) {
        // Nothing that holds the lock panics.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(report.login.clone(), report);
        self.arrived.notify_one();
    }

    /// The next report. For one reader.
    pub async fn next(&self) -> LoginReport {
        loop {
            let first = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_first();
            match first {
                Some((_, report)) => return report,
                None => self.arrived.notified().await,
            }
        }
    }
}

/// Everything that can be seen.
#[derive(Debug, Clone, Default)]
pub struct Overview {
    pub depths: LegDepths,
    pub logins: LoginReports,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn of_each_login_the_newest_state_is_reported_and_no_older_one() {
        let reports = LoginReports::default();
        let report = |login: &str, state| LoginReport {
            login: LoginId::new(login),
            owner: UserId::new("@ann:x"),
            state: Some(state),
            at: 1,
        };
        for login in ["b", "a"] {
            reports.put(report(login, ConnectionState::Connecting));
            reports.put(report(login, ConnectionState::Connected));
        }
        let seen = [reports.next().await, reports.next().await];
        assert_eq!(seen, ["a", "b"].map(|login| report(login, ConnectionState::Connected)));
        let nothing = tokio::time::timeout(std::time::Duration::from_secs(60), reports.next()).await;
        assert!(nothing.is_err());
    }
}
