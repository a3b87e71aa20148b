//! What a connection is sent: how much of it may wait, and how whoever sent it learns that it was written.
//!
//! What waits is counted in bytes and by time, never in units: a sign-in with long lists brings more units at once than a
//! client that does not read would ever be allowed. A connection is given up when much waits and nothing was written for
//! a while, and when what waits is more than any sign-in brings.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::effect::answer;
use crate::msn::command::{Acknowledge, ServerCommand};
use crate::msn::dialect::Dialect;
use crate::msn::ids::TrId;

/// Bytes that may wait however long nothing is written.
const SOME: usize = 256 * 1024;
/// With more than that waiting, a connection to which nothing was written for so long does not read.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes that may wait at all: more than the lists and contacts of any account make at once.
const MOST: usize = 16 * 1024 * 1024;
/// A socket with more than that waiting has a backlog.
const BACKLOG: usize = 16 * 1024;
/// Bytes that may wait before packets of files are refused: they never fill what words need.
const PACKET_ROOM: usize = 512 * 1024;
/// What a unit takes besides its bytes.
const OVERHEAD: usize = 64;

/// Some units for one connection.
pub(super) struct Outgoing {
    pub(super) bytes: Bytes,
    /// Signed once it is written.
    pub(super) receipt: Option<Receipt>,
}

impl Outgoing {
    /// Bytes that it counts for while it waits.
    fn cost(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }
}

/// How much waits for a connection, and since when nothing of it was written.
#[derive(Debug)]
struct Load {
    waiting: usize,
    since: Instant,
}

impl Load {
    /// Takes one more unit, unless the connection does not read.
    fn add(&mut self, cost: usize, now: Instant) -> Result<(), Stuck> {
        if self.waiting == 0 {
            self.since = now;
        }
        let silent = self.waiting > SOME && now.saturating_duration_since(self.since) >= WRITE_TIMEOUT;
        if silent || self.waiting + cost > MOST {
            return Err(Stuck);
        }
        self.waiting += cost;
        Ok(())
    }
}

/// Both ends of an outbox and its batches know the same load.
type SharedLoad = Arc<Mutex<Load>>;

fn lock(load: &SharedLoad) -> MutexGuard<'_, Load> {
    // Nothing that holds the lock panics.
    load.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The connection does not read what it is sent.
#[derive(Debug, PartialEq)]
pub(super) struct Stuck;

/// What carries units to a connection's client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// Words have arrived when they are written; behind a backlog, when the service has them: a client on a slow line
    /// that is sent a file takes longer than any sender waits.
    Socket,
    /// Words have arrived when they are written: nobody knows whether a client behind the gateway will ask for them.
    Gateway,
}

/// Where the service puts what a connection is sent.
pub(super) struct Outbox {
    carrier: Carrier,
    queue: mpsc::UnboundedSender<Outgoing>,
    load: SharedLoad,
}

/// Its other end: where the connection's writer takes it from.
pub(super) struct Outlet {
    queue: mpsc::UnboundedReceiver<Outgoing>,
    load: SharedLoad,
}

/// Both ends for a new connection. The channel counts nothing; the load that both share bounds it.
pub(super) fn outbox(carrier: Carrier) -> (Outbox, Outlet) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let load = Arc::new(Mutex::new(Load { waiting: 0, since: Instant::now() }));
    (Outbox { carrier, queue: sender, load: load.clone() }, Outlet { queue: receiver, load })
}

impl Outbox {
    /// Puts one command behind the others.
    ///
    /// # Errors
    /// [`Stuck`] for a connection that does not read, or has 16 MiB waiting.
    pub(super) fn push(
        &self,
        dialect: Dialect,
        command: &ServerCommand,
        receipt: Option<Receipt>,
    ) -> Result<(), Stuck> {
        put(&self.queue, &self.load, Outgoing { bytes: command.encode(dialect).into(), receipt })
    }

    /// Puts words behind the others.
    ///
    /// # Errors
    /// [`Stuck`], as for any command; the receipt is dropped unsigned then.
    pub(super) fn push_words(
        &self,
        dialect: Dialect,
        command: &ServerCommand,
        receipt: Receipt,
    ) -> Result<(), Stuck> {
        if self.carrier == Carrier::Gateway || lock(&self.load).waiting <= BACKLOG {
            return self.push(dialect, command, Some(receipt));
        }
        self.push(dialect, command, None)?;
        receipt.sign();
        Ok(())
    }

    /// Whether a packet of a file may be put behind what waits.
    pub(super) fn has_room_for_packets(&self) -> bool {
        lock(&self.load).waiting < PACKET_ROOM
    }
}

