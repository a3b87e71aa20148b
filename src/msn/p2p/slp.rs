//! Signalling: requests and answers in text, by which sessions and their transports are agreed on (§9.7).
//!
//! Knows the grammar and is tolerant where clients differ. Refuses to know what a session is for.

use std::fmt::Write;

use thiserror::Error;

/// Most header and body lines that are read; the longest known message has about forty.
const MAX_LINES: usize = 128;
/// Bytes of a header: an answer copies some of them.
const MAX_FIELD: usize = 512;
/// Bytes of what an answer copies: with what stands around it there it is no longer than a header may be.
const MAX_COPIED: usize = 256;

/// Why bytes are no signalling message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SlpError {
    #[error("a signalling message begins with {0:?}")]
    StartLine(String),
    #[error("a signalling message has no {0}")]
    Missing(&'static str),
    #[error("a signalling message has more than {MAX_LINES} lines, or one of more than {MAX_FIELD} bytes")]
    TooLong,
}

/// What kind of body a message has.
pub mod content_type {
    /// An offer or a request, and the answer to it (§9.7).
    pub const SESSION_REQUEST: &str = "application/x-msnmsgr-sessionreqbody";
    /// The offer of a direct connection (§9.11).
    pub const TRANSPORT_REQUEST: &str = "application/x-msnmsgr-transreqbody";
    /// Where a direct connection can be made, or that it cannot.
    pub const TRANSPORT_RESPONSE: &str = "application/x-msnmsgr-transrespbody";
    /// The body of a `BYE`.
    pub const SESSION_CLOSE: &str = "application/x-msnmsgr-sessionclosebody";
}

/// What a message does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    Invite,
    Bye,
    /// Of newer clients.
    Ack,
    Status(u16),
}

/// One message. Accounts, branch and call are kept as they were written: an answer copies them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slp {
    pub verb: Verb,
    pub to: String,
    pub from: String,
    /// `{GUID}`
    pub branch: String,
    pub sequence: u32,
    /// `{GUID}`
    pub call: String,
    pub content_type: String,
    pub body: Vec<(String, String)>,
}

impl Slp {
    /// Reads a message. `Content-Length` is not looked at: clients get it wrong.
    ///
    /// # Errors
    /// The first line or a field that everything hangs on is not there, or a bound is passed: 128 lines, 512 bytes
    /// each.
    pub fn parse(bytes: &[u8]) -> Result<Self, SlpError> {
        let text = String::from_utf8_lossy(bytes);
        let mut lines = text.trim_end_matches('\0').lines();
        let start = lines.next().unwrap_or_default();
        let verb = verb(start).ok_or_else(|| SlpError::StartLine(start.chars().take(60).collect()))?;
        let (mut head, mut body) = (Vec::new(), Vec::new());
        let mut in_body = false;
        for (count, line) in lines.enumerate() {
            if count >= MAX_LINES {
                return Err(SlpError::TooLong);
            }
            match line.trim_matches(['\0', '\r']) {
                "" => in_body = true,
                line => {
                    let (name, value) = line.split_once(':').unwrap_or((line, ""));
                    let field = (name.trim().to_owned(), value.trim().to_owned());
                    if in_body { body.push(field) } else { head.push(field) }
                }
            }
        }
        if head.iter().any(|(name, value): &(String, String)| name.len() + value.len() > MAX_FIELD) {
            return Err(SlpError::TooLong);
        }
        let get = |name: &str| field(&head, name).map(str::to_owned);
        let account = |name| get(name).and_then(|value| bare_account(&value));
        let too_long = |value: &Option<String>| value.as_ref().is_some_and(|value| value.len() > MAX_COPIED);
        let branch = get("Via").and_then(|via| Some(via.split_once("branch=")?.1.trim().to_owned()));
        if [account("To"), account("From"), branch.clone(), get("Call-ID")].iter().any(too_long) {
            return Err(SlpError::TooLong);
        }
        Ok(Self {
            verb,
            to: account("To").ok_or(SlpError::Missing("To"))?,
            from: account("From").ok_or(SlpError::Missing("From"))?,
            branch: branch.ok_or(SlpError::Missing("branch in Via"))?,
            sequence: get("CSeq").and_then(|n| n.parse().ok()).unwrap_or(0),
            call: get("Call-ID").ok_or(SlpError::Missing("Call-ID"))?,
            content_type: get("Content-Type").unwrap_or_default().to_ascii_lowercase(),
            body,
        })
    }

