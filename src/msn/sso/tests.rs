//! Requests and answers of both forms, against what clients and servers were seen to write.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::msn::ids::{Email, Ticket};
use crate::msn::xml::Element;

const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

fn request(form: TokenForm, password: &str) -> String {
    let email = Email::parse("Alice&Co@example.com").unwrap();
    token_request(form, &email, &SecretString::from(password), "MBI_KEY_OLD", DateTime::UNIX_EPOCH)
}

/// A token as servers write it; `number` is theirs.
fn token(number: u32, address: &str, ticket: &str, rest: &str) -> String {
    format!(
        "<wst:RequestSecurityTokenResponse>\n\t<wst:TokenType>urn:passport:compact</wst:TokenType><wsp:AppliesTo><wsa:EndpointReference><wsa:Address>{address}</wsa:Address></wsa:EndpointReference></wsp:AppliesTo><wst:LifeTime><wsu:Created>2026-11-25T19:07:49Z</wsu:Created><wsu:Expires>2026-11-26T19:07:49Z</wsu:Expires></wst:LifeTime>\n<wst:RequestedSecurityToken><wsse:BinarySecurityToken Id=\"Compact{number}\">{ticket}</wsse:BinarySecurityToken></wst:RequestedSecurityToken>{rest}</wst:RequestSecurityTokenResponse>"
    )
}

fn answer(tokens: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<S:Envelope>\n<S:Body><wst:RequestSecurityTokenResponseCollection>{tokens}</wst:RequestSecurityTokenResponseCollection></S:Body></S:Envelope>"
    )
}

fn proof_token() -> String {
    format!(
        "<wst:RequestedProofToken><wst:BinarySecret>{SECRET}</wst:BinarySecret></wst:RequestedProofToken>"
    )
}

fn tokens(body: &str) -> Result<Tokens, TokenFailure> {
    match TokenExchange::default().handle(body)? {
        TokenStep::Done(tokens) => Ok(tokens),
        TokenStep::AskAt(url) => panic!("sent on to {url}"),
    }
}

#[test]
fn conf_113_a_request_escapes_who_asks_cuts_the_password_and_names_every_domain() {
    for form in [TokenForm::Rst, TokenForm::Rst2] {
        let body = request(form, "<a&b>é\"6789012345678");
        assert!(body.contains(">alice&amp;co@example.com<") && body.contains(">&lt;a&amp;b&gt;é"), "{body}");
        let read = TokenRequest::parse(&body).unwrap().unwrap();
        assert_eq!(read.account, "alice&co@example.com");
        assert_eq!(read.password.expose_secret(), "<a&b>é\"678901234");
        let root = Element::parse(&body).unwrap();
        let policies: Vec<_> = root.all("PolicyReference").filter_map(|p| p.attribute("URI")).collect();
        assert_eq!(policies, ["MBI_KEY_OLD", "?id=507", "MBI", "MBI_SSL", "MBI"]);
        let asked: Vec<_> = read.tokens.iter().map(|t| (t.number.unwrap(), t.address.as_str())).collect();
        let expected = [
            (0, "http://Passport.NET/tb"),
            (1, "messengerclear.live.com"),
            (2, "messenger.msn.com"),
            (3, "contacts.msn.com"),
            (4, "messengersecure.live.com"),
            (5, "storage.msn.com"),
        ];
        assert_eq!(asked, expected);
        let stamps: Vec<_> = root.all("Created").chain(root.all("Expires")).map(Element::text).collect();
        match form {
            TokenForm::Rst => assert!(stamps.is_empty()),
            TokenForm::Rst2 => assert_eq!(stamps, ["1970-01-01T00:00:00Z", "1970-01-01T00:05:00Z"]),
        }
    }
}

#[test]
fn conf_114_tickets_are_known_by_their_address_whatever_their_number_and_order() {
    let [contacts, sign_in] = [
        token(4, "contacts.msn.com", "t=c&amp;p=", ""),
        token(2, "MessengerClear.live.com", "t=s&amp;p=", &proof_token()),
    ];
    for body in [format!("{contacts}{sign_in}"), format!("{sign_in}{contacts}")] {
        let tokens = tokens(&answer(&body)).unwrap();
        assert_eq!(tokens.get(Domain::SignIn).unwrap().ticket, Ticket::new("t=s&p="));
        assert_eq!(tokens.get(Domain::Contacts).unwrap().ticket, Ticket::new("t=c&p="));
        assert_eq!(tokens.get(Domain::Leaving), None, "one that was not given");
    }
    // The rule broken: without the ticket that signs in there is nothing to sign in with.
    assert_eq!(tokens(&answer(&contacts)), Err(TokenFailure::NoTicket));
    let bare = token(1, "messengerclear.live.com", "t=s&amp;p=", "");
    assert_eq!(tokens(&answer(&bare)), Err(TokenFailure::NoTicket));
}

