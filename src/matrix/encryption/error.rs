//! What can fail where keys are made, shared or used, by whose fault it is.
//!
//! Knows that none of it makes a message undeliverable: keys may come, a disk may work again. Refuses to know rooms.

#[cfg(feature = "encryption")]
use matrix_sdk_crypto::{CryptoStoreError, MegolmError, OlmError};
use thiserror::Error;

use crate::bridge::port::storage::StorageError;
use crate::matrix::homeserver::MatrixError;

/// What kept keys from being made, shared or used.
#[derive(Debug, Error)]
pub(crate) enum CryptoError {
    #[error(transparent)]
    Homeserver(#[from] MatrixError),
    /// The disk, or what is on it.
    #[error("the keys of encrypted rooms cannot be read or kept: {0}")]
    Store(String),
    /// What came from others does not fit together.
    #[error("the message cannot be encrypted: {0}")]
    #[cfg_attr(
        not(feature = "encryption"),
        allow(dead_code, reason = "without keys there are none that do not fit")
    )]
    Keys(String),
    /// Encryption is not there, for a reason that the administrator can read in the log.
    #[error("encrypted rooms cannot be used: {0}")]
    Off(String),
}

#[cfg(feature = "encryption")]
impl From<CryptoStoreError> for CryptoError {
    fn from(error: CryptoStoreError) -> Self {
        Self::Store(error.to_string())
    }
}

impl From<StorageError> for CryptoError {
    fn from(error: StorageError) -> Self {
        Self::Store(error.to_string())
    }
}

#[cfg(feature = "encryption")]
impl From<OlmError> for CryptoError {
    fn from(error: OlmError) -> Self {
        match error {
            OlmError::Store(error) => error.into(),
            other => Self::Keys(other.to_string()),
        }
    }
}

#[cfg(feature = "encryption")]
impl From<MegolmError> for CryptoError {
    fn from(error: MegolmError) -> Self {
        match error {
            MegolmError::Store(error) => error.into(),
            other => Self::Keys(other.to_string()),
        }
    }
}

impl From<CryptoError> for MatrixError {
    fn from(error: CryptoError) -> Self {
        match error {
            CryptoError::Homeserver(error) => error,
            other => Self::Unavailable { reason: other.to_string(), after: None },
        }
    }
}
