//! The request for tokens, written by a client and read by a service (§18.2, §18.3).
//!
//! Knows both forms. Refuses to know whether a password is right.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};

use super::form::{Domain, PASSPORT, TokenForm, UTILITY};
use crate::msn::ids::Email;
use crate::msn::xml::{Element, XmlError};

/// Passport looks at no more characters of a password.
const PASSWORD_CHARS: usize = 16;
/// Minutes that a request of the second form is good.
const REQUEST_MINUTES: i64 = 5;
/// The program that asks, as the clients of the time named themselves, and the version of their sign-in library.
const PROGRAMS: [(&str, &str); 2] =
    [("{7108E71A-9926-4FCB-BCC9-9A9D3F32E423}", "4"), ("{DF60E2DF-88AD-4526-AE21-83D130EF0F68}", "5")];
/// A list of one number, `lc=1033`, as those libraries pack it.
const PARAMETERS: &str = "AQAAAAIAAABsYwQAAAAxMDMz";
/// Most tokens that a request is read to ask for.
const MAX_TOKENS: usize = 16;

/// Writes a request for the tickets of every [`Domain`]. `policy` is the word of `USR SSO S`; `now` goes into the second
/// form alone. Of the password the first 16 characters count.
pub fn token_request(
    form: TokenForm,
    email: &Email,
    password: &SecretString,
    policy: &str,
    now: DateTime<Utc>,
) -> String {
    let names = form.namespaces();
    let envelope = Element::new("s:Envelope")
        .with_attribute("xmlns:s", names.soap)
        .with_attribute("xmlns:wsse", names.security)
        .with_attribute("xmlns:wsu", UTILITY)
        .with_attribute("xmlns:wsp", names.policy)
        .with_attribute("xmlns:wsa", names.addressing)
        .with_attribute("xmlns:wst", names.trust);
    let header = Element::new("s:Header").with(program(form)).with(security(form, email, password, now));
    let tokens = Domain::ALL.iter().enumerate().map(|(number, domain)| token(form, number, *domain, policy));
    let all = Element::new("ps:RequestMultipleSecurityTokens")
        .with_attribute("xmlns:ps", PASSPORT)
        .with_attribute("Id", "RSTS")
        .with_all(tokens);
    envelope.with(header).with(Element::new("s:Body").with(all)).to_document()
}

fn program(form: TokenForm) -> Element {
    let [first, second] = PROGRAMS;
    let (program, version) = if form == TokenForm::Rst { first } else { second };
    Element::new("ps:AuthInfo")
        .with_attribute("xmlns:ps", PASSPORT)
        .with_attribute("Id", "PPAuthInfo")
        .with(Element::leaf("ps:HostingApp", program))
        .with(Element::leaf("ps:BinaryVersion", version))
        .with(Element::leaf("ps:UIVersion", "1"))
        .with(Element::new("ps:Cookies"))
        .with(Element::leaf("ps:RequestParams", PARAMETERS))
}

fn security(form: TokenForm, email: &Email, password: &SecretString, now: DateTime<Utc>) -> Element {
    let cut: String = password.expose_secret().chars().take(PASSWORD_CHARS).collect();
    let id = if form == TokenForm::Rst { "Id" } else { "wsu:Id" };
    let user = Element::new("wsse:UsernameToken")
        .with_attribute(id, "user")
        .with(Element::leaf("wsse:Username", &email.as_str().to_lowercase()))
        .with(Element::leaf("wsse:Password", &cut));
    let security = Element::new("wsse:Security").with(user);
    match form {
        TokenForm::Rst => security,
        TokenForm::Rst2 => security.with(lifetime("wsu:Timestamp", now, TimeDelta::minutes(REQUEST_MINUTES))),
    }
}

/// From when to when something is good.
fn lifetime(name: &str, from: DateTime<Utc>, life: TimeDelta) -> Element {
    let stamp = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    Element::new(name)
        .with_attribute("wsu:Id", "Timestamp")
        .with(Element::leaf("wsu:Created", &stamp(from)))
        .with(Element::leaf("wsu:Expires", &stamp(from + life)))
}

fn token(form: TokenForm, number: usize, domain: Domain, policy: &str) -> Element {
    let reference =
        Element::new("wsa:EndpointReference").with(Element::leaf("wsa:Address", domain.address()));
    let token = Element::new("wst:RequestSecurityToken")
        .with_attribute("Id", &format!("RST{number}"))
        .with(Element::leaf("wst:RequestType", form.namespaces().issue))
        .with(Element::new("wsp:AppliesTo").with(reference));
    let policy = domain.policy(policy);
    token.with_all(policy.map(|uri| Element::new("wsse:PolicyReference").with_attribute("URI", uri)))
}

/// A request as a service reads it.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    pub account: String,
    pub password: SecretString,
    pub tokens: Vec<RequestedToken>,
}

/// One token that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedToken {
    /// The digits of `RSTn`, where the request numbers its tokens.
    pub number: Option<u32>,
    pub address: String,
}

impl TokenRequest {
    /// Reads a request of either form; `None` for XML that names no account or no password. Of the tokens the first 16 are
    /// read; a request that names addresses and no tokens asks for one at each.
    ///
    /// # Errors
    /// Text that is not XML.
    pub fn parse(body: &str) -> Result<Option<Self>, XmlError> {
        let root = Element::parse(body)?;
        let account = root.first("Username").map(|element| element.text().to_owned());
        // Blanks of a password are its own; line ends are those of an editor.
        let password = root.first("Password").map(|element| element.text_with_blanks());
        let password = password.map(|text| SecretString::from(text.trim_matches(['\r', '\n'])));
        let Some((account, password)) = account.zip(password) else { return Ok(None) };
        let mut tokens: Vec<RequestedToken> =
            root.all("RequestSecurityToken").filter_map(requested).take(MAX_TOKENS).collect();
        if tokens.is_empty() {
            let bare = root.all("Address").map(|element| RequestedToken::at(None, element));
            tokens.extend(bare.take(MAX_TOKENS));
        }
        Ok(Some(Self { account, password, tokens }))
    }
}

impl RequestedToken {
    fn at(number: Option<u32>, address: &Element) -> Self {
        Self { number, address: address.text().to_owned() }
    }
}

fn requested(token: &Element) -> Option<RequestedToken> {
    let digits = token.attribute("Id").and_then(|id| id.strip_prefix("RST"));
    Some(RequestedToken::at(digits.and_then(|digits| digits.parse().ok()), token.first("Address")?))
}