    /// The message with its closing NUL, as official clients write it.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = String::new();
        for (name, value) in &self.body {
            let _ = write!(body, "{name}: {value}\r\n"); // a String takes everything
        }
        body.push_str("\r\n\0");
        let start = match &self.verb {
            Verb::Invite => format!("INVITE MSNMSGR:{} MSNSLP/1.0", self.to),
            Verb::Bye => format!("BYE MSNMSGR:{} MSNSLP/1.0", self.to),
            Verb::Ack => format!("ACK MSNMSGR:{} MSNSLP/1.0", self.to),
            Verb::Status(code) => format!("MSNSLP/1.0 {code} {}", reason(*code)),
        };
        let Self { to, from, branch, sequence, call, content_type, .. } = self;
        let length = body.len();
        format!(
            "{start}\r\nTo: <msnmsgr:{to}>\r\nFrom: <msnmsgr:{from}>\r\nVia: MSNSLP/1.0/TLP ;branch={branch}\r\n\
             CSeq: {sequence} \r\nCall-ID: {call}\r\nMax-Forwards: 0\r\nContent-Type: {content_type}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// A line of the body.
    pub fn get(&self, name: &str) -> Option<&str> {
        field(&self.body, name)
    }

    /// The answer to this request.
    pub fn answer(&self, code: u16, content_type: &str, body: Vec<(String, String)>) -> Self {
        Self {
            verb: Verb::Status(code),
            to: self.from.clone(),
            from: self.to.clone(),
            branch: self.branch.clone(),
            sequence: self.sequence.saturating_add(1),
            call: self.call.clone(),
            content_type: content_type.to_owned(),
            body,
        }
    }

    /// Whether this belongs to the call of that name; case does not count.
    pub fn is_of(&self, call: &str) -> bool {
        self.call.eq_ignore_ascii_case(call)
    }
}

fn verb(start: &str) -> Option<Verb> {
    let mut words = start.split_whitespace();
    match words.next()? {
        "INVITE" => Some(Verb::Invite),
        "BYE" => Some(Verb::Bye),
        "ACK" => Some(Verb::Ack),
        version if version.starts_with("MSNSLP/") => Some(Verb::Status(words.next()?.parse().ok()?)),
        _ => None,
    }
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// `<msnmsgr:account;{machine}>` without all but the account.
fn bare_account(value: &str) -> Option<String> {
    let inside = value.trim().trim_start_matches('<').trim_end_matches('>');
    let account = inside.split_once(':').map_or(inside, |(_, account)| account);
    let account = crate::msn::ids::bare_account(account);
    (!account.is_empty()).then(|| account.to_owned())
}

fn reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        404 => "Not Found",
        481 => "No Such Call",
        500 => "Internal Error",
        603 => "Decline",
        606 => "Unacceptable",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Slp {
        Slp {
            verb: Verb::Status(200),
            to: "alice@example.com".into(),
            from: "bob@example.com".into(),
            branch: "{14C34859-5987-2B67-BB27-D6DA11CE3370}".into(),
            sequence: 1,
            call: "{19C77CDB-04EE-5CA9-14E3-0DB6E55E2411}".into(),
            content_type: content_type::SESSION_REQUEST.into(),
            body: vec![("SessionID".into(), "3519537038".into())],
        }
    }

    #[test]
    fn conf_091_the_length_counts_the_nul_and_nobody_depends_on_it() {
        let text = String::from_utf8(answer().encode()).unwrap();
        // As the recorded answer to a file's invitation has it.
        assert!(text.starts_with("MSNSLP/1.0 200 OK\r\nTo: <msnmsgr:alice@example.com>\r\n"));
        assert!(text.ends_with("Content-Length: 26\r\n\r\nSessionID: 3519537038\r\n\r\n\0"), "{text}");
        assert_eq!(text.len(), 329);
        assert_eq!(Slp::parse(text.as_bytes()), Ok(answer()));
        for tolerated in [
            text.replace("Content-Length: 26", "Content-Length: 9999"),
            text.replace("Content-Length: 26\r\n", ""),
            text.replace("CSeq: 1 ", "CSeq: 1"),
            text.replace(" ;branch", ";branch"),
            text.replace("alice@example.com>", "alice@example.com;{70531C96-FA19-4BA8-9E58-DC14531B7BB5}>"),
            text.replace("Content-Type", "content-type"),
            text.trim_end_matches('\0').to_owned(),
        ] {
            assert_eq!(Slp::parse(tolerated.as_bytes()), Ok(answer()), "{tolerated}");
        }
        let empty = Slp { verb: Verb::Bye, body: Vec::new(), ..answer() };
        assert!(String::from_utf8(empty.encode()).unwrap().contains("Content-Length: 3\r\n\r\n\r\n\0"));
        // The rule broken: what names no call, no branch, or does nothing known.
        assert_eq!(Slp::parse(text.replace("Call-ID", "X").as_bytes()), Err(SlpError::Missing("Call-ID")));
        assert!(Slp::parse(text.replace("branch", "b").as_bytes()).is_err());
        assert!(matches!(Slp::parse(b"HELLO\r\n\r\n\0"), Err(SlpError::StartLine(_))));
        assert_eq!(
            Slp::parse(&[&b"BYE x y\r\n"[..], &b"a: b\r\n".repeat(500)].concat()),
            Err(SlpError::TooLong)
        );
    }
}
