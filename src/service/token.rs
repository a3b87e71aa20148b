//! Sign-in by security tokens: `POST /RST.srf` and `/RST2.srf` (§18.2, §18.3). msn-pecan knows no other way, in MSNP12.
//!
//! Every token is the same ticket, which `USR S` and the pages of offline messages take. That of the messenger has the
//! secret with it that a proof is made of.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::http::Response;
use super::rules::TICKET_LIFE;
use super::tickets::Issued;
use crate::msn::sso::{Domain, RequestedToken, TokenForm, TokenRequest, UTILITY};
use crate::msn::xml::Element;

/// Most tokens of one answer: there is a client that stalls on long ones.
const MAX_TOKENS: usize = 8;
const FAULT: &str = "http://schemas.microsoft.com/Passport/SoapServices/SOAPFault";

/// The answer to a request: one token for each address, all of them the ticket, good for 24 hours from `now`. The token
/// that is only good for asking again cannot be opened, and is left out.
pub(super) fn grant(
    form: TokenForm,
    request: &TokenRequest,
    issued: &Issued,
    now: DateTime<Utc>,
) -> Response {
    let names = form.namespaces();
    let collection = Element::new("wst:RequestSecurityTokenResponseCollection")
        .with_attribute("xmlns:wst", names.trust)
        .with_attribute("xmlns:wsse", names.security)
        .with_attribute("xmlns:wsu", UTILITY)
        .with_attribute("xmlns:wsp", names.policy)
        .with_attribute("xmlns:wsa", names.addressing);
    let tokens = numbered(&request.tokens);
    let tokens = tokens.iter().map(|(number, address)| token(form, *number, address, issued, now));
    envelope(form, [Element::new("S:Body").with(collection.with_all(tokens))])
}

/// The account is not known, or its password is another.
pub(super) fn refuse(form: TokenForm) -> Response {
    let parts =
        fault(form, ["wsse:FailedAuthentication", "wst:FailedAuthentication"], "Authentication Failure");
    match form {
        TokenForm::Rst => {
            let passport = Element::new("psf:pp")
                .with_attribute("xmlns:psf", FAULT)
                .with(Element::leaf("psf:serverVersion", "1"))
                .with(Element::leaf("psf:authstate", "0x80048800"))
                .with(Element::leaf("psf:reqstatus", "0x80048823"));
            envelope(form, [Element::new("S:Header").with(passport), parts])
        }
        TokenForm::Rst2 => {
            let error = Element::new("psf:error").with_attribute("xmlns:psf", FAULT);
            let error = error.with(Element::leaf("psf:value", "0x80048821"));
            envelope(form, [within(form, parts.with(Element::new("S:Detail").with(error)))])
        }
    }
}

/// What was sent is no request for tokens.
pub(super) fn misunderstand(form: TokenForm) -> Response {
    envelope(form, [within(form, fault(form, ["S:Client", "wst:InvalidRequest"], "Invalid Request"))])
}

/// A fault by the code that it has in each form.
fn fault(form: TokenForm, [first, second]: [&str; 2], words: &str) -> Element {
    let fault = Element::new("S:Fault");
    match form {
        TokenForm::Rst => {
            fault.with(Element::leaf("faultcode", first)).with(Element::leaf("faultstring", words))
        }
        TokenForm::Rst2 => {
            let subcode = Element::new("S:Subcode").with(Element::leaf("S:Value", second));
            let code = Element::new("S:Code").with(Element::leaf("S:Value", "S:Sender")).with(subcode);
            let text = Element::leaf("S:Text", words).with_attribute("xml:lang", "en-US");
            fault.with(code).with(Element::new("S:Reason").with(text))
        }
    }
}

/// A fault of the first form stands directly in the envelope, where clients of it look.
fn within(form: TokenForm, fault: Element) -> Element {
    if form == TokenForm::Rst { fault } else { Element::new("S:Body").with(fault) }
}

/// Every answer is 200: clients read the fault in it, not the status. Nothing stands between elements, where there is a
/// client that does not survive it.
fn envelope(form: TokenForm, parts: impl IntoIterator<Item = Element>) -> Response {
    let envelope = Element::new("S:Envelope").with_attribute("xmlns:S", form.namespaces().soap);
    let body = envelope.with_all(parts).to_document().into_bytes();
    Response { body, ..Response::new(200, "OK").with("Content-Type", "text/xml; charset=utf-8") }
}

