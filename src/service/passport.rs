//! The pages of the service. Passport: the nexus names the login page, the login page gives tickets (§2.6).
//!
//! Knows paths, and asks the owner of the rules. Refuses to know what a ticket or a message means.

use std::net::SocketAddr;
use std::time::SystemTime;

use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;
use tokio::sync::{mpsc, oneshot};

use super::book_page;
use super::gateway::Gateway;
use super::http::{Request, Response};
use super::input::Input;
use super::offline_page::{self as page, Storing};
use super::tickets::Issued;
use super::token;
use crate::msn::gateway::PATH;
use crate::msn::ids::HostPort;
use crate::msn::sso::{TokenForm, TokenRequest};

/// The pages of one listener.
#[derive(Clone)]
pub(super) struct Pages {
    /// What the nexus answers where the request names no host, and no other name is known.
    pub(super) address: SocketAddr,
    /// The name by which clients know the service.
    pub(super) public_host: Option<String>,
    /// Over TLS the nexus answers as Microsoft's did: no scheme, and more fields behind; old clients add the scheme and
    /// read up to the comma. Else the address stands alone with its scheme, which newer programs need.
    pub(super) is_secure: bool,
    pub(super) gateway: Gateway,
    pub(super) inputs: mpsc::Sender<Input>,
}

impl Pages {
    /// Answers one request: nexus, login, tokens, offline messages or gateway by its path, else 404.
    pub(super) async fn answer(&self, peer: SocketAddr, request: Request) -> Response {
        if let ("POST", Some(form)) = (request.method.as_str(), TokenForm::at(&request.path)) {
            return self.tokens(form, &request).await;
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("GET" | "HEAD", "/rdr/pprdr.asp") => self.nexus(&request),
            ("GET" | "POST", "/login2.srf") => self.login(&request).await,
            ("POST", path)
                if [book_page::BOOK_PATH, book_page::SHARING_PATH]
                    .iter()
                    .any(|known| path.eq_ignore_ascii_case(known)) =>
            {
                self.book(&request).await
            }
            ("POST", path) if path.eq_ignore_ascii_case(page::STORE_PATH) => self.store(&request).await,
            ("POST", path) if path.eq_ignore_ascii_case(page::RSI_PATH) => self.retrieve(&request).await,
            ("POST", path) if path.eq_ignore_ascii_case(PATH) => self.gateway.answer(peer, &request).await,
            _ => Response::new(404, "Not Found"),
        }
    }

    /// `GET /rdr/pprdr.asp`: where the login page is, in `PassportURLs` (§2.6).
    fn nexus(&self, request: &Request) -> Response {
        let host = self.host(request);
        let urls = if self.is_secure {
            format!(
                "DARealm=Passport.Net,DALogin={host}/login2.srf,DAReg=http://messenger.invalid/,Properties=http://messenger.invalid/,Privacy=http://messenger.invalid/,GeneralRedir=http://messenger.invalid/,Help=http://messenger.invalid/,ConfigVersion=11"
            )
        } else {
            format!("DALogin=http://{host}/login2.srf")
        };
        Response::new(200, "OK").with("PassportURLs", urls)
    }

    /// How the client that asks reaches these pages. The usual port is left out: there are clients that take everything up
    /// to the first slash for a name, and always use that port.
    fn host(&self, request: &Request) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]_".contains(c);
        let asked = request.header("Host").filter(|host| !host.is_empty() && host.chars().all(plain));
        let own = || {
            let host = self.public_host.clone().unwrap_or_else(|| self.address.ip().to_string());
            HostPort { host, port: self.address.port() }.to_string()
        };
        let host = asked.map_or_else(own, str::to_owned);
        let usual = if self.is_secure { ":443" } else { ":80" };
        host.strip_suffix(usual).map(str::to_owned).unwrap_or(host)
    }

    /// `GET /login2.srf`: a ticket in `Authentication-Info`, or 401 (§2.6).
    async fn login(&self, request: &Request) -> Response {
        let Some((sign_in, password)) = request.header("Authorization").and_then(credentials) else {
            return refused();
        };
        match self.ticket(sign_in, password).await {
            Ok(Some(Issued { text: ticket, .. })) => {
                // The ticket comes last, as live servers send it: some clients read on to the end of the line.
                let info = format!("Passport1.4 da-status=success,tname=MSPAuth,from-PP='{ticket}'");
                Response::new(200, "OK").with("Authentication-Info", info)
            }
            Ok(None) => refused(),
            Err(Stopped) => unavailable(),
        }
    }

    /// `POST /RST.srf` and `/RST2.srf`: the same ticket in every token (§18).
    async fn tokens(&self, form: TokenForm, request: &Request) -> Response {
        let asked = TokenRequest::parse(&String::from_utf8_lossy(&request.body));
        let Ok(Some(asked)) = asked else { return token::misunderstand(form) };
        match self.ticket(asked.account.clone(), asked.password.expose_secret().to_owned()).await {
            Ok(Some(issued)) => token::grant(form, &asked, &issued, SystemTime::now().into()),
            Ok(None) => token::refuse(form),
            Err(Stopped) => unavailable(),
        }
    }

    /// A contact list is asked for (§20).
    async fn book(&self, request: &Request) -> Response {
        let Some((ticket, question)) = book_page::parse(request) else { return book_page::misunderstand() };
        match self.ask(|reply| Input::Book { ticket, reply }).await {
            Ok(Some(book)) => book_page::answer(question, &book, &self.host(request)),
            Ok(None) => book_page::refuse(),
            Err(Stopped) => unavailable(),
        }
    }

    /// A message is left for somebody (§27.3).
    async fn store(&self, request: &Request) -> Response {
        let Some(storing) = Storing::parse(request, SystemTime::now().into()) else {
            return page::misunderstood();
        };
        match self.ask(|reply| Input::Store { request: storing.request, reply }).await {
            Ok(result) => storing.receipt.answer(&result),
            Err(Stopped) => unavailable(),
        }
    }

    /// Messages are listed, fetched or deleted (§27.2).
    async fn retrieve(&self, request: &Request) -> Response {
        let Some((ticket, retrieval)) = page::parse_retrieval(request) else { return page::misunderstood() };
        match self.ask(|reply| Input::Retrieve { ticket, retrieval, reply }).await {
            Ok(result) => page::answer_retrieval(&result),
            Err(Stopped) => unavailable(),
        }
    }

    /// A ticket, if the password is right.
    async fn ticket(&self, sign_in: String, password: String) -> Result<Option<Issued>, Stopped> {
        self.ask(|reply| Input::Ticket { sign_in, password, reply }).await
    }

    /// Asks the owner of the service.
    async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.inputs.send(input(reply)).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}

