//! What a program is answered where a request comes to nothing.
//!
//! Knows the codes that programs of other bridges read. Refuses to know causes.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::bridge::BridgeError;
use crate::bridge::port::delivery::DeliveryError;
use crate::web::TooMany;

/// One failure: a status, a code for programs, and words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    status: StatusCode,
    code: &'static str,
    text: String,
    wait: Option<Duration>,
}

impl Failure {
    fn new(status: StatusCode, code: &'static str, text: impl Into<String>) -> Self {
        Self { status, code, text: text.into(), wait: None }
    }

    pub(super) fn missing_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "M_MISSING_TOKEN", "The request shows no token.")
    }

    pub(super) fn unknown_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "M_UNKNOWN_TOKEN", "The token is not valid.")
    }

    pub(super) fn forbidden(text: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "M_FORBIDDEN", text)
    }

    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "M_NOT_FOUND", text)
    }

    pub(super) fn bad_state(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "M_BAD_STATE", text)
    }

    pub(super) fn not_json(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "M_NOT_JSON", text)
    }

    pub(super) fn unrecognized() -> Self {
        Self::new(StatusCode::NOT_FOUND, "M_UNRECOGNIZED", "There is no such request here.")
    }

    pub(super) fn unsupported(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "M_UNRECOGNIZED", text)
    }

    /// It may work later.
    pub(super) fn internal(text: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "M_UNKNOWN", text)
    }
}

impl From<TooMany> for Failure {
    fn from(TooMany { wait }: TooMany) -> Self {
        let text = "There were too many attempts.";
        Self { wait: Some(wait), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "M_LIMIT_EXCEEDED", text) }
    }
}

impl From<BridgeError> for Failure {
    fn from(_: BridgeError) -> Self {
        Self::internal("The bridge is stopping or starting. Try again in a minute.")
    }
}

impl From<DeliveryError> for Failure {
    fn from(error: DeliveryError) -> Self {
        Self::internal(error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut body = json!({"errcode": self.code, "error": self.text});
        if let Some(wait) = self.wait {
            body["retry_after_ms"] = json!(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        }
        let mut response = (self.status, Json(body)).into_response();
        if let Some(wait) = self.wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }
}
