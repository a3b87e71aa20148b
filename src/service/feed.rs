//! Bytes of one connection into commands, as fast as its allowance lets them (§1.2).
//!
//! Knows frames and the quota. Refuses to know whether a socket, the gateway or a robot brought the bytes.

use tokio::sync::mpsc;

use super::ids::ConnId;
use super::input::Input;
use super::quota::Quota;
use crate::msn::command::{ClientCommand, Context, Link};
use crate::msn::dialect::Dialect;
use crate::msn::wire::{Framer, Limits};

/// The longest payload read: above what is relayed, so that the rule about it can be applied.
pub(super) const LIMITS: Limits = Limits { line: 8 * 1024, payload: 16 * 1024 };

/// The connection is over: what came is not the protocol, or the service has stopped.
pub(super) struct Broken;

/// Hands every whole command on, as fast as the connection's allowance lets it.
///
/// # Errors
/// [`Broken`] for bytes that are no frames, and while the service stops.
pub(super) async fn feed(
    framer: &mut Framer,
    conn: ConnId,
    link: Link,
    inputs: &mpsc::Sender<Input>,
    quota: &mut Quota,
) -> Result<(), Broken> {
    // A client's commands have the same form in every dialect.
    let context = Context { link, dialect: Dialect::Msnp12 };
    loop {
        let input = match framer.next_frame() {
            Ok(Some(frame)) => ClientCommand::decode(&frame, context),
            Ok(None) => return Ok(()),
            Err(error) if error.is_fatal() => {
                tracing::info!(conn = conn.0, %error, "closing a connection");
                return Err(Broken);
            }
            Err(_) => continue,
        };
        quota.spend(&input).await;
        inputs.send(Input::Command(conn, input)).await.map_err(|_| Broken)?;
    }
}