fn token(form: TokenForm, number: u32, address: &str, issued: &Issued, now: DateTime<Utc>) -> Element {
    let life = TimeDelta::from_std(TICKET_LIFE).unwrap_or_default();
    let stamp = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let lifetime = if form == TokenForm::Rst { "wst:LifeTime" } else { "wst:Lifetime" };
    let reference = Element::new("wsa:EndpointReference").with(Element::leaf("wsa:Address", address));
    let ticket = Element::leaf("wsse:BinarySecurityToken", &issued.text);
    let ticket = ticket.with_attribute("Id", &format!("Compact{number}"));
    let secret = || Element::leaf("wst:BinarySecret", &issued.secret.to_base64());
    let proof =
        (address == Domain::SignIn.address()).then(|| Element::new("wst:RequestedProofToken").with(secret()));
    Element::new("wst:RequestSecurityTokenResponse")
        .with(Element::leaf("wst:TokenType", "urn:passport:compact"))
        .with(Element::new("wsp:AppliesTo").with(reference))
        .with(
            Element::new(lifetime)
                .with(Element::leaf("wsu:Created", &stamp(now)))
                .with(Element::leaf("wsu:Expires", &stamp(now + life))),
        )
        .with(Element::new("wst:RequestedSecurityToken").with(ticket))
        .with_all(proof)
}

