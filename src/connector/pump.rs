//! The only loop that reads and writes MSN sockets: it drives any machine and decides nothing.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::Instant;

use super::ConnectError;
use super::dial::Stream;
use crate::msn::session::Machine;

/// Bytes that may wait for a server that does not read; more, and the connection is given up.
const MAX_UNSENT: usize = 1024 * 1024;
/// Bytes that are read at once where much comes.
const WIDE: usize = 64 * 1024;

/// A machine and its socket.
pub(super) struct Pump<M> {
    pub(super) machine: M,
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    unsent: BytesMut,
    received: BytesMut,
    /// Why it ended; events that came before the end are still handed out first.
    ended: Option<ConnectError>,
}

pub(super) fn now() -> std::time::Instant {
    Instant::now().into_std()
}

impl<M: Machine> Pump<M> {
    pub(super) fn new(machine: M, stream: Box<dyn Stream>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            machine,
            reader,
            writer,
            unsent: BytesMut::new(),
            received: BytesMut::with_capacity(4096),
            ended: None,
        }
    }

    /// For much data: more is read at once.
    pub(super) fn wide(machine: M, stream: Box<dyn Stream>) -> Self {
        Self { received: BytesMut::with_capacity(WIDE), ..Self::new(machine, stream) }
    }

    /// Bytes that wait to be written.
    pub(super) fn backlog(&mut self) -> usize {
        while let Some(bytes) = self.machine.poll_output() {
            self.unsent.extend_from_slice(&bytes);
        }
        self.unsent.len()
    }

    /// The next thing that happens. Cancelling this loses nothing.
    pub(super) async fn next(&mut self) -> Result<M::Event, ConnectError> {
        loop {
            if let Some(event) = self.next_or_room(usize::MAX).await? {
                return Ok(event);
            }
        }
    }

    /// The same; also resolves, with nothing, when fewer than so many bytes wait to be written after more had waited.
    pub(super) async fn next_or_room(&mut self, most: usize) -> Result<Option<M::Event>, ConnectError> {
        let was_full = self.backlog() >= most;
        loop {
            let backlog = self.backlog();
            if let Some(event) = self.machine.poll_event() {
                return Ok(Some(event));
            }
            if let Some(ended) = self.ended.take() {
                return Err(ended);
            }
            if was_full && backlog < most {
                return Ok(None);
            }
            if let Err(error) = self.step().await {
                self.ended = Some(error);
            }
        }
    }

    /// Waits for the socket or the clock, once.
    async fn step(&mut self) -> Result<(), ConnectError> {
        if self.unsent.len() > MAX_UNSENT {
            return Err(ConnectError::Stuck);
        }
        let Self { reader, writer, .. } = self;
        let timeout = self.machine.poll_timeout();
        tokio::select! {
            written = writer.write_buf(&mut self.unsent), if self.unsent.has_remaining() => {
                written?;
            }
            read = reader.read_buf(&mut self.received) => {
                if read? == 0 {
                    return Err(ConnectError::Closed);
                }
                self.machine.handle_input(now(), &self.received)?;
                self.received.clear();
            }
            () = until(timeout) => self.machine.handle_timeout(now())?,
        }
        Ok(())
    }

    /// Writes what is left, for a moment, and closes.
    pub(super) async fn close(mut self) {
        self.backlog();
        let last_words = async {
            self.writer.write_all_buf(&mut self.unsent).await?;
            self.writer.shutdown().await
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), last_words).await; // the peer may have gone
    }
}

async fn until(at: Option<std::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
