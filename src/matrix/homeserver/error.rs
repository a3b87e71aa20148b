//! What the homeserver answers when it does not do what was asked, by what can be done about it.
//!
//! Knows which answers end: a refusal does, anything else may be otherwise later. Refuses to decide about another attempt.
//! Source: the error codes of the client-server API, and what proxies in front of a homeserver were seen to answer.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use matrix_sdk::HttpError;
use ruma::api::client::uiaa::UiaaResponse;
use ruma::api::error::{Error as ApiError, ErrorBody, ErrorKind, FromHttpResponseError, RetryAfter};
use thiserror::Error;

use crate::bridge::port::delivery::DeliveryError;

#[derive(Debug, Clone, Error)]
pub enum MatrixError {
    /// It cannot be reached, is busy, or has an internal problem.
    #[error("the homeserver is not available: {reason}")]
    Unavailable { reason: String, after: Option<Duration> },
    /// Nobody there knows this kind of request: a homeserver without it, or a proxy that leads nowhere now.
    #[error("the homeserver does not know this request: {reason}")]
    Missing { reason: String },
    /// It does not know our token: nothing at all goes through.
    #[error(
        "the homeserver does not accept the bridge's token (as_token): the registration is not loaded there, or holds another token"
    )]
    Token,
    /// It refuses this.
    #[error("the homeserver refuses: {message} ({code})")]
    Refused { code: String, status: u16, message: String },
}

impl MatrixError {
    /// The code of an answer that grants what was asked for, and is not what it must be.
    pub(crate) const UNREADABLE: &str = "M_BRIDGE_UNREADABLE";

    fn refused(api: &ApiError, kind: Option<&ErrorKind>) -> Self {
        Self::Refused {
            code: kind.map(|kind| kind.errcode().to_string()).unwrap_or_default(),
            status: api.status_code.as_u16(),
            message: api.to_string(),
        }
    }

    pub fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }
}

impl MatrixError {
    /// Whether it refuses because it does not know, or no longer, the user of ours in whose name it was asked.
    pub(crate) fn is_about_nobody(&self) -> bool {
        matches!(self, Self::Refused { message, .. } if message.contains("has not registered"))
    }

    /// A request that we cannot even make.
    pub(crate) fn own(error: impl std::fmt::Display) -> Self {
        Self::Refused { code: "M_BRIDGE".into(), status: 0, message: error.to_string() }
    }

    /// A token of the configuration, for somebody who is no user of ours, is not known there.
    pub(super) fn puppet_token() -> Self {
        let message = "the token under matrix.double_puppet is not accepted".into();
        Self::Refused { code: "M_UNKNOWN_TOKEN".into(), status: 401, message }
    }

    /// It did what was asked, and what it says of that cannot be read: asked again it would say the same.
    pub(super) fn unreadable(error: &impl std::fmt::Display) -> Self {
        Self::Refused { code: Self::UNREADABLE.into(), status: 200, message: error.to_string() }
    }

    /// An answer that no homeserver gives.
    pub(super) fn not_matrix() -> Self {
        Self::Unavailable { reason: "what answers is no homeserver".into(), after: None }
    }

    /// What it says instead of whose an OpenID token is.
    pub(super) fn openid(status: http::StatusCode, body: &[u8]) -> Self {
        let said = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
        match status.as_u16() {
            404 => Self::Missing {
                reason: "it does not say whose an OpenID token is: give one of its listeners the «openid» resource".into(),
            },
            429 | 500.. => Self::Unavailable { reason: format!("it answered {status}"), after: None },
            status => Self::Refused {
                code: said["errcode"].as_str().unwrap_or_default().to_owned(),
                status,
                message: "the OpenID token is not valid".into(),
            },
        }
    }

    /// With the pause that was asked for beside the answer, where there is none in it.
    pub(super) fn after(mut self, pause: Option<Duration>) -> Self {
        if let Self::Unavailable { after: after @ None, .. } = &mut self {
            *after = pause;
        }
        self
    }

    /// No answer, or none that is Matrix: a proxy in front of a homeserver that is down.
    pub(crate) fn unavailable(error: &dyn std::error::Error) -> Self {
        Self::Unavailable { reason: crate::web::innermost_cause(error), after: None }
    }
}

/// What a refusal says that has a code and no words: some homeservers leave those out.
fn bare_kind(api: &ApiError) -> Option<ErrorKind> {
    let ErrorBody::Json(said) = &api.body else { return None };
    said.get("errcode")?.as_str()?;
    serde_json::from_value(said.clone()).ok()
}

fn pause(asked: &RetryAfter) -> Duration {
    match asked {
        RetryAfter::Delay(delay) => *delay,
        RetryAfter::DateTime(time) => time.duration_since(SystemTime::now()).unwrap_or_default(),
    }
}

/// The pause that an answer asks for in its head: `Retry-After`, in seconds or as a date.
pub(super) fn asked_pause(headers: &HeaderMap) -> Option<Duration> {
    let asked = RetryAfter::try_from(headers.get(http::header::RETRY_AFTER)?).ok()?;
    Some(pause(&asked))
}

impl From<HttpError> for MatrixError {
    fn from(error: HttpError) -> Self {
        match error.as_client_api_error() {
            Some(api) => Self::from(api),
            None => Self::unavailable(&error),
        }
    }
}

