//! The pages as text: what a person reads, and the forms they fill.
//!
//! Knows HTML by maud, which quotes every text that is put into a page. Refuses to know what happened: it is told.

use maud::{DOCTYPE, Markup, html};

use super::session::{Notice, Session};
use crate::bridge::account::LoginState;
use crate::bridge::event::ConnectionState;
use crate::bridge::ids::UserId;

/// The network's own words in a page.
#[derive(Debug, Clone, Copy)]
pub struct Wording {
    /// As in `MSN`.
    pub network: &'static str,
    /// What the address that names an account is, as in `e-mail`.
    pub account: &'static str,
}

/// The style sheet: readable on a phone, by day and by night.
pub(super) const STYLE: &str = include_str!("style.css");

/// One page around its content. `base` stands before every path.
fn page(base: &str, title: &str, content: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (title) }
                link rel="stylesheet" href={ (base) "/style.css" };
            }
            body { main { h1 { (title) } (content) } }
        }
    }
    .into_string()
}

/// What a link leads to first: nothing has happened by opening it, so that programs which look at links spend none.
pub(super) fn landing(base: &str, wording: Wording, secret: &str, user: &UserId) -> String {
    let content = html! {
        p { "This page connects " b { (wording.network) } " to the chats of" }
        p.who { (user) }
        p { "If that is not you, close this page: the account would be connected to somebody else's chats." }
        form method="post" action={ (base) "/sign-in/" (secret) } {
            button type="submit" autofocus { "That is me: go on" }
        }
    };
    page(base, &format!("Sign in to {}", wording.network), &content)
}

/// How a login stands, for the colour beside it.
fn kind(state: &ConnectionState) -> &'static str {
    match state {
        ConnectionState::Connected => "good",
        ConnectionState::Connecting | ConnectionState::Waiting { .. } => "waiting",
        ConnectionState::SignedOut { .. } => "bad",
    }
}

/// The logins of a user, and a form for one more.
pub(super) fn account(base: &str, wording: Wording, session: &Session, logins: &[LoginState]) -> String {
    let content = html! {
        p.who { (session.user) }
        @if let Some(Notice { is_good, text }) = &session.notice {
            p.notice.good[*is_good].bad[!*is_good] role="status" { (text) }
        }
        @if !logins.is_empty() {
            h2 { "Your accounts" }
            ul { @for login in logins { (entry(base, session, login)) } }
        }
        h2 { @if logins.is_empty() { "Sign in" } @else { "Sign in again, or with another account" } }
        (sign_in_form(base, wording, session))
        form.leave method="post" action={ (base) "/account/leave" } {
            input type="hidden" name="token" value=(session.token);
            button.plain type="submit" { "Done" }
        }
    };
    page(base, wording.network, &content)
}

fn entry(base: &str, session: &Session, login: &LoginState) -> Markup {
    html! {
        li {
            div { b { (login.id) } br; span class=(kind(&login.state)) { (login.words) } }
            form method="post" action={ (base) "/account/sign-out" } {
                input type="hidden" name="token" value=(session.token);
                input type="hidden" name="login" value=(login.id);
                button.plain type="submit" aria-label={ "Sign out " (login.id) } { "Sign out" }
            }
        }
    }
}

fn sign_in_form(base: &str, wording: Wording, session: &Session) -> Markup {
    let account = session.account.as_deref().unwrap_or_default();
    html! {
        form method="post" action={ (base) "/account/sign-in" } {
            input type="hidden" name="token" value=(session.token);
            label for="account" { "Your " (wording.network) " " (wording.account) " address" }
            input #account name="account" type="text" inputmode="email" autocomplete="username" autocapitalize="none"
                spellcheck="false" maxlength="129" required value=(account) autofocus[account.is_empty()];
            label for="password" { "Password" }
            input #password name="password" type="password" autocomplete="current-password" maxlength="512" required
                autofocus[!account.is_empty()];
            p.hint {
                "The password goes to this bridge, which keeps it encrypted and signs in with it. Your homeserver does not see it."
            }
            button type="submit" { "Sign in" }
        }
    }
}

/// A page that says why there is no other.
pub(super) fn message(base: &str, title: &str, text: &str) -> String {
    page(base, title, &html! { p { (text) } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::ids::LoginId;

    const WORDING: Wording = Wording { network: "MSN", account: "e-mail" };

    fn session() -> Session {
        let notice = Notice { is_good: false, text: "<b>no</b>".into() };
        Session {
            user: UserId::new("@ann\"><script>:x"),
            token: "t".into(),
            account: Some("a@b\"><i>".into()),
            notice: Some(notice),
        }
    }

    #[test]
    fn what_somebody_is_called_never_becomes_a_part_of_the_page() {
        let login = LoginState {
            id: LoginId::new("<u>@x"),
            state: ConnectionState::Connected,
            since: None,
            words: "signed out: <em>".into(),
        };
        let text = account("/msn", WORDING, &session(), &[login]);
        for tag in ["<script", "<b>no", "<i>", "<u>", "<em>"] {
            assert!(!text.contains(tag), "{tag} in {text}");
        }
        assert!(text.contains("action=\"/msn/account/sign-in\""), "{text}");
        assert!(!text.contains("value=\"secret"), "a password is never shown again");
    }

    #[test]
    fn a_link_says_whose_it_is_before_anything_is_given() {
        let text = landing("", WORDING, "s3cret", &UserId::new("@ann:x"));
        assert!(text.contains("@ann:x") && text.contains("action=\"/sign-in/s3cret\""), "{text}");
        assert!(!text.contains("password"), "{text}");
    }
}
