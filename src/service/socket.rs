//! One client on a TCP socket: a reader that feeds the owner, a writer that empties its outbox.
//!
//! Knows bytes and how long a write may take. Refuses to know what they say.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use super::feed::{LIMITS, feed};
use super::ids::{ConnId, Door};
use super::input::Input;
use super::outgoing::{Carrier, Outlet, outbox};
use super::quota::Quota;
use crate::msn::command::Link;
use crate::msn::wire::{Direction, Framer};

/// Bytes that are written together.
const BATCH: usize = 64 * 1024;
/// How long a write may take: a peer that lets nothing through for so long keeps no socket.
const STALL: Duration = Duration::from_secs(120);
/// Serves a connection until either side ends it.
pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, door: Door, inputs: mpsc::Sender<Input>) {
    let _ = stream.set_nodelay(true); // only latency depends on it
    let (outbox, outlet) = outbox(Carrier::Socket);
    let (id, conn) = oneshot::channel();
    if inputs.send(Input::Connected { door, peer: Some(peer), outbox, id }).await.is_err() {
        return;
    }
    let Ok(conn) = conn.await else { return };
    let (reader, writer) = stream.into_split();
    let written = write(writer, outlet);
    let link = if door == Door::Switchboard { Link::Switchboard } else { Link::Notification };
    tokio::select! {
        () = read(reader, conn, link, inputs.clone()) => {}
        () = written => {}
    }
    let _ = inputs.send(Input::Disconnected(conn)).await; // the owner may have stopped
}

/// Hands on what the client says until it ends, or says what is not the protocol.
async fn read(
    mut reader: tokio::net::tcp::OwnedReadHalf,
    conn: ConnId,
    link: Link,
    inputs: mpsc::Sender<Input>,
) {
    let mut framer = Framer::new(Direction::FromClient, LIMITS);
    let mut buffer = BytesMut::with_capacity(4096);
    let mut quota = Quota::new();
    while reader.read_buf(&mut buffer).await.is_ok_and(|n| n > 0) {
        framer.push(&buffer);
        buffer.clear();
        if feed(&mut framer, conn, link, &inputs, &mut quota).await.is_err() {
            return;
        }
    }
}

/// Writes until the owner lets go, then flushes and closes.
async fn write(mut writer: tokio::net::tcp::OwnedWriteHalf, mut outlet: Outlet) {
    while let Some(first) = outlet.next().await {
        let mut batch = outlet.batch();
        batch.push(first);
        while batch.bytes.len() < BATCH
            && let Ok(unit) = outlet.try_next()
        {
            batch.push(unit);
        }
        let mut written = 0;
        while written < batch.bytes.len() {
            let some = writer.write(&batch.bytes[written..]);
            match tokio::time::timeout(STALL, some).await {
                Ok(Ok(count)) if count > 0 => written += count,
                _ => return,
            }
            batch.progressed();
        }
        batch.written();
    }
    let _ = writer.shutdown().await; // the peer may have gone first
}
