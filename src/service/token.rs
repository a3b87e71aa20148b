//! Sign-in by security tokens: `POST /RST.srf` and `/RST2.srf` (§18.2, §18.3). msn-pecan knows no other way, in MSNP12.
//!
//! Every token is the same ticket, which `USR TWN S` and the pages of offline messages take.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use quick_xml::escape::escape;

use super::http::Response;
use super::rules::TICKET_LIFE;
use super::soap::{self, Envelope};

/// Most tokens of one answer: there is a client that stalls on long ones.
const MAX_TOKENS: usize = 8;
/// The token that is only good for asking again; its answer cannot be opened, and is left out.
const RENEWAL: &str = "http://Passport.NET/tb";
/// For whom a ticket is issued where a request does not say.
const MESSENGER: &str = "messenger.msn.com";

/// The two forms of the service, which differ in namespaces and in how they refuse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum TokenService {
    Rst,
    Rst2,
}

/// Who asks, and for what.
pub(super) struct TokenRequest {
    pub(super) sign_in: String,
    pub(super) password: String,
    /// Number and address of each token.
    tokens: Vec<(u32, String)>,
}

impl TokenService {
    /// The service behind a path, whose slashes some clients double.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path.trim_start_matches('/').to_ascii_lowercase().as_str() {
            "rst.srf" => Some(Self::Rst),
            "rst2.srf" => Some(Self::Rst2),
            _ => None,
        }
    }

    /// The answer to a request: one token for each address, all of them the ticket, good for 24 hours from `now`.
    pub(super) fn grant(self, request: &TokenRequest, ticket: &str, now: DateTime<Utc>) -> Response {
        let life = TimeDelta::from_std(TICKET_LIFE).unwrap_or_default();
        let stamp = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
        let (created, expires, ticket) = (stamp(now), stamp(now + life), escape(ticket));
        let lifetime = if self == Self::Rst { "LifeTime" } else { "Lifetime" };
        let mut tokens = String::new();
        for (number, address) in &request.tokens {
            let address = escape(address.as_str());
            tokens.push_str(&format!(
                "<wst:RequestSecurityTokenResponse><wst:TokenType>urn:passport:compact</wst:TokenType><wsp:AppliesTo><wsa:EndpointReference><wsa:Address>{address}</wsa:Address></wsa:EndpointReference></wsp:AppliesTo><wst:{lifetime}><wsu:Created>{created}</wsu:Created><wsu:Expires>{expires}</wsu:Expires></wst:{lifetime}><wst:RequestedSecurityToken><wsse:BinarySecurityToken Id=\"Compact{number}\">{ticket}</wsse:BinarySecurityToken></wst:RequestedSecurityToken></wst:RequestSecurityTokenResponse>"
            ));
        }
        let names = self.namespaces();
        self.envelope(&format!(
            "<S:Body><wst:RequestSecurityTokenResponseCollection {names}>{tokens}</wst:RequestSecurityTokenResponseCollection></S:Body>"
        ))
    }

    /// The account is not known, or its password is another.
    pub(super) fn refuse(self) -> Response {
        self.envelope(match self {
            Self::Rst => {
                "<S:Header><psf:pp xmlns:psf=\"http://schemas.microsoft.com/Passport/SoapServices/SOAPFault\"><psf:serverVersion>1</psf:serverVersion><psf:authstate>0x80048800</psf:authstate><psf:reqstatus>0x80048823</psf:reqstatus></psf:pp></S:Header><S:Fault><faultcode>wsse:FailedAuthentication</faultcode><faultstring>Authentication Failure</faultstring></S:Fault>"
            }
            Self::Rst2 => {
                "<S:Body><S:Fault><S:Code><S:Value>S:Sender</S:Value><S:Subcode><S:Value>wst:FailedAuthentication</S:Value></S:Subcode></S:Code><S:Reason><S:Text xml:lang=\"en-US\">Authentication Failure</S:Text></S:Reason><S:Detail><psf:error xmlns:psf=\"http://schemas.microsoft.com/Passport/SoapServices/SOAPFault\"><psf:value>0x80048821</psf:value></psf:error></S:Detail></S:Fault></S:Body>"
            }
        })
    }

    /// What was sent is no request for tokens.
    pub(super) fn misunderstand(self) -> Response {
        self.envelope(match self {
            Self::Rst => {
                "<S:Fault><faultcode>S:Client</faultcode><faultstring>Invalid Request</faultstring></S:Fault>"
            }
            Self::Rst2 => {
                "<S:Body><S:Fault><S:Code><S:Value>S:Sender</S:Value><S:Subcode><S:Value>wst:InvalidRequest</S:Value></S:Subcode></S:Code><S:Reason><S:Text xml:lang=\"en-US\">Invalid Request</S:Text></S:Reason></S:Fault></S:Body>"
            }
        })
    }

    /// Every answer is 200: clients read the fault in it, not the status.
    fn envelope(self, content: &str) -> Response {
        let soap = match self {
            Self::Rst => "http://schemas.xmlsoap.org/soap/envelope/",
            Self::Rst2 => "http://www.w3.org/2003/05/soap-envelope",
        };
        soap::answer(200, "OK", format!("<S:Envelope xmlns:S=\"{soap}\">{content}</S:Envelope>"))
    }

    /// Clients compare these texts, and the prefixes that the answer uses.
    fn namespaces(self) -> &'static str {
        match self {
            Self::Rst => {
                "xmlns:wst=\"http://schemas.xmlsoap.org/ws/2004/04/trust\" xmlns:wsse=\"http://schemas.xmlsoap.org/ws/2003/06/secext\" xmlns:wsu=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\" xmlns:wsp=\"http://schemas.xmlsoap.org/ws/2002/12/policy\" xmlns:wsa=\"http://schemas.xmlsoap.org/ws/2004/03/addressing\""
            }
            Self::Rst2 => {
                "xmlns:wst=\"http://schemas.xmlsoap.org/ws/2005/02/trust\" xmlns:wsse=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\" xmlns:wsu=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd\" xmlns:wsp=\"http://schemas.xmlsoap.org/ws/2004/09/policy\" xmlns:wsa=\"http://www.w3.org/2005/08/addressing\""
            }
        }
    }
}

