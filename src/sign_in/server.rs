//! What the page does: a link opens a session, and a session signs in and out.
//!
//! Knows which secret each request must show. Refuses to keep a password: it goes to the core and nowhere else. What is wrong
//! with a request is said in a page with what to do; guesses are bounded by address, passwords by user.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use cookie::{Cookie, SameSite};
use secrecy::SecretString;
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::html::{self, Wording};
use super::refusal::Refusal;
use super::session::{Notice, Session};
use super::{Invitation, SignInLinks, WebConfig, headers};
use crate::bridge::BridgeHandle;
use crate::bridge::account::SignInOutcome;
use crate::bridge::ids::{LoginId, UserId};
use crate::bridge::sentence::sentence;
use crate::web::{Attempts, Random, SecretTable, Shown, fresh};

/// How long a session lasts.
const SESSION: Duration = Duration::from_secs(30 * 60);
const USER_SESSIONS: usize = 5;
const ALL_SESSIONS: usize = 10_000;
/// How long a browser waits for what becomes of a sign-in. The page says then that it is not known yet.
const OUTCOME: Duration = Duration::from_secs(25);
const COOKIE: &str = "msnbridge_session";
/// The page, with what it stands on.
pub struct SignInServer {
    pub(super) base: String,
    /// As browsers name where a form stood.
    pub(super) origin: String,
    is_secure: bool,
    pub(super) wording: Wording,
    pub(super) links: Arc<SignInLinks>,
    bridge: BridgeHandle,
    sessions: SecretTable<UserId, Session>,
    random: Random,
    /// Links, cookies and tokens that were none, by where they came from.
    guesses: Attempts<IpAddr>,
    passwords: Attempts<UserId>,
}

#[derive(Deserialize)]
pub(super) struct SignInForm {
    token: String,
    account: String,
    password: SecretString,
}

#[derive(Deserialize)]
pub(super) struct SignOutForm {
    token: String,
    login: String,
}

#[derive(Deserialize)]
pub(super) struct LeaveForm {
    token: String,
}

impl SignInServer {
    /// Nothing is served yet. `links` made the addresses; `random` makes cookies and tokens.
    pub fn new(
        config: &WebConfig,
        wording: Wording,
        links: Arc<SignInLinks>,
        bridge: BridgeHandle,
        random: Random,
    ) -> Arc<Self> {
        let sessions = SecretTable::new(SESSION, USER_SESSIONS, ALL_SESSIONS, random.clone());
        Arc::new(Self {
            base: config.base(),
            origin: config.origin(),
            is_secure: config.is_secure(),
            wording,
            links,
            bridge,
            sessions,
            random,
            guesses: Attempts::default(),
            passwords: Attempts::default(),
        })
    }

    pub(super) fn refuse(&self, refusal: Refusal) -> Response {
        let Refusal { status, title, text, wait } = refusal;
        let mut response = (status, Html(html::message(&self.base, title, &text))).into_response();
        if let Some(wait) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        response
    }

    /// What somebody gets who shows a link, whatever they do with it.
    pub(super) fn invitation(
        &self,
        shown: Shown<Invitation>,
        address: IpAddr,
    ) -> Result<Invitation, Refusal> {
        let again = "Say «login» to the bridge's bot for another.";
        match shown {
            Shown::Valid(invitation) => Ok(invitation),
            Shown::Used => {
                let text = format!(
                    "A link works once, and this one was opened before. {again} If it was not you who opened it, say «logout»."
                );
                Err(Refusal::new(StatusCode::GONE, "This link was used", text))
            }
            Shown::Expired => {
                let text =
                    format!("A link works for a few minutes, and the time of this one is over. {again}");
                Err(Refusal::new(StatusCode::GONE, "This link is too old", text))
            }
            Shown::Unknown => {
                self.guesses.count(&address)?;
                let text =
                    format!("Is the address whole? Links also end when the bridge starts again. {again}");
                Err(Refusal::new(StatusCode::NOT_FOUND, "There is nothing here", text))
            }
        }
    }

    /// The session of a browser, with the secret in its cookie.
    fn session(&self, headers: &HeaderMap, address: IpAddr) -> Result<(String, Session), Refusal> {
        let secret = cookie(headers).ok_or_else(Refusal::not_signed_in)?;
        match self.sessions.look_up(&secret) {
            Shown::Valid(session) => Ok((secret, session)),
            Shown::Used | Shown::Expired => Err(Refusal::not_signed_in()),
            Shown::Unknown => {
                self.guesses.count(&address)?;
                Err(Refusal::not_signed_in())
            }
        }
    }

    /// The same where a form was sent, which must be one of that session's.
    fn form_session(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
        token: &str,
    ) -> Result<(String, Session), Refusal> {
        if !headers::is_own_form(headers, &self.origin) {
            return Err(Refusal::foreign_form());
        }
        let (secret, session) = self.session(headers, address)?;
        if bool::from(session.token.as_bytes().ct_eq(token.as_bytes())) {
            return Ok((secret, session));
        }
        self.guesses.count(&address)?;
        Err(Refusal::foreign_form())
    }

