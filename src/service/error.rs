//! Why the service cannot start.

use std::net::SocketAddr;

use thiserror::Error;

#[derive(Debug, Error)]
pub enum ServiceError {
    #[error("cannot listen on {address} for the {what}: {source}")]
    Listen { what: &'static str, address: SocketAddr, source: std::io::Error },
    #[error("{what} {} cannot be used: {reason}", file.display())]
    Tls { what: &'static str, file: std::path::PathBuf, reason: String },
    #[error("line {line} of the accounts is not «account, password, display name»: {reason}")]
    Accounts { line: usize, reason: String },
}
