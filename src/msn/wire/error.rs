//! What can be wrong with bytes: framing (the stream) and decoding (one unit of it).
//!
//! Knows which of both ends a connection. Refuses to know what is said to the other side about it.

use thiserror::Error;

use super::Verb;
use crate::msn::ids::TrId;

/// A stream that cannot be cut into units.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrameError {
    #[error("a line is longer than {limit} bytes")]
    LineTooLong { limit: usize },
    #[error("{verb} announces a payload of {length} bytes, the limit is {limit}")]
    PayloadTooLong { verb: Verb, length: u64, limit: usize },
    #[error("{verb} needs the length of its payload as the last parameter, got {got:?}")]
    BadLength { verb: Verb, got: String },
    #[error("a line does not start with a three-letter command: {got:?}")]
    BadVerb { got: String },
}

impl FrameError {
    /// Whether the place in the stream is lost. A line with a bad verb still ended where it ended.
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::BadVerb { .. })
    }
}

/// A unit that was cut correctly and cannot be understood. The stream goes on behind it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{verb}: {kind}")]
pub struct DecodeError {
    pub verb: Verb,
    /// The request number, where one could be read: what an error reply repeats.
    pub trid: Option<TrId>,
    pub kind: DecodeErrorKind,
}

/// The words name the parameter by `protocol.md`'s name for it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeErrorKind {
    #[error("the parameter «{0}» is missing")]
    Missing(&'static str),
    #[error("the parameter «{what}» is not valid: {got:?}")]
    Invalid { what: &'static str, got: String },
    #[error("there is a parameter too many: {0:?}")]
    Excess(String),
    #[error("a payload is missing")]
    NoPayload,
}
