//! Signing in by security tokens: `USR SSO` and the two token services, RST and RST2 (§18).
//!
//! Knows requests and answers as XML, which ticket is for what, and the proof that goes with one of them. Refuses to know
//! HTTP, passwords beyond the request that carries one, and when a ticket is asked for.

mod answer;
mod form;
mod proof;
mod request;
#[cfg(test)]
mod tests;

pub use answer::{MAX_REDIRECTS, Token, TokenExchange, TokenFailure, TokenStep, Tokens};
pub use form::{Domain, Namespaces, TokenForm, UTILITY};
pub use proof::{IV, ProofSecret};
pub use request::{RequestedToken, TokenRequest, token_request};
