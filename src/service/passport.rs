//! Passport: the nexus names the login page, the login page gives tickets (§2.6).

use std::net::SocketAddr;

use percent_encoding::percent_decode_str;
use tokio::sync::{mpsc, oneshot};

use super::gateway::Gateway;
use super::http::{Request, Response};
use super::listener::Input;
use crate::msn::gateway::PATH;

/// The pages of one listener.
#[derive(Clone)]
pub(super) struct Pages {
    /// What the nexus answers where the request names no host.
    pub(super) address: SocketAddr,
    /// Over TLS the nexus answers as Microsoft's did: no scheme, and more fields behind; old clients add the scheme and
    /// read up to the comma. Else the address stands alone with its scheme, which newer programs need.
    pub(super) is_secure: bool,
    pub(super) gateway: Gateway,
    pub(super) inputs: mpsc::Sender<Input>,
}

impl Pages {
    pub(super) async fn answer(&self, peer: SocketAddr, request: Request) -> Response {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET" | "HEAD", "/rdr/pprdr.asp") => self.nexus(&request),
            ("GET" | "POST", "/login2.srf") => self.login(&request).await,
            ("POST", path) if path.eq_ignore_ascii_case(PATH) => self.gateway.answer(peer, &request).await,
            _ => Response::new(404, "Not Found"),
        }
    }

    fn nexus(&self, request: &Request) -> Response {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        let named = request.header("Host").filter(|host| !host.is_empty() && host.chars().all(plain));
        let urls = match (self.is_secure, named) {
            (false, _) => format!("DALogin=http://{}/login2.srf", self.address),
            (true, named) => {
                let host = named.map_or_else(|| self.address.to_string(), str::to_owned);
                format!(
                    "DARealm=Passport.Net,DALogin={host}/login2.srf,DAReg=http://messenger.invalid/,Properties=http://messenger.invalid/,Privacy=http://messenger.invalid/,GeneralRedir=http://messenger.invalid/,Help=http://messenger.invalid/,ConfigVersion=11"
                )
            }
        };
        Response::new(200, "OK").with("PassportURLs", urls)
    }

    async fn login(&self, request: &Request) -> Response {
        let unavailable = || Response::new(503, "Service Unavailable");
        let Some((sign_in, password)) = request.header("Authorization").and_then(credentials) else {
            return refused();
        };
        let (reply, ticket) = oneshot::channel();
        if self.inputs.send(Input::Ticket { sign_in, password, reply }).await.is_err() {
            return unavailable();
        }
        match ticket.await {
            Ok(Some(ticket)) => {
                // The ticket comes last, as live servers send it: some clients read on to the end of the line.
                let info = format!("Passport1.4 da-status=success,tname=MSPAuth,from-PP='{ticket}'");
                Response::new(200, "OK").with("Authentication-Info", info)
            }
            Ok(None) => refused(),
            Err(_) => unavailable(),
        }
    }
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

    #[test]
    fn credentials_stand_anywhere_in_the_list() {
        let list =
            "Passport1.4 OrgVerb=GET,OrgURL=http%3A%2F%2Fx,sign-in=a%40b.c,pwd=p%2C%27%25%20%C3%A4,lc=1033";
        assert_eq!(credentials(list), Some(("a@b.c".into(), "p,'% ä".into())));
        assert_eq!(credentials("Passport1.4 pwd=x,sign-in=a@b.c"), Some(("a@b.c".into(), "x".into())));
        assert_eq!(credentials("Passport1.4 sign-in=a@b.c"), None);
    }
}