    /// The cookie that a browser is to show, or to forget.
    fn set_cookie(&self, secret: Option<String>) -> HeaderValue {
        let is_over = secret.is_none();
        let mut cookie = Cookie::build((COOKIE, secret.unwrap_or_default()))
            .path(format!("{}/", self.base))
            .http_only(true)
            .secure(self.is_secure)
            .same_site(SameSite::Strict)
            .build();
        if is_over {
            cookie.make_removal();
        }
        // Its parts are our own: secrets of plain characters, and a path that was an address.
        HeaderValue::from_str(&cookie.to_string()).unwrap_or(HeaderValue::from_static(""))
    }

    fn to_account(&self) -> Response {
        (StatusCode::SEE_OTHER, [(header::LOCATION, format!("{}/account", self.base))]).into_response()
    }

    /// Opens a session for whoever followed a link.
    pub(super) fn enter(&self, invitation: Invitation) -> Response {
        let Invitation { user, account } = invitation;
        tracing::info!(%user, "a sign-in link was opened");
        let session = Session { user, token: fresh(&self.random), account, notice: None };
        let secret = self.sessions.issue(&session.user.clone(), session);
        let mut response = self.to_account();
        response.headers_mut().insert(header::SET_COOKIE, self.set_cookie(Some(secret)));
        response
    }

    pub(super) async fn account_page(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Result<Response, Refusal> {
        let (secret, session) = self.session(headers, address)?;
        self.sessions.change(&secret, |session| session.notice = None);
        let logins = self.bridge.logins(&session.user).await.map_err(|_| Refusal::stopped())?;
        Ok(Html(html::account(&self.base, self.wording, &session, &logins)).into_response())
    }

    pub(super) async fn try_password(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
        form: SignInForm,
    ) -> Result<Response, Refusal> {
        let SignInForm { token, account, password } = form;
        let (secret, session) = self.form_session(headers, address, &token)?;
        self.passwords.count(&session.user)?;
        let account = account.trim().to_owned();
        let asked = self.bridge.sign_in(&session.user, &account, password);
        let outcome = match tokio::time::timeout(OUTCOME, asked).await {
            Ok(outcome) => Some(outcome.map_err(|_| Refusal::stopped())?),
            Err(_) => None,
        };
        let notice = self.notice(&account, outcome);
        let kept = (!notice.is_good).then_some(account);
        self.sessions.change(&secret, |session| (session.notice, session.account) = (Some(notice), kept));
        Ok(self.to_account())
    }

    /// What a sign-in came to, in a sentence.
    fn notice(&self, account: &str, outcome: Option<SignInOutcome>) -> Notice {
        let network = self.wording.network;
        let (is_good, text) = match outcome {
            Some(SignInOutcome::SignedIn { login }) => {
                (true, format!("Signed in to {network} as {login}. Your contacts are coming to your chats."))
            }
            Some(SignInOutcome::Refused { reason }) => {
                (false, format!("That did not work: {}", sentence(&reason)))
            }
            Some(SignInOutcome::Waiting { login, reason }) => (
                false,
                format!("{login} is not connected: {} It is tried again by itself.", sentence(&reason)),
            ),
            None => (
                true,
                format!(
                    "{account} is still being signed in. Load this page again to see how it stands; the bot tells you too."
                ),
            ),
        };
        Notice { is_good, text }
    }

    pub(super) async fn sign_out(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
        form: SignOutForm,
    ) -> Result<Response, Refusal> {
        let (secret, session) = self.form_session(headers, address, &form.token)?;
        let login = LoginId::new(form.login);
        let was_there =
            self.bridge.sign_out(&session.user, login.clone()).await.map_err(|_| Refusal::stopped())?;
        let text = match was_there {
            true => format!("{login} is signed out, and its password is forgotten."),
            false => "You have no such account here.".to_owned(),
        };
        let notice = Some(Notice { is_good: was_there, text });
        self.sessions.change(&secret, |session| session.notice = notice);
        Ok(self.to_account())
    }

    pub(super) fn leave(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
        form: &LeaveForm,
    ) -> Result<Response, Refusal> {
        let (secret, _) = self.form_session(headers, address, &form.token)?;
        self.sessions.spend(&secret);
        let text = "You are done here, and may close this page. Go on in your chat client.";
        let mut response = Html(html::message(&self.base, "Done", text)).into_response();
        response.headers_mut().insert(header::SET_COOKIE, self.set_cookie(None));
        Ok(response)
    }
}

/// The secret in a browser's cookie.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies = fields.flat_map(Cookie::split_parse).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == COOKIE).map(|cookie| cookie.value().to_owned())
}
