//! Cuts a byte stream into frames. Limits are looked at before anything is kept, so a peer cannot choose how much
//! memory it takes, and payload bytes can never be read as commands (§1.1, §1.3).

use bytes::{Buf, Bytes, BytesMut};

use super::{Frame, FrameError, Verb};

/// Who sent the bytes: it decides which commands carry payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    FromClient,
    FromServer,
}

/// The longest line and payload that are read, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub line: usize,
    pub payload: usize,
}

impl Default for Limits {
    /// Lines hold at most an MSNObject and a name, below 4 KiB; the longest known payloads are mail notices and `NOT`.
    fn default() -> Self {
        Self { line: 8 * 1024, payload: 64 * 1024 }
    }
}

/// A stateful cutter: bytes in by [`Framer::push`], units out by [`Framer::next_frame`].
#[derive(Debug)]
pub struct Framer {
    direction: Direction,
    limits: Limits,
    buffer: BytesMut,
    /// How far the buffer is known to hold no line end: a long line is searched once, not once per read.
    searched: usize,
    /// A line whose payload is not complete yet.
    waiting: Option<(Frame, usize)>,
    /// The last line left its length out: what it is about may follow all the same.
    uncounted: bool,
    /// Errors may have payloads, from MSNP13 on.
    errors_have_payload: bool,
}

impl Framer {
    /// For one direction of one connection: the length of some commands stands only in one of both (§1.3).
    pub fn new(direction: Direction, limits: Limits) -> Self {
        Self {
            direction,
            limits,
            buffer: BytesMut::new(),
            searched: 0,
            waiting: None,
            uncounted: false,
            errors_have_payload: false,
        }
    }

    /// From here on an error with a third, numeric parameter has a payload of that length (§18.1).
    pub fn expect_error_payloads(&mut self) {
        self.errors_have_payload = true;
    }

    /// Adds received bytes. Call [`Framer::next_frame`] until it gives `None` before pushing more: what is buffered is
    /// then bounded by the limits plus one read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether the stream stands between two units: an end of file here is a clean one.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.waiting.is_none()
    }

    /// Bytes that were pushed and belong to no unit yet that was handed out.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole unit, `None` while more bytes are needed. After a fatal error the framer must be dropped.
    ///
    /// # Errors
    /// A bound is passed or a length is no number, which is fatal; or a line has no verb, which was skipped.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some((frame, length)) = self.waiting.take() {
                return Ok(self.take_payload(frame, length));
            }
            if self.uncounted && !self.skip_uncounted()? {
                return Ok(None);
            }
            let Some(line) = self.take_line()? else {
                self.rest();
                return Ok(None);
            };
            let text = String::from_utf8_lossy(&line);
            let mut tokens = text.split(' ').filter(|t| !t.is_empty());
            let Some(first) = tokens.next() else { continue };
            let Some(verb) = Verb::parse(first) else {
                return Err(FrameError::BadVerb { got: first.chars().take(40).collect() });
            };
            let mut frame = Frame { verb, args: tokens.map(str::to_owned).collect(), payload: None };
            match self.payload_length(&frame)? {
                None => {
                    self.uncounted = self.may_follow_uncounted(&frame);
                    return Ok(Some(frame));
                }
                Some(length) => {
                    frame.args.pop();
                    self.waiting = Some((frame, length));
                }
            }
        }
    }

    /// Nothing waits: most sessions are silent most of the time, and keep no room for what may come.
    fn rest(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > 0 {
            self.buffer = BytesMut::new();
        }
    }

    fn take_payload(&mut self, mut frame: Frame, length: usize) -> Option<Frame> {
        if self.buffer.len() < length {
            self.waiting = Some((frame, length));
            return None;
        }
        frame.payload = Some(self.buffer.split_to(length).freeze());
        Some(frame)
    }

    fn may_follow_uncounted(&self, frame: &Frame) -> bool {
        self.direction == Direction::FromServer && matches!(frame.verb.as_str(), "UBX" | "UUX" | "GCF")
    }

    /// Passes over a document that was sent without its length; no command begins as one does. False while its end is
    /// missing.
    fn skip_uncounted(&mut self) -> Result<bool, FrameError> {
        let Some(first) = self.buffer.first() else { return Ok(false) };
        if *first != b'<' {
            self.uncounted = false;
            return Ok(true);
        }
        match document_length(&self.buffer) {
            Some(length) => {
                self.buffer.advance(length);
                self.uncounted = false;
                Ok(true)
            }
            None if self.buffer.len() > self.limits.payload => {
                Err(FrameError::LineTooLong { limit: self.limits.payload })
            }
            None => Ok(false),
        }
    }

    /// The next line without its end; CR LF, and a bare LF (§1.1).
    fn take_line(&mut self) -> Result<Option<Bytes>, FrameError> {
        let too_long = FrameError::LineTooLong { limit: self.limits.line };
        let found = self.buffer[self.searched..].iter().position(|&b| b == b'\n');
        let Some(end) = found.map(|at| at + self.searched) else {
            self.searched = self.buffer.len();
            return if self.searched > self.limits.line { Err(too_long) } else { Ok(None) };
        };
        self.searched = 0;
        if end > self.limits.line {
            return Err(too_long);
        }
        let mut line = self.buffer.split_to(end).freeze();
        self.buffer.advance(1);
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        Ok(Some(line))
    }

    fn payload_length(&self, frame: &Frame) -> Result<Option<usize>, FrameError> {
        let verb = frame.verb;
        let last = frame.args.last().map_or("", String::as_str);
        let is_error = self.direction == Direction::FromServer && verb.error_number().is_some();
        let payload = match is_error && self.errors_have_payload && frame.args.len() > 1 {
            true => Payload::IfCounted,
            false => carries_payload(self.direction, verb.as_str(), &frame.args),
        };
        match payload {
            Payload::Never => return Ok(None),
            Payload::IfCounted if last.parse::<u64>().is_err() => return Ok(None),
            Payload::IfCounted | Payload::Always => {}
        }
        let digits = !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit());
        let length = digits.then(|| last.parse::<u64>().unwrap_or(u64::MAX));
        let Some(length) = length else {
            return Err(FrameError::BadLength { verb, got: last.chars().take(40).collect() });
        };
        match usize::try_from(length) {
            Ok(fits) if fits <= self.limits.payload => Ok(Some(fits)),
            _ => Err(FrameError::PayloadTooLong { verb, length, limit: self.limits.payload }),
        }
    }
}

