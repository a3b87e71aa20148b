//! How a transfer of a file fails, and where its source is.
//!
//! Knows which failure ends a transfer and which may be over later. Refuses to count them. Source: the content repository of
//! the client-server API.

use std::time::Duration;

use serde_json::Value;

use super::error::MatrixError;
use crate::bridge::port::delivery::DeliveryError;

/// It asks for a pause, of this length if it says so.
pub(super) fn busy(pause: Option<Duration>) -> MatrixError {
    unavailable("it asks for a pause").after(pause)
}

pub(super) fn unavailable(reason: impl ToString) -> MatrixError {
    MatrixError::Unavailable { reason: reason.to_string(), after: None }
}

pub(super) fn not_on_disk(error: std::io::Error) -> DeliveryError {
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            DeliveryError::permanent("the file is not on the bridge's disk any more")
        }
        _ => DeliveryError::transient(format!("the file cannot be read: {error}")),
    }
}

pub(super) fn gone() -> DeliveryError {
    DeliveryError::permanent("it is not on the homeserver any more")
}

pub(super) fn too_large() -> DeliveryError {
    DeliveryError::permanent("it is larger than what is carried here")
}

/// What opens a file, where its source is not only an address.
pub(super) fn sealed_info(source: &str) -> Option<Value> {
    source.starts_with('{').then(|| serde_json::from_str(source).ok()).flatten()
}

/// Whether an answer says that nobody there knows the request.
pub(super) async fn is_unrecognized(answer: &mut reqwest::Response) -> bool {
    let start = answer.chunk().await.ok().flatten().unwrap_or_default();
    serde_json::from_slice::<Value>(&start).is_ok_and(|said| said["errcode"] == "M_UNRECOGNIZED")
}
