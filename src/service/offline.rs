//! Words for people who are not there (§27): kept for an account, told of at sign-in, and its own to fetch and to delete.
//!
//! Knows who may leave words for whom, how many are kept, and what sessions are told. The envelopes around it are in
//! [`page`]; the form is the one recorded from a third-party server.

pub(super) mod message;
pub(super) mod page;

use chrono::{DateTime, Utc};

use super::ids::ConnId;
use super::world::World;
use crate::msn::challenge::Product;
use crate::msn::command::{ListKind, ServerCommand};
use crate::msn::dialect::Dialect;
use crate::msn::ids::Email;
use crate::msn::message::Envelope;
use crate::msn::wire::UrlText;
use message::{OfflineMessage, StoredContent, encoded_name};

/// Most messages that are kept for one account; a further one is refused until some are fetched.
const MAX_KEPT: usize = 200;
/// Of those, most from one sender: nobody fills somebody's box alone.
const MAX_FROM_ONE: usize = 50;
/// More than so many are not named at sign-in: they are to be asked for.
const MAX_NAMED: usize = 25;
/// Somebody leaves words.
#[derive(Debug)]
pub(super) struct StoreRequest {
    pub(super) ticket: String,
    pub(super) product: String,
    pub(super) lock_key: String,
    pub(super) sender: String,
    pub(super) name: String,
    pub(super) recipient: String,
    pub(super) content: String,
    pub(super) at: DateTime<Utc>,
}

/// What somebody asks about their own.
#[derive(Debug)]
pub(super) enum Retrieval {
    Metadata,
    Message { id: String, read: bool },
    Delete { ids: Vec<String> },
}

/// Why words were not stored, or not given.
#[derive(Debug, PartialEq)]
pub(super) enum OfflineError {
    /// The ticket is not good, or not for this.
    Ticket,
    /// The sender's program is to prove itself with this challenge.
    Locked {
        challenge: String,
    },
    Content,
    /// Nobody of that name takes words from this sender.
    Recipient,
    /// Too many wait already.
    Full,
    /// There is no such message.
    Unknown,
}

/// What was asked for.
#[derive(Debug, PartialEq)]
pub(super) enum Retrieved {
    Metadata(String),
    Message(String),
    Deleted,
}

/// The part of a ticket that counts: behind `t=`, up to the next field.
pub(super) fn ticket_key(ticket: &str) -> &str {
    let bare = ticket.strip_prefix("t=").unwrap_or(ticket);
    bare.split('&').next().unwrap_or_default()
}

impl World {
    /// Keeps words for somebody, and tells them if they are signed in.
    pub(super) fn store_offline(&mut self, request: StoreRequest) -> Result<(), OfflineError> {
        let sender = self.whose_ticket(&request.ticket).ok_or(OfflineError::Ticket)?;
        if Email::parse(&request.sender).ok().as_ref() != Some(&sender) {
            return Err(OfflineError::Ticket);
        }
        self.check_lock(&request)?;
        let content = StoredContent::parse(&request.content).ok_or(OfflineError::Content)?;
        let recipient = Email::parse(&request.recipient).map_err(|_| OfflineError::Recipient)?;
        let id = self.random_guid().to_uppercase();
        let account = self.account_mut(&recipient).ok_or(OfflineError::Recipient)?;
        if account.lists(&sender).has(ListKind::Block) || !account.allows(&sender) {
            return Err(OfflineError::Recipient);
        }
        let from_sender = account.offline.iter().filter(|message| message.sender == sender).count();
        if account.offline.len() >= MAX_KEPT || from_sender >= MAX_FROM_ONE {
            return Err(OfflineError::Full);
        }
        let name = encoded_name(&request.name, &sender);
        let message = OfflineMessage { id, sender, name, content, at: request.at, is_read: false };
        let entry = message.entry(&account.email, true);
        account.offline.push(message);
        if let Some(conn) = account.session.filter(|_| account.status.is_some()) {
            let data = format!("Mail-Data: <MD>{entry}<SU> </SU></MD>\r\n");
            self.send_notice(conn, "text/x-msmsgsoimnotification; charset=UTF-8", &data);
        }
        Ok(())
    }

