//! One message that was left for somebody away: checked as it is stored, and as mail and mail data show it (§27.1 to §27.3).
//!
//! Knows one message alone. Refuses to know who may leave it and how many are kept.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, FixedOffset, SecondsFormat, Utc};
use quick_xml::escape::escape;

use crate::msn::ids::Email;

/// Bytes of one message as it was stored.
const MAX_CONTENT: usize = 16 * 1024;
/// Longest line of base64 that is taken.
const MAX_LINE: usize = 77;
/// The folder of unread messages, as it is called at sign-in and at any other time.
const FOLDER: &str = "00000000-0000-0000-0000-000000000009";
const PUSHED_FOLDER: &str = ".!!OIM";

/// One message that waits.
#[derive(Debug, Clone)]
pub(in crate::service) struct OfflineMessage {
    /// A GUID in capitals, which clients give back.
    pub(super) id: String,
    pub(super) sender: Email,
    /// The sender's name, an encoded word (RFC 2047) of 512 printable characters at most.
    name: String,
    content: StoredContent,
    /// When it was stored.
    at: DateTime<Utc>,
    /// Fetched with `alsoMarkAsRead`.
    pub(super) is_read: bool,
}

/// What a sender stored: checked, and otherwise as it came.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::service) struct StoredContent {
    /// The sender's `X-OIM-Run-Id`, a GUID in braces.
    run: String,
    /// `X-OIM-Sequence-Num`, decimal: the order of one sender's messages.
    sequence: String,
    /// Lines of base64, at most 77 characters each, parted by CR LF.
    body: String,
}

impl StoredContent {
    /// The headers and lines that clients store (§27.3), of 16 KiB at most; `None` for anything else.
    pub(in crate::service) fn parse(text: &str) -> Option<Self> {
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
    /// An unread message; a name that is no encoded word is replaced by the sender's address.
    pub(in crate::service) fn new(
        id: String,
        sender: Email,
        name: &str,
        content: StoredContent,
        at: DateTime<Utc>,
    ) -> Self {
        Self { id, name: encoded_name(name, &sender), sender, content, at, is_read: false }
    }

    /// The Internet message that a client is given.
    pub(super) fn mail(&self, to: &Email) -> String {
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
    pub(super) fn entry(&self, to: &Email, pushed: bool) -> String {
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
