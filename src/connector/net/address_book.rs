//! The contact list over HTTPS: who may see whom, then contacts and groups (§20).
//!
//! Knows addresses, time-outs, and which refusals are met with another ticket or a new book. Refuses to know what stands in
//! a book, which is [`crate::msn::address_book`]'s.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url};

use super::session_tokens::SessionTokens;
use super::sign_in_url;
use crate::connector::config::MsnConfig;
use crate::connector::error::BookError;
use crate::msn::address_book::{AddressBook, BookExchange, BookFault, BookOperation, BookService};
use crate::msn::ids::Email;
use crate::msn::sso::Domain;
use crate::msn::xml::Element;
use crate::web::{BodyError, innermost_cause, read_body};

/// How long one request may take; a large book is made slowly.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of an answer: a contact has some 3,000.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Reads the contact list of one session.
pub(in crate::connector) struct BookReader {
    client: Client,
    /// `abservice.asmx`; the other service is beside it.
    address: Url,
    allow_insecure: bool,
    tokens: SessionTokens,
    exchange: BookExchange,
}

impl BookReader {
    /// For the account whose tickets these are, at the address of the configuration.
    ///
    /// # Errors
    /// No address is known, or there is no ticket for contacts.
    pub(in crate::connector) async fn new(
        client: Client,
        config: &MsnConfig,
        email: &Email,
        tokens: SessionTokens,
    ) -> Result<Self, BookError> {
        let address = config.address_book.clone().ok_or(BookError::NoAddress)?;
        let ticket = tokens.ticket(Domain::Contacts).await?;
        let exchange = BookExchange::new(&email.as_str().to_lowercase(), ticket);
        Ok(Self { client, address, allow_insecure: config.allow_insecure_login, tokens, exchange })
    }

    /// Reads everything: memberships first, as clients of the time did.
    ///
    /// # Errors
    /// A refusal that another ticket and a new book do not help against, and a service that cannot be reached.
    pub(in crate::connector) async fn read(mut self, is_paged: bool) -> Result<AddressBook, BookError> {
        let memberships = self.ask(BookOperation::FindMembership).await?;
        let find = if is_paged { BookOperation::FindPaged } else { BookOperation::FindAll };
        let book = self.ask(find).await?;
        Ok(AddressBook::read(&memberships, &book))
    }

    /// One question; with another ticket, and with a book that was made, it is asked once more each.
    async fn ask(&mut self, operation: BookOperation) -> Result<Element, BookError> {
        let (mut may_renew, mut may_add) = (true, true);
        loop {
            match self.post(operation).await {
                Err(BookError::Fault(BookFault::Ticket)) if std::mem::take(&mut may_renew) => {
                    self.exchange.renew(self.tokens.another(Domain::Contacts).await?);
                }
                Err(BookError::Fault(BookFault::NoBook)) if std::mem::take(&mut may_add) => {
                    self.post(BookOperation::AddBook).await?;
                }
                answered => return answered,
            }
        }
    }

    /// An answer of any status is read: faults come with 200 and with 500.
    async fn post(&mut self, operation: BookOperation) -> Result<Element, BookError> {
        let request = self.exchange.request(operation);
        let action = HeaderValue::from_str(&format!("\"{}\"", request.action))
            .map_err(|error| BookError::Unreachable(error.to_string()))?;
        let unreachable = |error: &reqwest::Error| BookError::Unreachable(innermost_cause(error));
        // The ticket is as good as a password for a day.
        let url = sign_in_url::check(self.url(operation.service()).as_str(), self.allow_insecure)?;
        let sent = self
            .client
            .post(url)
            .timeout(TIMEOUT)
            .header(CONTENT_TYPE, "text/xml; charset=utf-8")
            .header("SOAPAction", action)
            .body(request.body);
        let answer = sent.send().await.map_err(|error| unreachable(&error))?;
        let body = read_body(answer, MAX_ANSWER).await.map_err(|error| match error {
            BodyError::Broken(error) => unreachable(&error),
            other => BookError::Unreachable(other.to_string()),
        })?;
        Ok(self.exchange.read(operation, &String::from_utf8_lossy(&body))?)
    }

    /// Where a service is asked: at the host that it named itself, if it did.
    fn url(&self, service: BookService) -> Url {
        let mut url = match service {
            BookService::AddressBook => self.address.clone(),
            BookService::Sharing => {
                self.address.join("SharingService.asmx").unwrap_or_else(|_| self.address.clone())
            }
        };
        if let Some(host) = self.exchange.host() {
            let (name, port) = match host.rsplit_once(':') {
                Some((name, port)) => (name, port.parse().ok()),
                None => (host, None),
            };
            // A host that is none leaves the address as it is.
            if url.set_host(Some(name)).is_ok() {
                let _ = url.set_port(port); // an address of HTTP has one
            }
        }
        url
    }
}
