//! `web`, checked: an address that browsers can reach and nobody can listen to.
//!
//! Knows which addresses are right. Refuses to ask whether they lead here: `msnbridge check` does.

use secrecy::{ExposeSecret, SecretString};

use super::super::{ConfigError, WebSection, secret};
use crate::sign_in::WebConfig;

/// Characters of the address: what is served below it must fit in a line of IRC.
const MAX_URL: usize = 90;

/// Characters of a shared secret: it opens every user's logins.
const MIN_SECRET: usize = 32;

/// An address that pages can be below: `http` or `https`, a host, nothing behind the path.
pub(super) fn is_address(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
    })
}

/// Whether what is sent there passes through no network without TLS.
fn is_private(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| match url.host_str() {
        _ if url.scheme() == "https" => true,
        Some("localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    })
}

impl WebSection {
    /// What programs may show in place of a user's token, if anything.
    ///
    /// # Errors
    /// Both keys are set, the file cannot be read, or the secret is one that could be guessed.
    pub(super) fn check_secret(&self) -> Result<Option<SecretString>, ConfigError> {
        if self.shared_secret.is_empty() && self.shared_secret_file.is_empty() {
            return Ok(None);
        }
        let secret = secret::resolve("web.shared_secret", &self.shared_secret, &self.shared_secret_file)?;
        match secret.expose_secret().len() < MIN_SECRET {
            true => Err(ConfigError::value("web.shared_secret", "(hidden)", "at least 32 characters")),
            false => Ok(Some(secret)),
        }
    }

    /// What is served for browsers, if anything.
    ///
    /// # Errors
    /// `url`: none, too long, or one on which passwords could be read on their way.
    pub(super) fn check(&self) -> Result<Option<WebConfig>, ConfigError> {
        if self.url.is_empty() {
            return Ok(None);
        }
        if !is_address(&self.url) || self.url.len() > MAX_URL {
            let allowed = "an address of at most 90 characters, as in https://bridge.example.org";
            return Err(ConfigError::value("web.url", &self.url, allowed));
        }
        if !is_private(&self.url) {
            let allowed = "an address with https, because passwords are typed there; have a web server with a certificate \
                           pass it on to web.listen";
            return Err(ConfigError::value("web.url", &self.url, allowed));
        }
        Ok(Some(WebConfig { url: self.url.trim_end_matches('/').to_owned(), listen: self.listen }))
    }
}
