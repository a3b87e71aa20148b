//! The side that has the file. It answers; its data are wanted once the receiver has shown who it is.
//!
//! Knows the cookie that the receiver must show, and blocks of 2045 bytes at most. Refuses to read the file: its bytes
//! are handed in. Source: §8.5.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Bye, DATA, HEAD, Lines, MAX_FRAME, STALLED, STEP, StreamFailure, VERSION, is_version, outcome};
use crate::msn::ids::Email;
use crate::msn::session::{Machine, SessionError};

/// Somebody who waits for us to speak first is spoken to after this.
const FIRST_WORD_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderEvent {
    /// Data are wanted.
    Begun,
    /// The receiver has it all.
    Finished,
    Failed(StreamFailure),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Version { spoke: bool },
    Who,
    Ready,
    Data,
    Sent,
    Over,
}

/// Sends one file.
#[derive(Debug)]
pub struct FileSender {
    peer: Email,
    cookie: u32,
    size: u64,
    done: u64,
    pub(super) stage: Stage,
    input: Lines,
    output: VecDeque<Vec<u8>>,
    events: VecDeque<SenderEvent>,
    deadline: Instant,
    /// When the silence becomes too long.
    speak_at: Instant,
}

impl FileSender {
    /// `cookie` is what the receiver has to show, `size` what the invitation says.
    pub fn new(now: Instant, peer: Email, cookie: u32, size: u64) -> Self {
        Self {
            peer,
            cookie,
            size,
            done: 0,
            stage: Stage::Version { spoke: false },
            input: Lines::default(),
            output: VecDeque::new(),
            events: VecDeque::new(),
            deadline: now + STEP,
            speak_at: now + FIRST_WORD_TIMEOUT,
        }
    }

    /// From where data could be sent now, and how many bytes at most.
    pub fn wants_data(&self) -> Option<(u64, usize)> {
        let left = usize::try_from(self.size - self.done).unwrap_or(usize::MAX);
        (self.stage == Stage::Data).then_some((self.done, left.min(MAX_FRAME)))
    }

    /// The bytes that were wanted, at most [`MAX_FRAME`] of them. Others are ignored.
    pub fn provide(&mut self, now: Instant, bytes: &[u8]) {
        let fits = (1..=MAX_FRAME).contains(&bytes.len()) && self.done + bytes.len() as u64 <= self.size;
        let (Stage::Data, true, Ok(length)) = (self.stage, fits, u16::try_from(bytes.len())) else { return };
        let mut frame = Vec::with_capacity(HEAD + bytes.len());
        frame.push(DATA);
        frame.extend(length.to_le_bytes());
        frame.extend_from_slice(bytes);
        self.output.push_back(frame);
        self.done += u64::from(length);
        self.deadline = now + STALLED;
        if self.done == self.size {
            self.stage = Stage::Sent;
        }
    }

    /// The file cannot be sent any further.
    pub fn cancel(&mut self) {
        match self.stage {
            Stage::Over => return,
            // A frame that ends the data before all of them were there.
            Stage::Data => self.output.push_back(vec![1, 0, 0]),
            _ => self.output.push_back(Bye::SenderCancelled.line().into()),
        }
        self.stage = Stage::Over;
    }

    fn fail(&mut self, failure: StreamFailure) {
        self.stage = Stage::Over;
        self.events.push_back(SenderEvent::Failed(failure));
    }

    fn is_them(&self, account: &str, cookie: &str) -> bool {
        let is_peer = Email::parse(account).is_ok_and(|account| account == self.peer);
        is_peer && cookie.parse() == Ok(self.cookie)
    }

    fn line(&mut self, now: Instant, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        // Nothing said is no progress.
        if words.is_empty() {
            return;
        }
        self.deadline = now + STEP;
        match (self.stage, words.as_slice()) {
            (stage, ["BYE", code, ..]) => match outcome(Bye::parse(code)) {
                Ok(()) if stage == Stage::Sent => {
                    self.stage = Stage::Over;
                    self.events.push_back(SenderEvent::Finished);
                }
                // They cannot have it all yet.
                Ok(()) => self.fail(StreamFailure::Malformed),
                Err(failure) => self.fail(failure),
            },
            (_, ["CCL", ..]) => self.fail(StreamFailure::Cancelled),
            (Stage::Version { spoke }, words) if is_version(words) => {
                self.stage = Stage::Who;
                if !spoke {
                    self.output.push_back(VERSION.into());
                }
            }
            (Stage::Who, ["USR", account, cookie, ..]) if self.is_them(account, cookie) => {
                self.stage = Stage::Ready;
                self.output.push_back(format!("FIL {}\r\n", self.size).into());
            }
            (Stage::Who, ["USR", ..]) => self.fail(StreamFailure::Stranger),
            (Stage::Ready, ["TFR", ..]) => {
                self.deadline = now + STALLED;
                self.stage = if self.size == 0 { Stage::Sent } else { Stage::Data };
                self.events.push_back(SenderEvent::Begun);
            }
            _ => self.fail(StreamFailure::Malformed),
        }
    }
}

impl Machine for FileSender {
    type Event = SenderEvent;

    /// They say little, and lines only, while they take data.
    fn handle_input(&mut self, now: Instant, bytes: &[u8]) -> Result<(), SessionError> {
        self.input.buffer.extend_from_slice(bytes);
        while self.stage != Stage::Over {
            match self.input.next_line() {
                Ok(Some(line)) => self.line(now, &line),
                Ok(None) => return Ok(()),
                Err(failure) => self.fail(failure),
            }
        }
        self.input.buffer.clear();
        Ok(())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), SessionError> {
        if self.stage == (Stage::Version { spoke: false }) && self.speak_at <= now {
            self.stage = Stage::Version { spoke: true };
            self.output.push_back(VERSION.into());
        }
        if self.stage != Stage::Over && self.deadline <= now {
            self.output.push_back(Bye::TimedOut.line().into());
            self.fail(StreamFailure::TimedOut);
        }
        Ok(())
    }

    fn poll_output(&mut self) -> Option<Vec<u8>> {
        self.output.pop_front()
    }

    fn poll_event(&mut self) -> Option<SenderEvent> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Over => None,
            Stage::Version { spoke: false } => Some(self.deadline.min(self.speak_at)),
            _ => Some(self.deadline),
        }
    }
}
