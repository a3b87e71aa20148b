//! What a browser is between two pages.
//!
//! Knows whose it is and what came of the last form. Refuses to know the secret in its cookie.

use crate::bridge::ids::UserId;

/// What a browser may do that shows its cookie.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) user: UserId,
    /// In each form: another site cannot know it.
    pub(super) token: String,
    /// What stands in the form already.
    pub(super) account: Option<String>,
    pub(super) notice: Option<Notice>,
}

/// What came of the last form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) is_good: bool,
    pub(super) text: String,
}
