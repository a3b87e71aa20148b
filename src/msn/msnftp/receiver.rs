//! The side that gets the file. It speaks first, whoever opened the connection.
//!
//! Knows how many bytes must come, and when silence is an end. Refuses to know where they are kept. Source: §8.5.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::{Buf, Bytes};

use super::{Bye, DATA, HEAD, Lines, STALLED, STEP, StreamFailure, VERSION, is_version, outcome};
use crate::msn::ids::Email;
use crate::msn::session::{Machine, SessionError};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReceiverEvent {
    /// The next bytes, in order.
    Data(Bytes),
    /// All bytes are there; answer with [`FileReceiver::confirm`] once they are safe.
    Whole,
    Failed(StreamFailure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Version,
    Size,
    Data { frame_left: usize },
    Whole,
    Over,
}

/// Receives one file.
#[derive(Debug)]
pub struct FileReceiver {
    own: Email,
    cookie: u32,
    size: u64,
    done: u64,
    pub(super) stage: Stage,
    input: Lines,
    output: VecDeque<Vec<u8>>,
    events: VecDeque<ReceiverEvent>,
    deadline: Instant,
}

impl FileReceiver {
    /// `cookie` and `size` are those of the invitation.
    pub fn new(now: Instant, own: Email, cookie: u32, size: u64) -> Self {
        Self {
            own,
            cookie,
            size,
            done: 0,
            stage: Stage::Version,
            input: Lines::default(),
            output: VecDeque::from([VERSION.into()]),
            events: VecDeque::new(),
            deadline: now + STEP,
        }
    }

    /// Bytes that have come.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// The file is safe: the sender hears that it has arrived.
    pub fn confirm(&mut self) {
        if self.stage == Stage::Whole {
            self.stage = Stage::Over;
            self.output.push_back(Bye::Received.line().into());
        }
    }

    /// The file is not wanted any more, or there is no room for it.
    pub fn cancel(&mut self, why: Bye) {
        match self.stage {
            Stage::Data { .. } if why == Bye::ReceiverCancelled => self.output.push_back(b"CCL\r\n".to_vec()),
            Stage::Over => return,
            _ => self.output.push_back(why.line().into()),
        }
        self.stage = Stage::Over;
    }

    fn fail(&mut self, failure: StreamFailure) {
        self.stage = Stage::Over;
        self.events.push_back(ReceiverEvent::Failed(failure));
    }

    fn line(&mut self, now: Instant, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        // Nothing said is no progress.
        if words.is_empty() {
            return;
        }
        self.deadline = now + STEP;
        match (self.stage, words.as_slice()) {
            (_, ["BYE", code, ..]) => {
                self.fail(outcome(Bye::parse(code)).err().unwrap_or(StreamFailure::Cancelled));
            }
            (_, ["CCL", ..]) => self.fail(StreamFailure::Cancelled),
            (Stage::Version, words) if is_version(words) => {
                self.stage = Stage::Size;
                self.output.push_back(format!("USR {} {}\r\n", self.own, self.cookie).into());
            }
            // What was offered and accepted, and nothing else.
            (Stage::Size, ["FIL", size, ..]) if size.parse() == Ok(self.size) => {
                self.stage = Stage::Data { frame_left: 0 };
                self.deadline = now + STALLED;
                self.output.push_back(b"TFR\r\n".to_vec());
                self.look_whether_whole();
            }
            _ => self.fail(StreamFailure::Malformed),
        }
    }

    fn look_whether_whole(&mut self) {
        if self.done == self.size {
            self.stage = Stage::Whole;
            self.events.push_back(ReceiverEvent::Whole);
        }
    }

    /// Takes what there is of a frame; false when more must come first.
    fn frame(&mut self, now: Instant, frame_left: usize) -> bool {
        if frame_left > 0 {
            let bytes = self.input.take(frame_left);
            if bytes.is_empty() {
                return false;
            }
            self.deadline = now + STALLED;
            self.done += bytes.len() as u64;
            self.stage = Stage::Data { frame_left: frame_left - bytes.len() };
            self.events.push_back(ReceiverEvent::Data(bytes));
            self.look_whether_whole();
            return true;
        }
        if self.input.buffer.len() < HEAD {
            return false;
        }
        let (kind, length) = (self.input.buffer.get_u8(), usize::from(self.input.buffer.get_u16_le()));
        match kind {
            // An empty frame is no progress: who sends only those is given up in time.
            DATA if self.done + length as u64 <= self.size => {
                self.stage = Stage::Data { frame_left: length };
            }
            DATA => self.fail(StreamFailure::Malformed),
            _ => self.fail(StreamFailure::Cancelled),
        }
        true
    }
}

impl Machine for FileReceiver {
    type Event = ReceiverEvent;

    fn handle_input(&mut self, now: Instant, bytes: &[u8]) -> Result<(), SessionError> {
        self.input.buffer.extend_from_slice(bytes);
        loop {
            match self.stage {
                Stage::Version | Stage::Size => match self.input.next_line() {
                    Ok(Some(line)) => self.line(now, &line),
                    Ok(None) => return Ok(()),
                    Err(failure) => self.fail(failure),
                },
                Stage::Data { frame_left } => {
                    if !self.frame(now, frame_left) {
                        return Ok(());
                    }
                }
                // Some say that it was the end; nothing of it matters.
                Stage::Whole | Stage::Over => {
                    self.input.buffer.clear();
                    return Ok(());
                }
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        if self.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.output.push_back(Bye::TimedOut.line().into());
            self.fail(StreamFailure::TimedOut);
        }
        Ok(())
    }

    fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.output.pop_front()
    }

    fn poll_event(&mut self) -> Option<ReceiverEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        (!matches!(self.stage, Stage::Whole | Stage::Over)).then_some(self.deadline)
    }
}
