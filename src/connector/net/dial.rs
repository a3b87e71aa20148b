//! Ways to a server: straight, through a SOCKS5 proxy, or in the bodies of HTTP requests.
//!
//! Knows which way is configured and which one worked last. Refuses to know what is said on it.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_socks::tcp::Socks5Stream;

use crate::connector::config::{MsnConfig, Proxy, Transport};
use crate::connector::error::ConnectError;
use crate::connector::net::gateway;
use crate::connector::net::passport::Passport;

use crate::msn::gateway::Destination;
use crate::msn::ids::HostPort;

/// How long connecting may take in all.
const CONNECT_TIME: Duration = Duration::from_secs(15);
/// A name can have several addresses: the next one is tried after this, while the first may still answer.
const STAGGER: Duration = Duration::from_millis(300);
/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 8;
/// After the gateway helped, the straight way is left alone for so long.
const PREFER_GATEWAY: Duration = Duration::from_secs(600);

/// Anything that bytes go through.
pub(in crate::connector) trait Stream:
    AsyncRead + AsyncWrite + Send + Sync + Unpin
{
}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// An open way, and what it is.
pub(in crate::connector) struct Route {
    pub(in crate::connector) stream: Box<dyn Stream>,
    /// No pings are sent over HTTP (§10).
    pub(in crate::connector) is_http: bool,
}

/// Opens ways as configured. Shared by all logins: what is blocked for one is blocked for all.
pub(in crate::connector) struct Dialler {
    transport: Transport,
    proxy: Option<Proxy>,
    gateway: Option<reqwest::Url>,
    client: reqwest::Client,
    /// Until when the gateway is taken at once.
    gateway_until: Mutex<Option<Instant>>,
    /// What a test opens, one after the other; behind the last nobody answers.
    #[cfg(test)]
    prepared: Option<Mutex<std::collections::VecDeque<tokio::io::DuplexStream>>>,
}

impl Dialler {
    pub(in crate::connector) fn new(config: &MsnConfig, client: reqwest::Client) -> Self {
        let (transport, proxy, gateway) = (config.transport, config.proxy.clone(), config.gateway.clone());
        Self {
            transport,
            proxy,
            gateway,
            client,
            gateway_until: Mutex::new(None),
            #[cfg(test)]
            prepared: None,
        }
    }

    #[cfg(test)]
    pub(in crate::connector) fn nowhere() -> Self {
        let client = reqwest::Client::new();
        Self {
            transport: Transport::Direct,
            proxy: None,
            gateway: None,
            client,
            gateway_until: Mutex::new(None),
            prepared: None,
        }
    }

    /// Opens these, one after the other; behind the last nobody answers.
    #[cfg(test)]
    pub(in crate::connector) fn prepared(ways: impl IntoIterator<Item = tokio::io::DuplexStream>) -> Self {
        Self { prepared: Some(Mutex::new(ways.into_iter().collect())), ..Self::nowhere() }
    }

    #[cfg(test)]
    async fn open_prepared(&self) -> Option<Route> {
        let next = self.prepared.as_ref()?.lock().unwrap().pop_front();
        match next {
            Some(stream) => Some(Route { stream: Box::new(stream), is_http: false }),
            None => std::future::pending().await,
        }
    }

    fn gateway_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        // Nothing that holds the lock panics.
        self.gateway_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The gateway, if it is the way to take before any other.
    fn gateway_first(&self) -> Option<&reqwest::Url> {
        let lately = self.gateway_until().is_some_and(|until| until > Instant::now());
        let first = match self.transport {
            Transport::Http => true,
            Transport::Auto => lately,
            Transport::Direct => false,
        };
        self.gateway.as_ref().filter(|_| first)
    }

    /// Opens a way to `server`.
    ///
    /// # Errors
    /// No way leads there within 15 seconds.
    pub(in crate::connector) async fn open(
        &self,
        destination: Destination,
        server: &HostPort,
    ) -> Result<Route, ConnectError> {
        #[cfg(test)]
        if let Some(way) = self.open_prepared().await {
            return Ok(way);
        }
        if let Some(gateway) = self.gateway_first() {
            return Ok(self.over_http(gateway, destination, server));
        }
        let straight = self.straight(server).await;
        match (straight, &self.gateway, self.transport) {
            (Ok(stream), ..) => {
                stream.set_nodelay(true)?;
                Ok(Route { stream: Box::new(stream), is_http: false })
            }
            (Err(error), Some(gateway), Transport::Auto) => {
                tracing::info!(%server, %error, "trying the HTTP gateway instead");
                *self.gateway_until() = Some(Instant::now() + PREFER_GATEWAY);
                Ok(self.over_http(gateway, destination, server))
            }
            (Err(error), ..) => Err(error),
        }
    }

