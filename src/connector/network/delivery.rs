//! Words on their way to a conversation: one board after another, until MSN confirms them or that cannot be.
//!
//! Knows what each failure allows: once more, once the session was tried, when they are back, or never. Refuses to know
//! how a call works, and what the core does with what cannot be delivered. Source: section 4 of the product's description.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::connector::config::OfflinePolicy;
use crate::connector::error::CallFailure;
use crate::connector::handle::{CallHandle, Confirmation, Message, Undelivered};
use crate::connector::login::command::LoginCommand;
use crate::connector::login::oim::LeaveError;
use crate::connector::network::MsnConnector;
use crate::connector::translate::group;

use crate::bridge::ids::PortalKey;
use crate::bridge::port::delivery::{Delivered, Delivery, DeliveryError};
use crate::msn::command::ErrorCode;
use crate::msn::ids::Email;
use crate::msn::session::InviteFailure;
use crate::retry::Retry;

/// A sender hears within 30 s what became of their words, or that they wait.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(28);
/// Boards that are tried for one message.
const MAX_ATTEMPTS: u32 = 3;
/// How often it may be refused by `NAK`.
const MAX_NAKS: u32 = 2;
/// Shortest and longest pause between attempts.
const RETRY_DELAY: Duration = Duration::from_millis(500);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(2);
/// Pause after a refusal that the server gives for its own load.
const BUSY_DELAY: Duration = Duration::from_secs(20);

/// What a failed attempt allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Once more, on another board.
    Again,
    /// Once more, as soon as the session is known to work.
    Examine,
    /// When they can be reached.
    Await,
    /// In a while: the server is busy.
    Later,
    GiveUp,
}

/// How often it was tried.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    attempts: u32,
    naks: u32,
}

impl Tally {
    fn next(&mut self, failure: &CallFailure, is_group: bool) -> Next {
        self.attempts += 1;
        let is_left = self.attempts < MAX_ATTEMPTS;
        match failure {
            CallFailure::Nobody(InviteFailure::Refused(ErrorCode::NOT_ONLINE)) => Next::Await,
            CallFailure::NoBoard(ErrorCode::HIDDEN) => Next::Await,
            CallFailure::NoBoard(code)
            | CallFailure::Refused(code)
            | CallFailure::Nobody(InviteFailure::Refused(code))
                if code.is_load() =>
            {
                Next::Later
            }
            // In a group somebody may have it.
            CallFailure::NotDelivered if !is_group => {
                self.naks += 1;
                if self.naks < MAX_NAKS && is_left { Next::Again } else { Next::GiveUp }
            }
            CallFailure::Deserted | CallFailure::Lost | CallFailure::NotOpened(_) if is_left => Next::Again,
            CallFailure::Unconfirmed | CallFailure::NoAssignment if is_left => Next::Examine,
            _ => Next::GiveUp,
        }
    }
}

/// What is known of an attempt that ended.
type Answer = (u32, Result<Confirmation, Undelivered>);

/// One message, and every attempt that was not answered yet: an acknowledgement that comes late saves a repeat.
pub(in crate::connector) struct Attempts<'a> {
    connector: &'a MsnConnector,
    delivery: &'a Delivery,
    message: Message,
    in_flight: FuturesUnordered<BoxFuture<'static, Answer>>,
    tally: Tally,
    retry: Retry,
    until: Instant,
}

impl<'a> Attempts<'a> {
    pub(in crate::connector) fn new(
        connector: &'a MsnConnector,
        delivery: &'a Delivery,
        message: Message,
    ) -> Self {
        let until = Instant::now() + DELIVERY_TIMEOUT;
        let in_flight = FuturesUnordered::new();
        let retry = Retry::new(RETRY_DELAY, MAX_RETRY_DELAY);
        Self { connector, delivery, message, in_flight, tally: Tally::default(), retry, until }
    }

    /// Resolves when MSN has confirmed the message, or with what hinders it.
    ///
    /// # Errors
    /// What hinders it, and whether that passes.
    pub(in crate::connector) async fn run(mut self) -> Result<Delivered, DeliveryError> {
        let is_group = group::is_group(&self.delivery.portal.conversation);
        let mut worn = None;
        loop {
            let call = self.connector.call_for(&self.delivery.portal, worn.take()).await?;
            let failure = match self.attempt(&call).await {
                Ok(confirmation) => return Ok(delivered(&confirmation)),
                Err(Undelivered { failure, from }) => {
                    self.has_arrived(from);
                    failure
                }
            };
            if self.connector.shared.cancel.is_cancelled() {
                return Err(stopping());
            }
            let next = self.tally.next(&failure, is_group);
            tracing::info!(portal = %self.delivery.portal, %failure, ?next, "an attempt failed");
            let late = match next {
                Next::Again => self.pause().await,
                Next::Examine => self.examine().await?,
                Next::Later | Next::Await | Next::GiveUp => return self.end(next, &failure).await,
            };
            if let Some(confirmation) = late {
                return Ok(delivered(&confirmation));
            }
            worn = Some(call);
        }
    }

    async fn end(self, next: Next, failure: &CallFailure) -> Result<Delivered, DeliveryError> {
        let portal = &self.delivery.portal;
        match (next, &self.message) {
            (Next::Later, _) => {
                Err(DeliveryError::Transient { reason: failure.to_string(), after: Some(BUSY_DELAY) })
            }
            (Next::Await, Message::Text { text, .. }) => match self.connector.leave(portal, text).await? {
                Some(delivered) => Ok(delivered),
                None => Err(self.connector.away(portal, failure).await),
            },
            (Next::Await, Message::Nudge) => Err(self.connector.away(portal, failure).await),
            _ => Err(DeliveryError::permanent(failure.to_string())),
        }
    }

