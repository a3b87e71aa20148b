//! Fetching: which messages wait, one of them, and deleting those that are safe (§27.1, §27.2).
//!
//! Knows requests and answers of one mailbox. Refuses to know in which order messages are safe, and what a ticket is.

use mail_parser::{HeaderValue, MessageParser};

use super::soap::{SoapRequest, envelope, escaped, text, texts};
use crate::msn::ids::{Email, Ticket};

const NAMESPACE: &str = "http://www.hotmail.msn.com/ws/2004/09/oim/rsi";
/// Milliseconds from 1601, where Windows begins to count, to 1970.
const WINDOWS_EPOCH_MS: u64 = 11_644_473_600_000;

/// What the server says of messages that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailData {
    /// The ids of these.
    Messages(Vec<String>),
    /// More than it says here: they are asked for.
    TooLarge,
}

impl MailData {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Messages(ids) if ids.is_empty())
    }
}

/// A message that was left while its receiver was away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfflineMessage {
    pub id: String,
    pub sender: Email,
    pub text: String,
    /// Milliseconds since 1970, where the server says so.
    pub at: Option<u64>,
    /// Messages of one run are numbered.
    pub run: String,
    pub sequence: u32,
}

/// Reads `Mail-Data`: from a notice, or from the answer to [`get_metadata`]. `None` where nothing is said of messages.
pub fn mail_data(data: &str) -> Option<MailData> {
    let data = data.trim();
    if data.eq_ignore_ascii_case("too-large") {
        return Some(MailData::TooLarge);
    }
    // An answer carries it as text.
    let data = text(data, "GetMetadataResponse")
        .filter(|inner| inner.contains("<MD"))
        .unwrap_or_else(|| data.to_owned());
    let data = data.find("<MD").map(|start| data[start..].to_owned())?;
    let of_people = messages(&data);
    Some(MailData::Messages(of_people))
}

/// The ids of offline messages (`T` 11); other kinds are mail.
fn messages(data: &str) -> Vec<String> {
    let parts = data.split("<M>").skip(1);
    let ids = parts.filter(|part| texts(part, "T").first().is_none_or(|kind| kind.trim() == "11"));
    let ids = ids.filter_map(|part| texts(part, "I").into_iter().next());
    ids.map(|id| id.trim().to_owned()).filter(|id| is_id(id)).take(super::MAX_MESSAGES).collect()
}

/// Ids go into requests and keys: nothing but what can stand there.
fn is_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

/// The two halves of a ticket, `t` and `p`.
fn cookie(ticket: &Ticket) -> String {
    let field = |name: &str| {
        let found = ticket.expose().split('&').find_map(|field| field.strip_prefix(name));
        escaped(found.unwrap_or_default())
    };
    format!(
        "<PassportCookie xmlns=\"{NAMESPACE}\"><t>{}</t><p>{}</p></PassportCookie>",
        field("t="),
        field("p=")
    )
}

fn request(verb: &str, ticket: &Ticket, body: &str) -> SoapRequest {
    let body = format!("<{verb} xmlns=\"{NAMESPACE}\">{body}</{verb}>");
    SoapRequest { action: format!("{NAMESPACE}/{verb}"), body: envelope(&cookie(ticket), &body) }
}

/// Asks which messages wait. Servers exist that break on an element without a child.
pub fn get_metadata(ticket: &Ticket) -> SoapRequest {
    request("GetMetadata", ticket, "<x/>")
}

/// Asks for one message; reading it leaves it where it is.
pub fn get_message(ticket: &Ticket, id: &str) -> SoapRequest {
    let id = escaped(id);
    let body = format!("<messageId>{id}</messageId><alsoMarkAsRead>false</alsoMarkAsRead>");
    request("GetMessage", ticket, &body)
}

/// Deletes messages. After this the server has them no more: only what is on disk may be named.
pub fn delete_messages(ticket: &Ticket, ids: &[&str]) -> SoapRequest {
    let ids: String = ids.iter().map(|id| format!("<messageId>{}</messageId>", escaped(id))).collect();
    request("DeleteMessages", ticket, &format!("<messageIds>{ids}</messageIds>"))
}

impl OfflineMessage {
    /// Reads the answer to [`get_message`]; `None` for what is no message of a person.
    pub fn parse(id: &str, answer: &str) -> Option<Self> {
        let mail = text(answer, "GetMessageResult")?;
        let parsed = MessageParser::default().parse(mail.as_bytes())?;
        let header = |name: &str| match parsed.header(name)? {
            HeaderValue::Text(text) => Some(text.trim().to_owned()),
            _ => None,
        };
        let sender = parsed.from()?.first()?.address()?;
        let words = parsed.body_text(0)?;
        Some(Self {
            id: id.to_owned(),
            sender: Email::parse(sender).ok()?,
            text: words.trim_end_matches(['\r', '\n']).to_owned(),
            at: header("X-OriginalArrivalTime").as_deref().and_then(arrival),
            run: header("X-OIM-Run-Id").unwrap_or_default(),
            sequence: header("X-OIM-Sequence-Num").and_then(|n| n.parse().ok()).unwrap_or(0),
        })
    }
}

/// `… FILETIME=[LOW:HIGH]`, in tenths of microseconds since 1601.
fn arrival(header: &str) -> Option<u64> {
    let (low, high) = header.split_once("FILETIME=[")?.1.split_once(']')?.0.split_once(':')?;
    let (low, high) = (u32::from_str_radix(low, 16).ok()?, u32::from_str_radix(high, 16).ok()?);
    (u64::from(high) << 32 | u64::from(low)).checked_div(10_000)?.checked_sub(WINDOWS_EPOCH_MS)
}
