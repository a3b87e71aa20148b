//! Results of a command, for the owner of the sockets: lines to send, messages to relay, connections to close.
//!
//! Knows no socket and no queue; [`super::owner`] carries effects out, in order.

use super::ids::ConnId;
use crate::msn::command::{Acknowledge, ServerCommand};
use crate::msn::dialect::Dialect;
use crate::msn::ids::TrId;

/// One thing that the owner of the sockets does, in the order in which they stand.
#[derive(Debug)]
pub(super) enum Effect {
    /// One command for one connection, in the form of its dialect.
    Send(ConnId, Dialect, ServerCommand),
    /// A message for others in a call. Its sender is told as `wanted` says when all have it, or that one has not.
    Relay {
        /// Connections and their dialects; at least one.
        to: Vec<(ConnId, Dialect)>,
        message: ServerCommand,
        sender: (ConnId, Dialect),
        trid: TrId,
        wanted: Acknowledge,
    },
    /// The end of a connection, once what it was sent before is written.
    Close(ConnId),
}

/// What somebody is told of a message that arrived or did not, if they want to know (§6.4).
pub(super) fn answer(trid: TrId, wanted: Acknowledge, arrived: bool) -> Option<ServerCommand> {
    match (wanted, arrived) {
        (Acknowledge::Always | Acknowledge::Data | Acknowledge::OnSuccess, true) => {
            Some(ServerCommand::Ack { trid })
        }
        (Acknowledge::Always | Acknowledge::Data | Acknowledge::OnFailure, false) => {
            Some(ServerCommand::Nak { trid })
        }
        _ => None,
    }
}
