//! Somebody who reads slowly keeps their place in the MSN service, whatever others send them.

use crate::chat::ACCOUNTS;
use crate::support::files::{noise, packet, send};
use crate::support::msn::{Peer, text};
use crate::support::service::MsnService;

/// More than sockets and queues hold between two processes.
const PACKETS: u64 = 9_000;

#[tokio::test]
async fn packets_that_nobody_reads_are_refused_and_words_arrive() {
    let directory = tempfile::tempdir().unwrap();
    let service = MsnService::start(directory.path(), ACCOUNTS).await;
    let mut alice = Peer::sign_in(&service, "alice@example.com", "alice-pw").await;
    let mut bob = Peer::sign_in(&service, "bob@example.com", "bob-pw").await;
    let (mut bobs, mut alices) = tokio::join!(bob.call("alice@example.com"), alice.answer());
    for n in 0..PACKETS {
        send(&mut bobs, &packet(4711, 2000, n * 1202, PACKETS * 1202, 0x0100_0030, &noise(n, 1202))).await;
    }
    let last = send(&mut bobs, &packet(4711, 2000, 0, 1, 0x0100_0030, b"x")).await;
    // The end of what was sent is refused, not kept for ever; she is still there, and words have room.
    let refused = format!("NAK {last}");
    bobs.until(&refused, |unit| unit.line == refused).await;
    bobs.say(&text("are you there?")).await;
    alices.message("are you there?").await;
    let arrived = alices.kept("application/x-msnmsgrp2p");
    let confirmed = bobs.heard("ACK ");
    assert!(confirmed <= arrived && confirmed > 100, "{confirmed} confirmed of {arrived} that arrived");
    // She reads again, and is sent packets again.
    let next = format!("ACK {}", send(&mut bobs, &packet(4711, 2000, 0, 1, 0x0100_0030, b"x")).await);
    bobs.until(&next, |unit| unit.line == next).await;
}
