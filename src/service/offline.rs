//! Words for people who are not there (§27): kept for an account, told of at sign-in, and its own to fetch and to delete.
//!
//! Knows who may leave words for whom, how many are kept, and what sessions are told. The envelopes around it are in
//! [`page`]; the form is the one recorded from a third-party server.

pub(super) mod page;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use quick_xml::escape::escape;

use super::world::{ConnId, World};
use crate::msn::challenge::Product;
use crate::msn::command::{ListKind, ServerCommand};
use crate::msn::dialect::Dialect;
use crate::msn::ids::Email;
use crate::msn::message::Envelope;
use crate::msn::wire::UrlText;

/// Most messages that are kept for one account; a further one is refused until some are fetched.
const MAX_KEPT: usize = 200;
/// Of those, most from one sender: nobody fills somebody's box alone.
const MAX_FROM_ONE: usize = 50;
/// Bytes of one message as it was stored.
const MAX_CONTENT: usize = 16 * 1024;
/// More than so many are not named at sign-in: they are to be asked for.
const MAX_NAMED: usize = 25;
/// Longest line of base64 that is taken.
const MAX_LINE: usize = 77;
/// The folder of unread messages, as it is called at sign-in and at any other time.
const FOLDER: &str = "00000000-0000-0000-0000-000000000009";
const PUSHED_FOLDER: &str = ".!!OIM";

/// One message that waits.
#[derive(Debug, Clone)]
pub(super) struct OfflineMessage {
    id: String,
    sender: Email,
    /// The sender's name, an encoded word.
    name: String,
    content: StoredContent,
    at: DateTime<Utc>,
    is_read: bool,
}

/// What a sender stored: checked, and otherwise as it came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoredContent {
    run: String,
    sequence: String,
    /// Lines of base64.
    body: String,
}

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

impl StoredContent {
    /// The headers and lines that clients store (§27.3); anything else is refused.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_CONTENT {
            return None;
        }
        let text = text.replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n")?;
        let header = |name: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(':'));
            fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
        };
        let is =
            |name: &str, value: &str| header(name).is_some_and(|given| given.eq_ignore_ascii_case(value));
        let is_text =
            header("Content-Type").is_some_and(|kind| kind.to_lowercase().starts_with("text/plain"));
        if !is_text
            || !is("MIME-Version", "1.0")
            || !is("Content-Transfer-Encoding", "base64")
            || !is("X-OIM-Message-Type", "OfflineMessage")
        {
            return None;
        }
        let run = header("X-OIM-Run-Id").filter(|run| is_guid(run))?.to_owned();
        let sequence = header("X-OIM-Sequence-Num").filter(|n| n.parse::<u32>().is_ok())?.to_owned();
        let lines: Vec<&str> = body.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let readable = STANDARD.decode(lines.concat()).is_ok_and(|bytes| !bytes.is_empty());
        let short = lines.iter().all(|line| line.len() <= MAX_LINE);
        (readable && short).then(|| Self { run, sequence, body: lines.join("\r\n") })
    }
}

/// A GUID in braces.
fn is_guid(text: &str) -> bool {
    let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default();
    bare.len() == 36 && bare.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

impl OfflineMessage {
    /// The Internet message that a client is given.
    fn mail(&self, to: &Email) -> String {
        let StoredContent { run, sequence, body } = &self.content;
        let pacific = FixedOffset::west_opt(8 * 3600).map(|zone| self.at.with_timezone(&zone).to_rfc2822());
        let date = pacific.unwrap_or_else(|| self.at.to_rfc2822());
        let arrived = self.at.format("%d %b %Y %H:%M:%S");
        let (high, low) = file_time(self.at);
        format!(
            "From: {} <{}>\r\nTo: {to}\r\nSubject: \r\nX-OIM-originatingSource: 127.0.0.1\r\nX-OIMProxy: MSNMSGR\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\nX-OIM-Message-Type: OfflineMessage\r\nX-OIM-Run-Id: {run}\r\nX-OIM-Sequence-Num: {sequence}\r\nMessage-ID: <{}@oim.invalid>\r\nX-OriginalArrivalTime: {arrived}.0000 (UTC) FILETIME=[{low:08X}:{high:08X}]\r\nDate: {date}\r\nReturn-Path: ndr@oim.messenger.msn.com\r\n\r\n{body}",
            self.name, self.sender, self.id
        )
    }

    /// One `M` of the mail data; `pushed` is the form of a notice in the middle of a session.
    fn entry(&self, to: &Email, pushed: bool) -> String {
        let arrived = self.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let arrived = if pushed { String::new() } else { format!("<RT>{arrived}</RT>") };
        let folder = if pushed { PUSHED_FOLDER } else { FOLDER };
        let (read, size) = (u8::from(self.is_read), self.mail(to).len());
        let (sender, name) = (escape(self.sender.as_str()), escape(self.name.as_str()));
        format!(
            "<M><T>11</T><S>6</S>{arrived}<RS>{read}</RS><SZ>{size}</SZ><E>{sender}</E><I>{}</I><F>{folder}</F><N>{name}</N></M>",
            self.id
        )
    }
}

/// A time as Windows counts it: intervals of 100 ns since 1601, in two halves.
fn file_time(at: DateTime<Utc>) -> (u32, u32) {
    const EPOCH: i64 = 11_644_473_600;
    let ticks = u64::try_from(at.timestamp().saturating_add(EPOCH)).unwrap_or_default() * 10_000_000;
    ((ticks >> 32) as u32, (ticks & 0xFFFF_FFFF) as u32)
}

/// An encoded word as mail has it, of printable characters alone; the account where a client names nothing such.
fn encoded_name(given: &str, sender: &Email) -> String {
    let is_word = given.starts_with("=?") && given.ends_with("?=") && given.len() <= 512;
    let plain = given.bytes().all(|b| b.is_ascii_graphic());
    if is_word && plain {
        return given.to_owned();
    }
    format!("=?utf-8?B?{}?=", STANDARD.encode(sender.as_str()))
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
