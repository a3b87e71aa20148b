//! The token service over HTTPS: one request with the password, answered with tickets, a refusal or another address (§18.2,
//! §18.3).
//!
//! Knows addresses, time-outs and the bound of an answer. Refuses to know what request and answer say, which is
//! [`crate::msn::sso`]'s, and what a ticket is for.

use std::time::{Duration, SystemTime};

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};
use secrecy::SecretString;

use super::sign_in_url;
use crate::connector::config::MsnConfig;
use crate::connector::error::TicketError;
use crate::msn::ids::Email;
use crate::msn::sso::{TokenExchange, TokenForm, TokenStep, Tokens, token_request};
use crate::web::{BodyError, innermost_cause, read_body};

/// How long getting tickets may take in all.
const TICKET_TIME: Duration = Duration::from_secs(60);
/// Most bytes of an answer: one with six tickets has some ten thousand.
const MAX_ANSWER: usize = 256 * 1024;

/// Gets the tickets of all domains at once.
#[derive(Debug, Clone)]
pub struct TokenService {
    client: Client,
    address: Option<Url>,
    allow_insecure: bool,
}

/// The form that is spoken at an address, by the last part of its path.
pub fn form_of(address: &Url) -> Option<TokenForm> {
    TokenForm::at(address.path_segments()?.next_back()?)
}

impl TokenService {
    /// That of the configuration; `client` follows no redirects by itself, and gives up a page after 20 seconds.
    pub fn new(client: Client, config: &MsnConfig) -> Self {
        let (address, allow_insecure) = (config.token_service.clone(), config.allow_insecure_login);
        Self { client, address, allow_insecure }
    }

    /// Asks for the tickets of every domain. `policy` is the word of `USR SSO S`.
    ///
    /// # Errors
    /// A refusal, a service that cannot be reached within a minute, and answers that are not what they should be.
    pub async fn tokens(
        &self,
        email: &Email,
        password: &SecretString,
        policy: &str,
    ) -> Result<Tokens, TicketError> {
        let asked = self.ask(email, password, policy);
        let late = |_| TicketError::Unreachable("no answer in time".into());
        tokio::time::timeout(TICKET_TIME, asked).await.map_err(late)?
    }

    /// Whether somebody answers there, who may be given a password; for somebody who checks a setup.
    ///
    /// # Errors
    /// No address, one that would carry passwords unencrypted, and one where nobody answers.
    pub async fn reach(&self) -> Result<(), TicketError> {
        let address = self.address.as_ref().ok_or(TicketError::NoTokenService)?;
        let url = sign_in_url::check(address.as_str(), self.allow_insecure)?;
        let unreachable = |error: reqwest::Error| TicketError::Unreachable(innermost_cause(&error));
        self.client.get(url).send().await.map(drop).map_err(unreachable)
    }

    async fn ask(&self, email: &Email, password: &SecretString, policy: &str) -> Result<Tokens, TicketError> {
        let mut address = self.address.as_ref().ok_or(TicketError::NoTokenService)?.to_string();
        let (mut exchange, mut form) = (TokenExchange::default(), TokenForm::Rst);
        loop {
            let url = sign_in_url::check(&address, self.allow_insecure)?;
            // A service that sends us on to a path of its own speaks there as before.
            form = form_of(&url).unwrap_or(form);
            let body = token_request(form, email, password, policy, SystemTime::now().into());
            match exchange.handle(&self.post(url, form, body).await?)? {
                TokenStep::Done(tokens) => return Ok(tokens),
                TokenStep::AskAt(next) => address = next,
            }
        }
    }

    /// The text of an answer of any status: refusals come with 200 and with 500.
    async fn post(&self, url: Url, form: TokenForm, body: String) -> Result<String, TicketError> {
        let request = self.client.post(url).header(CONTENT_TYPE, form.content_type()).body(body);
        let unreachable = |error: &reqwest::Error| TicketError::Unreachable(innermost_cause(error));
        let answer = request.send().await.map_err(|error| unreachable(&error))?;
        let body = read_body(answer, MAX_ANSWER).await.map_err(|error| match error {
            BodyError::Broken(error) => unreachable(&error),
            other => TicketError::Unreachable(other.to_string()),
        })?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::connector::net::passport::Passport;
    use crate::connector::tests::{config, email};
    use crate::msn::sso::{Domain, MAX_REDIRECTS, ProofSecret, TokenFailure};

    const REFUSED: &str =
        "<E><Fault><faultcode>wsse:FailedAuthentication</faultcode><faultstring>No</faultstring></Fault></E>";

    fn granted() -> String {
        let secret = ProofSecret::new([1; 24]).to_base64();
        format!(
            "<E><RequestSecurityTokenResponse><Address>messengerclear.live.com</Address><BinarySecurityToken>t=1&amp;p=</BinarySecurityToken><BinarySecret>{secret}</BinarySecret></RequestSecurityTokenResponse></E>"
        )
    }

    /// Answers one request after the other with these, `HERE` being its own address; gives the requests.
    async fn service(answers: Vec<(u16, String)>) -> (String, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = format!("http://{}", listener.local_addr().unwrap());
        let own = here.clone();
        let served = tokio::spawn(async move {
            let mut asked = Vec::new();
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let body = body.replace("HERE", &own);
                let mut request = String::new();
                while !request.contains("Envelope>") {
                    let mut bytes = [0; 4096];
                    let read = stream.read(&mut bytes).await.unwrap();
                    assert!(read > 0, "{request}");
                    request.push_str(&String::from_utf8_lossy(&bytes[..read]));
                }
                asked.push(request);
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
                let _ = stream.write_all(body.as_bytes()).await; // it may not be read to its end
            }
            asked
        });
        (here, served)
    }