/// Counts a unit, then puts it behind the others.
fn put(queue: &mpsc::UnboundedSender<Outgoing>, load: &SharedLoad, unit: Outgoing) -> Result<(), Stuck> {
    lock(load).add(unit.cost(), Instant::now())?;
    // A writer that has gone is noticed by who reads the same connection.
    let _ = queue.send(unit);
    Ok(())
}

impl Outlet {
    /// The next unit, `None` once the service has let go of the connection.
    pub(super) async fn next(&mut self) -> Option<Outgoing> {
        self.queue.recv().await
    }

    /// The next unit if one waits; the error says whether one can still come.
    ///
    /// # Errors
    /// `Empty` while more can come, `Disconnected` once the service has let go of the connection.
    pub(super) fn try_next(&mut self) -> Result<Outgoing, mpsc::error::TryRecvError> {
        self.queue.try_recv()
    }

    /// What is taken together and written together.
    pub(super) fn batch(&self) -> Batch {
        Batch { bytes: Vec::new(), receipts: Vec::new(), cost: 0, load: self.load.clone() }
    }
}

/// Units that are being written. Dropped before they are, they did not arrive.
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    receipts: Vec<Receipt>,
    cost: usize,
    load: SharedLoad,
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl Batch {
    /// Takes a unit into what is written together; it counts as waiting until the batch is gone.
    pub(super) fn push(&mut self, unit: Outgoing) {
        self.cost += unit.cost();
        self.bytes.extend_from_slice(&unit.bytes);
        self.receipts.extend(unit.receipt);
    }

    /// Some of it was written: the connection reads.
    pub(super) fn progressed(&self) {
        lock(&self.load).since = Instant::now();
    }

    /// All of it was written.
    pub(super) fn written(mut self) {
        self.progressed();
        self.receipts.drain(..).for_each(Receipt::sign);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let mut load = lock(&self.load);
        load.waiting = load.waiting.saturating_sub(self.cost);
    }
}

/// Whoever sent something waits for it to arrive everywhere.
struct Sender {
    /// Does not keep the connection of a sender who has gone.
    queue: mpsc::WeakUnboundedSender<Outgoing>,
    load: SharedLoad,
    dialect: Dialect,
    trid: TrId,
    wanted: Acknowledge,
    missed: AtomicBool,
}

impl Drop for Sender {
    fn drop(&mut self) {
        let answer = answer(self.trid, self.wanted, !self.missed.load(Ordering::Relaxed));
        if let (Some(answer), Some(queue)) = (answer, self.queue.upgrade()) {
            let bytes = answer.encode(self.dialect).into();
            // A sender that does not read its own answers goes without.
            let _ = put(&queue, &self.load, Outgoing { bytes, receipt: None });
        }
    }
}

/// One receiver's part of it. Dropped unsigned, it did not arrive.
pub(super) struct Receipt {
    sender: Arc<Sender>,
    signed: bool,
}

impl Receipt {
    /// One for each of so many receivers; the answer goes to `outbox` when the last of them is dropped.
    pub(super) fn for_each(
        count: usize,
        outbox: &Outbox,
        dialect: Dialect,
        trid: TrId,
        wanted: Acknowledge,
    ) -> impl Iterator<Item = Self> + use<> {
        let (queue, load) = (outbox.queue.downgrade(), outbox.load.clone());
        let sender = Sender { queue, load, dialect, trid, wanted, missed: AtomicBool::new(false) };
        std::iter::repeat_n(Arc::new(sender), count).map(|sender| Self { sender, signed: false })
    }

