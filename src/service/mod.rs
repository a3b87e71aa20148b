//! The embedded MSN service: dispatch, notification server, switchboard, Passport nexus and login, on loopback.
//!
//! The service is the network of the demo and the tests, and old clients can sign in to it. The client side and it share
//! wire types and nothing else. The rules are in `world` and its parts, with one owner and no I/O; sockets are in `listener`
//! and `socket`, HTTP in `passport`. Accounts and lists are kept in memory: a service for demos, tests and a private
//! network, not a public one. Source: [the wire reference](crate::msn).

mod book;
mod book_page;
mod call;
mod connections;
mod directory;
mod effect;
mod error;
mod feed;
mod gateway;
mod handshake;
mod http;
mod ids;
mod input;
mod listener;
mod mailbox;
mod notice;
mod notification;
mod notifier;
mod offline;
mod offline_page;
mod outgoing;
mod owner;
mod passport;
mod presence;
mod quota;
mod random;
mod refusal;
mod robot;
mod roster;
mod rules;
mod soap;
mod socket;
mod switchboards;
#[cfg(test)]
mod tests;
mod tickets;
mod tls;
mod token;
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use directory::{AccountLine, parse_accounts};
pub use error::ServiceError;
pub use rules::Rules;

use crate::msn::ids::HostPort;

/// Where the service listens and what it serves.
#[derive(Debug, Clone)]
pub struct ServiceConfig {
    /// A dispatch server that sends everybody on.
    pub dispatch: Option<SocketAddr>,
    /// Where it sends them; to `notification` if this is `None`.
    pub dispatch_to: Option<HostPort>,
    /// Where people sign in.
    pub notification: SocketAddr,
    /// Where calls are held. Port 0, here and elsewhere, takes a free one.
    pub switchboard: SocketAddr,
    /// Nexus, login, tokens, offline messages and gateway.
    pub http: SocketAddr,
    /// The same over TLS.
    pub https: Option<HttpsConfig>,
    /// Everybody who can sign in; of two with one address the later counts.
    pub accounts: Vec<AccountLine>,
    /// Accounts that answer by themselves.
    pub robots: Vec<AccountLine>,
    pub rules: Rules,
    /// The name under which clients reach the service, where that is not the address it listens on.
    pub public_host: Option<String>,
}

/// A host as clients are told it: a name or an address, without a port.
///
/// # Errors
/// What is allowed, where it is neither: 1 to 253 letters, digits, dots, hyphens and underscores, or an IP address, which may
/// stand in brackets. They are left out of what this gives.
pub fn parse_public_host(host: &str) -> Result<String, String> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_name = bare.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
    let is_address = bare.parse::<std::net::IpAddr>().is_ok();
    if bare.is_empty() || bare.len() > 253 || !(is_name || is_address) {
        return Err("a name or an address, without a port".into());
    }
    Ok(bare.to_owned())
}

/// Sign-in pages over TLS: where, and what proves who they are.
#[derive(Debug, Clone)]
pub struct HttpsConfig {
    pub address: SocketAddr,
    /// A PEM file: the certificate, then its chain.
    pub certificate: PathBuf,
    /// A PEM file: the certificate's private key.
    pub key: PathBuf,
}

/// The addresses of a running service: what was bound where port 0 was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// `None` where none was asked for, as with `https`.
    pub dispatch: Option<SocketAddr>,
    pub notification: SocketAddr,
    pub switchboard: SocketAddr,
    pub http: SocketAddr,
    pub https: Option<SocketAddr>,
}

impl Addresses {
    /// The nexus as a client's configuration names it: `msn.nexus` (§2.6).
    pub fn nexus(&self) -> String {
        format!("http://{}/rdr/pprdr.asp", self.http)
    }

    /// Where messages left for somebody are fetched: `msn.oim.rsi` of a client's configuration (§27.2).
    pub fn offline_retrieval(&self) -> String {
        format!("http://{}{}", self.http, offline_page::RSI_PATH)
    }

    /// Where messages are left for somebody: `msn.oim.store` (§27.3).
    pub fn offline_store(&self) -> String {
        format!("http://{}{}", self.http, offline_page::STORE_PATH)
    }

    /// The gateway as a client's configuration names it: `msn.gateway` (§10).
    pub fn gateway(&self) -> String {
        format!("http://{}{}", self.http, crate::msn::gateway::PATH)
    }
}

/// A running service. Dropping it does not stop it; [`Service::stop`] does.
pub struct Service {
    pub addresses: Addresses,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl Service {
    /// Binds every address, then serves until stopped.
    ///
    /// # Errors
    /// [`ServiceError::Listen`] for an address that cannot be bound, [`ServiceError::Tls`] for a certificate or key that
    /// cannot be used. What was bound before is let go.
    pub async fn start(config: ServiceConfig) -> Result<Self, ServiceError> {
        let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
        let addresses = listener::start(config, &cancel, &tasks).await?;
        Ok(Self { addresses, cancel, tasks })
    }

    /// Tells every session that the server shuts down, closes, and waits for the tasks.
    pub async fn stop(self) {
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
