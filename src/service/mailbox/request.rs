//! What the pages of offline messages ask, and what they are answered (§27.2, §27.3).
//!
//! Knows values alone. Refuses to know the envelopes around them, which [`crate::service::offline_page`] reads and writes.

use chrono::{DateTime, Utc};

/// Somebody leaves a message. Every text is as the envelope had it; nothing is checked yet.
#[derive(Debug)]
pub(in crate::service) struct StoreRequest {
    /// A Passport ticket, whole or its first half.
    pub(in crate::service) ticket: String,
    /// The id of the sender's program, and its answer to the ticket's challenge: 32 hexadecimal digits, empty at first.
    pub(in crate::service) product: String,
    pub(in crate::service) lock_key: String,
    pub(in crate::service) sender: String,
    /// The display name, an encoded word.
    pub(in crate::service) name: String,
    pub(in crate::service) recipient: String,
    /// Headers, an empty line, and base64.
    pub(in crate::service) content: String,
    /// When the request came.
    pub(in crate::service) at: DateTime<Utc>,
}

/// What somebody asks about the messages that wait for them.
#[derive(Debug)]
pub(in crate::service) enum Retrieval {
    /// A list of all of them.
    Metadata,
    /// One of them as mail; `read` marks it as read.
    Message { id: String, read: bool },
    /// Some of them are done with; all of them must be there.
    Delete { ids: Vec<String> },
}

/// What was asked for.
#[derive(Debug, PartialEq)]
pub(in crate::service) enum Retrieved {
    /// Mail data: an `MD` element, not escaped.
    Metadata(String),
    /// Headers, an empty line, and base64.
    Message(String),
    Deleted,
}

/// Why a message was not stored, or not given.
#[derive(Debug, PartialEq)]
pub(in crate::service) enum OfflineError {
    /// The ticket is not good, or not for this.
    Ticket,
    /// The sender's program is to prove itself with this challenge, ten digits.
    Locked { challenge: String },
    /// The content is not of the one form that is stored.
    Content,
    /// Nobody of that name takes messages from this sender.
    Recipient,
    /// Too many wait already.
    Full,
    /// There is no such message.
    Unknown,
}