impl TokenRequest {
    /// `None` for what holds no name and password. A request without addresses is one for the messenger.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let envelope = Envelope::parse(body)?;
        let mut tokens = Vec::new();
        let mut number = None;
        for element in &envelope.0 {
            match element.name.as_str() {
                "RequestSecurityToken" => {
                    let id = element.attribute("Id").and_then(|id| id.strip_prefix("RST"));
                    number = Some(id.and_then(|digits| digits.parse().ok()));
                }
                "Address" => {
                    // Where a request does not number its tokens, they count from 1, as the messenger's own did.
                    let counted = u32::try_from(tokens.len()).unwrap_or(u32::MAX).saturating_add(1);
                    let number = number.take().flatten().unwrap_or(counted);
                    let address = element.text.trim();
                    if address != RENEWAL && tokens.len() < MAX_TOKENS {
                        tokens.push((number, address.to_owned()));
                    }
                }
                _ => {}
            }
        }
        if tokens.is_empty() {
            tokens.push((1, MESSENGER.to_owned()));
        }
        let field = |name| envelope.text(name).map(|text| text.trim_matches(['\r', '\n']).to_owned());
        Some(Self { sign_in: field("Username")?.trim().to_owned(), password: field("Password")?, tokens })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As msn-pecan writes it: two tokens, the second of which it looks for by the name «Compact1».
    const PECAN: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/" xmlns:wsse="http://schemas.xmlsoap.org/ws/2003/06/secext"><Header><wsse:Security><wsse:UsernameToken Id="user"><wsse:Username>alice@example.com</wsse:Username><wsse:Password>a&lt;b&amp;c </wsse:Password></wsse:UsernameToken></wsse:Security></Header><Body><ps:RequestMultipleSecurityTokens Id="RSTS"><wst:RequestSecurityToken Id="RST0"><wsp:AppliesTo><wsa:EndpointReference><wsa:Address>http://Passport.NET/tb</wsa:Address></wsa:EndpointReference></wsp:AppliesTo></wst:RequestSecurityToken><wst:RequestSecurityToken Id="RST1"><wsp:AppliesTo><wsa:EndpointReference><wsa:Address>messenger.msn.com</wsa:Address></wsa:EndpointReference></wsp:AppliesTo></wst:RequestSecurityToken></ps:RequestMultipleSecurityTokens></Body></Envelope>"#;

    fn granted(service: TokenService, body: &str) -> String {
        let request = TokenRequest::parse(body.as_bytes()).unwrap();
        let answer = service.grant(&request, "t=1&p=2", DateTime::UNIX_EPOCH);
        String::from_utf8(answer.body).unwrap()
    }

    #[test]
    fn fault_37_tokens_are_numbered_as_asked_and_the_ticket_is_escaped() {
        let request = TokenRequest::parse(PECAN.as_bytes()).unwrap();
        assert_eq!((request.sign_in.as_str(), request.password.as_str()), ("alice@example.com", "a<b&c "));
        for service in [TokenService::Rst, TokenService::Rst2] {
            let answer = granted(service, PECAN);
            assert!(answer.contains(r#"<wsse:BinarySecurityToken Id="Compact1">t=1&amp;p=2</"#), "{answer}");
            assert!(answer.contains("<wsa:Address>messenger.msn.com</wsa:Address>"), "{answer}");
            assert!(answer.contains("<wsu:Expires>1970-01-02T00:00:00Z</wsu:Expires>"), "{answer}");
            assert_eq!(answer.matches("BinarySecurityToken Id").count(), 1, "{answer}");
            assert!(!answer.contains("> ") && !answer.contains('\n') && answer.len() < 2048, "{answer}");
        }
        // Further ones, numbered otherwise or not at all.
        let more = PECAN.replace(
            "</ps:Req",
            r#"<wst:RequestSecurityToken Id="RST4"><wsa:Address>contacts.msn.com</wsa:Address></wst:RequestSecurityToken></ps:Req"#,
        );
        assert!(granted(TokenService::Rst, &more).contains(r#"Id="Compact4">"#));
        let bare = "<E><Username>a@b.c</Username><Password>p</Password></E>";
        assert!(granted(TokenService::Rst, bare).contains(r#"Id="Compact1">"#));
        let plain =
            "<E><Username>a@b.c</Username><Password>p</Password><Address>x</Address><Address>y</Address></E>";
        assert!(granted(TokenService::Rst2, plain).contains(r#"Id="Compact2">"#));
    }

    #[test]
    fn fault_37_paths_are_found_with_doubled_slashes_and_bad_requests_are_refused() {
        for (path, service) in [
            ("/RST.srf", Some(TokenService::Rst)),
            ("//RST.srf", Some(TokenService::Rst)),
            ("//rst2.srf", Some(TokenService::Rst2)),
            ("/RST3.srf", None),
            ("/x/RST.srf", None),
        ] {
            assert_eq!(TokenService::at(path), service, "{path}");
        }
        for body in ["", "<E/>", "<E><Username>a@b.c</Username></E>", "sign-in=a"] {
            assert!(TokenRequest::parse(body.as_bytes()).is_none(), "{body}");
        }
    }
}
