//! Results of a command, for the owner of the sockets: lines to send, messages to relay, connections to close.
//!
//! Knows no socket and no queue; [`super::owner`] carries effects out, in order.

use super::ids::ConnId;
use crate::msn::command::{Acknowledge, ServerCommand};
use crate::msn::dialect::Dialect;
use crate::msn::ids::TrId;

/// What the owner of the sockets must do.
#[derive(Debug)]
pub(super) enum Effect {
    Send(ConnId, Dialect, ServerCommand),
    /// A message for each of these. Who sent it is told as they want when all have it, or that one has not.
    Relay {
        to: Vec<(ConnId, Dialect)>,
        message: ServerCommand,
        sender: (ConnId, Dialect),
        trid: TrId,
        wanted: Acknowledge,
    },
    Close(ConnId),
}
