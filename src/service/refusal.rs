//! Why a command is not carried out, and what its connection is told (§1.6).
//!
//! Knows the three ways in which a server refuses. The rules give one back; [`super::world`] sends and closes.

use crate::msn::command::ErrorCode;
use crate::msn::ids::TrId;

/// A command that is not carried out. Lines that were sent before stay sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Refusal {
    /// An error line with the number of the request; the connection goes on.
    Error(TrId, ErrorCode),
    /// An error line, and the end of the connection.
    Fatal(TrId, ErrorCode),
    /// The end of the connection, without a word.
    Close,
}
