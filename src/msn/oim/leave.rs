//! Leaving a message for somebody who is away (§27.3).
//!
//! Knows the envelope, the number in a run and the lock key. Refuses to know who is away.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::soap::{SoapRequest, envelope, escaped, fault, text};
use crate::msn::challenge::Product;
use crate::msn::dialect::Dialect;
use crate::msn::ids::{Email, Ticket};

const NAMESPACE: &str = "http://messenger.msn.com/ws/2004/09/oim/";
/// Characters of a name that servers take.
const MAX_NAME: usize = 48;
/// Characters of a line of base64.
const LINE: usize = 76;

/// One message to leave, and who leaves it.
#[derive(Debug, Clone)]
pub struct Leaving<'a> {
    pub from: &'a Email,
    pub name: &'a str,
    pub to: &'a Email,
    pub text: &'a str,
    pub ticket: &'a Ticket,
    pub product: &'a Product,
    /// The answer to the last challenge; empty for none.
    pub lock_key: &'a str,
    /// A GUID in braces, the same for all messages of one session to one person.
    pub run: &'a str,
    /// Rises from 1 in a run.
    pub sequence: u32,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeavingFailure {
    /// Once more, with this lock key.
    LockKey(String),
    /// Once more, with another ticket.
    Ticket,
    /// Too many in a short time.
    Throttled,
    /// They take none, or are not known.
    Unavailable,
    /// In the server's words.
    Refused(String),
}

/// The request that leaves a message.
pub fn leave(leaving: &Leaving<'_>) -> SoapRequest {
    let Leaving { from, to, ticket, product, lock_key, sequence, .. } = leaving;
    let name: String = leaving.name.chars().take(MAX_NAME).collect();
    let header = format!(
        "<From memberName=\"{}\" friendlyName=\"=?utf-8?B?{}?=\" xml:lang=\"en-US\" proxy=\"MSNMSGR\" \
         xmlns=\"{NAMESPACE}\" msnpVer=\"MSNP13\" buildVer=\"8.0.0812\"/><To memberName=\"{}\" xmlns=\"{NAMESPACE}\"/>\
         <Ticket passport=\"{}\" appid=\"{}\" lockkey=\"{}\" xmlns=\"{NAMESPACE}\"/>\
         <Sequence xmlns=\"http://schemas.xmlsoap.org/ws/2003/03/rm\">\
         <Identifier xmlns=\"http://schemas.xmlsoap.org/ws/2002/07/utility\">http://messenger.msn.com</Identifier>\
         <MessageNumber>{sequence}</MessageNumber></Sequence>",
        escaped(from.as_str()),
        STANDARD.encode(name),
        escaped(to.as_str()),
        escaped(ticket.expose()),
        escaped(&product.id),
        escaped(lock_key),
    );
    let body = format!(
        "<MessageType xmlns=\"{NAMESPACE}\">text</MessageType><Content xmlns=\"{NAMESPACE}\">{}</Content>",
        content(leaving)
    );
    SoapRequest { action: format!("{NAMESPACE}Store"), body: envelope(&header, &body) }
}

fn content(leaving: &Leaving<'_>) -> String {
    let Leaving { run, sequence, .. } = leaving;
    let encoded = STANDARD.encode(leaving.text.replace('\n', "\r\n"));
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(LINE).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
    format!(
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n\
         X-OIM-Message-Type: OfflineMessage\r\nX-OIM-Run-Id: {}\r\nX-OIM-Sequence-Num: {sequence}\r\n\r\n{}",
        escaped(run),
        lines.join("\r\n")
    )
}

/// What an answer to [`leave`] means.
///
/// # Errors
/// The message was not taken; the failure says what may help.
pub fn leaving_result(answer: &str, product: &Product) -> Result<(), LeavingFailure> {
    let Some(fault) = fault(answer) else {
        let taken = answer.contains("StoreResponse");
        return if taken {
            Ok(())
        } else {
            Err(LeavingFailure::Refused("an answer that says nothing".into()))
        };
    };
    let challenge = text(answer, "LockKeyChallenge").filter(|challenge| !challenge.trim().is_empty());
    Err(match (fault.code.as_str(), challenge) {
        ("AuthenticationFailed", Some(challenge)) => {
            LeavingFailure::LockKey(product.answer(challenge.trim(), Dialect::Msnp11))
        }
        ("AuthenticationFailed", None) => LeavingFailure::Ticket,
        ("SenderThrottleLimitExceeded", _) => LeavingFailure::Throttled,
        ("SystemUnavailable", _) => LeavingFailure::Unavailable,
        _ => LeavingFailure::Refused(format!("{} ({})", fault.text, fault.code)),
    })
}
