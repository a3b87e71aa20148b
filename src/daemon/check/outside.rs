//! The networks: the MSN server, its sign-in pages and offline messages, IRC.
//!
//! Knows how far MSN can be reached without an account, and registers with IRC as the bot would. Refuses to sign in to MSN.

use std::net::SocketAddr;

use super::Finding;
use crate::config::{Checked, MsnServer};
use crate::connector::{Passport, TicketError, TokenService, oim_answers, reach};
use crate::irc::{NetworkConfig, RelayConfig, probe, probe_as_contact};
use crate::msn::dialect::SignIn;

/// The server by the way that the configuration has, then the nexus, then the pages of offline messages.
pub(super) async fn msn(checked: &Checked) -> Vec<Finding> {
    if let MsnServer::Embedded(accounts) = &checked.server {
        return vec![Finding::Fine(format!("the embedded MSN service, with {} accounts", accounts.len()))];
    }
    let server = &checked.msn.server;
    let reached = match Passport::new(&checked.msn) {
        Ok(passport) => match reach(&checked.msn, &passport).await {
            Ok(way) => Finding::Fine(format!("the MSN server {server}, {way}")),
            Err(error) => Finding::problem(
                error.to_string(),
                "correct msn.server, open the firewall for outgoing connections to that port, or set msn.proxy or \
                 msn.gateway",
            ),
        },
        Err(error) => Finding::problem(error.to_string(), "correct msn.proxy"),
    };
    let mut findings = vec![reached, nexus(checked).await];
    if checked.msn.dialects.iter().any(|dialect| dialect.sign_in() != SignIn::Passport) {
        findings.push(token_service(checked).await);
    }
    let oim = &checked.msn.oim;
    for (key, url) in [("msn.oim.rsi", &oim.rsi), ("msn.oim.store", &oim.store)] {
        if let (Some(url), Ok(passport)) = (url, Passport::new(&checked.msn)) {
            findings.push(match oim_answers(&passport, url).await {
                Ok(()) => Finding::Fine(format!("offline messages ({key})")),
                Err(error) => Finding::problem(
                    format!("{key}: nobody answers there: {error}"),
                    format!("correct {key}, or leave it empty where the server has no offline messages"),
                ),
            });
        }
    }
    findings
}

/// The nexus, and whether the login page that it names may be given a password.
async fn nexus(checked: &Checked) -> Finding {
    let nexus = &checked.msn.nexus;
    let page = match Passport::new(&checked.msn) {
        Ok(passport) => passport.login_page().await,
        Err(error) => Err(error),
    };
    match page {
        Ok(page) => Finding::Fine(format!("the sign-in page {page}")),
        Err(error @ TicketError::Insecure { .. }) => Finding::problem(
            format!("signing in would not be encrypted: {error}"),
            "use an address that starts with https:// in msn.nexus; only if you accept that passwords can be read on \
             the way, set msn.allow_insecure_login: true",
        ),
        Err(error) => {
            Finding::problem(format!("the nexus {nexus} does not work: {error}"), "correct msn.nexus")
        }
    }
}

/// The token service, and whether it may be given a password.
async fn token_service(checked: &Checked) -> Finding {
    let address = checked.msn.token_service.as_ref().map(ToString::to_string).unwrap_or_default();
    let reached = match Passport::new(&checked.msn) {
        Ok(passport) => TokenService::new(passport.client(), &checked.msn).reach().await,
        Err(error) => Err(error),
    };
    match reached {
        Ok(()) => Finding::Fine(format!("the token service {address}")),
        Err(error @ TicketError::Insecure { .. }) => Finding::problem(
            format!("signing in would not be encrypted: {error}"),
            "use an address that starts with https:// in msn.token_service",
        ),
        Err(error) => Finding::problem(
            format!("the token service {address} does not work: {error}"),
            "correct msn.token_service",
        ),
    }
}

/// Registers as the bot and asks for the channels of the network.
pub(super) async fn irc(name: &str, network: &NetworkConfig, relays: &[RelayConfig]) -> Finding {
    let server = network.servers.first().map(ToString::to_string).unwrap_or_default();
    let relays: Vec<RelayConfig> = relays.iter().filter(|relay| relay.network == name).cloned().collect();
    match probe(network, &relays).await {
        Ok(refused) if refused.is_empty() => {
            Finding::Fine(format!("the IRC network «{name}» ({server}), with {} channels", relays.len()))
        }
        Ok(refused) => {
            let channels: Vec<String> =
                refused.iter().map(|(channel, why)| format!("{channel}: {why}")).collect();
            Finding::problem(
                format!("the IRC network «{name}» does not let the bot into {}", channels.join("; ")),
                "do what is said there, or ask an operator of the channel",
            )
        }
        Err(reason) => Finding::problem(
            format!("the IRC network «{name}» ({server}) does not let the bot in: {reason}"),
            format!(
                "correct irc.networks.{name}, or ask the network's operators; a firewall may close the port"
            ),
        ),
    }
}

/// Registers as a contact would, where contacts have addresses of their own.
pub(super) async fn irc_addresses(name: &str, network: &NetworkConfig) -> Option<Finding> {
    let prefix = network.puppet_addresses?;
    let how = if network.webirc.is_some() { "webirc" } else { "puppet_addresses" };
    Some(match probe_as_contact(network, prefix).await {
        Ok(()) => Finding::Fine(format!(
            "the IRC network «{name}» takes contacts with addresses of their own ({how})"
        )),
        Err(reason) => Finding::problem(
            format!("the IRC network «{name}» takes no contact with an address of its own: {reason}"),
            format!(
                "correct irc.networks.{name}.{how}; the prefix must be routed to this host («ip -6 route add local PREFIX \
                 dev lo»), or the network must believe the bridge (WEBIRC)"
            ),
        ),
    })
}

/// Whether networks can be told whose a connection is.
pub(super) async fn ident(listen: Option<SocketAddr>) -> Option<Finding> {
    let listen = listen?;
    Some(match tokio::net::TcpListener::bind(listen).await {
        Ok(_) => Finding::Fine(format!("the ident address {listen}")),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Finding::Skipped(format!(
            "{listen} (irc.ident) is in use: by the running bridge, or by another ident server"
        )),
        Err(error) => Finding::problem(
            format!("nothing can listen on {listen} (irc.ident): {error}"),
            "correct irc.ident, or give the bridge the right to that port (CAP_NET_BIND_SERVICE)",
        ),
    })
}
