//! The task that owns the rules: it takes inputs one by one and hands their effects to the connections' outboxes.
//!
//! Knows the clock and the outboxes. Refuses to know sockets, and every rule of the protocol.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::effect::Effect;
use super::ids::ConnId;
use super::input::Input;
use super::outgoing::{Outbox, Receipt, Stuck};
use super::world::World;
use crate::msn::command::Acknowledge;

/// Applies the rules until the service stops, then tells every session of it.
pub(super) async fn own(mut world: World, mut mailbox: mpsc::Receiver<Input>, cancel: CancellationToken) {
    let mut outboxes: HashMap<ConnId, Outbox> = HashMap::new();
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            input = mailbox.recv() => match input {
                Some(input) => handle(&mut world, &mut outboxes, input),
                None => break,
            },
            _ = clock.tick() => world.tick(now()),
            () = cancel.cancelled() => {
                world.shut_down();
                perform(&mut world, &mut outboxes);
                break;
            }
        }
        perform(&mut world, &mut outboxes);
    }
}

/// The runtime's clock, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Lets the rules answer one input.
fn handle(world: &mut World, outboxes: &mut HashMap<ConnId, Outbox>, input: Input) {
    match input {
        Input::Connected { door, peer, outbox, id } => {
            let conn = world.connected(now(), door, peer);
            outboxes.insert(conn, outbox);
            let _ = id.send(conn); // the connection may be gone again
        }
        Input::Command(conn, command) => world.command(now(), conn, command),
        Input::Disconnected(conn) => {
            outboxes.remove(&conn);
            world.disconnected(conn);
        }
        Input::Ticket { sign_in, password, reply } => {
            let _ = reply.send(world.issue_ticket(now(), &sign_in, &password));
        }
        Input::Book { ticket, reply } => {
            let _ = reply.send(world.show_book(&ticket)); // whoever asked may have gone
        }
        Input::Store { request, reply } => {
            let _ = reply.send(world.store_offline(request)); // whoever asked may have gone
        }
        Input::Retrieve { ticket, retrieval, reply } => {
            let _ = reply.send(world.retrieve_offline(&ticket, retrieval)); // whoever asked may have gone
        }
    }
}

/// Hands effects to the writers. A connection that does not read what it is sent is closed.
fn perform(world: &mut World, outboxes: &mut HashMap<ConnId, Outbox>) {
    loop {
        let effects = world.take_effects();
        if effects.is_empty() {
            return;
        }
        for effect in effects {
            match effect {
                Effect::Send(conn, dialect, command) => {
                    let Some(outbox) = outboxes.get(&conn) else { continue };
                    let pushed = outbox.push(dialect, &command, None);
                    close_if_stuck(pushed, world, outboxes, conn);
                }
                Effect::Relay { to, message, sender: (conn, dialect), trid, wanted } => {
                    let Some(sender) = outboxes.get(&conn) else { continue };
                    let receipts = Receipt::for_each(to.len(), sender, dialect, trid, wanted);
                    let is_packet = wanted == Acknowledge::Data;
                    for ((conn, dialect), receipt) in to.into_iter().zip(receipts) {
                        let Some(outbox) = outboxes.get(&conn) else { continue };
                        if is_packet && !outbox.has_room_for_packets() {
                            // A sender of packets that are not read as fast hears that they did not arrive.
                            continue;
                        }
                        let pushed = if is_packet {
                            outbox.push(dialect, &message, Some(receipt))
                        } else {
                            outbox.push_words(dialect, &message, receipt)
                        };
                        close_if_stuck(pushed, world, outboxes, conn);
                    }
                }
                // Dropping it lets the writer finish what it has, then close.
                Effect::Close(conn) => drop(outboxes.remove(&conn)),
            }
        }
    }
}

/// Ends a connection whose client does not read what it is sent: what waits is bounded.
fn close_if_stuck(
    pushed: Result<(), Stuck>,
    world: &mut World,
    outboxes: &mut HashMap<ConnId, Outbox>,
    conn: ConnId,
) {
    if pushed.is_err() {
        tracing::info!(conn = conn.0, "closing a connection that does not read");
        outboxes.remove(&conn);
        world.disconnected(conn);
    }
}
