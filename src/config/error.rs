//! What is wrong with a configuration, for the person who wrote it.
//!
//! Knows keys and the values that were found. Refuses to show a secret.

use std::path::PathBuf;

use thiserror::Error;

#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("there is no configuration at {}. «msnbridge init» writes one; -c names another place", file.display())]
    Missing { file: PathBuf },
    #[error("{}: {reason}", file.display())]
    Unreadable { file: PathBuf, reason: String },
    #[error("{key}: {value:?} is not allowed; it must be {allowed}")]
    Value { key: String, value: String, allowed: String },
    #[error("{key} is missing; it must be {allowed}")]
    Absent { key: String, allowed: String },
    #[error("{key}: the file {} cannot be read: {reason}", file.display())]
    SecretFile { key: String, file: PathBuf, reason: String },
}

impl ConfigError {
    pub(super) fn value(key: &str, value: impl ToString, allowed: impl Into<String>) -> Self {
        Self::Value { key: key.into(), value: value.to_string(), allowed: allowed.into() }
    }
}