    fn over_http(&self, gateway: &reqwest::Url, destination: Destination, server: &HostPort) -> Route {
        let stream = gateway::open(self.client.clone(), gateway.clone(), destination, server);
        Route { stream: Box::new(stream), is_http: true }
    }

    /// The gateway did not help either: next time the straight way is tried again.
    pub(in crate::connector) fn gateway_failed(&self) {
        *self.gateway_until() = None;
    }

    async fn straight(&self, server: &HostPort) -> Result<TcpStream, ConnectError> {
        let name = server.to_string();
        let unreachable = |source| ConnectError::Unreachable { server: name.clone(), source };
        let opening = async {
            match &self.proxy {
                Some(proxy) => through(proxy, server).await.map_err(unreachable),
                None => first_of(&server.host, server.port).await.map_err(unreachable),
            }
        };
        let opened = tokio::time::timeout(CONNECT_TIME, opening).await;
        opened.unwrap_or_else(|_| Err(ConnectError::NoAnswer { server: server.to_string() }))
    }
}

/// Whether the configured server can be reached, and which way; for somebody who checks a setup.
///
/// # Errors
/// No configured way leads there.
pub async fn reach(config: &MsnConfig, passport: &Passport) -> Result<&'static str, ConnectError> {
    let dialler = Dialler::new(config, passport.client());
    let gateway = async {
        let Some(gateway) = &config.gateway else { return false };
        dialler.client.get(gateway.clone()).send().await.is_ok()
    };
    if config.transport == Transport::Http {
        let server = config.gateway.as_ref().map(ToString::to_string).unwrap_or_default();
        return if gateway.await { Ok("over HTTP") } else { Err(ConnectError::NoAnswer { server }) };
    }
    match dialler.straight(&config.server).await {
        Ok(_) if config.proxy.is_some() => Ok("through the proxy"),
        Ok(_) => Ok("directly"),
        Err(_) if config.transport == Transport::Auto && gateway.await => Ok("over HTTP only"),
        Err(error) => Err(error),
    }
}

/// The first address that answers. Each has a little time before the next is tried too.
async fn first_of(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> =
        tokio::net::lookup_host((host, port)).await?.take(MAX_ADDRESSES).collect();
    let mut attempts = FuturesUnordered::new();
    let mut waiting = addresses.into_iter();
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    loop {
        if let Some(address) = waiting.next() {
            attempts.push(TcpStream::connect(address));
        } else if attempts.is_empty() {
            return Err(last);
        }
        tokio::select! {
            Some(attempt) = attempts.next(), if !attempts.is_empty() => match attempt {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            },
            () = tokio::time::sleep(STAGGER), if waiting.len() > 0 => {}
        }
    }
}

/// Through a SOCKS5 proxy, which looks the name up itself.
async fn through(proxy: &Proxy, server: &HostPort) -> std::io::Result<TcpStream> {
    use secrecy::ExposeSecret;
    let stream = first_of(&proxy.server.host, proxy.server.port).await?;
    let target = (server.host.as_str(), server.port);
    let opened = match &proxy.credentials {
        Some((user, password)) => {
            Socks5Stream::connect_with_password_and_socket(stream, target, user, password.expose_secret())
                .await
        }
        None => Socks5Stream::connect_with_socket(stream, target).await,
    };
    let failed = |error: tokio_socks::Error| std::io::Error::other(format!("the SOCKS5 proxy: {error}"));
    Ok(opened.map_err(failed)?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_with_several_addresses_is_reached_by_the_one_that_answers() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // «localhost» is ::1 too on most machines, where nobody listens.
        assert!(first_of("localhost", port).await.is_ok());
        assert!(first_of("127.0.0.1", port).await.is_ok());
        drop(listener);
        assert!(first_of("localhost", port).await.is_err());
    }
}
