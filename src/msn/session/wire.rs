//! What both machines share: a framer, the queue of bytes to write, and decoding that survives a bad unit.
//!
//! Knows that a unit ends where its framing says. Refuses to know what a command means. A skipped unit is logged by its
//! verb, never by its content.

use std::collections::VecDeque;

use super::SessionError;
use crate::msn::command::{ClientCommand, Context, ServerCommand};
use crate::msn::dialect::Dialect;
use crate::msn::wire::{Direction, Framer, Limits, Verb};

/// The client's side of one connection, as bytes.
#[derive(Debug)]
pub(super) struct ClientWire {
    framer: Framer,
    pub(super) context: Context,
    outputs: VecDeque<Vec<u8>>,
    /// Verbs of the commands that were skipped since they were last taken.
    skipped: Vec<Verb>,
}

/// Most skipped commands that are told apart at once: one read holds no more.
const MAX_SKIPPED: usize = 1024;

impl ClientWire {
    pub(super) fn new(context: Context) -> Self {
        let framer = Framer::new(Direction::FromServer, Limits::default());
        Self { framer, context, outputs: VecDeque::new(), skipped: Vec::new() }
    }

    /// Both sides speak this dialect from here on.
    pub(super) fn agree(&mut self, dialect: Dialect) {
        self.context.dialect = dialect;
        if dialect.errors_have_payload() {
            self.framer.expect_error_payloads();
        }
    }

    /// Bytes that arrived, cut anywhere.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.framer.push(bytes);
    }

    /// Encodes a command behind those that wait to be written.
    pub(super) fn send(&mut self, command: &ClientCommand) {
        self.outputs.push_back(command.encode());
    }

    pub(super) fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.outputs.pop_front()
    }

    /// What was skipped on the way to the last command, or to the end of what has come.
    pub(super) fn take_skipped(&mut self) -> Vec<Verb> {
        std::mem::take(&mut self.skipped)
    }

    /// The next command. A unit that cannot be understood is logged and skipped: it ended where it ended.
    ///
    /// # Errors
    /// The stream cannot be cut into units any more.
    pub(super) fn next_command(&mut self) -> Result<Option<ServerCommand>, SessionError> {
        loop {
            let frame = match self.framer.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(None),
                Err(error) if error.is_fatal() => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(%error, "skipped a line that is not a command");
                    continue;
                }
            };
            match ServerCommand::decode(&frame, self.context) {
                Ok(ServerCommand::Unknown(frame)) => {
                    tracing::debug!(verb = %frame.verb, "ignored an unknown command");
                }
                Ok(command) => return Ok(Some(command)),
                Err(error) => {
                    tracing::warn!(%error, "skipped a command that cannot be understood");
                    if self.skipped.len() < MAX_SKIPPED {
                        self.skipped.push(error.verb);
                    }
                }
            }
        }
    }
}
