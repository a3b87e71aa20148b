//! Which addresses may be given a password.
//!
//! Knows schemes and hosts. Refuses to know what is asked there.

use reqwest::Url;

use crate::connector::error::TicketError;

/// Passwords travel encrypted, or stay on this machine, or may be read on the way since the administrator said so.
///
/// # Errors
/// No address, or one that would carry the password unencrypted to another machine.
pub(in crate::connector) fn check(url: &str, allow_insecure: bool) -> Result<Url, TicketError> {
    let parsed =
        Url::parse(url).map_err(|error| TicketError::Unexpected(format!("a bad address, {url}: {error}")))?;
    let host = parsed.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    let is_loopback = host == "localhost" || address.is_ok_and(|ip| ip.is_loopback());
    if parsed.scheme() == "https" || is_loopback || allow_insecure {
        Ok(parsed)
    } else {
        Err(TicketError::Insecure { url: url.to_owned() })
    }
}
