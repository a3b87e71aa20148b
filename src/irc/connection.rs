//! One connection to a server: whole messages in, commands out.
//!
//! Knows lines, their longest length and their charset. Refuses to know what is said. Both halves can be dropped in the
//! middle of a wait and lose nothing. Source: RFC 2812, section 2.3; IRCv3 message-tags for the length.

mod dial;
mod tls;

use std::io;

use bytes::{Buf, BytesMut};
use encoding_rs::Encoding;
use irc::proto::{Command, Message};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

pub(super) use dial::{Opened, dial};
pub use tls::{ClientCertificate, Fingerprint, Tls, TlsSettings};

/// The longest line with its tags; what is longer is skipped to its end.
const MAX_LINE: usize = 8_191 + 512;
/// What may wait for a server that does not read.
const MAX_UNSENT: usize = 256 * 1024;

/// Anything that bytes go through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Splits an open way into the two halves of a connection. `charset` is for lines that are no UTF-8.
pub(super) fn halves(stream: Box<dyn Stream>, charset: &'static Encoding) -> (Reader, Writer) {
    let (read, write) = tokio::io::split(stream);
    let reader = Reader { half: read, buffer: BytesMut::new(), scanned: 0, skips: false, charset };
    (reader, Writer { half: write, buffer: BytesMut::new(), is_dirty: false })
}

/// The half that the server speaks on.
pub(super) struct Reader {
    half: ReadHalf<Box<dyn Stream>>,
    buffer: BytesMut,
    /// Bytes of the buffer that hold no line end.
    scanned: usize,
    /// In the middle of a line that is too long.
    skips: bool,
    charset: &'static Encoding,
}

impl Reader {
    /// The next message; `None` when the server has closed the connection. Lines that are no message are passed over.
    ///
    /// # Errors
    /// The connection is broken.
    pub(super) async fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            while let Some(line) = self.line() {
                match line.parse() {
                    Ok(message) => return Ok(Some(message)),
                    Err(_) if line.is_empty() => {}
                    Err(error) => tracing::debug!(%error, "a line of the IRC server was not understood"),
                }
            }
            if self.half.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// The next whole line in the buffer.
    fn line(&mut self) -> Option<String> {
        loop {
            let Some(end) = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n') else {
                self.scanned = self.buffer.len();
                if self.scanned > MAX_LINE {
                    self.skips = true;
                    self.buffer.clear();
                    self.scanned = 0;
                }
                return None;
            };
            let line = self.buffer.split_to(self.scanned + end);
            self.buffer.advance(1);
            self.scanned = 0;
            if !std::mem::take(&mut self.skips) && line.len() <= MAX_LINE {
                return Some(text(&line, self.charset).trim_end_matches('\r').replace('\0', ""));
            }
        }
    }
}

/// UTF-8, else what the network speaks.
fn text(line: &[u8], charset: &'static Encoding) -> String {
    match std::str::from_utf8(line) {
        Ok(text) => text.to_owned(),
        Err(_) => charset.decode_without_bom_handling(line).0.into_owned(),
    }
}

/// The half that we speak on.
pub(super) struct Writer {
    half: WriteHalf<Box<dyn Stream>>,
    buffer: BytesMut,
    /// Whether something was written and not flushed.
    is_dirty: bool,
}

impl Writer {
    /// Queues a command; [`Writer::drive`] writes it.
    pub(super) fn send(&mut self, command: &Command) {
        self.send_line(&String::from(command));
    }

    /// Queues a line as it is, its line ends taken out.
    pub(super) fn send_line(&mut self, line: &str) {
        self.buffer.extend(line.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)));
        self.buffer.extend_from_slice(b"\r\n");
    }

    /// Whether [`Writer::drive`] has something to do.
    pub(super) fn has_work(&self) -> bool {
        self.is_dirty || !self.buffer.is_empty()
    }

    /// Writes what is queued.
    ///
    /// # Errors
    /// The connection is broken, or the server does not read.
    pub(super) async fn drive(&mut self) -> io::Result<()> {
        if self.buffer.len() > MAX_UNSENT {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not read"));
        }
        while !self.buffer.is_empty() {
            self.is_dirty = true;
            self.half.write_buf(&mut self.buffer).await?;
        }
        self.half.flush().await?;
        self.is_dirty = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Vec<String> {
        let (mut theirs, ours) = tokio::io::duplex(64);
        let (mut reader, _writer) = halves(Box::new(ours), encoding_rs::WINDOWS_1252);
        let bytes = bytes.to_vec();
        let written = tokio::spawn(async move { theirs.write_all(&bytes).await });
        let mut texts = Vec::new();
        while let Some(message) = reader.next().await.unwrap() {
            let Command::PRIVMSG(_, text) = message.command else { continue };
            texts.push(text);
        }
        written.await.unwrap().unwrap();
        texts
    }

    #[tokio::test]
    async fn a_line_that_is_no_utf8_is_read_in_the_networks_charset() {
        let read = read(b":a!b@c PRIVMSG #x :caf\xe9 \x80\r\n:a!b@c PRIVMSG #x :caf\xc3\xa9\n").await;
        assert_eq!(read, ["café €", "café"]);
    }

    #[tokio::test]
    async fn a_line_without_an_end_takes_no_memory_and_what_follows_is_read() {
        let mut bytes = vec![b'x'; 300_000];
        bytes.extend_from_slice(b"\r\n\r\n:odd\r\n:a!b@c PRIVMSG #x :still here\r\n");
        assert_eq!(read(&bytes).await, ["still here"]);
    }

    #[tokio::test]
    async fn no_line_end_leaves_inside_of_a_command() {
        let (mut theirs, ours) = tokio::io::duplex(1_024);
        let (_reader, mut writer) = halves(Box::new(ours), encoding_rs::WINDOWS_1252);
        writer.send(&Command::PRIVMSG("#x".into(), "a\r\nQUIT\0".into()));
        writer.drive().await.unwrap();
        drop((_reader, writer));
        let mut all = String::new();
        theirs.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "PRIVMSG #x aQUIT\r\n");
    }
}
