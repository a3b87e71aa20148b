//! MSNFTP: the stream by which clients without peer-to-peer transfers send a file (§8.5).
//!
//! Knows lines, frames, and what either side may say next. Refuses to know how the two met ([`super::message::Invitation`]
//! does) and where data come from or go to. What goes wrong is an event: the stream is of no use after it.

mod receiver;
mod sender;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::{Bytes, BytesMut};

pub use receiver::{FileReceiver, ReceiverEvent};
pub use sender::{FileSender, SenderEvent};

/// How long the other side may think about a line.
const STEP: Duration = Duration::from_secs(30);
/// How long data may stand still.
const STALLED: Duration = Duration::from_secs(60);
/// Bytes of a line; the longest known has about 150.
const MAX_LINE: usize = 512;
/// Bytes before the data of a frame: what it is, and how many, the lower byte first.
const HEAD: usize = 3;
/// Most data of a frame that is sent: with its head it has 2048 bytes.
pub const MAX_FRAME: usize = 2045;
const DATA: u8 = 0;
const VERSION: &str = "VER MSNFTP\r\n";

/// How a side says that it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bye {
    Sent,
    Received,
    NoSpace,
    ReceiverCancelled,
    SenderCancelled,
    TimedOut,
    Other(u32),
}

impl Bye {
    const ALL: [(Self, u32); 6] = [
        (Self::Sent, 16_777_987),
        (Self::Received, 16_777_989),
        (Self::NoSpace, 2_147_942_405),
        (Self::ReceiverCancelled, 2_164_261_682),
        (Self::SenderCancelled, 2_164_261_683),
        (Self::TimedOut, 2_164_261_694),
    ];

    fn parse(code: &str) -> Self {
        let number = code.trim().parse().unwrap_or(0);
        let known = Self::ALL.into_iter().find(|(_, known)| *known == number);
        known.map_or(Self::Other(number), |(bye, _)| bye)
    }

    pub fn code(self) -> u32 {
        match self {
            Self::Other(code) => code,
            known => Self::ALL.into_iter().find(|(bye, _)| *bye == known).map_or(0, |(_, code)| code),
        }
    }

    fn line(self) -> String {
        format!("BYE {}\r\n", self.code())
    }
}

/// Why a file did not come through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFailure {
    Cancelled,
    NoSpace,
    TimedOut,
    /// Somebody else than was invited.
    Stranger,
    /// Other words, or other data, than belong here.
    Malformed,
    /// They ended it, with this code.
    Ended(u32),
}

impl StreamFailure {
    /// A reason for somebody who does not know the protocol; `they` are the other side.
    pub fn meaning(self) -> String {
        match self {
            Self::Cancelled => "they cancelled it".into(),
            Self::NoSpace => "there is no room for it on their disk".into(),
            Self::TimedOut => "nothing was heard of them for too long".into(),
            Self::Stranger => "somebody else answered in their place".into(),
            Self::Malformed => "their client sent something else".into(),
            Self::Ended(code) => format!("their client ended it (code {code})"),
        }
    }
}

/// What the bye of a receiver says of a file.
fn outcome(bye: Bye) -> Result<(), StreamFailure> {
    match bye {
        Bye::Received | Bye::Sent => Ok(()),
        Bye::NoSpace => Err(StreamFailure::NoSpace),
        Bye::ReceiverCancelled | Bye::SenderCancelled => Err(StreamFailure::Cancelled),
        Bye::TimedOut => Err(StreamFailure::TimedOut),
        Bye::Other(code) => Err(StreamFailure::Ended(code)),
    }
}

/// What stands in the stream as text, taken out a line at a time.
#[derive(Debug, Default)]
struct Lines {
    buffer: BytesMut,
}

impl Lines {
    /// The next whole line without its end; an error for one that is too long.
    fn next_line(&mut self) -> Result<Option<String>, StreamFailure> {
        match self.buffer.iter().take(MAX_LINE).position(|byte| *byte == b'\n') {
            Some(at) => {
                let line = self.buffer.split_to(at + 1);
                Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
            }
            None if self.buffer.len() >= MAX_LINE => Err(StreamFailure::Malformed),
            None => Ok(None),
        }
    }

    fn take(&mut self, most: usize) -> Bytes {
        let length = self.buffer.len().min(most);
        self.buffer.split_to(length).freeze()
    }
}

/// `VER MSNFTP`, perhaps with other versions beside it.
fn is_version(words: &[&str]) -> bool {
    words.first() == Some(&"VER") && words.iter().any(|word| word.eq_ignore_ascii_case("MSNFTP"))
}
