//! Passport 1.4 over HTTPS: nexus, login page, ticket (§2.6).
//!
//! Knows pages, redirects and what a refusal looks like. Refuses to know who signs in, and what a ticket is for.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};

use super::sign_in_url;
use crate::connector::config::MsnConfig;
use crate::connector::error::TicketError;
use crate::msn::ids::{Email, Ticket};

const TIMEOUT: Duration = Duration::from_secs(20);
const MAX_REDIRECTS: usize = 5;
/// Characters of a server's own words that an owner is shown.
const MAX_REASON: usize = 300;
/// How long getting a ticket may take in all.
const TICKET_TIME: Duration = Duration::from_secs(60);
/// Passport looks at no more of a password.
const PASSWORD_CHARS: usize = 16;

/// Gets tickets.
#[derive(Debug, Clone)]
pub struct Passport {
    client: Client,
    nexus: String,
    allow_insecure: bool,
}

impl Passport {
    /// A client for sign-in pages: no redirects by itself, and 20 seconds for each page.
    ///
    /// # Errors
    /// The proxy cannot be used, or the system has no certificates.
    pub fn new(config: &MsnConfig) -> Result<Self, TicketError> {
        // Redirects are followed here: each needs the same Authorization header, also on another host.
        let fail = |error: reqwest::Error| TicketError::Unreachable(crate::web::innermost_cause(&error));
        let mut builder = Client::builder()
            .user_agent("MSMSGS")
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if let Some(proxy) = &config.proxy {
            // The proxy looks names up itself.
            let mut through = reqwest::Proxy::all(format!("socks5h://{}", proxy.server)).map_err(fail)?;
            if let Some((user, password)) = &proxy.credentials {
                through = through.basic_auth(user, password.expose_secret());
            }
            builder = builder.proxy(through);
        }
        let client = builder.build().map_err(fail)?;
        Ok(Self { client, nexus: config.nexus.clone(), allow_insecure: config.allow_insecure_login })
    }

    /// The client that goes where sign-in pages are.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Signs in at the login page that the nexus names. `policy` is the text of `USR S`, handed on unchanged.
    ///
    /// # Errors
    /// A refusal, pages that cannot be reached within a minute, and pages that are not what they should be.
    pub async fn ticket(
        &self,
        email: &Email,
        password: &SecretString,
        policy: &str,
    ) -> Result<Ticket, TicketError> {
        let asked = self.ask(email, password, policy);
        let late = |_| TicketError::Unreachable("no answer in time".into());
        tokio::time::timeout(TICKET_TIME, asked).await.map_err(late)?
    }

    async fn ask(&self, email: &Email, password: &SecretString, policy: &str) -> Result<Ticket, TicketError> {
        let mut page = self.login_page().await?;
        let authorization = authorization(email, password, policy)?;
        for _ in 0..=MAX_REDIRECTS {
            let url = sign_in_url::check(&page, self.allow_insecure)?;
            let request = self.client.get(url.clone()).header(AUTHORIZATION, authorization.clone());
            let response = request.header(CACHE_CONTROL, "no-cache").send().await;
            let response =
                response.map_err(|error| TicketError::Unreachable(crate::web::innermost_cause(&error)))?;
            match response.status() {
                // There are servers that answer 200 and say only in the header how it went.
                StatusCode::OK => match ticket_of(response.headers()) {
                    Err(TicketError::Unexpected(_)) if response.headers().contains_key(LOCATION) => {
                        page = redirect(&url, response.headers())?;
                    }
                    answered => return answered,
                },
                StatusCode::UNAUTHORIZED => {
                    return Err(TicketError::Rejected { reason: refusal(response.headers()) });
                }
                status if status.is_redirection() => page = redirect(&url, response.headers())?,
                status => return Err(TicketError::Unexpected(status.to_string())),
            }
        }
        Err(TicketError::TooManyRedirects(MAX_REDIRECTS))
    }

    /// Asks the nexus where the login page is.
    ///
    /// # Errors
    /// The nexus cannot be reached, or names no page.
    pub async fn login_page(&self) -> Result<String, TicketError> {
        let url = sign_in_url::check(&self.nexus, self.allow_insecure)?;
        let response = self.client.get(url).send().await;
        let response =
            response.map_err(|error| TicketError::Unreachable(crate::web::innermost_cause(&error)))?;
        let urls = response.headers().get("PassportURLs").and_then(|value| value.to_str().ok());
        let page = urls.and_then(login_url);
        page.ok_or_else(|| {
            TicketError::Unexpected(format!("{} without the address of a login page", response.status()))
        })
    }
}