#[test]
fn conf_116_a_wrong_password_is_known_wherever_the_fault_stands() {
    let first = "<S:Fault><faultcode>wsse:FailedAuthentication</faultcode><faultstring>Authentication\n Failure</faultstring></S:Fault>";
    let second = "<S:Fault><S:Code><S:Value>S:Sender</S:Value><S:Subcode><S:Value>wst:FailedAuthentication</S:Value></S:Subcode></S:Code><S:Reason><S:Text>Authentication Failure</S:Text></S:Reason></S:Fault>";
    for fault in [first, second] {
        for body in [format!("<S:E>{fault}</S:E>"), format!("<S:E><S:Body>{fault}</S:Body></S:E>")] {
            assert_eq!(tokens(&body), Err(TokenFailure::Rejected("Authentication Failure".into())));
        }
    }
    let other =
        "<E><Fault><faultcode>S:Client</faultcode><faultstring>Invalid Request</faultstring></Fault></E>";
    assert_eq!(tokens(other), Err(TokenFailure::Refused("Invalid Request".into())));
    for odd in ["", "no XML", "<html>502</html>x"] {
        assert_eq!(tokens(odd), Err(TokenFailure::Unreadable), "{odd}");
    }
}

#[test]
fn conf_117_redirects_are_followed_five_times_and_tickets_end_a_minute_early() {
    let fault = "<E><S:Fault><faultcode>psf:Redirect</faultcode><psf:redirectUrl>https://msnia.example/RST.srf?a=1&amp;b=2</psf:redirectUrl></S:Fault></E>";
    let mut exchange = TokenExchange::default();
    for _ in 0..MAX_REDIRECTS {
        let next = exchange.handle(fault);
        assert_eq!(next, Ok(TokenStep::AskAt("https://msnia.example/RST.srf?a=1&b=2".into())));
    }
    assert_eq!(exchange.handle(fault), Err(TokenFailure::TooManyRedirects));

    let tokens = tokens(&answer(&token(1, "messengerclear.live.com", "t=s", &proof_token()))).unwrap();
    let end: DateTime<Utc> = "2026-11-26T19:07:49Z".parse().unwrap();
    assert!(tokens.are_fresh(end - TimeDelta::seconds(61)));
    assert!(!tokens.are_fresh(end - TimeDelta::seconds(60)));
}

#[test]
fn conf_115_a_ticket_is_unescaped_once_and_escaped_again_where_it_goes() {
    let written = token(1, "messengerclear.live.com", "t=a&amp;amp;b&amp;p=c", &proof_token());
    let tokens = tokens(&answer(&written)).unwrap();
    let ticket = &tokens.get(Domain::SignIn).unwrap().ticket;
    assert_eq!(ticket.expose(), "t=a&amp;b&p=c", "not twice");
    assert_eq!(Element::leaf("T", ticket.expose()).to_fragment(), "<T>t=a&amp;amp;b&amp;p=c</T>");
    let halves = crate::msn::oim::get_metadata(&Ticket::new("t=a+b/==&p=c")).body;
    assert!(halves.contains("<t>a+b/==</t><p>c</p>"), "{halves}");
}

#[test]
fn a_ticket_that_would_break_a_command_is_not_taken() {
    let broken = token(1, "messengerclear.live.com", "t=s&#13;&#10;OUT", &proof_token());
    assert_eq!(tokens(&answer(&broken)), Err(TokenFailure::NoTicket));
}

#[test]
fn a_request_without_account_or_password_is_none() {
    assert!(TokenRequest::parse("<E><Username>a</Username></E>").unwrap().is_none());
    assert!(TokenRequest::parse("this is no xml").is_err());
}

proptest! {
    #[test]
    fn any_answer_is_survived(body in "(<[a-zA-Z:/]{0,12}>|&[#a-z]{0,3};|\\PC){0,30}") {
        let _ = TokenExchange::default().handle(&body);
        let _ = TokenRequest::parse(&body);
    }
}
