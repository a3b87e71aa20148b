//! The port to whatever serves a page on which users sign in.
//!
//! Knows that such a page has an address for each user. Refuses to know how it is served.

use crate::bridge::ids::UserId;

/// Makes addresses of the page on which users sign in.
pub trait SignInPage: Send + Sync {
    /// An address that works once, for this user alone. `account` is what they named already.
    fn link(&self, user: &UserId, account: Option<&str>) -> String;

    /// For how many minutes an address works.
    fn minutes(&self) -> u64;
}
