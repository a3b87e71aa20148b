//! HTTP within bounds, for whoever serves it or asks for it.
//!
//! Knows how much of an answer is read, how long a client may take over the head of a request, and how many connections
//! one address may have. Refuses to know what is asked and who may ask it: a handler says whom it trusts.

mod attempts;
mod body;
mod peers;
mod secret;
mod serve;

pub use attempts::{Attempts, TooMany};
pub use body::{BodyError, read_body};
pub use peers::{Connection, Limits};
pub use secret::{Random, SecretTable, Shown, fresh};
pub use serve::{describe_accept, serve};

/// The innermost cause of an error of an HTTP client, for people: the outer ones say only that something failed.
pub fn innermost_cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
