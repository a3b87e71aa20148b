//! What a call tells whoever drives it: members, messages, and what became of each message sent.
//!
//! Knows the outcomes that people must be told apart. Refuses to know how any of them is found. Source: §6.

use crate::msn::command::ErrorCode;
use crate::msn::ids::{Capabilities, Email};
use crate::msn::message::Content;

/// Names a message handed to [`super::SwitchboardSession::send`], on this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageHandle(pub(super) u64);

/// Why a message did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendFailure {
    /// The switchboard could not deliver it (`NAK`).
    NotDelivered,
    /// The last listener left before the acknowledgement: nobody has it, whatever the server acknowledges (§6.4).
    Deserted,
    /// Nobody is in the call, for this reason.
    NobodyThere(InviteFailure),
    /// No acknowledgement came, or the call ended before it.
    Unconfirmed,
    /// The call ended before it was sent at all.
    NotSent,
    /// The switchboard took the message for wrong, with this number (§1.6).
    Refused(ErrorCode),
}

/// Why somebody did not join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InviteFailure {
    /// The switchboard would not ring them, with this number (§1.6): mostly 217, not online.
    Refused(ErrorCode),
    /// They were rung and did not come.
    NoAnswer,
}

/// What happened in a call.
#[derive(Debug, Clone, PartialEq)]
pub enum CallEvent {
    /// Signed in to the board; members follow.
    Opened,
    /// Somebody is here for the first time; a further client of theirs is no event.
    Joined {
        email: Email,
        /// The friendly name, decoded.
        name: String,
        /// `None` where the dialect sends none (§6.3).
        capabilities: Option<Capabilities>,
    },
    /// `idle`: dropped for inactivity, may be called again silently.
    Left { email: Email, idle: bool },
    /// Somebody who was called will not come. Comes before the failure of what waited for them.
    InviteFailed { email: Email, failure: InviteFailure },
    /// A message, put together where it came in parts (§7.3).
    Received { email: Email, name: String, content: Content },
    /// Acknowledged. `missed_by`: those who were there when it was sent and left before that.
    Delivered { handle: MessageHandle, missed_by: Vec<Email> },
    /// No acknowledgement came for as long as one should take. It may still come.
    Overdue(MessageHandle),
    /// The message will not be acknowledged; nothing more comes with this handle.
    Failed(MessageHandle, SendFailure),
}
