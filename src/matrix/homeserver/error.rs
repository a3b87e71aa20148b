//! What the homeserver answers when it does not do what was asked, by what can be done about it.
//!
//! Knows which answers end: a refusal does, anything else may be otherwise later. Refuses to decide about another attempt.
//! Source: the error codes of the client-server API, and what proxies in front of a homeserver were seen to answer.

use std::time::Duration;

use matrix_sdk::HttpError;
use ruma::api::client::uiaa::UiaaResponse;
use ruma::api::error::{Error as ApiError, ErrorKind, FromHttpResponseError, RetryAfter};
use thiserror::Error;

use crate::bridge::port::delivery::DeliveryError;

#[derive(Debug, Clone, Error)]
pub enum MatrixError {
    /// It cannot be reached, is busy, or has an internal problem.
    #[error("the homeserver is not available: {reason}")]
    Unavailable { reason: String, after: Option<Duration> },
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
    /// A request that we cannot even make.
    pub(crate) fn own(error: impl std::fmt::Display) -> Self {
        Self::Refused { code: "M_BRIDGE".into(), status: 0, message: error.to_string() }
    }

    /// A token of the configuration, for somebody who is no user of ours, is not known there.
    pub(super) fn puppet_token() -> Self {
        let message = "the token under matrix.double_puppet is not accepted".into();
        Self::Refused { code: "M_UNKNOWN_TOKEN".into(), status: 401, message }
    }

    /// No answer, or none that is Matrix: a proxy in front of a homeserver that is down.
    pub(crate) fn unavailable(error: &dyn std::error::Error) -> Self {
        Self::Unavailable { reason: crate::web::innermost_cause(error), after: None }
    }
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
        let kind = api.error_kind();
        match kind {
            // Not Matrix at all: a proxy in front of a homeserver that is down, whatever number it gives.
            None => Self::Unavailable { reason: api.to_string(), after: None },
            Some(ErrorKind::UnknownToken(_) | ErrorKind::MissingToken) => Self::Token,
            Some(ErrorKind::LimitExceeded(data)) => {
                let after = match &data.retry_after {
                    Some(RetryAfter::Delay(delay)) => Some(*delay),
                    _ => None,
                };
                Self::Unavailable { reason: "it asks for a pause".into(), after }
            }
            // Only the ping has these: they are about us, whatever their status says.
            Some(ErrorKind::ConnectionFailed | ErrorKind::ConnectionTimeout | ErrorKind::BadStatus(_)) => {
                Self::refused(api, kind)
            }
            _ if api.status_code.is_server_error() || api.status_code.as_u16() == 429 => {
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
            MatrixError::Token => Self::LegDown { reason },
            MatrixError::Refused { .. } => Self::Permanent { reason },
        }
    }
}

/// A row could not be read or written: that is tried again.
pub(crate) fn storage_failed(error: impl std::fmt::Display) -> DeliveryError {
    DeliveryError::transient(error.to_string())
}
