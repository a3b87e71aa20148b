//! How much one connection may ask: beyond it, it is read more slowly, and nobody else notices.

use std::time::Duration;

use tokio::time::Instant;

use crate::msn::command::{Acknowledge, ClientCommand};
use crate::msn::wire::DecodeError;

/// Commands that may come at once, and a second after that.
const BURST: u32 = 500;
const PER_SECOND: u32 = 200;
/// Packets of files that count as one command: nothing but copying is done with them.
const PACKETS: u32 = 10;

/// One connection's allowance.
#[derive(Debug)]
pub(super) struct Quota {
    /// When everything asked so far is paid for.
    paid_at: Instant,
}

impl Quota {
    pub(super) fn new() -> Self {
        Self { paid_at: Instant::now() }
    }

    /// Waits until one more command may be read.
    pub(super) async fn spend(&mut self, command: &Result<ClientCommand, DecodeError>) {
        let one = Duration::from_secs(1) / PER_SECOND;
        let is_packet = matches!(command, Ok(ClientCommand::Msg { acknowledge: Acknowledge::Data, .. }));
        let cost = if is_packet { one / PACKETS } else { one };
        self.paid_at = self.paid_at.max(Instant::now()) + cost;
        let ahead = one * BURST;
        if let Some(at) = self.paid_at.checked_sub(ahead).filter(|at| *at > Instant::now()) {
            tokio::time::sleep_until(at).await;
        }
    }
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
        let (trid, payload) = (TrId(1), bytes::Bytes::new());
        let packet = Ok(ClientCommand::Msg { trid, acknowledge: Acknowledge::Data, payload });
        for _ in 0..PER_SECOND * PACKETS {
            quota.spend(&packet).await;
        }
        assert_eq!(rested.elapsed().as_secs(), 1);
    }
}
