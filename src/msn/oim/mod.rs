//! Offline messages: what the notification server says of them, and the SOAP by which they are fetched and left (§27).
//!
//! Knows the envelopes and what stands in them. Refuses to know HTTP, and when anything is fetched. Source: recorded
//! dialogues with a third-party server.

mod fetch;
mod leave;
mod soap;

pub use fetch::{MailData, OfflineMessage, delete_messages, get_message, get_metadata, mail_data};
pub use leave::{Leaving, LeavingFailure, leave, leaving_result};
pub use soap::{Fault, SoapRequest, fault};

/// Most messages that are fetched in one go: what is beyond waits for the next sign-in.
pub const MAX_MESSAGES: usize = 100;

#[cfg(test)]
mod tests;