    /// One attempt: ends with its own answer, with a late one of another, or when its acknowledgement is overdue.
    async fn attempt(&mut self, call: &CallHandle) -> Result<Confirmation, Undelivered> {
        let number = self.tally.attempts;
        let crate::connector::handle::InFlight { answer, mut overdue } =
            call.send(self.message.clone()).await?;
        self.in_flight.push(Box::pin(async move {
            (number, answer.await.unwrap_or_else(|_| Err(CallFailure::Lost.into())))
        }));
        loop {
            tokio::select! {
                Some((of, result)) = self.in_flight.next() => match result {
                    Ok(confirmation) => return Ok(confirmation),
                    Err(failure) if of == number => return Err(failure),
                    Err(_) => {} // of a board that was replaced
                },
                Ok(()) = &mut overdue => return Err(CallFailure::Unconfirmed.into()),
                () = tokio::time::sleep_until(self.until) => {
                    // Time is up: this was the last attempt.
                    self.tally.attempts = MAX_ATTEMPTS;
                    return Err(CallFailure::Unconfirmed.into());
                }
            }
        }
    }

    /// The first bytes of a text have arrived, in messages that stand alone: they are not said again.
    fn has_arrived(&mut self, bytes: usize) {
        if let Message::Text { text, .. } = &mut self.message {
            *text = text.get(bytes..).unwrap_or_default().to_owned();
        }
    }

    /// The acknowledgement of an earlier attempt; never resolves without one.
    async fn late(&mut self) -> Confirmation {
        while let Some((_, result)) = self.in_flight.next().await {
            if let Ok(confirmation) = result {
                return confirmation;
            }
        }
        std::future::pending().await
    }

    async fn pause(&mut self) -> Option<Confirmation> {
        let delay = self.retry.next_pause();
        tokio::time::timeout(delay, self.late()).await.ok()
    }

    /// Waits until the session is known to work. That time does not count: the sender is told that the words wait.
    async fn examine(&mut self) -> Result<Option<Confirmation>, DeliveryError> {
        let begun = Instant::now();
        let (login, cancel) = (&self.delivery.portal.receiver, self.connector.shared.cancel.clone());
        let examined = self.connector.ask(login, |reply| LoginCommand::Examine { reply });
        tokio::select! {
            confirmation = self.late() => return Ok(Some(confirmation)),
            works = examined => works.ok_or_else(not_signed_in)?,
            () = cancel.cancelled() => return Err(stopping()),
        }
        self.until += begun.elapsed();
        Ok(None)
    }
}

fn delivered(confirmation: &Confirmation) -> Delivered {
    let (missed, absent) = (confirmation.missed_by.join(", "), confirmation.absent.join(", "));
    let mut notes = Vec::new();
    if !missed.is_empty() {
        notes.push(format!(
            "Your message did not reach {missed}, who left the conversation just before it arrived."
        ));
    }
    if !absent.is_empty() {
        notes.push(format!(
            "What you say here does not reach {absent} now: offline, or no answer. The next conversation calls them again."
        ));
    }
    Delivered { note: (!notes.is_empty()).then(|| notes.join(" ")) }
}

pub(in crate::connector) fn not_signed_in() -> DeliveryError {
    DeliveryError::LegDown { reason: "not signed in to MSN".into() }
}

/// It stays in the journal, and goes after the next start.
pub(in crate::connector) fn stopping() -> DeliveryError {
    DeliveryError::LegDown { reason: "the bridge is stopping".into() }
}

impl MsnConnector {
    /// Leaves words with the server, where that is configured and it takes them. `None`: they wait here.
    async fn leave(&self, portal: &PortalKey, text: &str) -> Result<Option<Delivered>, DeliveryError> {
        if self.shared.config.offline != OfflinePolicy::Oim || group::is_group(&portal.conversation) {
            return Ok(None);
        }
        let Ok(to) = Email::parse(portal.conversation.as_str()) else { return Ok(None) };
        let text = text.to_owned();
        let note = "They are offline. Your message was left for them with the MSN server.";
        match self.ask(&portal.receiver, |reply| LoginCommand::Leave { to, text, reply }).await {
            Some(Ok(())) => Ok(Some(Delivered { note: Some(note.into()) })),
            Some(Err(error @ LeaveError::Throttled)) => {
                Err(DeliveryError::Transient { reason: error.to_string(), after: Some(BUSY_DELAY) })
            }
            Some(Err(error)) => {
                tracing::info!(%portal, %error, "an offline message was not taken");
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Somebody cannot be reached: what becomes of it is configured.
    pub(in crate::connector) async fn away(
        &self,
        portal: &PortalKey,
        failure: &CallFailure,
    ) -> DeliveryError {
        let reason = failure.to_string();
        if self.shared.config.offline == OfflinePolicy::Fail {
            return DeliveryError::Permanent { reason };
        }
        if let Some(mailbox) = self.mailbox(&portal.receiver) {
            let _ = mailbox.send(LoginCommand::Watch { conversation: portal.conversation.clone() }).await; // it may have ended
        }
        DeliveryError::Away { reason }
    }
}

#[cfg(test)]
mod tests;
