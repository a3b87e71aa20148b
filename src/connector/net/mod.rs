//! Sockets: ways to the servers, to the sign-in pages and to contacts, and the loop that reads and writes them.
//!
//! Knows addresses, time-outs and bytes. Refuses to know what is said.

pub(in crate::connector) mod address;
pub(in crate::connector) mod address_book;
pub(in crate::connector) mod dial;
pub(in crate::connector) mod gateway;
pub(in crate::connector) mod passport;
pub(in crate::connector) mod pump;
pub(in crate::connector) mod session_tokens;
mod sign_in_url;
pub(in crate::connector) mod token_service;
