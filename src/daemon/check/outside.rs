//! The networks: the MSN server, its sign-in pages and offline messages, IRC.
//!
//! Knows how far each can be reached without an account. Refuses to sign in: no server sees a password.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::TcpStream;

use super::Finding;
use crate::config::{Checked, MsnServer};
use crate::connector::{Passport, TicketError, oim_answers, reach};
use crate::irc::NetworkConfig;

/// How long a network may take to let us connect.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the longest line of IRC, with its tags.
const MAX_LINE: u64 = 8192 + 512;
/// An IRC server that refuses says so at once.
const REFUSAL: Duration = Duration::from_secs(2);

/// A connection, or why there is none.
async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    match tokio::time::timeout(ANSWER_TIMEOUT, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer".into()),
    }
}

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

/// Connects, and waits a moment for a refusal; over TLS a connection is all that is looked at.
pub(super) async fn irc(name: &str, network: &NetworkConfig) -> Finding {
    let server = format!("{}:{}", network.server, network.port);
    let stream = match connect(&network.server, network.port).await {
        Ok(stream) => stream,
        Err(reason) => {
            return Finding::problem(
                format!("the IRC network «{name}» ({server}) cannot be reached: {reason}"),
                format!(
                    "correct irc.networks.{name}, or open the firewall for outgoing connections to that port"
                ),
            );
        }
    };
    let mut line = String::new();
    // No line of theirs is longer.
    let mut reader = BufReader::new(stream.take(MAX_LINE));
    let refused = !network.tls
        && tokio::time::timeout(REFUSAL, reader.read_line(&mut line)).await.is_ok_and(|read| read.is_ok())
        && line.starts_with("ERROR");
    if refused {
        return Finding::problem(
            format!("the IRC network «{name}» ({server}) refuses connections from here: {}", line.trim()),
            "ask the network's operators to allow more connections from this address",
        );
    }
    Finding::Fine(format!("the IRC network «{name}» ({server})"))
}