    /// It arrived.
    pub(super) fn sign(mut self) {
        self.signed = true;
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.signed {
            self.sender.missed.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(outlet: &mut Outlet) -> Vec<String> {
        let text = |unit: Outgoing| String::from_utf8(unit.bytes.to_vec()).unwrap();
        std::iter::from_fn(|| outlet.try_next().ok()).map(text).collect()
    }

    /// What the sender hears when these receivers have it or not.
    fn answers(wanted: Acknowledge, signed: &[bool]) -> Vec<String> {
        let (outbox, mut outlet) = outbox(Carrier::Socket);
        let receipts = Receipt::for_each(signed.len(), &outbox, Dialect::Msnp11, TrId(7), wanted);
        let mut held: Vec<Receipt> = receipts.collect();
        for signed in signed {
            assert!(outlet.try_next().is_err(), "not before all have it");
            let receipt = held.remove(0);
            if *signed { receipt.sign() } else { drop(receipt) }
        }
        units(&mut outlet)
    }

    #[test]
    fn a_sender_hears_once_when_all_have_it_or_one_has_not() {
        for wanted in [Acknowledge::Data, Acknowledge::Always] {
            assert_eq!(answers(wanted, &[true]), ["ACK 7\r\n"]);
            assert_eq!(answers(wanted, &[true, true, true]), ["ACK 7\r\n"]);
            assert_eq!(answers(wanted, &[true, false, true]), ["NAK 7\r\n"]);
        }
        assert_eq!(answers(Acknowledge::OnFailure, &[true, true]), [""; 0]);
        assert_eq!(answers(Acknowledge::OnFailure, &[true, false]), ["NAK 7\r\n"]);
    }

    fn text(length: usize) -> ServerCommand {
        let name = crate::msn::wire::UrlText::from_wire("a");
        ServerCommand::Msg { sender: "a@b.c".into(), name, payload: vec![b'x'; length].into() }
    }

    fn fill(outbox: &Outbox, bytes: usize, each: usize) -> Result<(), Stuck> {
        (0..bytes / each).try_for_each(|_| outbox.push(Dialect::Msnp11, &text(each), None))
    }

    #[tokio::test(start_paused = true)]
    async fn fault_38_what_waits_is_counted_in_bytes_and_by_time_and_not_in_units() {
        // A sign-in: thousands of units and some megabytes in one moment, long before anything can be written.
        let (full, mut outlet) = outbox(Carrier::Socket);
        assert_eq!(fill(&full, 3 * 1024 * 1024, 300), Ok(()));
        // It is written slowly, and more comes all the while: a reader is a reader.
        for _ in 0..6 {
            tokio::time::advance(WRITE_TIMEOUT - Duration::from_secs(1)).await;
            let mut batch = outlet.batch();
            batch.push(outlet.try_next().unwrap());
            batch.written();
            assert_eq!(full.push(Dialect::Msnp11, &text(300), None), Ok(()));
        }
        // Nothing is written for a while: it does not read.
        tokio::time::advance(WRITE_TIMEOUT).await;
        assert_eq!(full.push(Dialect::Msnp11, &text(300), None), Err(Stuck));

        // A little may wait for ever: somebody whose machine sleeps is sent a word now and then.
        let (quiet, _outlet) = outbox(Carrier::Socket);
        for _ in 0..20 {
            assert_eq!(quiet.push(Dialect::Msnp11, &text(1000), None), Ok(()));
            tokio::time::advance(WRITE_TIMEOUT).await;
        }
        // And there is an end to what is kept, in units of any size.
        for each in [1, 1600] {
            let (endless, _outlet) = outbox(Carrier::Socket);
            assert_eq!(fill(&endless, 2 * MOST, each), Err(Stuck));
        }
    }

    /// Somebody is sent words: what their sender hears before they are written, and when they are written or not.
    fn relayed(carrier: Carrier, backlog: usize, is_written: bool) -> (Vec<String>, Vec<String>) {
        let (sender, mut answers) = outbox(Carrier::Socket);
        let (receiver, mut outlet) = outbox(carrier);
        fill(&receiver, backlog, 1024).unwrap();
        let mut receipts = Receipt::for_each(1, &sender, Dialect::Msnp11, TrId(7), Acknowledge::Always);
        receiver.push_words(Dialect::Msnp11, &text(5), receipts.next().unwrap()).unwrap();
        let before = units(&mut answers);
        let mut batch = outlet.batch();
        while let Ok(unit) = outlet.try_next() {
            batch.push(unit);
        }
        if is_written {
            batch.written()
        } else {
            drop(batch)
        }
        (before, units(&mut answers))
    }

    #[test]
    fn fault_01_words_have_arrived_when_they_are_written_or_wait_behind_a_backlog_of_a_socket() {
        let (nothing, ack, nak) = (vec![], vec!["ACK 7\r\n".to_owned()], vec!["NAK 7\r\n".to_owned()]);
        for carrier in [Carrier::Socket, Carrier::Gateway] {
            for backlog in [0, BACKLOG / 2] {
                assert_eq!(relayed(carrier, backlog, true), (nothing.clone(), ack.clone()), "{carrier:?}");
                assert_eq!(relayed(carrier, backlog, false), (nothing.clone(), nak.clone()), "{carrier:?}");
            }
        }
        assert_eq!(relayed(Carrier::Socket, 2 * BACKLOG, true), (ack.clone(), nothing.clone()));
        assert_eq!(relayed(Carrier::Gateway, 2 * BACKLOG, true), (nothing, ack));
    }

    #[tokio::test(start_paused = true)]
    async fn packets_leave_room_for_words_and_what_is_written_makes_room() {
        let (outbox, mut outlet) = outbox(Carrier::Socket);
        assert!(outbox.has_room_for_packets());
        fill(&outbox, PACKET_ROOM, 1400).unwrap();
        assert!(!outbox.has_room_for_packets());
        assert_eq!(outbox.push(Dialect::Msnp11, &text(1400), None), Ok(()));
        let mut batch = outlet.batch();
        while let Ok(unit) = outlet.try_next() {
            batch.push(unit);
        }
        assert!(!outbox.has_room_for_packets(), "taken is not yet written");
        batch.written();
        assert!(outbox.has_room_for_packets());
    }
}
