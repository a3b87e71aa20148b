//! Why the service cannot start, for the person who configured it.
//!
//! Knows addresses, files and lines. Refuses to show a password.

use std::net::SocketAddr;

use thiserror::Error;

/// Why the service does not start. Each text names what the administrator can change.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// An address that is taken, or not this machine's.
    #[error("cannot listen on {address} for the {what}: {source}")]
    Listen { what: &'static str, address: SocketAddr, source: std::io::Error },
    /// A certificate or key that is missing, no PEM, or does not fit the other.
    #[error("{what} {} cannot be used: {reason}", file.display())]
    Tls { what: &'static str, file: std::path::PathBuf, reason: String },
    /// An account that is none; lines count from 1.
    #[error("line {line} of the accounts is not «account, password, display name»: {reason}")]
    Accounts { line: usize, reason: String },
}
