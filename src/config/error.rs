//! What is wrong with a configuration, for the person who wrote it.
//!
//! Knows keys and the values that were found. Refuses to show a secret.

use std::path::PathBuf;

use thiserror::Error;

/// A mistake in the configuration; its text names the key and says what would be right.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// There is no file where it is looked for.
    #[error("there is no configuration at {}. «msnbridge init» writes one; -c names another place", file.display())]
    Missing { file: PathBuf },
    /// The file or the environment is no YAML, or names a key that there is not.
    #[error("{}: {reason}", file.display())]
    Unreadable { file: PathBuf, reason: String },
    /// A value is not one of those that are allowed.
    #[error("{key}: {value:?} is not allowed; it must be {allowed}")]
    Value { key: String, value: String, allowed: String },
    /// A key that has no default is empty.
    #[error("{key} is missing; it must be {allowed}")]
    Absent { key: String, allowed: String },
    /// A file that a key names, with a secret or accounts, cannot be read.
    #[error("{key}: the file {} cannot be read: {reason}", file.display())]
    SecretFile { key: String, file: PathBuf, reason: String },
}

impl ConfigError {
    /// [`Self::Value`], of anything that can be shown.
    pub(super) fn value(key: &str, value: impl ToString, allowed: impl Into<String>) -> Self {
        Self::Value { key: key.into(), value: value.to_string(), allowed: allowed.into() }
    }
}
