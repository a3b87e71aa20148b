//! The answer of the token service: tickets, a refusal, or another address (§18.2, §18.3).
//!
//! Knows both forms, by local names alone; the HTTP status says nothing, since servers refuse with 200. Refuses to know
//! connections: the exchange says where to ask next, and how often at most.

use chrono::{DateTime, TimeDelta, Utc};
use thiserror::Error;

use super::form::Domain;
use super::proof::ProofSecret;
use crate::msn::ids::Ticket;
use crate::msn::xml::Element;

/// Addresses that one exchange is sent on to, at most.
pub const MAX_REDIRECTS: u32 = 5;
/// A ticket is renewed so long before its end.
const MARGIN: TimeDelta = TimeDelta::seconds(60);
/// Most tokens that are kept of one answer.
const MAX_TOKENS: usize = 16;

/// Why no tickets came. The texts are for the owner of the account.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenFailure {
    /// The account or its password is wrong: asking again cannot help.
    #[error("the sign-in service did not accept the e-mail address and password{}", reason(.0))]
    Rejected(String),
    #[error("the sign-in service refused{}", reason(.0))]
    Refused(String),
    #[error("the sign-in service sent us from one address to the next {MAX_REDIRECTS} times")]
    TooManyRedirects,
    #[error("the sign-in service answered something that cannot be read")]
    Unreadable,
    /// There is no ticket with a proof secret for the messenger itself.
    #[error("the sign-in service gave no ticket for MSN Messenger")]
    NoTicket,
}

fn reason(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

/// One ticket with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    address: String,
    pub ticket: Ticket,
    /// The messenger's own ticket has one.
    pub secret: Option<ProofSecret>,
    expires: Option<DateTime<Utc>>,
}

/// The tickets of one answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens(Vec<Token>);

impl Tokens {
    /// Reads an answer, whatever its HTTP status was.
    fn read(root: &Element) -> Result<Self, TokenFailure> {
        let tokens = root.all("RequestSecurityTokenResponse").filter_map(token);
        let tokens = Self(tokens.take(MAX_TOKENS).collect());
        let is_enough = tokens.get(Domain::SignIn).is_some_and(|token| token.secret.is_some());
        if is_enough { Ok(tokens) } else { Err(TokenFailure::NoTicket) }
    }

    /// The ticket for a domain. Servers number their tokens otherwise than they were asked, so that the address alone counts.
    pub fn get(&self, domain: Domain) -> Option<&Token> {
        let is_meant = |token: &&Token| token.address.eq_ignore_ascii_case(domain.address());
        self.0.iter().find(is_meant)
    }

    /// Whether they can be used at `now` and a minute longer. A ticket without an end is good.
    pub fn are_fresh(&self, now: DateTime<Utc>) -> bool {
        let ends = self.0.iter().filter_map(|token| token.expires);
        ends.min().is_none_or(|end| now + MARGIN < end)
    }
}

/// `None` for one that cannot be opened, as that for renewal, and one whose ticket cannot stand in a command.
fn token(response: &Element) -> Option<Token> {
    let ticket = response.first("BinarySecurityToken")?.text();
    if ticket.is_empty() || !ticket.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let secret = response.first("BinarySecret").map(Element::text);
    let expires = response.first("Expires").map(Element::text);
    Some(Token {
        address: response.first("Address")?.text().to_owned(),
        ticket: Ticket::new(ticket),
        secret: secret.and_then(|text| ProofSecret::from_base64(text).ok()),
        expires: expires.and_then(|text| text.parse().ok()),
    })
}

/// What an answer leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenStep {
    /// The same request is to be made at this address.
    AskAt(String),
    Done(Tokens),
}

/// One request for tickets, with the addresses that it is sent on to.
#[derive(Debug, Default)]
pub struct TokenExchange {
    redirects: u32,
}

impl TokenExchange {
    /// Takes an answer.
    ///
    /// # Errors
    /// A refusal, an answer that cannot be read, and more redirects than [`MAX_REDIRECTS`].
    pub fn handle(&mut self, body: &str) -> Result<TokenStep, TokenFailure> {
        let root = Element::parse(body).map_err(|_| TokenFailure::Unreadable)?;
        match root.first("Fault") {
            Some(fault) => self.fault(fault),
            None => Tokens::read(&root).map(TokenStep::Done),
        }
    }

    fn fault(&mut self, fault: &Element) -> Result<TokenStep, TokenFailure> {
        if let Some(url) = fault.first("redirectUrl") {
            self.redirects += 1;
            if self.redirects > MAX_REDIRECTS {
                return Err(TokenFailure::TooManyRedirects);
            }
            return Ok(TokenStep::AskAt(url.text().to_owned()));
        }
        // The first form has one code, the second a general one and one within it.
        let codes = fault.all("faultcode").chain(fault.all("Value"));
        let mut codes = codes.map(|code| code.text().rsplit(':').next().unwrap_or_default());
        let words = fault.first("faultstring").or_else(|| fault.first("Text"));
        let words = words.map(Element::words).unwrap_or_default();
        match codes.any(|code| code == "FailedAuthentication") {
            true => Err(TokenFailure::Rejected(words)),
            false => Err(TokenFailure::Refused(words)),
        }
    }
}