/// The service stops.
struct Stopped;

/// What is answered while the service stops.
fn unavailable() -> Response {
    Response::new(503, "Service Unavailable")
}

/// `sign-in` and `pwd`, wherever they stand in the list.
fn credentials(authorization: &str) -> Option<(String, String)> {
    let list = authorization.trim_start_matches("Passport1.4").trim();
    let field = |name: &str| {
        let value = list.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))?;
        Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
    };
    Some((field("sign-in")?, field("pwd")?))
}

/// What a wrong password is answered: 401, with the reason in `cbtxt`.
fn refused() -> Response {
    let text = "The%20e-mail%20address%20or%20the%20password%20is%20not%20right.";
    let challenge = format!(
        "Passport1.4 da-status=failed,srealm=Passport.NET,ts=-3,prompt,cburl=http://messenger.invalid/,cbtxt={text}"
    );
    Response::new(401, "Unauthorized").with("WWW-Authenticate", challenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(address: &str, is_secure: bool, public_host: Option<&str>) -> Pages {
        let (inputs, _) = mpsc::channel(1);
        let gateway = Gateway::new(inputs.clone());
        let address = address.parse().unwrap();
        Pages { address, public_host: public_host.map(str::to_owned), is_secure, gateway, inputs }
    }

    #[test]
    fn fault_37_the_nexus_names_a_host_that_the_client_reaches_without_the_usual_port() {
        for (address, is_secure, public, asked, named) in [
            ("127.0.0.1:443", true, None, None, "127.0.0.1"),
            ("127.0.0.1:443", true, Some("msn.example.org"), None, "msn.example.org"),
            ("127.0.0.1:8443", true, Some("msn.example.org"), None, "msn.example.org:8443"),
            ("127.0.0.1:8443", true, None, None, "127.0.0.1:8443"),
            ("127.0.0.1:443", true, None, Some("nexus.passport.com"), "nexus.passport.com"),
            ("127.0.0.1:443", true, None, Some("nexus.passport.com:443"), "nexus.passport.com"),
            ("[::1]:443", true, None, None, "[::1]"),
            ("127.0.0.1:443", true, None, Some("a b,c"), "127.0.0.1"),
            ("127.0.0.1:443", true, None, Some(""), "127.0.0.1"),
            ("127.0.0.1:80", false, None, None, "127.0.0.1"),
            ("0.0.0.0:8081", false, Some("msn.lan"), None, "msn.lan:8081"),
            ("0.0.0.0:8081", false, None, Some("10.0.0.7:8081"), "10.0.0.7:8081"),
            ("127.0.0.1:80", false, None, Some("localhost:80"), "localhost"),
        ] {
            let request = asked.map(|host| Request::with_header("Host", host)).unwrap_or_default();
            let response = pages(address, is_secure, public).nexus(&request);
            let scheme = if is_secure { "" } else { "http://" };
            let expected = format!("DALogin={scheme}{named}/login2.srf");
            let (_, urls) = response.headers.first().unwrap();
            assert!(urls.split(',').any(|field| field == expected), "{urls} is not {expected}");
        }
    }

    #[test]
    fn credentials_stand_anywhere_in_the_list() {
        let list =
            "Passport1.4 OrgVerb=GET,OrgURL=http%3A%2F%2Fx,sign-in=a%40b.c,pwd=p%2C%27%25%20%C3%A4,lc=1033";
        assert_eq!(credentials(list), Some(("a@b.c".into(), "p,'% ä".into())));
        assert_eq!(credentials("Passport1.4 pwd=x,sign-in=a@b.c"), Some(("a@b.c".into(), "x".into())));
        assert_eq!(credentials("Passport1.4 sign-in=a@b.c"), None);
    }
}
