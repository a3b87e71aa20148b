//! Leaving messages for those who are away.
//!
//! Knows runs, numbers and lock keys. Refuses to know who is away, and what becomes of words that are not taken.

use std::collections::HashMap;

use reqwest::{Client, Url};
use thiserror::Error;

use crate::connector::login::oim::{OimError, Tickets, post};

use crate::msn::challenge::Product;
use crate::msn::dialect::Dialect;
use crate::msn::ids::Email;
use crate::msn::oim::{Leaving, LeavingFailure, leave, leaving_result};
use crate::msn::sso::Domain;

/// Requests for one message: without a key, with one, and with another ticket.
const ATTEMPTS: usize = 3;
/// Most people whose runs are remembered.
const MAX_RUNS: usize = 1000;

/// Why a message was not left.
#[derive(Debug, Error)]
pub(in crate::connector) enum LeaveError {
    #[error("too many offline messages in a short time")]
    Throttled,
    #[error("they take no offline messages")]
    Unavailable,
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Failed(#[from] OimError),
}

/// What one session leaves.
pub(in crate::connector) struct Outbox {
    client: Client,
    url: Url,
    tickets: Tickets,
    product: Product,
    lock_key: String,
    /// A run and its last number, for each receiver.
    runs: HashMap<String, (String, u32)>,
}

impl Outbox {
    /// No runs yet, and no lock key: the first refusal brings the challenge for one. `None` where no product is known.
    pub(in crate::connector) fn new(
        client: Client,
        url: Url,
        tickets: Tickets,
        product: Option<Product>,
    ) -> Option<Self> {
        let product = product.or_else(|| Product::published("PROD0112J1LW7%NB", Dialect::Msnp11))?;
        Some(Self { client, url, tickets, product, lock_key: String::new(), runs: HashMap::new() })
    }

    /// Leaves one message.
    ///
    /// # Errors
    /// The server did not take it.
    pub(in crate::connector) async fn leave(
        &mut self,
        from: &Email,
        name: &str,
        to: &Email,
        text: &str,
    ) -> Result<(), LeaveError> {
        let (run, sequence) = self.next(to);
        let mut ticket = self.tickets.current(Domain::Leaving).await?;
        for _ in 0..ATTEMPTS {
            let leaving = Leaving {
                from,
                name,
                to,
                text,
                ticket: &ticket,
                product: &self.product,
                lock_key: &self.lock_key,
                run: &run,
                sequence,
            };
            let answer = post(&self.client, &self.url, &leave(&leaving)).await?;
            match leaving_result(&answer, &self.product) {
                Ok(()) => return Ok(()),
                Err(LeavingFailure::LockKey(key)) if key != self.lock_key => self.lock_key = key,
                Err(LeavingFailure::LockKey(_) | LeavingFailure::Ticket) => {
                    ticket = self.tickets.renew(Domain::Leaving).await?
                }
                Err(LeavingFailure::Throttled) => return Err(LeaveError::Throttled),
                Err(LeavingFailure::Unavailable) => return Err(LeaveError::Unavailable),
                Err(LeavingFailure::Refused(reason)) => return Err(LeaveError::Refused(reason)),
            }
        }
        Err(LeaveError::Refused(
            "the server of offline messages does not accept our answer to its challenge".into(),
        ))
    }

    fn next(&mut self, to: &Email) -> (String, u32) {
        if self.runs.len() >= MAX_RUNS {
            self.runs.clear();
        }
        let (run, sequence) = self.runs.entry(to.to_key()).or_insert_with(|| (guid(), 0));
        *sequence += 1;
        (run.clone(), *sequence)
    }
}

fn guid() -> String {
    let digits = format!("{:032X}", rand::random::<u128>());
    format!(
        "{{{}-{}-{}-{}-{}}}",
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_09_a_run_is_named_by_a_guid() {
        let guid = guid();
        let lengths: Vec<usize> = guid.trim_matches(['{', '}']).split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12], "{guid}");
    }
}
