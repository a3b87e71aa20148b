//! The only loop that reads and writes MSN sockets: it drives any machine and decides nothing.
//!
//! Knows bytes and time-outs. Refuses to know what any machine means by them.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::connector::clock::{late, now};
use crate::connector::error::ConnectError;
use crate::connector::net::dial::Stream;
use crate::msn::session::Machine;

/// Bytes that may wait for a server that does not read; more, and the connection is given up.
const MAX_UNSENT: usize = 1024 * 1024;
/// Bytes that are read at once where much comes.
const WIDE: usize = 64 * 1024;

/// Reads and writes that go before what is due.
const MAX_LATE_READS: u32 = 64;

/// A machine and its socket.
pub(in crate::connector) struct Pump<M> {
    pub(in crate::connector) machine: M,
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    unsent: BytesMut,
    received: BytesMut,
    /// Why it ended; events that came before the end are still handed out first.
    ended: Option<ConnectError>,
    /// Turns since something became due.
    late_reads: u32,
}

impl<M: Machine> Pump<M> {
    pub(in crate::connector) fn new(machine: M, stream: Box<dyn Stream>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            machine,
            reader,
            writer,
            unsent: BytesMut::new(),
            received: BytesMut::with_capacity(4096),
            ended: None,
            late_reads: 0,
        }
    }

    /// For much data: more is read at once.
    pub(in crate::connector) fn wide(machine: M, stream: Box<dyn Stream>) -> Self {
        Self { received: BytesMut::with_capacity(WIDE), ..Self::new(machine, stream) }
    }

    /// Bytes that wait to be written.
    pub(in crate::connector) fn backlog(&mut self) -> usize {
        while let Some(bytes) = self.machine.poll_output() {
            self.unsent.extend_from_slice(&bytes);
        }
        self.unsent.len()
    }

    /// The next thing that happens. Cancelling this loses nothing.
    ///
    /// # Errors
    /// The connection or the machine has ended; what happened before that was given first.
    pub(in crate::connector) async fn next(&mut self) -> Result<M::Event, ConnectError> {
        loop {
            if let Some(event) = self.next_or_room(usize::MAX).await? {
                return Ok(event);
            }
        }
    }

    /// The same; also resolves, with nothing, when fewer than so many bytes wait to be written after more had waited.
    ///
    /// # Errors
    /// The same as of [`Pump::next`].
    pub(in crate::connector) async fn next_or_room(
        &mut self,
        most: usize,
    ) -> Result<Option<M::Event>, ConnectError> {
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

    /// Waits for the socket or the clock, once. Whoever drives this may have been busy: what has come is read before
    /// anything is said to be late, but a peer that goes on talking puts nothing off.
    async fn step(&mut self) -> Result<(), ConnectError> {
        if self.unsent.len() > MAX_UNSENT {
            return Err(ConnectError::Stuck);
        }
        let timeout = self.machine.poll_timeout();
        self.late_reads = if timeout.is_some_and(|at| at <= now()) { self.late_reads + 1 } else { 0 };
        if self.late_reads > MAX_LATE_READS {
            self.late_reads = 0;
            return Ok(self.machine.handle_timeout(now())?);
        }
        let Self { reader, writer, .. } = self;
        tokio::select! {
            biased;
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
            () = late(timeout) => self.machine.handle_timeout(now())?,
        }
        Ok(())
    }

    /// Writes what is left, for a moment, and closes.
    pub(in crate::connector) async fn close(mut self) {
        self.backlog();
        let last_words = async {
            self.writer.write_all_buf(&mut self.unsent).await?;
            self.writer.shutdown().await
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), last_words).await; // the peer may have gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msn::command::Acknowledge;
    use crate::msn::dialect::Dialect;
    use crate::msn::ids::{Cookie, Email};
    use crate::msn::message::Content;
    use crate::msn::session::{CallEvent, SwitchboardSession};

    /// A board on which a text is under way, whose driver was busy for longer than the acknowledgement may take.
    async fn neglected(said: &str) -> Pump<SwitchboardSession> {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let bob = vec![Email::parse("bob@example.com").unwrap()];
        let own = Email::parse("alice@example.com").unwrap();
        let machine = SwitchboardSession::call(now(), Dialect::Msnp11, own, Cookie::new("1"), bob);
        let mut pump = Pump::new(machine, Box::new(near));
        let joined = "USR 1 OK alice@example.com A\r\nCAL 2 RINGING 1\r\nJOI bob@example.com Bob 0\r\n";
        far.write_all(joined.as_bytes()).await.unwrap();
        while !matches!(pump.next().await, Ok(CallEvent::Joined { .. })) {}
        pump.machine.send(now(), Acknowledge::Always, Content::text("x", None).encode().into());
        far.write_all(said.as_bytes()).await.unwrap();
        tokio::time::advance(Duration::from_secs(15)).await;
        tokio::spawn(async move { tokio::io::copy(&mut far, &mut tokio::io::sink()).await });
        pump
    }

    #[tokio::test(start_paused = true)]
    async fn fault_29_an_acknowledgement_that_has_come_is_not_late_because_nobody_read_it() {
        let ping = |count| "MSG bob@example.com Bob 2\r\n\r\n".repeat(count);
        for said in ["ACK 3\r\n".to_owned(), ping(20) + "ACK 3\r\n"] {
            // What is chosen among several that are ready is chosen by chance.
            for _ in 0..20 {
                let mut pump = neglected(&said).await;
                let event = pump.next().await.unwrap();
                assert!(matches!(event, CallEvent::Delivered { .. }), "{event:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn fault_29_somebody_who_goes_on_talking_puts_nothing_off() {
        let mut pump = neglected("").await;
        let (near, mut far) = tokio::io::duplex(1);
        (pump.reader, _) = tokio::io::split(Box::new(near) as Box<dyn Stream>);
        // Never nothing to read.
        tokio::spawn(async move { while far.write_all(b"QNG 1\r\n").await.is_ok() {} });
        let event = pump.next().await.unwrap();
        assert!(matches!(event, CallEvent::Overdue(_)), "{event:?}");
    }
}
