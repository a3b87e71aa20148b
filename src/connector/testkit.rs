//! The translators between the wire and the core, for tests of the whole way.
//!
//! Knows payloads of messages. Refuses to know what carries them.

use bytes::Bytes;

use super::handle::Message;
use super::translate::convert;
use crate::bridge::body::Body;
use crate::bridge::port::delivery::Delivery;
use crate::connector::config::RelayFormat;
use crate::msn::message::{Content, Envelope, text_payloads};

/// What a contact's message says; `None` for what asks to be neither shown nor answered.
pub(crate) fn body_of(payload: &[u8]) -> Option<Body> {
    let envelope = Envelope::parse(&Bytes::copy_from_slice(payload)).ok()?;
    convert::body(Content::parse(&envelope).ok()?)
}

/// The payloads that carry an entry to clients which put nothing together.
pub(crate) fn payloads_of(delivery: &Delivery) -> Vec<Vec<u8>> {
    match convert::message(delivery, &RelayFormat::default()) {
        Some(Message::Text { text, style, .. }) => text_payloads(&text, Some(&style), None),
        Some(Message::Nudge) => vec![Content::nudge().encode()],
        None => Vec::new(),
    }
}