/// Bytes of the document at the beginning, by the name of its root element.
fn document_length(bytes: &[u8]) -> Option<usize> {
    let name: Vec<u8> = bytes[1..].iter().copied().take_while(|byte| byte.is_ascii_alphanumeric()).collect();
    if bytes.len() == name.len() + 1 {
        return None;
    }
    let end = [&b"</"[..], &name, b">"].concat();
    let at = bytes.windows(end.len()).position(|window| window.eq_ignore_ascii_case(&end))?;
    Some(at + end.len())
}

enum Payload {
    Never,
    Always,
    /// Only when a length is given: later commands that must not desynchronise us, and forms that differ.
    IfCounted,
}

/// The table of §1.3. Replies are looked up by the name of the reply.
fn carries_payload(direction: Direction, verb: &str, args: &[String]) -> Payload {
    match (direction, verb) {
        (Direction::FromClient, "MSG" | "QRY" | "PAG" | "PGD" | "SDC" | "UUX" | "NOT") => Payload::Always,
        (Direction::FromClient, "UUN" | "UUM" | "FQY" | "SDG" | "NFY" | "PUT" | "DEL" | "VAS") => {
            Payload::IfCounted
        }
        (Direction::FromClient, "ADL" | "RML") if args.len() > 1 => Payload::IfCounted,
        (Direction::FromServer, "MSG") => Payload::Always,
        // Some servers leave the length out where there is nothing; a request's number alone is none.
        (Direction::FromServer, "UBX" | "UUX" | "GCF") if args.len() < 2 => Payload::Never,
        (Direction::FromServer, "NOT" | "IPG" | "UBX" | "GCF" | "UUX") => Payload::IfCounted,
        (Direction::FromServer, "ADL" | "RML" | "PUT") if args.len() > 1 => Payload::IfCounted,
        (Direction::FromServer, "UBN" | "UBM" | "FQY" | "SDG" | "NFY") => Payload::IfCounted,
        _ => Payload::Never,
    }
}

#[cfg(test)]
mod tests;
