//! Secrets: written in the file, or in a file of their own, such as a systemd credential.
//!
//! Knows both forms and that only one is given. Refuses to print one: `Debug` shows nothing of it.

use std::path::PathBuf;

use secrecy::SecretString;

use super::ConfigError;

/// The secret of `key`: from `key_file` if that is set, else the value itself.
///
/// # Errors
/// [`ConfigError::SecretFile`] for a file that cannot be read, [`ConfigError::Absent`] for an empty secret.
pub(super) fn resolve(key: &str, value: &str, file: &str) -> Result<SecretString, ConfigError> {
    let text = if file.is_empty() {
        value.to_owned()
    } else {
        let path = PathBuf::from(file);
        let read = std::fs::read_to_string(&path);
        read.map_err(|error| ConfigError::SecretFile {
            key: format!("{key}_file"),
            file: path,
            reason: error.to_string(),
        })?
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        let allowed = format!("a secret, or set {key}_file");
        return Err(ConfigError::Absent { key: key.into(), allowed });
    }
    Ok(SecretString::from(text.to_owned()))
}

/// The same, where there may be none.
///
/// # Errors
/// The file cannot be read, or holds nothing.
pub(super) fn optional(key: &str, value: &str, file: &str) -> Result<Option<SecretString>, ConfigError> {
    if value.is_empty() && file.is_empty() {
        return Ok(None);
    }
    resolve(key, value, file).map(Some)
}
