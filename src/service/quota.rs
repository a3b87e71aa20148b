//! How much one connection may ask: beyond it, it is read more slowly, and nobody else notices.
//!
//! Knows what a command costs. Refuses to drop or to refuse one.

use std::time::Duration;

use tokio::time::Instant;

use crate::msn::command::{Acknowledge, ClientCommand};
use crate::msn::wire::DecodeError;

/// Commands that may come at once, and a second after that.
const BURST: u32 = 500;
/// Commands a second, once the burst is used up.
const PER_SECOND: u32 = 200;
/// Packets of files that count as one command: nothing but copying is done with them.
const PACKETS: u32 = 10;
/// Packets that may come at once: fewer than may wait for the one who gets them.
const PACKET_BURST: u32 = 250;
/// Bytes in which the head of a packet's message stands.
const HEAD: usize = 256;

/// The content type of packets, in any case.
const PACKET: &[u8] = b"application/x-msnmsgrp2p";

/// One connection's allowance.
#[derive(Debug)]
pub(super) struct Quota {
    /// When everything asked so far is paid for.
    paid_at: Instant,
}

impl Quota {
    /// A whole burst.
    pub(super) fn new() -> Self {
        Self { paid_at: Instant::now() }
    }

    /// Waits until one more command may be read.
    pub(super) async fn spend(&mut self, command: &Result<ClientCommand, DecodeError>) {
        let one = Duration::from_secs(1) / PER_SECOND;
        let (cost, burst) = if is_packet(command) { (one / PACKETS, PACKET_BURST) } else { (one, BURST) };
        self.paid_at = self.paid_at.max(Instant::now()) + cost;
        let ahead = cost * burst;
        if let Some(at) = self.paid_at.checked_sub(ahead).filter(|at| *at > Instant::now()) {
            tokio::time::sleep_until(at).await;
        }
    }
}

/// Words that only ask to be acknowledged like a packet cost what words cost.
fn is_packet(command: &Result<ClientCommand, DecodeError>) -> bool {
    let Ok(ClientCommand::Msg { acknowledge: Acknowledge::Data, payload, .. }) = command else {
        return false;
    };
    let head = &payload[..payload.len().min(HEAD)];
    head.windows(PACKET.len()).any(|window| window.eq_ignore_ascii_case(PACKET))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msn::ids::TrId;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_read_at_once_and_what_follows_two_hundred_a_second() {
        let command = Ok(ClientCommand::Out);
        let (begun, mut quota) = (Instant::now(), Quota::new());
        for _ in 0..BURST {
            quota.spend(&command).await;
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        for _ in 0..PER_SECOND {
            quota.spend(&command).await;
        }
        assert_eq!(begun.elapsed().as_secs(), 1);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let rested = Instant::now();
        for _ in 0..BURST {
            quota.spend(&command).await;
        }
        assert_eq!(rested.elapsed(), Duration::ZERO);
        let message = |kind: &str| {
            let payload = format!("MIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n").into();
            Ok(ClientCommand::Msg { trid: TrId(1), acknowledge: Acknowledge::Data, payload })
        };
        let (begun, mut quota) = (Instant::now(), Quota::new());
        let packet = message("application/x-msnmsgrp2p");
        for _ in 0..PACKET_BURST + PER_SECOND * PACKETS {
            quota.spend(&packet).await;
        }
        assert_eq!(begun.elapsed().as_secs(), 1);
        // Words in the dress of a packet are words.
        let (begun, mut quota) = (Instant::now(), Quota::new());
        let words = message("text/plain");
        for _ in 0..BURST + PER_SECOND {
            quota.spend(&words).await;
        }
        assert_eq!(begun.elapsed().as_secs(), 1);
    }
}
