//! The state of each login, posted to whoever runs bridges for others.
//!
//! Knows the form that bridgev2 publishes (`BridgeState`) and what our states are called in it. Refuses to hold a login up:
//! of each the newest state waits, and an address that does not answer is tried again in growing pauses. Source: the
//! documentation of `status_endpoint`.

use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::source::time_of_day;
use crate::bridge::event::ConnectionState;
use crate::bridge::{LoginReport, LoginReports};
use crate::retry::Retry;

/// How long a state is good for, in seconds: bad ones are asked after sooner.
const GOOD: u32 = 21_600;
const BAD: u32 = 3_600;
/// Pauses between attempts to post.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(300)];
/// How long one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Posts what is reported, until cancelled by being dropped.
pub(super) struct StatusPush {
    pub(super) endpoint: Url,
    pub(super) as_token: SecretString,
    pub(super) reports: LoginReports,
}

impl StatusPush {
    /// First that the bridge runs, then each login that stands differently.
    pub(super) async fn run(self) {
        let client = reqwest::Client::builder().timeout(TIMEOUT).build().unwrap_or_default();
        self.post(&client, &running(time_of_day())).await;
        loop {
            let report = self.reports.next().await;
            self.post(&client, &state(&report)).await;
        }
    }

    /// Tries until it is taken; a refusal that says that the form is wrong is no reason to try again.
    async fn post(&self, client: &reqwest::Client, body: &Value) {
        let [shortest, longest] = PAUSES;
        let mut retry = Retry::new(shortest, longest);
        loop {
            let request = client.post(self.endpoint.clone()).bearer_auth(self.as_token.expose_secret());
            match request.json(body).send().await {
                Ok(answer) if answer.status().is_success() => return,
                Ok(answer) if answer.status().is_client_error() && answer.status().as_u16() != 429 => {
                    tracing::warn!(status = %answer.status(), "homeserver.status_endpoint refuses a state");
                    return;
                }
                Ok(answer) => tracing::debug!(status = %answer.status(), "a state was not taken yet"),
                Err(error) => tracing::debug!(%error, "a state could not be posted yet"),
            }
            tokio::time::sleep(retry.next_pause()).await;
        }
    }
}

/// The bridge as a whole.
fn running(at: u64) -> Value {
    json!({"state_event": "RUNNING", "timestamp": at / 1000, "ttl": GOOD, "source": "bridge"})
}

/// One login.
fn state(report: &LoginReport) -> Value {
    let (event, error, message) = match &report.state {
        None => ("LOGGED_OUT", None, None),
        Some(ConnectionState::Connecting) => ("CONNECTING", None, None),
        Some(ConnectionState::Connected) => ("CONNECTED", None, None),
        Some(ConnectionState::Waiting { reason }) => {
            ("TRANSIENT_DISCONNECT", Some("msn-not-reachable"), Some(reason))
        }
        Some(ConnectionState::SignedOut { reason }) => {
            ("BAD_CREDENTIALS", Some("msn-signed-out"), Some(reason))
        }
    };
    let mut body = json!({
        "state_event": event,
        "timestamp": report.at / 1000,
        "ttl": if error.is_none() { GOOD } else { BAD },
        "source": "bridge",
        "user_id": report.owner.as_str(),
        "remote_id": report.login.as_str(),
        "remote_name": report.login.as_str(),
    });
    for (key, value) in [("error", error), ("message", message.map(String::as_str))] {
        if let Some(value) = value {
            body[key] = value.into();
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::ids::{LoginId, UserId};

    #[test]
    fn each_state_has_its_name_and_bad_ones_their_reason() {
        let report = |state| LoginReport {
            login: LoginId::new("ann@example.com"),
            owner: UserId::new("@ann:x"),
            state,
            at: 1_700_000_000_123,
        };
        let reason = || "the password is wrong".to_owned();
        let cases = [
            (Some(ConnectionState::Connected), "CONNECTED", Value::Null),
            (Some(ConnectionState::Connecting), "CONNECTING", Value::Null),
            (Some(ConnectionState::Waiting { reason: reason() }), "TRANSIENT_DISCONNECT", reason().into()),
            (Some(ConnectionState::SignedOut { reason: reason() }), "BAD_CREDENTIALS", reason().into()),
            (None, "LOGGED_OUT", Value::Null),
        ];
        for (stands, event, message) in cases {
            let body = state(&report(stands));
            assert_eq!((&body["state_event"], &body["message"]), (&event.into(), &message));
            assert_eq!((&body["timestamp"], &body["user_id"]), (&1_700_000_000.into(), &"@ann:x".into()));
            assert_eq!(body["error"].is_null(), body["message"].is_null(), "{body}");
        }
    }
}