    async fn tokens(address: &str) -> Result<Tokens, TicketError> {
        let mut config = config();
        config.token_service = Some(address.parse().unwrap());
        let service = TokenService::new(Passport::new(&config).unwrap().client(), &config);
        service.tokens(&email("alice"), &SecretString::from("p<w"), "MBI_KEY_OLD").await
    }

    #[tokio::test]
    async fn tickets_are_asked_for_in_the_form_of_the_path_and_read_whatever_the_status() {
        for (path, namespace) in
            [("/RST.srf", "schemas.xmlsoap.org/soap/envelope/"), ("//x/rst2.srf", "2003/05/soap-envelope")]
        {
            let (here, served) = service(vec![(500, granted())]).await;
            let tokens = tokens(&format!("{here}{path}")).await.unwrap();
            assert_eq!(tokens.get(Domain::SignIn).unwrap().ticket.expose(), "t=1&p=");
            let request = &served.await.unwrap()[0];
            assert!(
                request.starts_with(&format!("POST {path} ")) && request.contains(namespace),
                "{request}"
            );
            assert!(request.contains("MBI_KEY_OLD") && request.contains("p&lt;w"), "{request}");
        }
    }

    #[tokio::test]
    async fn conf_116_a_refusal_with_any_status_is_final() {
        for status in [200, 401, 500] {
            let (here, served) = service(vec![(status, REFUSED.into())]).await;
            let refused = tokens(&format!("{here}/RST.srf")).await.unwrap_err();
            assert!(matches!(&refused, TicketError::Tokens(TokenFailure::Rejected(_))), "{refused}");
            assert!(crate::connector::ConnectError::from(refused).needs_owner());
            assert_eq!(served.await.unwrap().len(), 1, "nobody asks again");
        }
    }

    #[tokio::test]
    async fn conf_117_another_address_is_asked_in_the_form_of_its_path_and_not_for_ever() {
        let elsewhere = |path: &str| {
            let url = format!("<psf:redirectUrl xmlns:psf='x'>HERE{path}</psf:redirectUrl>");
            (200, format!("<E><Fault><faultcode>psf:Redirect</faultcode>{url}</Fault></E>"))
        };
        let answers = vec![elsewhere("/pp550/RST2.srf"), elsewhere("/other"), (200, granted())];
        let (here, served) = service(answers).await;
        tokens(&format!("{here}/RST.srf")).await.unwrap();
        let second = "2003/05/soap-envelope";
        let forms: Vec<_> = served.await.unwrap().iter().map(|asked| asked.contains(second)).collect();
        assert_eq!(forms, [false, true, true]);

        let (here, served) = service(vec![elsewhere("/RST.srf"); MAX_REDIRECTS as usize + 1]).await;
        let ended = tokens(&format!("{here}/RST.srf")).await.unwrap_err();
        assert!(matches!(ended, TicketError::Tokens(TokenFailure::TooManyRedirects)), "{ended}");
        assert!(!crate::connector::ConnectError::from(ended).needs_owner(), "it is tried again by itself");
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_password_goes_to_no_other_machine_unencrypted_not_even_when_sent_on() {
        let refused = tokens("http://login.example.net/RST.srf").await.unwrap_err();
        assert!(matches!(refused, TicketError::Insecure { .. }), "{refused}");
        let url = "<redirectUrl>http://login.example.net/RST.srf</redirectUrl>";
        let answer = format!("<E><Fault><faultcode>psf:Redirect</faultcode>{url}</Fault></E>");
        let (here, served) = service(vec![(200, answer)]).await;
        let refused = tokens(&format!("{here}/RST.srf")).await.unwrap_err();
        assert!(matches!(refused, TicketError::Insecure { .. }), "{refused}");
        served.await.unwrap();
    }

    #[tokio::test]
    async fn fault_33_a_long_answer_is_read_as_far_as_its_bound() {
        let (here, _served) = service(vec![(200, "x".repeat(MAX_ANSWER + 1))]).await;
        let ended = tokens(&format!("{here}/RST.srf")).await.unwrap_err();
        assert!(matches!(ended, TicketError::Unreachable(_)), "{ended}");
    }

    #[tokio::test]
    async fn without_an_address_it_is_said_which_key_is_missing() {
        let config = config();
        let service = TokenService::new(Client::new(), &config);
        let ended = service.tokens(&email("alice"), &SecretString::from("pw"), "MBI").await.unwrap_err();
        assert!(ended.to_string().contains("msn.token_service"), "{ended}");
    }
}
