//! Offline messages over HTTP: fetched when the server says that some wait, and left for those who are away.
//!
//! Knows tickets and in which order things are safe: fetched, on disk here, then deleted there. Refuses to know what the
//! envelopes say, which is [`crate::msn::oim`]'s.

mod inbox;
mod outbox;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url};
use secrecy::SecretString;
use thiserror::Error;

use crate::connector::error::TicketError;
use crate::connector::net::passport::Passport;
use crate::connector::net::session_tokens::SessionTokens;
use crate::msn::ids::{Email, Ticket};
use crate::msn::oim::SoapRequest;
use crate::msn::sso::Domain;
pub(in crate::connector) use inbox::Fetching;
pub(in crate::connector) use outbox::{LeaveError, Outbox};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Most bytes of an answer that are read.
const MAX_ANSWER: usize = 1024 * 1024;

/// Why a request brought nothing.
#[derive(Debug, Error)]
pub(in crate::connector) enum OimError {
    #[error("the server of offline messages cannot be reached: {0}")]
    Unreachable(String),
    #[error("the server of offline messages answered with more than {MAX_ANSWER} bytes")]
    TooLong,
    #[error("the server of offline messages answered {0}")]
    Refused(String),
    #[error(transparent)]
    Ticket(#[from] TicketError),
    #[error("there is no ticket for offline messages")]
    NoTicket,
}

impl From<reqwest::Error> for OimError {
    fn from(error: reqwest::Error) -> Self {
        Self::Unreachable(error.without_url().to_string())
    }
}

/// The tickets of a session, and what gets others.
#[derive(Clone)]
pub(in crate::connector) struct Tickets(Source);

#[derive(Clone)]
enum Source {
    /// The one ticket of the sign-in page is for everything.
    Page { passport: Passport, email: Email, password: SecretString, policy: String, ticket: Held },
    /// The token service has one for each use.
    Tokens(SessionTokens),
}

type Held = Arc<Mutex<Option<Ticket>>>;

fn lock(ticket: &Held) -> std::sync::MutexGuard<'_, Option<Ticket>> {
    // Nothing that holds the lock panics.
    ticket.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tickets {
    /// No ticket yet: the first is the sign-in's, or is asked for by itself.
    pub(in crate::connector) fn new(
        passport: Passport,
        email: Email,
        password: SecretString,
        policy: String,
    ) -> Self {
        Self(Source::Page { passport, email, password, policy, ticket: Arc::default() })
    }

    /// Those of a session that signed in by the token service.
    pub(in crate::connector) fn of(tokens: SessionTokens) -> Self {
        Self(Source::Tokens(tokens))
    }

    /// The newest ticket of the sign-in page is the one that works.
    pub(in crate::connector) fn set(&self, new: Ticket) {
        if let Source::Page { ticket, .. } = &self.0 {
            *lock(ticket) = Some(new);
        }
    }

    /// The ticket of the sign-in for this use.
    async fn current(&self, domain: Domain) -> Result<Ticket, OimError> {
        match &self.0 {
            Source::Page { ticket, .. } => lock(ticket).clone().ok_or(OimError::NoTicket),
            Source::Tokens(tokens) => Ok(tokens.ticket(domain).await?),
        }
    }

    /// Asks for another ticket, and keeps that.
    async fn renew(&self, domain: Domain) -> Result<Ticket, OimError> {
        match &self.0 {
            Source::Page { passport, email, password, policy, .. } => {
                let ticket = passport.ticket(email, password, policy).await?;
                self.set(ticket.clone());
                Ok(ticket)
            }
            Source::Tokens(tokens) => Ok(tokens.another(domain).await?),
        }
    }
}

/// Makes a request; an answer of any status is read, for faults come with 500.
async fn post(client: &Client, url: &Url, request: &SoapRequest) -> Result<String, OimError> {
    let action = HeaderValue::from_str(&format!("\"{}\"", request.action))
        .map_err(|error| OimError::Refused(error.to_string()))?;
    let sent = client
        .post(url.clone())
        .timeout(TIMEOUT)
        .header(CONTENT_TYPE, "text/xml; charset=utf-8")
        .header("SOAPAction", action)
        .body(request.body.clone());
    let mut answer = sent.send().await?;
    let mut body = Vec::new();
    while let Some(bytes) = answer.chunk().await? {
        if body.len() + bytes.len() > MAX_ANSWER {
            return Err(OimError::TooLong);
        }
        body.extend_from_slice(&bytes);
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    match answer.status() {
        status if status.is_success() || text.contains("Fault") => Ok(text),
        status => Err(OimError::Refused(status.to_string())),
    }
}

/// Whether somebody answers HTTP there; for somebody who checks a setup.
///
/// # Errors
/// Why nobody does, for people.
pub async fn answers(passport: &Passport, url: &Url) -> Result<(), String> {
    let asked = passport.client().get(url.clone()).timeout(TIMEOUT).send().await;
    asked.map(drop).map_err(|error| error.without_url().to_string())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn fault_33_an_endless_answer_is_read_as_far_as_its_bound() {
        let endless = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        let refusing = "HTTP/1.1 500 No\r\nconnection: close\r\n\r\n<Fault>";
        let announced = "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n";
        for head in [endless, refusing, announced] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(head.as_bytes()).await;
                // Far more than is read, and not as much as would do harm where everything is.
                for _ in 0..64 {
                    if stream.write_all(&[b'x'; 64 * 1024]).await.is_err() {
                        return;
                    }
                }
            });
            let request = SoapRequest { action: "GetMessage".into(), body: String::new() };
            let answered = post(&Client::new(), &url, &request).await;
            assert!(matches!(answered, Err(OimError::TooLong)), "{head}: {answered:?}");
            server.abort();
        }
    }
}