/// What a homeserver answers instead of what was asked for.
pub(crate) trait Refusal: std::error::Error + 'static {
    fn api(&self) -> Option<&ApiError>;
}

impl Refusal for ApiError {
    fn api(&self) -> Option<&ApiError> {
        Some(self)
    }
}

impl Refusal for UiaaResponse {
    fn api(&self) -> Option<&ApiError> {
        match self {
            Self::MatrixError(api) => Some(api),
            _ => None,
        }
    }
}

impl<E: Refusal> From<FromHttpResponseError<E>> for MatrixError {
    fn from(error: FromHttpResponseError<E>) -> Self {
        match error {
            FromHttpResponseError::Server(refusal) => match refusal.api() {
                Some(api) => Self::from(api),
                None => Self::own(refusal),
            },
            other => Self::unavailable(&other),
        }
    }
}

impl From<&ApiError> for MatrixError {
    fn from(api: &ApiError) -> Self {
        let bare = bare_kind(api);
        let kind = api.error_kind().or(bare.as_ref());
        match kind {
            // Not Matrix at all: a proxy in front of a homeserver that is down, whatever number it gives.
            None => Self::Unavailable { reason: api.to_string(), after: None },
            Some(ErrorKind::UnknownToken(_) | ErrorKind::MissingToken) => Self::Token,
            Some(ErrorKind::LimitExceeded(data)) => {
                let after = data.retry_after.as_ref().map(pause);
                Self::Unavailable { reason: "it asks for a pause".into(), after }
            }
            // Only the ping has these: they are about us, whatever their status says.
            Some(ErrorKind::ConnectionFailed | ErrorKind::ConnectionTimeout | ErrorKind::BadStatus(_)) => {
                Self::refused(api, kind)
            }
            Some(ErrorKind::Unrecognized) => Self::Missing { reason: api.to_string() },
            _ if api.status_code.is_server_error() || matches!(api.status_code.as_u16(), 408 | 429) => {
                Self::Unavailable { reason: api.to_string(), after: None }
            }
            kind => Self::refused(api, kind),
        }
    }
}

impl From<MatrixError> for DeliveryError {
    fn from(error: MatrixError) -> Self {
        let reason = error.to_string();
        match error {
            MatrixError::Unavailable { after, .. } => Self::Transient { reason, after },
            MatrixError::Missing { .. } => Self::Transient { reason, after: None },
            MatrixError::Token => Self::LegDown { reason },
            MatrixError::Refused { .. } => Self::Permanent { reason },
        }
    }
}

/// A row could not be read or written: that is tried again.
pub(crate) fn storage_failed(error: impl std::fmt::Display) -> DeliveryError {
    DeliveryError::transient(error.to_string())
}

#[cfg(test)]
mod tests {
    use ruma::api::EndpointError;
    use serde_json::{Value, json};

    use super::*;

    fn answered(status: u16, body: &Value) -> MatrixError {
        let response = http::Response::builder().status(status).body(body.to_string().into_bytes()).unwrap();
        MatrixError::from(&ApiError::from_http_response(response))
    }

    fn error(code: &str) -> Value {
        json!({"errcode": code, "error": "words that nobody reads"})
    }

    #[test]
    fn a_request_that_nobody_knows_is_waited_for_and_what_is_not_there_is_not() {
        for status in [404, 405, 400] {
            let missing = answered(status, &error("M_UNRECOGNIZED"));
            assert!(matches!(missing, MatrixError::Missing { .. }), "{missing:?}");
            assert!(matches!(missing.into(), DeliveryError::Transient { .. }));
        }
        let gone = answered(404, &error("M_NOT_FOUND"));
        assert!(answered(403, &json!({"errcode": "M_FORBIDDEN"})).is("M_FORBIDDEN"), "without words");
        assert!(
            matches!(answered(404, &json!({"detail": "x"})), MatrixError::Unavailable { .. }),
            "a proxy's"
        );
        assert!(gone.is("M_NOT_FOUND") && matches!(gone.into(), DeliveryError::Permanent { .. }));
    }

    #[test]
    fn a_busy_homeserver_is_waited_for_as_long_as_it_asks() {
        let busy = |status, body: Value| answered(status, &body);
        let asked = busy(429, json!({"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 3000}));
        assert!(matches!(asked, MatrixError::Unavailable { after: Some(after), .. } if after.as_secs() == 3));
        for (status, code) in [(429, "M_OTHER"), (408, "M_UNKNOWN"), (503, "M_FORBIDDEN"), (500, "M_UNKNOWN")]
        {
            let busy = busy(status, error(code)).after(Some(Duration::from_secs(2)));
            let MatrixError::Unavailable { after, .. } = busy else { panic!("{busy:?}") };
            assert_eq!(after, Some(Duration::from_secs(2)), "{status} {code}");
        }
    }

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_as_a_date() {
        let asked = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::RETRY_AFTER, value.parse().unwrap());
            asked_pause(&headers)
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        assert_eq!(asked("Fri, 15 May 2015 15:34:21 GMT"), Some(Duration::ZERO), "it is over");
        for odd in ["soon", "-1", "99999999999999999999999"] {
            assert_eq!(asked(odd), None, "{odd}");
        }
        assert_eq!(asked_pause(&HeaderMap::new()), None);
    }
}
