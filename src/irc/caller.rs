//! Who opens a connection, as far as a server asks the host.
//!
//! Knows the name before the `@` and the address. Refuses to know nicks and accounts: those are said on the connection.

use std::net::Ipv6Addr;
use std::sync::Arc;

use super::ident::Idents;

/// What stands before the `@` of all who are not told apart.
pub(super) const USER: &str = "msnbridge";

/// Who opens a connection, as far as a server asks the host.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) is_bot: bool,
    /// What stands before the `@`.
    pub(super) user: String,
    /// Where it comes from, if it has an address of its own.
    pub(super) address: Option<Ipv6Addr>,
    pub(super) idents: Option<Arc<Idents>>,
}

impl Caller {
    /// The bot, or somebody who is not told apart from it.
    pub(super) fn new(is_bot: bool, idents: Option<Arc<Idents>>) -> Self {
        Self { is_bot, user: USER.to_owned(), address: None, idents }
    }
}