    fn whose_ticket(&self, ticket: &str) -> Option<Email> {
        self.tickets.get(ticket_key(ticket)).map(|held| held.owner.clone())
    }

    /// Whether the sender's program knows a product key (§19): asked once for each ticket, and with the same challenge.
    fn check_lock(&mut self, request: &StoreRequest) -> Result<(), OfflineError> {
        if !self.rules.challenge {
            return Ok(());
        }
        let fresh = self.random_digits(10);
        let held = self.tickets.get_mut(ticket_key(&request.ticket)).ok_or(OfflineError::Ticket)?;
        let challenge = held.challenge.get_or_insert(fresh).clone();
        let product = Product::published(&request.product, Dialect::Msnp12);
        match product.map(|product| product.answer(&challenge, Dialect::Msnp12)) {
            Some(expected) if expected.eq_ignore_ascii_case(&request.lock_key) => Ok(()),
            _ => Err(OfflineError::Locked { challenge }),
        }
    }

    /// What somebody asks about words that were left for them.
    pub(super) fn retrieve_offline(
        &mut self,
        ticket: &str,
        retrieval: Retrieval,
    ) -> Result<Retrieved, OfflineError> {
        let owner = self.whose_ticket(ticket).ok_or(OfflineError::Ticket)?;
        let account = self.account_mut(&owner).ok_or(OfflineError::Ticket)?;
        match retrieval {
            Retrieval::Metadata => {
                let entries: String =
                    account.offline.iter().map(|m| m.entry(&account.email, false)).collect();
                Ok(Retrieved::Metadata(format!(
                    "<MD><Q><QTM>409600</QTM><QNM>204800</QNM></Q>{entries}</MD>"
                )))
            }
            Retrieval::Message { id, read } => {
                let email = account.email.clone();
                let mut found = account.offline.iter_mut().filter(|m| m.id.eq_ignore_ascii_case(&id));
                let message = found.next().ok_or(OfflineError::Unknown)?;
                message.is_read |= read;
                Ok(Retrieved::Message(message.mail(&email)))
            }
            Retrieval::Delete { ids } => {
                let is_named = |m: &OfflineMessage| ids.iter().any(|id| m.id.eq_ignore_ascii_case(id));
                if ids.is_empty()
                    || !ids.iter().all(|id| account.offline.iter().any(|m| m.id.eq_ignore_ascii_case(id)))
                {
                    return Err(OfflineError::Unknown);
                }
                let before = account.offline.len();
                account.offline.retain(|message| !is_named(message));
                let gone = before - account.offline.len();
                if let Some(conn) = account.session {
                    let data =
                        format!("Src-Folder: .!!OIM\r\nDest-Folder: .!!trAsH\r\nMessage-Delta: {gone}\r\n");
                    self.send_notice(conn, "text/x-msmsgsactivemailnotification; charset=UTF-8", &data);
                }
                Ok(Retrieved::Deleted)
            }
        }
    }

    /// What waits, at the first status of a session.
    pub(super) fn tell_offline(&mut self, conn: ConnId, email: &Email) {
        let Some(account) = self.account(email) else { return };
        if account.offline.is_empty() || !self.dialect(conn).has_personal_message() {
            return;
        }
        let entries: String = account.offline.iter().map(|m| m.entry(&account.email, false)).collect();
        let data = match account.offline.len() > MAX_NAMED {
            true => "too-large".to_owned(),
            false => format!(
                "<MD><E><I>0</I><IU>0</IU><O>0</O><OU>0</OU></E><Q><QTM>409600</QTM><QNM>204800</QNM></Q>{entries}</MD>"
            ),
        };
        let data = format!("Mail-Data: {data}\r\n");
        self.send_notice(conn, "text/x-msmsgsinitialmdatanotification; charset=UTF-8", &data);
    }

    /// A message of the server's own, whose fields stand behind an empty line.
    fn send_notice(&mut self, conn: ConnId, kind: &str, body: &str) {
        let mut payload = Envelope::new(kind).encode();
        payload.extend_from_slice(body.as_bytes());
        let sender = "Hotmail".to_owned();
        let name = UrlText::from_wire(&sender);
        self.send(conn, ServerCommand::Msg { name, sender, payload: payload.into() });
    }
}
