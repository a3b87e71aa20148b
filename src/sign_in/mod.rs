//! The page on which users sign in and out: served by the daemon, needs no script, and shows no password to a homeserver.
//!
//! Knows links that work once, sessions of browsers, and the forms. Refuses to know networks: the core signs in. What a
//! request may do rests on three secrets that nobody guesses: the link, the session's cookie, the token in each form. Source:
//! section 5 of the product's description; RFC 6265bis for the cookie, Content Security Policy Level 3.

mod headers;
mod html;
mod refusal;
mod serve;
mod server;
mod session;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use html::Wording;
pub use serve::{GREETING, router, serve};
pub use server::SignInServer;

use crate::bridge::ids::UserId;
use crate::bridge::port::sign_in::SignInPage;
use crate::web::{Random, SecretTable};

/// How long a link works.
const LINK: Duration = Duration::from_secs(15 * 60);
/// Links that wait to be opened: of one user, and of all.
const USER_LINKS: usize = 5;
const ALL_LINKS: usize = 10_000;

/// Checked settings of what is served for people.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// Under which this server is reached from outside, without a slash at its end.
    pub url: String,
    pub listen: SocketAddr,
}

impl WebConfig {
    /// What stands before every path, for browsers: empty, or as in `/msn`.
    fn base(&self) -> String {
        let parsed = reqwest::Url::parse(&self.url).ok();
        parsed.map(|url| url.path().trim_end_matches('/').to_owned()).unwrap_or_default()
    }

    /// How browsers name it where a form stood.
    fn origin(&self) -> String {
        let parsed = reqwest::Url::parse(&self.url).ok();
        parsed.map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }

    /// Whether browsers reach it through TLS.
    fn is_secure(&self) -> bool {
        self.url.starts_with("https://")
    }
}

/// For whom a link is, and which account they named.
#[derive(Debug, Clone)]
struct Invitation {
    user: UserId,
    account: Option<String>,
}

/// Makes links to the page, and knows its own.
pub struct SignInLinks {
    url: String,
    invitations: SecretTable<UserId, Invitation>,
}

impl SignInLinks {
    /// Links begin with the address of `config`; `random` makes what nobody is to guess.
    pub fn new(config: &WebConfig, random: Random) -> Arc<Self> {
        let invitations = SecretTable::new(LINK, USER_LINKS, ALL_LINKS, random);
        Arc::new(Self { url: config.url.clone(), invitations })
    }
}

impl SignInPage for SignInLinks {
    fn link(&self, user: &UserId, account: Option<&str>) -> String {
        let invitation = Invitation { user: user.clone(), account: account.map(str::to_owned) };
        let secret = self.invitations.issue(user, invitation);
        format!("{}/sign-in/{secret}", self.url)
    }

    fn minutes(&self) -> u64 {
        LINK.as_secs() / 60
    }
}