/// Number and address of each token. Where a request does not number its tokens, they count from 1, as the messenger's own
/// did; one without addresses is one for the messenger.
fn numbered(requested: &[RequestedToken]) -> Vec<(u32, &str)> {
    let wanted = requested.iter().filter(|token| token.address != Domain::Renewal.address());
    let wanted = wanted.zip(1_u32..).take(MAX_TOKENS);
    let tokens: Vec<_> =
        wanted.map(|(token, counted)| (token.number.unwrap_or(counted), token.address.as_str())).collect();
    if tokens.is_empty() { vec![(1, Domain::OfflineMessages.address())] } else { tokens }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::msn::sso::{ProofSecret, TokenExchange, TokenFailure, TokenStep, token_request};

    /// As msn-pecan writes it: two tokens, the second of which it looks for by the name «Compact1».
    const PECAN: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/" xmlns:wsse="http://schemas.xmlsoap.org/ws/2003/06/secext"><Header><wsse:Security><wsse:UsernameToken Id="user"><wsse:Username>alice@example.com</wsse:Username><wsse:Password>a&lt;b&amp;c </wsse:Password></wsse:UsernameToken></wsse:Security></Header><Body><ps:RequestMultipleSecurityTokens Id="RSTS"><wst:RequestSecurityToken Id="RST0"><wsp:AppliesTo><wsa:EndpointReference><wsa:Address>http://Passport.NET/tb</wsa:Address></wsa:EndpointReference></wsp:AppliesTo></wst:RequestSecurityToken><wst:RequestSecurityToken Id="RST1"><wsp:AppliesTo><wsa:EndpointReference><wsa:Address>messenger.msn.com</wsa:Address></wsa:EndpointReference></wsp:AppliesTo></wst:RequestSecurityToken></ps:RequestMultipleSecurityTokens></Body></Envelope>"#;

    fn asked(body: &str) -> TokenRequest {
        TokenRequest::parse(body).unwrap().unwrap()
    }

    fn granted(form: TokenForm, body: &str) -> String {
        let issued = Issued { text: "t=1&p=2".into(), secret: ProofSecret::new([7; 24]) };
        let answer = grant(form, &asked(body), &issued, DateTime::UNIX_EPOCH);
        String::from_utf8(answer.body).unwrap()
    }

    #[test]
    fn fault_37_tokens_are_numbered_as_asked_and_the_ticket_is_escaped() {
        let request = asked(PECAN);
        assert_eq!(
            (request.account.as_str(), request.password.expose_secret()),
            ("alice@example.com", "a<b&c ")
        );
        for form in [TokenForm::Rst, TokenForm::Rst2] {
            let answer = granted(form, PECAN);
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
        assert!(granted(TokenForm::Rst, &more).contains(r#"Id="Compact4">"#));
        let bare = "<E><Username>a@b.c</Username><Password>p</Password></E>";
        assert!(granted(TokenForm::Rst, bare).contains(r#"Id="Compact1">"#));
        let plain =
            "<E><Username>a@b.c</Username><Password>p</Password><Address>x</Address><Address>y</Address></E>";
        assert!(granted(TokenForm::Rst2, plain).contains(r#"Id="Compact2">"#));
    }

    /// A request as the bridge itself writes it.
    fn full(form: TokenForm) -> String {
        let email = crate::msn::ids::Email::parse("alice@example.com").unwrap();
        token_request(form, &email, &"pw".into(), "MBI_KEY_OLD", DateTime::UNIX_EPOCH)
    }

    #[test]
    fn conf_118_answers_have_nothing_between_elements_and_the_numbers_of_the_request() {
        for form in [TokenForm::Rst, TokenForm::Rst2] {
            let answer = granted(form, &full(form));
            let between =
                |blank: char| answer.contains(&format!(">{blank}")) || answer.contains(&format!("{blank}<"));
            assert!(![' ', '\n', '\r', '\t'].into_iter().any(between), "{answer}");
            let root = Element::parse(&answer).unwrap();
            let tokens: Vec<_> = root
                .all("RequestSecurityTokenResponse")
                .map(|token| {
                    (
                        token.first("BinarySecurityToken").unwrap().attribute("Id").unwrap(),
                        token.first("Address").unwrap().text(),
                    )
                })
                .collect();
            let addresses = Domain::ALL[1..].iter().map(|domain| domain.address());
            let expected: Vec<_> = ["Compact1", "Compact2", "Compact3", "Compact4", "Compact5"]
                .into_iter()
                .zip(addresses)
                .collect();
            assert_eq!(tokens, expected);
        }
        for path in ["/RST.srf", "//RST.srf"] {
            assert_eq!(TokenForm::at(path), Some(TokenForm::Rst), "{path}");
        }
    }

    #[test]
    fn conf_119_the_second_form_answers_in_its_own_soap_with_the_messengers_secret() {
        let answer = granted(TokenForm::Rst2, &full(TokenForm::Rst2));
        assert!(answer.contains("xmlns:S=\"http://www.w3.org/2003/05/soap-envelope\""), "{answer}");
        assert!(answer.contains("<wst:Lifetime>") && !answer.contains("LifeTime"), "{answer}");
        let root = Element::parse(&answer).unwrap();
        let with_secret: Vec<_> = root
            .all("RequestSecurityTokenResponse")
            .filter(|token| token.first("BinarySecret").is_some())
            .collect();
        assert_eq!(with_secret.len(), 1);
        assert_eq!(with_secret[0].first("Address").unwrap().text(), "messengerclear.live.com");
        assert_eq!(
            with_secret[0].first("BinarySecret").unwrap().text(),
            ProofSecret::new([7; 24]).to_base64()
        );
        // The first form has the other names.
        let first = granted(TokenForm::Rst, &full(TokenForm::Rst));
        assert!(
            first.contains("<wst:LifeTime>") && first.contains("http://schemas.xmlsoap.org/soap/envelope/"),
            "{first}"
        );
    }

    #[test]
    fn a_client_reads_what_is_granted_and_what_is_refused() {
        for form in [TokenForm::Rst, TokenForm::Rst2] {
            let read = |body: String| TokenExchange::default().handle(&body);
            let Ok(TokenStep::Done(tokens)) = read(granted(form, &full(form))) else { panic!("no tickets") };
            assert_eq!(tokens.get(Domain::SignIn).unwrap().secret, Some(ProofSecret::new([7; 24])));
            assert_eq!(tokens.get(Domain::Contacts).unwrap().ticket.expose(), "t=1&p=2");
            let text = |answer: Response| String::from_utf8(answer.body).unwrap();
            assert!(matches!(read(text(refuse(form))), Err(TokenFailure::Rejected(_))));
            assert!(matches!(read(text(misunderstand(form))), Err(TokenFailure::Refused(_))));
        }
    }

    #[test]
    fn fault_37_paths_are_found_with_doubled_slashes_and_bad_requests_are_refused() {
        for (path, service) in [
            ("/RST.srf", Some(TokenForm::Rst)),
            ("//RST.srf", Some(TokenForm::Rst)),
            ("//rst2.srf", Some(TokenForm::Rst2)),
            ("/RST3.srf", None),
            ("/x/RST.srf", None),
        ] {
            assert_eq!(TokenForm::at(path), service, "{path}");
        }
        for body in ["", "<E/>", "<E><Username>a@b.c</Username></E>", "sign-in=a"] {
            assert!(!matches!(TokenRequest::parse(body), Ok(Some(_))), "{body}");
        }
    }
}
