//! The tickets of one session that signed in by the token service: given out by what they are for, and asked for again
//! before their end (§18.2).
//!
//! Knows when tickets are asked for. Refuses to know what is done with one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use secrecy::SecretString;

use super::token_service::TokenService;
use crate::connector::error::TicketError;
use crate::msn::ids::{Email, Ticket};
use crate::msn::sso::{Domain, TokenFailure, Tokens};

/// The tickets of a session, shared by those who use them.
#[derive(Clone)]
pub(in crate::connector) struct SessionTokens {
    service: TokenService,
    email: Email,
    password: SecretString,
    policy: String,
    tokens: Arc<Mutex<Option<Tokens>>>,
}

impl SessionTokens {
    /// No tickets yet: they are asked for when the first is used.
    pub(in crate::connector) fn new(
        service: TokenService,
        email: Email,
        password: SecretString,
        policy: String,
    ) -> Self {
        Self { service, email, password, policy, tokens: Arc::default() }
    }

    /// All of them, as fresh as they have to be.
    ///
    /// # Errors
    /// The service refused, or could not be reached.
    pub(in crate::connector) async fn all(&self) -> Result<Tokens, TicketError> {
        let known = self.lock().clone();
        match known.filter(|tokens| tokens.are_fresh(SystemTime::now().into())) {
            Some(tokens) => Ok(tokens),
            None => self.renew().await,
        }
    }

    /// The one for a domain.
    ///
    /// # Errors
    /// The service refused, could not be reached, or gives none for this.
    pub(in crate::connector) async fn ticket(&self, domain: Domain) -> Result<Ticket, TicketError> {
        of(&self.all().await?, domain)
    }

    /// Another one for a domain, since the one that is known was not taken.
    ///
    /// # Errors
    /// As [`SessionTokens::ticket`].
    pub(in crate::connector) async fn another(&self, domain: Domain) -> Result<Ticket, TicketError> {
        of(&self.renew().await?, domain)
    }

    async fn renew(&self) -> Result<Tokens, TicketError> {
        let tokens = self.service.tokens(&self.email, &self.password, &self.policy).await?;
        *self.lock() = Some(tokens.clone());
        Ok(tokens)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Tokens>> {
        // Nothing that holds the lock panics.
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of(tokens: &Tokens, domain: Domain) -> Result<Ticket, TicketError> {
    let token = tokens.get(domain).ok_or(TokenFailure::NoTicket)?;
    Ok(token.ticket.clone())
}