/// The `DALogin` of a `PassportURLs` header; without a scheme it means HTTPS.
fn login_url(urls: &str) -> Option<String> {
    let field = urls.split(',').map(str::trim).find_map(|field| field.strip_prefix("DALogin="))?;
    Some(if field.contains("://") { field.to_owned() } else { format!("https://{field}") })
}

fn authorization(email: &Email, password: &SecretString, policy: &str) -> Result<HeaderValue, TicketError> {
    let cut: String = password.expose_secret().chars().take(PASSWORD_CHARS).collect();
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let text = format!(
        "Passport1.4 OrgVerb=GET,OrgURL=http%3A%2F%2Fmessenger%2Emsn%2Ecom,sign-in={},pwd={},{policy}",
        encode(email.as_str()),
        encode(&cut)
    );
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| TicketError::Unexpected("a policy that cannot be handed on".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// How a sign-in went, in the words of one header: `success`, `failed`, `redir`.
fn status_in(value: &str) -> Option<String> {
    let list = value.trim().strip_prefix("Passport1.4").unwrap_or(value);
    let mut fields = list.split(',').filter_map(|field| field.trim().split_once('='));
    let found = fields.find(|(name, _)| name.trim().eq_ignore_ascii_case("da-status"));
    found.map(|(_, status)| status.trim().to_ascii_lowercase())
}

/// Whether any header says that the sign-in was refused.
fn is_refused(headers: &HeaderMap) -> bool {
    let values =
        ["Authentication-Info", "WWW-Authenticate"].into_iter().flat_map(|name| headers.get_all(name));
    let mut statuses = values.filter_map(|value| status_in(value.to_str().ok()?));
    statuses.any(|status| status.starts_with("failed"))
}

/// The text between the quotes of `from-PP`, untouched. It goes into a command as one word.
fn ticket_of(headers: &HeaderMap) -> Result<Ticket, TicketError> {
    if is_refused(headers) {
        return Err(TicketError::Rejected { reason: refusal(headers) });
    }
    let info = headers.get("Authentication-Info").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let ticket =
        info.split_once("from-PP='").and_then(|(_, rest)| rest.split_once('\'')).map(|(ticket, _)| ticket);
    let is_word = |ticket: &&str| ticket.bytes().all(|b| b.is_ascii_graphic());
    let first = |ticket: &str| {
        let bare = ticket.strip_prefix("t=").unwrap_or(ticket);
        bare.split('&').next().is_some_and(|token| !token.is_empty())
    };
    let ticket = ticket.filter(is_word).filter(|ticket| first(ticket));
    ticket.map(Ticket::new).ok_or_else(|| TicketError::Unexpected("without a ticket".into()))
}

fn refusal(headers: &HeaderMap) -> Option<String> {
    let values =
        ["WWW-Authenticate", "Authentication-Info"].into_iter().flat_map(|name| headers.get_all(name));
    let mut texts = values.filter_map(|value| {
        value.to_str().ok()?.split(',').find_map(|field| field.trim().strip_prefix("cbtxt="))
    });
    let decoded = percent_decode_str(texts.next()?).decode_utf8_lossy().into_owned();
    let line = decoded.split_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = line.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
    (!text.is_empty()).then_some(text)
}

fn redirect(from: &Url, headers: &HeaderMap) -> Result<String, TicketError> {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| from.join(location).ok());
    target.map(Into::into).ok_or_else(|| TicketError::Unexpected("a redirect to nowhere".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conf_023_the_login_page_is_found_with_and_without_scheme_and_further_fields() {
        let page = |urls: &str| login_url(urls);
        let microsoft =
            "DARealm=Passport.Net,DALogin=login.passport.com/login2.srf,DAReg=https://x,ConfigVersion=15";
        assert_eq!(page(microsoft).as_deref(), Some("https://login.passport.com/login2.srf"));
        assert_eq!(page("DALogin=https://host/login").as_deref(), Some("https://host/login"));
        assert_eq!(
            page("DALogin=http://127.0.0.1:8081/login").as_deref(),
            Some("http://127.0.0.1:8081/login")
        );
        assert_eq!(page("DAReg=x,Properties=y"), None);
        // Header names compare without case: the map does that for any spelling.
        let mut headers = HeaderMap::new();
        headers.insert("passporturls", HeaderValue::from_static("DALogin=a/b"));
        assert!(headers.get("PassportURLs").is_some());
    }

    #[test]
    fn conf_025_a_ticket_is_taken_untouched() {
        let mut headers = HeaderMap::new();
        let info =
            "Passport1.4 da-status=success,tname=MSPAuth,from-PP='t=53*1h!Au8$$&p=5eK%BBC',ru=http://x";
        headers.insert("Authentication-Info", HeaderValue::from_static(info));
        assert_eq!(ticket_of(&headers).unwrap().expose(), "t=53*1h!Au8$$&p=5eK%BBC");
        headers.insert("Authentication-Info", HeaderValue::from_static("Passport1.4 da-status=redir"));
        assert!(ticket_of(&headers).is_err());
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (
                reqwest::header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_static(value),
            )
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn fault_23_a_refusal_that_comes_with_200_is_a_refusal_and_no_ticket_is_empty() {
        const INFO: &str = "Authentication-Info";
        for (given, reason) in [
            (vec![(INFO, "Passport1.4 da-status=failed,from-PP=''")], None),
            (
                vec![(INFO, "Passport1.4 da-status=failed,tname=,from-PP='',cbtxt=Wrong%20password.")],
                Some("Wrong password."),
            ),
            (vec![(INFO, "Passport1.4 da-status=Failed-NoAuth,from-PP='t=1&p=2'")], None),
            (
                vec![("WWW-Authenticate", "Passport1.4 da-status=failed,cbtxt=No%0D%0A%20entry")],
                Some("No entry"),
            ),
            (vec![("authentication-info", "Passport1.4  DA-Status=FAILED , cbtxt= ")], None),
            (
                vec![
                    (INFO, "Passport1.4 da-status=success,from-PP='t=1&p='"),
                    ("WWW-Authenticate", "Passport1.4 da-status=failed,cbtxt="),
                ],
                None,
            ),
        ] {
            match ticket_of(&headers(&given)) {
                Err(TicketError::Rejected { reason: found }) => {
                    assert_eq!(found.as_deref(), reason, "{given:?}")
                }
                other => panic!("{given:?} is {other:?}"),
            }
        }
        for given in [
            "Passport1.4 da-status=success,from-PP=''",
            "Passport1.4 da-status=success,from-PP='t=&p='",
            "Passport1.4 da-status=success,from-PP='t='",
            "Passport1.4 da-status=success,from-PP='t=a b&p='",
            "Passport1.4 da-status=success,tname=MSPAuth",
            "Passport1.4 da-status=redir",
            "",
        ] {
            let found = ticket_of(&headers(&[(INFO, given)]));
            assert!(matches!(found, Err(TicketError::Unexpected(_))), "{given} is {found:?}");
        }
        // What other servers give: both halves, one half, and a bare token.
        for ticket in ["t=1&p=2", "t=1&p=", "t=1", "TOKEN"] {
            let given = format!("Passport1.4 da-status=success,tname=MSPAuth,from-PP='{ticket}'");
            let mut map = HeaderMap::new();
            map.insert("Authentication-Info", HeaderValue::from_str(&given).unwrap());
            assert_eq!(ticket_of(&map).unwrap().expose(), ticket);
        }
    }

    #[test]
    fn conf_029_awkward_passwords_are_encoded_and_the_policy_is_not() {
        let email = Email::parse("a.b@c.d").unwrap();
        let value =
            authorization(&email, &SecretString::from("p,'% äxxxxxxxxxxx"), "lc=1033,ru=http%3A").unwrap();
        let text = value.to_str().unwrap();
        assert!(
            text.ends_with(",sign-in=a%2Eb%40c%2Ed,pwd=p%2C%27%25%20%C3%A4xxxxxxxxxx,lc=1033,ru=http%3A"),
            "{text}"
        );
        assert!(!format!("{value:?}").contains("pwd"));
    }

    #[test]
    fn conf_026_the_reason_of_a_refusal_is_decoded() {
        let mut headers = HeaderMap::new();
        let text = "Passport1.4 da-status=failed,srealm=Passport.NET,ts=-3,prompt,cburl=http://x,cbtxt=Wrong%20password";
        headers.insert("WWW-Authenticate", HeaderValue::from_static(text));
        assert_eq!(refusal(&headers).as_deref(), Some("Wrong password"));
        headers.insert("WWW-Authenticate", HeaderValue::from_static("Passport1.4 da-status=failed"));
        assert_eq!(refusal(&headers), None);
    }
}
