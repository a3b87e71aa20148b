//! The envelopes of offline messages: `POST /rsi/rsi.asmx` for what was left for somebody, `POST /OimWS/oim.asmx` for
//! leaving it (§27.2, §27.3). Only the first half of a ticket counts: some clients send no other.

use chrono::{DateTime, Utc};
use quick_xml::escape::escape;

use super::http::{Request, Response};
use super::mailbox::{OfflineError, Retrieval, Retrieved, StoreRequest};
use super::soap::{self, Envelope};
use super::tickets::POLICY;

/// Where messages are fetched, and where they are left; any case of the path is taken.
pub(super) const RSI_PATH: &str = "/rsi/rsi.asmx";
pub(super) const STORE_PATH: &str = "/OimWS/oim.asmx";

/// The namespace of everything about fetching.
const RSI: &str = "http://www.hotmail.msn.com/ws/2004/09/oim/rsi";
/// Headers are always in this one; bodies in that of the action.
const STORE: &str = "http://messenger.msn.com/ws/2004/09/oim/";
const STORE2: &str = "http://messenger.live.com/ws/2006/09/oim/";
/// Most messages deleted at once.
const MAX_DELETED: usize = 256;

/// A request to store, and what its answer repeats.
pub(super) struct Storing {
    pub(super) request: StoreRequest,
    pub(super) receipt: StoreReceipt,
}

/// What the answer to a request to store repeats.
pub(super) struct StoreReceipt {
    number: String,
    namespace: &'static str,
}

impl Storing {
    /// `None` for what is no request to store. `at` is when it came.
    pub(super) fn parse(request: &Request, at: DateTime<Utc>) -> Option<Self> {
        let envelope = Envelope::parse(&request.body)?;
        let of = |element: &str, name: &str| Some(envelope.first(element)?.attribute(name)?.to_owned());
        let newer = request.header("SOAPAction").is_some_and(|action| action.contains("Store2"));
        let number = envelope.text("MessageNumber").unwrap_or("1").trim();
        Some(Self {
            request: StoreRequest {
                ticket: of("Ticket", "passport")?,
                product: of("Ticket", "appid").unwrap_or_default(),
                lock_key: of("Ticket", "lockkey").unwrap_or_default(),
                sender: of("From", "memberName")?,
                name: of("From", "friendlyName").unwrap_or_default(),
                recipient: of("To", "memberName")?,
                content: envelope.text("Content")?.to_owned(),
                at,
            },
            receipt: StoreReceipt {
                number: number.parse::<u32>().unwrap_or(1).to_string(),
                namespace: if newer { STORE2 } else { STORE },
            },
        })
    }
}

impl StoreReceipt {
    /// A sequence acknowledgment, or a fault.
    pub(super) fn answer(&self, result: &Result<(), OfflineError>) -> Response {
        let (number, namespace) = (&self.number, self.namespace);
        match result {
            Ok(()) => soap(
                200,
                &format!(
                    "<soap:Header><SequenceAcknowledgment xmlns=\"http://schemas.xmlsoap.org/ws/2003/03/rm\"><Identifier xmlns=\"http://schemas.xmlsoap.org/ws/2002/07/utility\">http://messenger.msn.com</Identifier><AcknowledgmentRange Upper=\"{number}\" Lower=\"{number}\" /></SequenceAcknowledgment></soap:Header><soap:Body><StoreResponse xmlns=\"{namespace}\"><PointsConsumed>0</PointsConsumed></StoreResponse></soap:Body>"
                ),
            ),
            Err(error) => refused(error),
        }
    }
}

/// What is asked about own messages, and with which ticket.
pub(super) fn parse_retrieval(request: &Request) -> Option<(String, Retrieval)> {
    let envelope = Envelope::parse(&request.body)?;
    let ticket = envelope.text("t")?.trim().to_owned();
    let ids = || {
        let ids = envelope.0.iter().filter(|element| element.name == "messageId");
        ids.map(|element| element.text.trim().to_owned()).take(MAX_DELETED)
    };
    let asked = |name: &str| envelope.first(name).is_some();
    let retrieval = if asked("GetMetadata") {
        Retrieval::Metadata
    } else if asked("GetMessage") {
        let read = envelope.text("alsoMarkAsRead").is_some_and(|word| word.trim() == "true");
        Retrieval::Message { id: ids().next()?, read }
    } else if asked("DeleteMessages") {
        Retrieval::Delete { ids: ids().collect() }
    } else {
        return None;
    };
    Some((ticket, retrieval))
}

/// The data in the element of the request, escaped, or a fault.
pub(super) fn answer_retrieval(result: &Result<Retrieved, OfflineError>) -> Response {
    let body = match result {
        Ok(Retrieved::Metadata(data)) => {
            format!("<GetMetadataResponse xmlns=\"{RSI}\">{}</GetMetadataResponse>", escape(data.as_str()))
        }
        Ok(Retrieved::Message(mail)) => format!(
            "<GetMessageResponse xmlns=\"{RSI}\"><GetMessageResult>{}</GetMessageResult></GetMessageResponse>",
            escape(mail.as_str())
        ),
        Ok(Retrieved::Deleted) => format!("<DeleteMessagesResponse xmlns=\"{RSI}\" />"),
        Err(error) => return refused(error),
    };
    soap(200, &format!("<soap:Body>{body}</soap:Body>"))
}

/// What was sent is none of the requests that are known here.
pub(super) fn misunderstood() -> Response {
    fault("<faultcode>soap:Client</faultcode><faultstring>Schema validation error</faultstring>")
}

/// The fault for an error, in the form that clients know: they look at its code, and at the challenges in its detail.
fn refused(error: &OfflineError) -> Response {
    let policy = format!("<TweenerChallenge xmlns=\"{STORE}\">{}</TweenerChallenge>", escape(POLICY));
    let (code, detail) = match error {
        OfflineError::Ticket => ("AuthenticationFailed", policy),
        OfflineError::Locked { challenge } => (
            "AuthenticationFailed",
            format!("{policy}<LockKeyChallenge xmlns=\"{STORE}\">{challenge}</LockKeyChallenge>"),
        ),
        OfflineError::Content => ("InvalidContent", String::new()),
        OfflineError::Recipient => ("SystemUnavailable", String::new()),
        OfflineError::Full => ("SenderThrottleLimitExceeded", String::new()),
        OfflineError::Unknown => return misunderstood(),
    };
    fault(&format!(
        "<faultcode xmlns:q0=\"{STORE}\">q0:{code}</faultcode><faultstring>Exception of type 'System.Web.Services.Protocols.SoapException' was thrown.</faultstring><detail>{detail}</detail>"
    ))
}

fn fault(content: &str) -> Response {
    soap(500, &format!("<soap:Body><soap:Fault>{content}</soap:Fault></soap:Body>"))
}

fn soap(code: u16, content: &str) -> Response {
    let reason = if code == 200 { "OK" } else { "Internal Server Error" };
    soap::answer(
        code,
        reason,
        format!(
            "<soap:Envelope xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">{content}</soap:Envelope>"
        ),
    )
}
