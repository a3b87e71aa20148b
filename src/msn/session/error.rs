//! Why a session ends, by whose fault it is.
//!
//! Knows what can be told apart by whoever signs in again. Refuses to know when that is. Source: §1.6, §5.2.

use thiserror::Error;

use crate::msn::command::{ErrorCode, SignOut};
use crate::msn::wire::FrameError;

/// The end of a session.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SessionError {
    /// The peer sent bytes that cannot be cut into units.
    #[error("the server sent something that is not the protocol: {0}")]
    Malformed(#[from] FrameError),
    /// An error number that ends the session.
    #[error("{0}")]
    Refused(ErrorCode),
    /// Signing in did not work.
    #[error("{0}")]
    Login(#[from] LoginFailure),
    /// No reply in time.
    #[error("the server did not answer {0} in time")]
    TimedOut(&'static str),
    /// The server signed us out.
    #[error("{}", sign_out(.0))]
    SignedOut(SignOut),
}

fn sign_out(reason: &SignOut) -> String {
    match reason {
        SignOut::Elsewhere => "the account signed in from another place".into(),
        SignOut::ShuttingDown => "the server is shutting down".into(),
        SignOut::ReconnectIn { minutes } => format!("the server asks to come back in {minutes} minutes"),
        SignOut::Other(code) if code.is_empty() => "the server ended the session".into(),
        SignOut::Other(code) => format!("the server ended the session ({code})"),
    }
}

/// Why signing in failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoginFailure {
    #[error("the server speaks none of the dialects that are configured")]
    NoCommonDialect,
    #[error("the server chose a dialect that was not offered: {0}")]
    DialectNotOffered(String),
    /// The ticket or the password is wrong: trying again cannot help.
    #[error("the server did not accept the sign-in")]
    Rejected,
    #[error("the server sent us from one address to the next {0} times")]
    TooManyRedirects(u32),
}
